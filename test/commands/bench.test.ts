import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestOptions, type TestServer, testSecret, testUser } from '../support/server.ts'
import { command } from './running.ts'

interface Result {
  readonly allocations: number
  readonly planned: number
  readonly failures: Record<string, number>
  readonly directions: Record<string, { sent: number; received: number; lost: number; delayMs: object | null }>
  readonly notes: string[]
}

let server: TestServer
const options: TestOptions = { rooms: false, signaling: false }

beforeAll(async () => {
  server = await startTestServer(options)
})
afterAll(() => server.close())

const at = (port: number, ...more: string[]) => ['bench', '-n', '--server', `127.0.0.1:${port}`, ...more]
const withSecret = ['--secret', testSecret]

describe('bench against our own server', () => {
  test.each(['udp', 'tcp', 'tls'] as const)('relays every packet over %s and gives all back', async (transport) => {
    const port = server.ports[transport]
    const before = { ...(await server.counters()) }
    const load = ['--allocations=3', '--rate=600', '--seconds=1', '--size=100', '--json', `--transport=${transport}`]
    const { exitCode, out } = await command(...at(port, ...withSecret, ...load))
    expect(exitCode).toBe(0)
    const result = JSON.parse(out) as Result
    expect(result).toMatchObject({ allocations: 3, planned: 600, failures: {}, notes: [] })
    for (const way of ['up', 'down'])
      expect(result.directions[way]).toMatchObject({ sent: 300, received: 300, lost: 0, reordered: 0 })
    const counters = await server.counters()
    expect(counters.toPeerPackets - before.toPeerPackets).toBe(300)
    expect(counters.toClientPackets - before.toClientPackets).toBe(300)
    expect(counters.allocationsCreated - before.allocationsCreated).toBe(3)
    await server.expectNoAllocations()
  })

  test('prints a table of what went one way, and how far it is while it runs', async () => {
    const login = ['--user', testUser.name, '--password', testUser.password]
    const load = ['--allocations', '1', '--rate', '100', '--seconds', '1', '--direction', 'up']
    const { exitCode, out, err } = await command(...at(server.ports.udp, ...login, ...load))
    expect([exitCode, err]).toEqual([0, expect.stringContaining('of 1 s, sent ')])
    expect(out).toMatch(/^1 allocation over udp to 127\.0\.0\.1:\d+, 200-byte payloads, 1\.0 s, (batch|dgram) I\/O\n/)
    expect(out).toMatch(/\nup +100 +100 +0 \(0 %\) +100 +0\.16 /)
    expect(out).not.toContain('down')
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends with the table so far at %s, and gives all back',
    async (signal) => {
      const before = (await server.counters()).toPeerPackets
      const running = command(...at(server.ports.udp, ...withSecret, '--seconds=600', '--rate=200', '--json'))
      await expect
        .poll(async () => (await server.counters()).toPeerPackets, { timeout: 10_000 })
        .toBeGreaterThan(before)
      process.emit(signal)
      const { exitCode, out } = await running
      const { directions, planned } = JSON.parse(out) as Result
      expect(exitCode).toBe(0)
      expect(planned).toBeLessThan(600 * 200)
      expect(directions['up']!.lost).toBe(0)
      await server.expectNoAllocations()
    },
  )

  test('says that the rate is above what the server lets an allocation have', async () => {
    const load = ['--allocations=1', '--rate=300', '--seconds=1', '--max-pps=100', '--json']
    const { notes } = JSON.parse((await command(...at(server.ports.udp, ...withSecret, ...load))).out) as Result
    expect(notes).toEqual([expect.stringMatching(/^each allocation sends 150 packets\/s one way, above max-pps \(100/)])
  })

  test('exits with 1 and says why when nothing can be allocated', async () => {
    expect(await command(...at(server.ports.udp, '--secret=wrong', '--seconds=1'))).toMatchObject({
      exitCode: 1,
      out: '',
      err: expect.stringMatching(/Allocate was refused with 401 .*the secret is not the server's/),
    })
    const closed = await startTestServer({ ...options, 'allow-loopback-peers': false })
    const { exitCode, err } = await command(...at(closed.ports.udp, ...withSecret, '--seconds=1'))
    expect([exitCode, err]).toEqual([1, expect.stringContaining('set allow-loopback-peers there')])
    await closed.expectNoAllocations()
    await closed.close()
  })

  test('does not blame the address of the peers for what a server that drains refuses', async () => {
    const draining = await startTestServer(options)
    draining.running.operations.drain(null)
    await draining.readings()
    const { exitCode, err } = await command(...at(draining.ports.udp, ...withSecret, '--seconds=1'))
    await draining.close()
    expect([exitCode, err]).toEqual([1, expect.stringContaining('Allocate was refused with 403 Forbidden: ')])
    expect(err).toContain('the server is draining')
    expect(err).not.toContain('allow-loopback-peers')
  })
})

test('exits with 1 where the port speaks no TLS', async () => {
  const plain = createServer((socket) =>
    socket
      .on('error', () => {})
      .resume()
      .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  await once(plain.listen(0, '127.0.0.1'), 'listening')
  const { port } = plain.address() as AddressInfo
  expect(await command(...at(port, ...withSecret, '--transport=tls'))).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining(`127.0.0.1:${port} does not speak TLS (`),
  })
  plain.close()
  await once(plain, 'close')
  const { err } = await command(...at(port, ...withSecret, '--transport=tcp'))
  expect(err).toContain(`nobody listens on 127.0.0.1:${port} over tcp`)
})

describe('bench refuses with 2', () => {
  test.each([['198.51.100.7'], ['turn:turn.example.org:3478?transport=udp'], ['[2001:db8::1]:3478']])(
    '%s, which is not loopback, unless the operator owns it',
    async (uri) => {
      const { exitCode, err } = await command('bench', '-n', '--server', uri, ...withSecret)
      expect([exitCode, err]).toEqual([2, expect.stringContaining('--i-own-this-server')])
    },
  )
  test.each([
    [['--seconds=3601'], '--seconds takes a whole number from 1 to 3600'],
    [['--rate=500001'], '--rate takes a whole number from 1 to 500000'],
    [['--size=19'], '--size takes a whole number from 20 to 1400'],
    [['--direction=left'], '--direction is up (client to peer), down or both'],
    [['--transport=sctp'], '--transport is udp, tcp or tls'],
    [['--server=http://127.0.0.1'], '--server: "http://127.0.0.1" is no URI of a TURN server'],
    [['--server=127.0.0.1:0'], '--server: "127.0.0.1:0" names port 0; ports are 1 to 65535'],
    [['--server=127.0.0.1:65536'], '--server: "127.0.0.1:65536" names port 65536; ports are 1 to 65535'],
    [['--user=alice'], '--user and --password go together'],
    [['--relm=x'], 'unknown option --relm; did you mean --realm?'],
  ])('%j', async (words, line) => {
    expect(await command('bench', '-n', ...withSecret, ...words)).toEqual({
      exitCode: 2,
      out: '',
      err: `webrtc-stack: ${line}`,
    })
  })
  test('without a login', async () => {
    expect(await command('bench', '-n')).toMatchObject({ exitCode: 2, err: expect.stringContaining('no login') })
  })
})
