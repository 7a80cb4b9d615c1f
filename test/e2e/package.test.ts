import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { NetworkClient } from '../support/network-client.ts'
import { failing, program } from '../support/program.ts'
import { commandLine, testCertificate, testUser } from '../support/server.ts'
import { run } from '../support/turnutils.ts'
import { Command } from './command.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 180_000 })

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Where npm puts it, in the folder of the installation. */
const installedProgram = 'node_modules/.bin/webrtc-stack'
const ON_LOOPBACK = ['host=127.0.0.1', 'listening-ip=127.0.0.1', 'http-port=0', 'port=0', 'listening-port=0'].map(
  (setting) => `--${setting}`,
)

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-package-'))
  const full = join(folder, 'full')
  const plain = join(folder, 'plain')
  const commands: Command[] = []

  /** What a person has who typed `npm install` or `npx`: the package and what it needs, in a folder of its own. */
  const install = async (directory: string, tarball: string, ...words: string[]) => {
    mkdirSync(directory)
    const flags = ['--no-audit', '--no-fund', '--no-save', '--prefer-offline', '--prefix', directory]
    const { code, text } = await run('npm', ['install', ...flags, ...words, tarball], 150_000)
    expect(code, text).toBe(0)
  }
  const type = (directory: string, ...words: string[]): Command => {
    const command = new Command(words, directory)
    commands.push(command)
    return command
  }

  beforeAll(async () => {
    // The suite's set-up has built it; building again would pull `dist` away under other suites.
    const packed = await run('npm', ['pack', root, '--ignore-scripts', '--pack-destination', folder], 60_000)
    expect(packed.code, packed.text).toBe(0)
    const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!)
    await Promise.all([install(full, tarball), install(plain, tarball, '--omit=optional')])
  })

  afterEach(async () => {
    for (const command of commands.splice(0)) await command.kill()
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  for (const [what, directory, hasKoffi] of [
    ['as it is', full, true],
    ['without optional dependencies', plain, false],
  ] as const) {
    test(`serves in an empty folder ${what}, and ends with 0 when asked to`, async () => {
      expect(existsSync(join(directory, 'node_modules/koffi'))).toBe(hasKoffi)
      const server = type(directory, installedProgram, 'serve', '-n', ...ON_LOOPBACK)
      const url = await server.serving()
      expect(server.out).toContain('turn:127.0.0.1:')
      const health = await fetch(`${url}/healthz`)
      expect(health.status).toBe(200)
      expect(await (await fetch(`${url}/r/first-call`)).text()).toContain('first-call')
      expect(await server.stop(), server.err).toBe(0)
    })
  }

  test('is found by npx', async () => {
    const npx = type(full, 'npx', '--no', 'webrtc-stack', '--version')
    expect(await npx.end(), npx.err).toBe(0)
    expect(npx.out.trim()).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('says in one line that a port is taken, and ends with 1', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    try {
      const server = type(
        full,
        installedProgram,
        'serve',
        '-n',
        ...ON_LOOPBACK,
        `--http-port=${port}`,
        '--log-min-level=error',
      )
      expect(await server.end()).toBe(1)
      expect(server.err.trim().split('\n')).toHaveLength(1)
      expect(server.err).toContain(`127.0.0.1:${port}`)
    } finally {
      await new Promise((resolve) => other.close(resolve))
    }
  })

  test('says in one line which key of the file it does not know, and ends with 78', async () => {
    writeFileSync(join(plain, 'turnserver.conf'), 'realm=example.org\nlisten-port=3478\n')
    const server = type(plain, installedProgram, 'serve')
    expect(await server.end()).toBe(78)
    expect(server.err.split('\n')[0]).toBe(
      'turnserver.conf:2: unknown key "listen-port"; did you mean "listening-port"?',
    )
  })

  test('says in one line that a key is not that of the certificate, and ends with 78', async () => {
    const key = fileURLToPath(new URL('../fixtures/certificates/example-ec.key', import.meta.url))
    const server = type(plain, installedProgram, 'serve', '-n', `--cert=${testCertificate.cert}`, `--pkey=${key}`)
    expect(await server.end()).toBe(78)
    expect(server.err.trim().split('\n')).toHaveLength(1)
    expect(server.err).toContain('pkey')
  })
})

describe('a fresh clone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-clone-'))
  const modules = join(folder, 'node_modules')
  /** What `npm ci` does when everything is in place, and `npm start` first. */
  const npmRun = async (script: 'prepare' | 'build') => {
    const { code, text } = await run('npm', ['--prefix', folder, 'run', script], 60_000)
    expect(code, text).toBe(0)
  }

  beforeAll(async () => {
    const { text } = await run('git', ['-C', root, 'ls-files', '--cached', '--others', '--exclude-standard'], 10_000)
    for (const file of text.split('\n').filter((name) => existsSync(join(root, name)) && name !== ''))
      cpSync(join(root, file), join(folder, file))
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  test('says in one line that nothing is built, installs and builds with npm ci, and outlives another build', async () => {
    const binary = join(folder, 'bin/webrtc-stack.js')
    const early = await program.run(['serve', '--dev'], { binary })
    expect(early.exitCode).toBe(1)
    expect(early.err.trim()).toBe(
      `webrtc-stack: nothing is built from these sources yet; run \`npm ci --include=dev\` in ${folder}`,
    )
    symlinkSync(join(root, 'node_modules'), modules)
    await npmRun('prepare')

    const server = program.start(commandLine({ 'udp-io': 'batch' }), {
      binary,
      preload: failing("throw new Error('of the test')", '!isMainThread'),
    })
    const { udp } = await server.listening()
    // As after a pull: files get other names.
    const before = readdirSync(join(folder, 'dist'))
    const description = join(folder, 'package.json')
    writeFileSync(description, readFileSync(description, 'utf8').replace(/"version": ".*"/, '"version": "99.0.0"'))
    await npmRun('build')
    const running = before.find((name) => /^server-.*\.js$/.test(name))!
    expect(existsSync(join(folder, 'dist', running)), 'what runs is still there').toBe(false)
    // What the running one loads late is still its own.
    server.kill('SIGWINCH')
    await vi.waitFor(() => expect(server.err).toContain('it is started again'), { timeout: 10_000 })
    await vi.waitFor(
      async () => {
        const client = await NetworkClient.udp({
          port: udp,
          login: { username: testUser.name, password: testUser.password },
        })
        const answer = await Promise.race([
          client.allocate(),
          new Promise<null>((resolve) => setTimeout(resolve, 500, null)),
        ])
        expect(answer?.code).toBe(200)
      },
      { timeout: 15_000 },
    )
    server.kill('SIGTERM')
    await server.ended
    expect(server.exitCode, server.err).toBe(0)

    // As without development dependencies: nothing to build with is no failure.
    rmSync(modules)
    mkdirSync(modules)
    await npmRun('prepare')
    const broken = await program.run(['--version'], { binary })
    expect(broken.exitCode).toBe(1)
    expect(broken.err.trim()).toBe(`webrtc-stack: the package commander is not installed; run \`npm ci\` in ${folder}`)
  })
})
