import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { NetworkClient } from '../support/network-client.ts'
import { failing, program } from '../support/program.ts'
import { commandLine, testCertificate, testUser } from '../support/server.ts'
import { connectTcp } from '../support/sockets.ts'

const login = { username: testUser.name, password: testUser.password }

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'webrtc-stack-process-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

/** Says on standard error that a socket is opened. */
const TELLS_OF_SOCKETS = `
  const { Socket } = require('node:dgram')
  const { Server } = require('node:net')
  const { listen } = Server.prototype
  const { bind } = Socket.prototype
  Server.prototype.listen = function (...words) { process.stderr.write('A SOCKET OPENS\\n'); return listen.apply(this, words) }
  Socket.prototype.bind = function (...words) { process.stderr.write('A SOCKET OPENS\\n'); return bind.apply(this, words) }`

describe('SEC-56 a configuration that is wrong', () => {
  test.each([
    ['an unknown key', 'listening-prot=3478', /"listening-prot".*listening-port/],
    ['an unknown key among the security options', 'denied-peer-ips=10.0.0.0/8', /"denied-peer-ips".*denied-peer-ip/],
    ['a CIDR of 33 bits', 'denied-peer-ip=10.0.0.0/33', /denied-peer-ip.*10\.0\.0\.0\/33/],
    ['an allowed range that is no address', 'allowed-peer-ip=10.0.0.x', /allowed-peer-ip.*10\.0\.0\.x/],
    ['a port above 65535', 'listening-port=65536', /listening-port.*65536/],
    ['a port below 0', 'tls-listening-port=-1', /tls-listening-port.*-1/],
    ['a relay port above 65535', 'max-port=70000', /max-port.*70000/],
    ['a certificate that is not there', 'cert=/nowhere/cert.pem\npkey=/nowhere/key.pem', /cert.*\/nowhere\/cert\.pem/],
    ['a certificate that is none', `cert=${import.meta.filename}\npkey=${testCertificate.key}`, /cert/],
    [
      'the key of another certificate',
      `cert=${testCertificate.cert}
pkey=${testCertificate.key.replace('localhost-rsa', 'localhost-ec')}`,
      /"pkey": is not the key/,
    ],
  ])('SEC-56 with %s it ends with 78, names the line and the fix, and opens no socket', async (_name, wrong, said) => {
    const file = join(folder(), 'turnserver.conf')
    writeFileSync(file, `# first line\n${wrong}\n`)
    const { exitCode, err, out } = await program.run(['serve', '-c', file, '--http-port=0'], {
      preload: TELLS_OF_SOCKETS,
    })
    expect(exitCode, err).toBe(78)
    const [line] = err.split('\n').filter((text) => text.startsWith(file))
    expect(line).toMatch(/:[23]: /)
    expect(line).toMatch(said)
    expect(line, 'a fix').toMatch(/; \w+|is not between/)
    expect(err).not.toContain('A SOCKET OPENS')
    expect(out).toBe('')
  })

  test('SEC-56 a right one opens them', async () => {
    const running = program.start(commandLine({ 'udp-io': 'auto' }), { preload: TELLS_OF_SOCKETS })
    await running.listening()
    expect(running.err).toContain('A SOCKET OPENS')
  })
})

describe('SEC-58 a bug', () => {
  test.each([
    ['an exception in a timer', "throw new Error('a bug of the test')"],
    ['a promise that nobody handles', "Promise.reject(new Error('a bug of the test'))"],
    ['two of them', "setTimeout(() => { throw new Error('another') }, 0); throw new Error('a bug of the test')"],
  ])('SEC-58 %s is logged, closes everything, and ends the program with 70', async (_name, how) => {
    const running = program.start(commandLine({ 'udp-io': 'auto' }), { preload: failing(how) })
    const ports = await running.listening()
    const client = await NetworkClient.tcp({
      port: ports.tcp,
      login,
    })
    expect((await client.allocate()).code).toBe(200)
    // Somebody who would keep an orderly end waiting.
    const slow = await connectTcp(ports.http)
    slow.socket.write('POST /join/room HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n')
    const began = Date.now()
    running.kill('SIGWINCH')
    await running.ended
    expect(running.exitCode, running.err).toBe(70)
    expect(Date.now() - began).toBeLessThan(8_000)
    await client.closed
    const bugs = running.log.filter(({ err }) => (err as Error | undefined)?.message === 'a bug of the test')
    expect(bugs).toHaveLength(1)
    expect(bugs[0]).toMatchObject({ level: 'fatal', msg: expect.stringContaining('this is a bug') })
  })

  test('SEC-58 an exception on a relay thread is logged, and another thread takes its place', async () => {
    const running = program.start(commandLine({ 'udp-io': 'batch' }), {
      preload: failing("throw new Error('a bug of the test')", '!isMainThread'),
    })
    const ports = await running.listening()
    const isTheBug = ({ level, err }: Record<string, unknown>) =>
      level === 'error' && JSON.stringify(err ?? '').includes('a bug of the test')
    running.kill('SIGWINCH')
    await vi.waitFor(() => expect(running.log.filter(isTheBug).length).toBeGreaterThan(0), { timeout: 10_000 })
    await vi.waitFor(
      async () => {
        const client = await NetworkClient.udp({ port: ports.udp, login })
        const answer = await Promise.race([client.allocate(), setTimeout(500, null)])
        expect(answer?.code).toBe(200)
      },
      { timeout: 15_000 },
    )
    expect(running.isRunning).toBe(true)
    running.kill('SIGTERM')
    await running.ended
    expect(running.exitCode).toBe(0)
  })
})

describe('SEC-59 rights', () => {
  test('SEC-59 the unit that the program prints gives it no rights it does not need', async () => {
    const { exitCode, out } = await program.run(['systemd', '-n'])
    expect(exitCode).toBe(0)
    const settings = new Map(
      out
        .split('\n')
        .filter((line) => /^\w+=/.test(line))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    expect(Object.fromEntries(settings)).toMatchObject({
      DynamicUser: 'yes',
      NoNewPrivileges: 'yes',
      ProtectSystem: 'strict',
      MemoryDenyWriteExecute: 'no',
      CapabilityBoundingSet: 'CAP_NET_BIND_SERVICE',
      Restart: 'on-failure',
    })
    expect(settings.has('User')).toBe(false)
    // A bug ends it with 70, after which it is to be started again; a wrong configuration with 78, after which it is not.
    expect(settings.get('RestartPreventExitStatus')?.split(' ')).toContain('78')
    expect(settings.get('RestartPreventExitStatus')?.split(' ')).not.toContain('70')
  })

  test('SEC-59 a generated secret can be read by its owner alone, whatever the umask', async () => {
    const directory = folder()
    const { exitCode, out } = await program.run(['init'], { directory, umask: '000' })
    expect(exitCode).toBe(0)
    const file = join(directory, 'turnserver.conf')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const [, secret] = /^static-auth-secret=(.+)$/m.exec(readFileSync(file, 'utf8'))!
    expect(out).not.toContain(secret)
  })

  test('SEC-59 it serves without root', async () => {
    // Root takes the rights of nobody; everybody else is without root already.
    const user = process.getuid?.() === 0 ? { user: 65_534 } : {}
    const running = program.start(commandLine({ 'udp-io': 'auto' }), { ...user, directory: '/' })
    const ports = await running.listening()
    const status = readFileSync(`/proc/${running.pid}/status`, 'utf8')
    expect(status).not.toMatch(/^Uid:\t0/m)
    const client = await NetworkClient.udp({
      port: ports.udp,
      login,
    })
    expect((await client.allocate()).code).toBe(200)
  })
})

/** The four numbers of a kind in /proc/PID/status: real, effective, saved and of files. */
function idsOf(pid: number, kind: 'Uid' | 'Gid'): string[] {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return new RegExp(`^${kind}:\\t(.*)$`, 'm').exec(status)![1]!.split('\t')
}

describe.runIf(process.getuid?.() === 0)('SEC-59 proc-user and proc-group', () => {
  test.each(['batch', 'dgram'] as const)('SEC-59 root is left for good once the ports are open (%s)', async (udpIo) => {
    const directory = folder()
    chmodSync(directory, 0o777)
    const log = join(directory, 'server.log')
    const running = program.start(
      commandLine({
        'udp-io': udpIo,
        // What is tried here.
        ...{ 'proc-user': 'nobody', 'proc-group': 'daemon', 'log-file': log, pidfile: join(directory, 'pid') },
      }),
    )
    await vi.waitFor(() => expect(running.out).toMatch(/\n/), { timeout: 15_000 })
    await vi.waitFor(() => expect(idsOf(running.pid, 'Uid')).toEqual(Array(4).fill('65534')))
    expect(idsOf(running.pid, 'Gid')).toEqual(Array(4).fill('1'))
    for (const thread of readdirSync(`/proc/${running.pid}/task`))
      expect(readFileSync(`/proc/${running.pid}/task/${thread}/status`, 'utf8')).toMatch(/^CapEff:\t0+$/m)
    expect(statSync(log).uid).toBe(65_534)
    const [, port] = /"address":"127.0.0.1:(\d+)","transport":"udp"|"transport":"udp","address":"127.0.0.1:(\d+)"/
      .exec(readFileSync(log, 'utf8'))!
      .filter(Boolean)
    const client = await NetworkClient.udp({ port: Number(port), login })
    expect((await client.allocate()).code).toBe(200)
    // Reopens the log, as after a rotation.
    renameSync(log, `${log}.1`)
    running.kill('SIGHUP')
    await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toContain('reloaded'))
    running.kill('SIGTERM')
    await running.ended
    expect(running.exitCode).toBe(0)
    expect(existsSync(join(directory, 'pid'))).toBe(false)
  })

  test.each([
    ['proc-user', 'useradd'],
    ['proc-group', 'groupadd'],
  ])('SEC-59 %s that there is not ends the start with 78 and the fix', async (key, fix) => {
    const { exitCode, err } = await program.run(commandLine({ 'udp-io': 'auto', [key]: 'nobody-we-know' }))
    expect(exitCode).toBe(78)
    expect(err).toContain(`"${key}": there is no ${key.slice(5)} "nobody-we-know"`)
    expect(err).toContain(fix)
  })
})

test('SEC-59 without root proc-user changes nothing, and says so', async () => {
  const user = process.getuid?.() === 0 ? { user: 65_534 } : {}
  const running = program.start(commandLine({ 'udp-io': 'auto', 'proc-user': 'daemon' }), { ...user, directory: '/' })
  await running.listening()
  expect(running.log.some(({ msg }) => String(msg).includes('need root'))).toBe(true)
})

describe('SEC-60 what we are built on', () => {
  test('SEC-60 Node 20 is warned of at the start, and later lines are not', async () => {
    const running = program.start(commandLine({ 'udp-io': 'auto' }))
    await running.listening()
    const warnings = running.log.filter(({ level, msg }) => level === 'warn' && String(msg).includes('2026-04-30'))
    expect(warnings).toHaveLength(process.versions.node.startsWith('20.') ? 1 : 0)
  })

  test('SEC-60 a Node that is too old is refused with a sentence before anything is loaded', async () => {
    const preload = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.1' } })"
    const { exitCode, err, out } = await program.run(commandLine({ 'udp-io': 'auto' }), { preload })
    expect(exitCode).toBe(1)
    expect(err).toMatch(/^webrtc-stack: needs Node 20\.20\.2 or later, and this is 20\.20\.1.*\n$/)
    expect(out).toBe('')
  })

  test('SEC-60 npm knows no weakness of the packages that are shipped', async (context) => {
    const { stdout } = await new Promise<{ stdout: string }>((resolve) => {
      execFile('npm', ['audit', '--omit=dev', '--json'], (_error, output) => resolve({ stdout: output }))
    })
    const report = JSON.parse(stdout) as Report
    // Not every registry answers, and its silence says nothing about us: reported as skipped, even where CI skips nothing else.
    if (report.metadata === undefined)
      context.skip(`the package registry answers no audit: ${report.message ?? stdout}`)
    expect(report.vulnerabilities).toEqual({})
  })
})

interface Report {
  readonly message?: string
  readonly metadata?: object
  readonly vulnerabilities?: object
}
