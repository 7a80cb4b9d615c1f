import { existsSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../config/loading.ts'
import { command } from './running.ts'

const SECRETS = [
  'hush-static-auth-secret',
  'hush-password',
  '06b2afcf07ba085b7777b481b1020391',
  'hush-nonce',
  'hush-cli',
  'hush-ice',
  'hush-stats',
]

/** Of the system's choice: others may have the usual ones. */
const ANY_PORT = ['http-port', 'port', 'listening-port'].map((key) => `--${key}=0`)

function file(text: string): string {
  const path = join(temporaryFolder(), 'turnserver.conf')
  writeFileSync(path, text)
  return path
}

const secretive = () =>
  file(`static-auth-secret=hush-static-auth-secret
user=bob:hush-password
user=eve:0x06b2afcf07ba085b7777b481b1020391
stateless-nonce-secret=hush-nonce
cli-password=hush-cli
redis-statsdb="password=hush-stats"
ice-server-override=[{"urls":"turn:x","username":"u","credential":"hush-ice"}]
realm=north.gov
`)

describe('SEC-25 check-config shows no secret', () => {
  test.each([[[]], [['--show']], [['--json']], [['--show', '--json']]])('with %j', async (words) => {
    const { out, err, exitCode } = await command('check-config', '-c', secretive(), ...words)
    expect(exitCode).toBe(0)
    for (const secret of SECRETS) expect(out + err).not.toContain(secret)
    if (words.length > 0) expect(out).toContain('[redacted]')
  })
  test('nor does an error about one', async () => {
    const path = file(
      'static-auth-secret\nuser=hush-password\nuse-auth-secret=hush-static-auth-secret\nhush-cli\nuser=a:0x06b2\n',
    )
    const { out, err, exitCode } = await command('check-config', '-c', path)
    expect(exitCode).toBe(78)
    expect(err.split('\n')).toHaveLength(6)
    for (const secret of SECRETS.filter((one) => one !== 'hush-cli')) expect(out + err).not.toContain(secret)
  })
})

test('--show tells every value in force and where it comes from, and when a change takes effect', async () => {
  const path = file('user=bob:x\nlistening-port=3479\nallowed-peer-ip=10.0.0.1\nallowed-peer-ip=10.0.0.2\n')
  const { out } = await command('check-config', '--show', '-c', path, '--max-port=60000', '--mobility')
  const rows = out.split('\n').map((line) => line.split(/ {2,}/))
  const row = (key: string) => rows.filter(([name]) => name === key).map(([, ...rest]) => rest)
  expect(row('listening-port')).toEqual([['3479', `${path}:2`, 'to new clients']])
  expect(row('max-port')).toEqual([['60000', '--max-port', 'to new clients']])
  expect(row('min-port')).toEqual([['49152', 'default', 'to new clients']])
  expect(row('udp-io')).toEqual([['auto', 'default', 'after a restart']])
  expect(row('user')).toEqual([['bob:[redacted]', `${path}:1`, 'at once']])
  expect(row('allowed-peer-ip')).toEqual([
    ['10.0.0.1', `${path}:3`, 'at once'],
    ['10.0.0.2', `${path}:4`, 'at once'],
  ])
  expect(row('mobility')).toEqual([['on', '--mobility', 'to new clients']])
  expect(row('realm')).toEqual([[expect.any(String), 'worked out', 'at once']])
  expect(row('oauth')).toEqual([])
})

test('--json is JSON with the same', async () => {
  const { out } = await command('check-config', '--json', '-n', '--realm=x')
  const shown = JSON.parse(out) as { file: unknown; warnings: unknown[]; values: unknown[] }
  expect(shown.file).toBeNull()
  expect(shown.values).toContainEqual({ key: 'realm', value: 'x', from: '--realm', applies: 'at once' })
})

test('warnings are told with their place, and the verdict comes last', async () => {
  const path = file('rooms=on\nlog-binding\nstatic-auth-secret=short\n')
  const { err } = await command('check-config', '-c', path, ...ANY_PORT)
  const lines = err.split('\n').filter((line) => !line.includes('to relay from'))
  expect(lines).toHaveLength(3)
  expect(lines[0]).toMatch(new RegExp(`^warning: ${path}:2: "log-binding": is not built yet: `))
  expect(lines[1]).toMatch(/^warning: .*:3: "static-auth-secret": is shorter than 16 characters/)
  expect(lines[2]).toBe(`${path}: usable, see the warnings`)
  const fine = await command(
    'check-config',
    '-c',
    file('rooms=on\nstatic-auth-secret=long-long-long-long\n'),
    ...ANY_PORT,
  )
  expect(fine.err).toMatch(/: all right$/)
})

describe('what a start would stop at on this machine stops check-config, in the same words', () => {
  test.each([
    [
      ['--listening-ip=192.0.2.99'],
      /^webrtc-stack: cannot listen on udp 192\.0\.2\.99:0: EADDRNOTAVAIL; no network interface/,
    ],
    [
      ['--host=192.0.2.99'],
      /^webrtc-stack: cannot listen on tcp 192\.0\.2\.99:0: EADDRNOTAVAIL \(wanted for the call page\)/,
    ],
    [
      ['--prometheus', '--prometheus-address=192.0.2.99'],
      /EADDRNOTAVAIL \(wanted for metrics\); .* compare prometheus-address/,
    ],
    [
      ['--aux-server=192.0.2.99:5000', '--no-udp'],
      /^webrtc-stack: cannot listen on tcp 192\.0\.2\.99:5000: EADDRNOTAVAIL/,
    ],
  ])('%j', async (words, message) => {
    const flags = ['-n', ...ANY_PORT, '--log-min-level=error', ...words]
    const checked = await command('check-config', ...flags)
    expect(checked.exitCode).toBe(1)
    const line = checked.err.split('\n').find((text) => text.startsWith('webrtc-stack: '))
    expect(line).toMatch(message)
    expect(checked.err).toMatch(/cannot be started with on this machine$/)
    const started = await command('serve', ...flags)
    expect([started.exitCode, started.err]).toEqual([1, line])
  })

  test('so does a log that cannot be written, which is not made', async () => {
    const folder = temporaryFolder()
    const wrong = await command('check-config', '-n', ...ANY_PORT, `--log-file=${folder}`)
    expect([wrong.exitCode, wrong.err]).toEqual([
      78,
      expect.stringMatching(/^"log-file": .* cannot be written \(EISDIR\)/),
    ])
    const right = join(folder, 'logs/turn.log')
    expect((await command('check-config', '-n', ...ANY_PORT, `--log-file=${right}`)).exitCode).toBe(0)
    expect(existsSync(dirname(right))).toBe(false)
  })

  test('ports in use, which may be of the very server, are a note', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const words = ['-n', ...ANY_PORT, '--host=127.0.0.1', `--http-port=${port}`]
    const { exitCode, err } = await command('check-config', ...words)
    const { out } = await command('check-config', '--json', ...words)
    await new Promise((resolve) => other.close(resolve))
    expect(exitCode).toBe(0)
    expect(err).toContain(
      `note: in use now, and a start would fail unless it is this server that has them: tcp 127.0.0.1:${port} (the call page)`,
    )
    expect(JSON.parse(out)).toMatchObject({ refusals: [], inUse: [{ port, server: 'the call page' }] })
  })
})
