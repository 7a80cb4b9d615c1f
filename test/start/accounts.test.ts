import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ConfigError } from '../../src/config/config-error.ts'
import type { Log } from '../../src/log.ts'
import { openAccounts } from '../../src/start/accounts.ts'
import { driverPackage, MissingPackage } from '../../src/users/packages.ts'
import { load } from '../config/loading.ts'
import { program } from '../support/program.ts'
import { commandLine } from '../support/server.ts'

/** Opens what this turnserver.conf names, and what was logged meanwhile. */
async function open(conf: string) {
  const { config } = await load(conf, ['--no-rooms'])
  const lines: string[] = []
  const note = (_: unknown, message: string) => lines.push(message)
  const log = { child: () => ({ info: note, warn: note }) } as unknown as Log
  const opening = openAccounts(config, log, () => {})
  opening.then((store) => onTestFinished(() => store?.close())).catch(() => {})
  return { opening, lines }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'webrtc-stack-accounts-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

test('without a database, without TURN and with no-auth there is nothing to open', async () => {
  for (const conf of ['user=a:b\n', 'no-auth\nuserdb=/x\n', 'stun-only\nuserdb=/x\n']) {
    expect(await (await open(conf)).opening).toBeNull()
  }
})

test('the only source of logins that is not there stops the start, and says what would make it', async () => {
  const path = join(folder(), 'turndb')
  const { opening } = await open(`userdb=${path}\n`)
  const error = await opening.catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as ConfigError).toLine()).toBe(
    `--userdb: names ${path}, which is not there; \`turnadmin -l -b ${path}\` makes one`,
  )
})

test.each(['user=a:b\n', 'static-auth-secret=0123456789abcdef\n'])(
  'beside another source of logins it is a warning: %j',
  async (other) => {
    const { opening, lines } = await open(`${other}userdb=${join(folder(), 'turndb')}\n`)
    expect(await opening).toBeNull()
    expect(lines).toEqual([expect.stringMatching(/^the account database is not read: it names .* which is not there/)])
  },
)

test('a file that may not be read says so', async () => {
  const directory = folder()
  const path = join(directory, 'turndb')
  writeFileSync(path, '')
  chmodSync(directory, 0o755)
  chmodSync(path, 0)
  // Root may read everything; nobody may not.
  const user = process.getuid?.() === 0 ? { user: 65_534 } : {}
  const running = program.start(commandLine({ 'udp-io': 'auto', userdb: path }), { ...user, directory: '/' })
  await running.listening()
  expect(running.err).toMatch(/the account database is not read: it .*may not be read \(EACCES\)/)
})

test('SEC-25 a connection string that cannot be used says why, and not what it holds', async () => {
  const { opening } = await open('redis-userdb="ip=127.0.0.1 pasword=hush"\n')
  const error = (await opening.catch((thrown: unknown) => thrown)) as ConfigError
  expect(error.toLine()).toMatch(/^--redis-userdb: has "pasword", which is none of host, port, dbname/)
  expect(error.toLine()).not.toContain('hush')
})

test('SEC-57 a database that does not answer is opened all the same', async () => {
  const { opening, lines } = await open('redis-userdb="ip=127.0.0.1 port=1 connect_timeout=1"\n')
  const store = await opening
  expect([store?.isUp, store?.services]).toEqual([false, [{ host: '127.0.0.1', port: 1 }]])
  expect(lines).toEqual(['the account database does not answer', 'accounts come from a database, too'])
})

test('a driver that is not installed is named, with its version and how to install it', async () => {
  const missing = 'a-driver-that-nobody-has'
  const error = await driverPackage(missing, '1.2.3', () => import(missing)).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(MissingPackage)
  expect((error as MissingPackage).message).toBe(`needs the package ${missing}, which is not installed`)
  expect((error as MissingPackage).fix).toContain(`npm install ${missing}@1.2.3`)
})

test('what goes wrong inside a driver is no missing package', async () => {
  await expect(driverPackage('x', '1', () => Promise.reject(new Error('boom')))).rejects.toThrow('boom')
})
