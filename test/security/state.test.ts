import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { options as optionTable } from '../../src/config/options.ts'
import { Method } from '../../src/stun/constants.ts'
import { clientHello, cookieOf, record } from '../support/client-hello.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { rawMessage } from '../support/raw-message.ts'
import { startForTest, type TestServer, testUser } from '../support/server.ts'
import { connectTcp, connectTls, UdpClient } from '../support/sockets.ts'
import { Answer, channelData, type Login, TurnClient } from '../support/turn-client.ts'
import { udp } from '../support/turn-world.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const WRONG: Login = { username: testUser.name, password: 'wrong' }

describe('what strangers leave behind', () => {
  test('SEC-13 ten thousand sources leave no socket, no entry and no memory', { timeout: 180_000 }, async () => {
    const server = await startForTest({ 'max-wrong-guesses-per-minute': '0' })
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const memory = () => {
      gc()
      gc()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length
    const before = sockets()
    await visits(server, 0x7f100000, 1000)
    const memoryBefore = memory()
    await visits(server, 0x7f200000, 10_000)
    await vi.waitFor(() => expect(sockets()).toBe(before))
    expect(await server.holds()).toEqual({ allocations: 0, relays: 0 })
    // Of this thread; bench/soak.ts looks at the whole process.
    expect(memory() - memoryBefore).toBeLessThan(5_000_000)
    expect((await server.counters()).errors.get(401)).toBe(3 * 11_000)
  })

  /** Each source asks for its address, for a relay, for one with junk for integrity, and for one with a wrong key. */
  async function visits(server: TestServer, network: number, count: number): Promise<void> {
    const { udp: port } = server.ports
    for (let at = 0; at < count; at += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => visit(network + at + i, port)))
    }
  }

  async function visit(word: number, port: number): Promise<void> {
    const host = [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(0, host, resolve))
    const answers: Buffer[] = []
    let enough = 2
    let wake = () => {}
    socket.on('message', (bytes) => {
      answers.push(bytes)
      if (answers.length === enough) wake()
    })
    const come = (count: number) => {
      enough = count
      return new Promise<void>((resolve) => (wake = resolve))
    }
    const client = new TurnClient(null)
    socket.send(rawMessage(Method.BINDING), port, '127.0.0.1')
    socket.send(client.request(Method.ALLOCATE, udp), port, '127.0.0.1')
    await come(2)
    client.learn(new Answer(answers[1]!))
    const signed = (login: Login) => client.request(Method.ALLOCATE, udp, { login })
    const junk = signed(WRONG)
    randomBytes(20).copy(junk, junk.length - 20)
    socket.send(junk, port, '127.0.0.1')
    socket.send(signed(WRONG), port, '127.0.0.1')
    await come(4)
    await new Promise<void>((resolve) => socket.close(() => resolve()))
  }
})

describe('DTLS', () => {
  /** Everything that comes for a datagram until a Binding behind it, which the same port takes, has been answered. */
  async function drawn(client: UdpClient, port: number, bytes: Buffer): Promise<Buffer[]> {
    client.send(bytes, port)
    const id = randomBytes(12)
    client.send(rawMessage(Method.BINDING, [], id), port)
    const came: Buffer[] = []
    for (;;) {
      const { bytes } = await client.inbox.next()
      if (bytes[0] === 1 && bytes.subarray(8, 20).equals(id)) return came
      came.push(bytes)
    }
  }

  /** A ClientHello with the cookie that this source was given. */
  async function greeting(client: UdpClient, port: number, random: Buffer): Promise<Buffer> {
    const [verify] = await drawn(client, port, clientHello({ random }))
    return clientHello({ random, cookie: cookieOf(verify!) })
  }

  /** What comes first for a datagram that is answered when its turn has come. */
  async function answered(client: UdpClient, port: number, bytes: Buffer): Promise<Buffer> {
    client.send(bytes, port)
    return (await client.inbox.next()).bytes
  }

  const HELLO_VERIFY_REQUEST = 3
  const SERVER_HELLO = 2
  const handshakeType = (datagram: Buffer | undefined) => (datagram?.[0] === 22 ? datagram[13] : undefined)

  test('SEC-14 a ClientHello without our cookie draws one HelloVerifyRequest, smaller than itself, and leaves nothing', async () => {
    const server = await startForTest({ dtls: true, 'max-dtls-handshakes': '1' })
    const port = server.ports.dtls!
    for (let i = 0; i < 20; i++) {
      const client = await UdpClient.open(`127.0.1.${i + 1}`)
      const hello = clientHello({ random: randomBytes(32) })
      const answers = await drawn(client, port, hello)
      expect(answers.map(handshakeType)).toEqual([HELLO_VERIFY_REQUEST])
      expect(answers[0]!.length).toBeLessThan(hello.length)
    }
    // There is room for one handshake, and it is still free.
    const client = await UdpClient.open()
    const answer = await answered(client, port, await greeting(client, port, randomBytes(32)))
    expect(handshakeType(answer)).toBe(SERVER_HELLO)
  })

  test('SEC-14 a cookie is good for the address and port it was made for', async () => {
    const server = await startForTest({ dtls: true })
    const port = server.ports.dtls!
    const random = randomBytes(32)
    const owner = await UdpClient.open('127.0.2.1')
    const hello = await greeting(owner, port, random)
    const thieves = [await UdpClient.open('127.0.2.1'), await UdpClient.open('127.0.2.2')]
    for (const thief of thieves) {
      expect((await drawn(thief, port, hello)).map(handshakeType)).toEqual([HELLO_VERIFY_REQUEST])
    }
    const forged = clientHello({ random, cookie: Buffer.alloc(20) })
    expect((await drawn(owner, port, forged)).map(handshakeType)).toEqual([HELLO_VERIFY_REQUEST])
    expect(handshakeType(await answered(owner, port, hello))).toBe(SERVER_HELLO)
  })

  test.each([
    ['application data', record(23, 1, 1, randomBytes(60))],
    ['an alert', record(21, 0, 0, Buffer.of(2, 40))],
    ['ChangeCipherSpec', record(20, 0, 0, Buffer.of(1))],
    ['a Finished', record(22, 1, 0, randomBytes(40))],
    ['a ClientKeyExchange', record(22, 0, 0, Buffer.concat([Buffer.from('10000004000000000000000400000000', 'hex')]))],
    ['a heartbeat', record(24, 0, 0, Buffer.of(1, 255, 255))],
    ['a record that is cut off', clientHello().subarray(0, 40)],
    ['a first byte alone', Buffer.of(22)],
    ['a type that is not DTLS', Buffer.concat([Buffer.of(63), randomBytes(80)])],
  ])('SEC-14 %s from an unknown source draws nothing', async (_name, bytes) => {
    const server = await startForTest({ dtls: true })
    expect(await drawn(await UdpClient.open(), server.ports.dtls!, bytes)).toEqual([])
  })

  const defaults = { 'max-dtls-handshakes': 1024, 'max-handshakes-per-address': 64, 'handshake-timeout-seconds': 10 }

  test('SEC-14 so many handshakes are under way and no more, each for its time', async () => {
    const server = await startForTest({ dtls: true, 'max-dtls-handshakes': '2', 'handshake-timeout-seconds': '1' })
    const port = server.ports.dtls!
    const begin = async (from: string) => {
      const client = await UdpClient.open(from)
      return handshakeType(await answered(client, port, await greeting(client, port, randomBytes(32))))
    }
    for (const host of ['127.0.3.1', '127.0.3.2', '127.0.3.3']) expect(await begin(host)).toBe(SERVER_HELLO)
    // The oldest of those that had no more than one each has made room.
    expect((await server.net()).dtls).toMatchObject({ handshakes: 2, handshakesFailed: 1 })
    await vi.waitFor(
      async () => expect((await server.net()).dtls).toMatchObject({ handshakes: 0, handshakesFailed: 3 }),
      { timeout: 10_000 },
    )
    for (const [name, value] of Object.entries(defaults))
      expect(optionTable[name as keyof typeof defaults].default).toBe(value)
  })

  describeWith(['openssl'], 'a client of another address', () => {
    test('SEC-14 shakes hands while one address begins a thousand handshakes and falls silent', async () => {
      const server = await startForTest({ dtls: true, 'relay-threads': '2' })
      const port = server.ports.dtls!
      // Enough for each of two threads to have more than its half of the places, however the kernel spreads them.
      const PORTS = 1280
      let begun = 0
      for (let ports = 0; ports < PORTS; ports += 128) {
        const flood = await Promise.all(Array.from({ length: 128 }, () => UdpClient.open('127.0.3.9')))
        await Promise.all(
          flood.map(async (client) => {
            const random = randomBytes(32)
            const verify = await answered(client, port, clientHello({ random }))
            client.send(clientHello({ random, cookie: cookieOf(verify) }), port)
            begun++
          }),
        )
      }
      expect(begun).toBe(PORTS)
      for (let i = 0; i < 6; i++) {
        const client = await NetworkClient.dtls({ port, login: ALICE })
        expect((await client.allocate()).code).toBe(200)
      }
      const { dtls } = await server.net()
      expect(dtls.handshakes).toBeLessThanOrEqual(64)
      expect(dtls.handshakesFailed).toBeGreaterThanOrEqual(PORTS - 64)
    })
  })
})

describe('TCP and TLS', () => {
  const binding = rawMessage(Method.BINDING)
  const reasons = async (server: TestServer) => (await server.net()).closedConnections

  test('SEC-15 without a complete message in its time a connection is closed, in each of its stages', async () => {
    const server = await startForTest({ 'tcp-first-message-timeout-seconds': '1' })
    const mute = await connectTcp(server.ports.tcp)
    const begun = await connectTcp(server.ports.tcp)
    begun.socket.write(binding.subarray(0, 19))
    const muteInside = await connectTls(server.ports.tls)
    await Promise.all([mute, begun, muteInside].map(({ closed }) => closed))
    await vi.waitFor(async () => expect((await reasons(server)).silent).toBe(3))
  })

  test('SEC-15 a message that stays half is closed, even with an allocation', async () => {
    const server = await startForTest({ 'tcp-half-message-timeout-seconds': '1' })
    const client = await NetworkClient.tcp({ port: server.ports.tcp, login: ALICE })
    expect((await client.allocate()).code).toBe(200)
    client.send(channelData(0x4000, Buffer.alloc(100)).subarray(0, 50))
    await client.closed
    await vi.waitFor(async () => expect((await reasons(server))['half-message']).toBe(1))
  })

  test('SEC-15 a TLS handshake that stops is closed', async () => {
    const server = await startForTest({ 'handshake-timeout-seconds': '1' })
    const client = await connectTcp(server.ports.tls)
    client.socket.write(await tlsClientHello())
    await client.closed
    await vi.waitFor(async () => expect((await reasons(server)).handshake).toBe(1))
  })

  test('SEC-15 a client without an allocation is closed when it falls silent, one with an allocation is not', async () => {
    const server = await startForTest({ 'max-allocate-timeout': '1' })
    const owner = await NetworkClient.tls({ port: server.ports.tls, login: ALICE })
    expect((await owner.allocate()).code).toBe(200)
    const idle = await NetworkClient.tcp({ port: server.ports.tcp })
    await idle.settled()
    await idle.closed
    await vi.waitFor(async () => expect((await reasons(server))['no-allocation']).toBe(1))
    expect((await owner.refresh(600)).code).toBe(200)
  })

  test('SEC-15 one source has so many connections and no more, others have theirs', async () => {
    const server = await startForTest({ 'max-tcp-connections-per-address': '2' })
    const port = server.ports.tcp
    const first = await NetworkClient.tcp({ port, from: '127.0.4.1' })
    const second = await NetworkClient.tcp({ port, from: '127.0.4.1' })
    await first.settled()
    await (await NetworkClient.tcp({ port, from: '127.0.4.1' })).closed
    await vi.waitFor(async () => expect((await reasons(server))['too-many-from-source']).toBe(1))
    await (await NetworkClient.tcp({ port, from: '127.0.4.2' })).settled()
    await second.settled()
  })

  test('SEC-15 where all places are taken the source with the most makes room, unless it has allocations', async () => {
    const server = await startForTest({ 'max-tcp-connections': '4' })
    const port = server.ports.tcp
    const greedy = '127.0.4.7'
    const owner = await NetworkClient.tcp({ port, from: greedy, login: ALICE })
    expect((await owner.allocate()).code).toBe(200)
    const silent: NetworkClient[] = []
    for (let i = 0; i < 3; i++) silent.push(await NetworkClient.tcp({ port, from: greedy }))
    await silent[2]!.settled()
    const honest = await NetworkClient.tcp({ port, from: '127.0.4.8', login: ALICE })
    expect((await honest.allocate()).code).toBe(200)
    await silent[0]!.closed
    // The one that has the most already takes nothing from anybody.
    await (await NetworkClient.tcp({ port, from: greedy })).closed
    expect(await reasons(server)).toMatchObject({ displaced: 1, 'too-many': 1 })
    expect((await owner.refresh(600)).code).toBe(200)
    await silent[1]!.settled()
    expect((await server.net()).openConnections.tcp).toBe(4)
  })

  test('SEC-15 one source has so many TLS handshakes under way, and another one has its own', async () => {
    const server = await startForTest()
    const port = server.ports.tls
    const hello = await tlsClientHello()
    for (let i = 0; i < 70; i++) (await connectTcp(port)).socket.write(hello)
    await vi.waitFor(async () => expect((await reasons(server)).displaced).toBe(6))
    expect((await server.net()).tls.handshakes).toBe(64)
    const client = await NetworkClient.tls({ port, from: '127.0.4.9', login: ALICE })
    expect((await client.allocate()).code).toBe(200)
  })

  test('SEC-15 the defaults are those of the list', () => {
    const defaults = Object.fromEntries(
      [
        'tcp-first-message-timeout-seconds',
        'tcp-half-message-timeout-seconds',
        'handshake-timeout-seconds',
        'max-allocate-timeout',
        'max-tcp-connections-per-address',
        'tcp-stalled-timeout-seconds',
        'max-tcp-queue-bytes',
      ].map((name) => [name, optionTable[name as keyof typeof optionTable].default]),
    )
    expect(defaults).toEqual({
      'tcp-first-message-timeout-seconds': 10,
      'tcp-half-message-timeout-seconds': 15,
      'handshake-timeout-seconds': 10,
      'max-allocate-timeout': 60,
      'max-tcp-connections-per-address': 1024,
      'tcp-stalled-timeout-seconds': 30,
      'max-tcp-queue-bytes': 1 << 20,
    })
  })

  test('SEC-15 500 silent connections delay no Allocate', async () => {
    const server = await startForTest()
    await Promise.all(Array.from({ length: 250 }, () => connectTcp(server.ports.tcp)))
    await Promise.all(Array.from({ length: 250 }, () => connectTcp(server.ports.tls)))
    await vi.waitFor(async () => expect((await server.net()).openConnections.tcp).toBe(500))
    for (const transport of ['udp', 'tcp', 'tls'] as const) {
      const client = await NetworkClient[transport]({ port: server.ports[transport], login: ALICE })
      await client.greet()
      const began = performance.now()
      expect((await client.allocate()).code).toBe(200)
      // The list says 100 ms more than without them, on an idle machine; a server that waits for them takes 10 s.
      expect(performance.now() - began).toBeLessThan(3000)
    }
  })

  /** The first flight of a client, as it would leave its socket. */
  async function tlsClientHello(): Promise<Buffer> {
    const listener = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void listener.close())
    await once(listener, 'listening')
    const { port } = listener.address() as { port: number }
    const client = connectSecurely({ socket: connect(port, '127.0.0.1'), rejectUnauthorized: false })
    client.on('error', () => {})
    const [socket] = await once(listener, 'connection')
    const [hello] = await once(socket, 'data')
    client.destroy()
    socket.destroy()
    return hello
  }
})
