import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { run } from '../../../src/commands/program.ts'
import { ConfigError } from '../../../src/config/config-error.ts'
import { NetworkClient } from '../../support/network-client.ts'
import { program } from '../../support/program.ts'
import { loadForTest, startForTest, type TestOptions, testUser } from '../../support/server.ts'
import { command, type Outcome } from '../running.ts'

const login = { username: testUser.name, password: testUser.password }

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'webrtc-stack-commands-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A server with an operator's socket, and the commands that ask it. The driver is of no matter here. */
async function running(options: TestOptions = {}) {
  const socket = join(folder(), 'operator.sock')
  const all = { 'udp-io': 'dgram', 'operator-socket': socket, ...options }
  const server = await startForTest(all)
  return { server, all, ask: (...words: string[]) => command(...words, '-n', `--operator-socket=${socket}`), socket }
}

async function withClient(port: number): Promise<NetworkClient> {
  const client = await NetworkClient.udp({ port, login })
  expect((await client.allocate()).code).toBe(200)
  return client
}

const jsonOf = ({ out }: Outcome) => JSON.parse(out)

describe('commands ask the running server', () => {
  test('status', async () => {
    const { server, ask } = await running()
    await withClient(server.ports.udp)
    const { exitCode, out, err } = await ask('status')
    expect([exitCode, err]).toEqual([0, ''])
    expect(out).toMatch(/^webrtc-stack +\d+\.\d+\.\d+, Node /)
    expect(out).toMatch(/^state +ready$/m)
    expect(out).toMatch(/^sessions +1 \(udp 1, tcp 0, tls 0, dtls 0\), 1 so far$/m)
    expect(out).toMatch(new RegExp(`^listening +TURN udp 127\\.0\\.0\\.1:${server.ports.udp}$`, 'm'))
    expect(jsonOf(await ask('status', '--json'))).toMatchObject({ ready: true, turn: { allocations: { udp: 1 } } })
  })

  test('sessions, session and disconnect', async () => {
    const { server, ask } = await running()
    expect(await ask('sessions')).toEqual({ exitCode: 0, out: 'no sessions', err: '' })
    for (let i = 0; i < 3; i++) await withClient(server.ports.udp)
    const listed = await ask('sessions', '--user', 'alice', '--address=127.0.0.1', '--transport', 'udp')
    expect(listed.out.split('\n')).toHaveLength(4)
    expect(listed.out).toMatch(
      /^ID +USER +CLIENT +RELAYED AS +AGE +PEERS +SENT +RECEIVED\n\S+ +alice +udp 127\.0\.0\.1:\d+ /,
    )
    const short = await ask('sessions', '--limit=2')
    expect([short.out.split('\n').length, short.err]).toEqual([
      3,
      'there are more than these 2; --limit=N shows N of them',
    ])
    expect((await ask('sessions', '--user=bob')).out).toBe('no sessions')
    const { sessions } = jsonOf(await ask('sessions', '--json'))
    const [{ id, client }] = sessions
    const one = await ask('session', id)
    expect(one.out).toContain(
      `session         ${id}\nuser            alice, realm webrtc-stack\nclient          ${client} over udp`,
    )
    expect(jsonOf(await ask('session', id, '--json'))).toMatchObject({ id, more: { mobile: false } })
    expect(await ask('disconnect', id, '--reason', 'abuse')).toEqual({ exitCode: 0, out: '1 session ended', err: '' })
    expect(await ask('session', id)).toMatchObject({ exitCode: 1, err: expect.stringContaining(`no session ${id}`) })
    expect(jsonOf(await ask('disconnect', '--user=alice', '--json'))).toEqual({ ended: 2, silentThreads: [] })
    expect((await ask('sessions')).out).toBe('no sessions')
  })

  test('rooms and close-room', async () => {
    const { server, ask } = await running()
    expect((await ask('rooms')).out).toBe('no rooms')
    await fetch(`${server.url}/join/garden`, { method: 'POST' })
    expect((await ask('rooms')).out).toMatch(/^ROOM +CLIENTS +CONNECTED .*\ngarden +1 +0 /)
    expect((await ask('close-room', 'garden')).out).toBe('room garden is closed; 1 clients were in it')
    expect(await ask('close-room', 'garden')).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('no room garden'),
    })
    expect(jsonOf(await ask('rooms', '--json'))).toEqual({ rooms: [] })
  })

  test('drain with a deadline and undrain; rooms that are there go on, others are told to come back', async () => {
    const { server, ask } = await running()
    await fetch(`${server.url}/join/garden`, { method: 'POST' })
    expect((await ask('drain')).out).toBe('draining: no new calls; those that run go on')
    expect((await ask('drain', '--deadline', '15m')).out).toMatch(/those that still run at \d{4}-\S+Z are ended then$/)
    expect((await ask('status')).out).toMatch(/^state +draining since \S+, until \S+; `webrtc-stack undrain`/m)
    const join = async (room: string) => (await fetch(`${server.url}/join/${room}`, { method: 'POST' })).json()
    expect(await join('garden')).toMatchObject({ result: 'SUCCESS' })
    expect(await join('kitchen')).toEqual({ result: 'DRAINING', params: { messages: [] } })
    expect((await ask('undrain')).out).toBe('new calls are welcome again')
    expect(await join('kitchen')).toMatchObject({ result: 'SUCCESS' })
  })

  test('reload says what has changed, what waits, or what is wrong, where and how to mend it', async () => {
    const { server, all, ask } = await running()
    expect((await ask('reload')).out).toBe('no option has changed\nthe certificate is the same as before')
    const next = { 'relay-threads': '1', ...all, 'user-quota': '7', 'sock-buf-size': '1000000' }
    server.source.load = () => loadForTest(next)
    expect((await ask('reload')).out).toBe(
      'changed: user-quota\nafter a restart: sock-buf-size\nthe certificate is the same as before',
    )
    server.source.load = async () => {
      const at = { where: 'turnserver.conf:3', file: 'turnserver.conf', line: 3 }
      throw new ConfigError({ ...at, message: 'unknown key "usr"', fix: 'did you mean "user"?' })
    }
    const refused = await ask('reload')
    expect(refused.exitCode).toBe(78)
    expect(refused.err).toBe(
      'turnserver.conf:3: unknown key "usr"; did you mean "user"?\nwebrtc-stack: the new configuration has mistakes; the one before goes on; mend them and reload again',
    )
    expect(jsonOf(await ask('reload', '--json'))).toMatchObject({ problems: [{ line: 3, file: 'turnserver.conf' }] })
    await server.takeErrors()
  })

  test('log-level and certificates', async () => {
    const { server, ask } = await running()
    expect((await ask('log-level', 'warning')).out).toBe('warning')
    expect((await ask('log-level')).out).toBe('warning')
    await withClient(server.ports.udp)
    expect((await server.log()).map(({ msg }) => msg)).not.toContain('allocation opened')
    expect((await ask('certificates')).out).toMatch(/^file +\S+localhost-rsa\.crt\nfor +localhost/)
    expect(jsonOf(await ask('certificates', '--json')).certificates).toMatchObject([
      { fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/), daysLeft: expect.any(Number) },
    ])
  })

  test('sessions --watch shows them again and again until it is interrupted', async () => {
    const { server, socket } = await running()
    await withClient(server.ports.udp)
    const watching = program.start(['sessions', '--watch', '--json', '-n', `--operator-socket=${socket}`])
    await vi.waitFor(() => expect(watching.out.split('\n').length).toBeGreaterThan(2), 15_000)
    watching.kill('SIGINT')
    await watching.ended
    expect(watching.exitCode).toBe(0)
    for (const line of watching.out.trim().split('\n')) expect(JSON.parse(line).sessions).toHaveLength(1)
  })
})

describe('a terminal', () => {
  test('gets a table that fits, and nothing of a user name steers it', async () => {
    const name = '\u001b[31mevil\u202eman\u0007'
    const server = createServer((_, answer) => {
      const long = { ...SESSION, username: name, relays: ['[2001:db8:1234:5678:9abc:def0:1234:5678]:50000'] }
      answer.end(JSON.stringify({ sessions: [long], cursor: null, silentThreads: [] }))
    })
    const socket = join(folder(), 'operator.sock')
    await new Promise<void>((done) => server.listen(socket, done))
    onTestFinished(() => void server.close())
    for (const columns of [80, 100, undefined]) {
      const out: string[] = []
      const terminal = { out: (text: string) => void out.push(text), err: () => {}, columns }
      await run(['sessions', '-n', `--operator-socket=${socket}`], [], terminal)
      const lines = out
        .join('\n')
        .replaceAll(/\x1b\[\d+m/g, '')
        .split('\n')
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns ?? 200)
      expect(lines[1]).toContain('\\u001b[')
      expect(lines[1]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/)
      if (columns === undefined) expect(lines[1]).toContain('[2001:db8:1234:5678:9abc:def0:1234:5678]:50000')
    }
  })
})

const SESSION = {
  ...{ id: '5b0c8e2f91a4-2k', thread: 0, transport: 'udp', client: '198.51.100.7:51234', username: 'alice' },
  ...{ relays: ['203.0.113.7:49170'], ageSeconds: 95, expiresInSeconds: 505, permissions: 1, channels: 1 },
  ...{ toPeerPackets: 1, toPeerBytes: 2, toClientPackets: 3, toClientBytes: 4 },
}

describe('commands without an answer', () => {
  test.each<[string, string[], number, RegExp]>([
    [
      'nobody is there',
      ['status', '-n', '--operator-socket=/nowhere/operator.sock'],
      1,
      /^webrtc-stack: no server is running here \(looked at \/nowhere\/operator\.sock\); /,
    ],
    ['it is off', ['status', '-n', '--operator-socket=off'], 1, /operator-socket=off/],
    ['whom is not said', ['disconnect', '-n', '--operator-socket=/nowhere'], 2, /whom\?/],
    [
      'a time is none',
      ['drain', '--deadline=soon', '-n', '--operator-socket=/nowhere'],
      2,
      /--deadline soon: write seconds/,
    ],
    ['a number is none', ['sessions', '--limit=0', '-n', '--operator-socket=/nowhere'], 2, /--limit 0/],
    ['a word is too much', ['session', '-n'], 2, /missing required argument/],
  ])('%s: one line says so', async (_, words, exitCode, message) => {
    const outcome = await command(...words)
    expect(outcome.exitCode).toBe(exitCode)
    expect(outcome.err).toMatch(message)
    expect(outcome.err.split('\n')).toHaveLength(1)
  })

  test('a filter that the server does not take is wrong usage', async () => {
    const { ask } = await running()
    expect(await ask('sessions', '--address=nowhere')).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('"nowhere"'),
    })
    expect(await ask('log-level', 'loud')).toMatchObject({ exitCode: 2, err: expect.stringContaining('"level"') })
  })

  test("another user's server says whom to be", async () => {
    const { socket } = await running()
    // Only root meets no refusal; so somebody else asks.
    chmodSync(join(socket, '..'), 0o711)
    const asked = await program.run(['status', '-n', `--operator-socket=${socket}`], { user: 65_534 })
    expect(asked.exitCode).toBe(1)
    expect(asked.err).toMatch(/belongs to another user; run this as the user of the server, or as root/)
  })

  test('mistakes in the configuration keep nobody from asking', async () => {
    const { socket } = await running()
    const file = join(folder(), 'turnserver.conf')
    writeFileSync(file, `operator-socket=${socket}\nusr=alice:x\nmin-port=none\n`)
    expect(await command('status', '-c', file)).toMatchObject({ exitCode: 0, err: '' })
  })

  test('the help of a command names its flags', async () => {
    const { out } = await command('sessions', '--help')
    for (const flag of ['--user', '--address', '--peer', '--transport', '--older-than', '--limit', '--watch', '--json'])
      expect(out).toContain(flag)
  })
})
