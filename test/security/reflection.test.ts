import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { rawMessage } from '../support/raw-message.ts'
import { startForTest, startTestServer, type TestOptions, type TestServer, testUser } from '../support/server.ts'
import { connectTcp, UdpClient } from '../support/sockets.ts'
import { type Answer, channelData, type Login } from '../support/turn-client.ts'
import { udp } from '../support/turn-world.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const WRONG: Login = { username: testUser.name, password: 'wrong' }
const UDP_WANTED = [Attribute.REQUESTED_TRANSPORT, '11000000'] as const

type Input = readonly [name: string, bytes: Buffer]

/** What one datagram draws; sent by itself, so that nothing else can have been the cause. */
async function drawnBytes(client: NetworkClient, bytes: Buffer): Promise<number> {
  const before = client.receivedBytes
  await client.settled()
  const fence = client.receivedBytes - before
  await client.answersTo(bytes)
  return client.receivedBytes - before - 2 * fence
}

const EVERYTHING_ON: TestOptions = {
  dtls: true,
  fingerprint: true,
  'software-attribute': true,
  'stun-backward-compatibility': true,
  'rfc3489-compatibility': true,
  'include-reason-string': true,
  sha256: 'on',
  realm: 'a.realm.of.thirty.two.characters',
  'respond-http-unsupported': true,
  'unauthorized-ratelimit': 'false',
}

describe('what strangers draw', () => {
  test('SEC-09 a Binding request of 20 bytes draws 32 over IPv4, 44 over IPv6 and never more than 100', async () => {
    const server = await startForTest({ 'listening-ip': ['127.0.0.1', '::1'] })
    for (const [host, length] of [
      ['127.0.0.1', 32],
      ['::1', 44],
    ] as const) {
      const client = await UdpClient.open(host)
      client.send(rawMessage(Method.BINDING), server.udpPort(host), host)
      expect((await client.inbox.next()).bytes).toHaveLength(length)
    }
    const lavish = await startForTest({ ...EVERYTHING_ON, 'listening-ip': ['127.0.0.1', '::1'] })
    for (const host of ['127.0.0.1', '::1']) {
      const client = await UdpClient.open(host)
      client.send(rawMessage(Method.BINDING), lavish.udpPort(host), host)
      expect((await client.inbox.next()).bytes.length).toBeLessThanOrEqual(100)
    }
  })

  test.each([
    ['with the defaults', {}],
    ['with everything on', EVERYTHING_ON],
  ])('SEC-09 %s an Allocate of 28 bytes without credentials draws at most 180', async (_name, options) => {
    const server = await startForTest(options)
    const client = await NetworkClient.udp({ port: server.ports.udp })
    const allocate = rawMessage(Method.ALLOCATE, [UDP_WANTED])
    expect(allocate).toHaveLength(28)
    const drawn = await drawnBytes(client, allocate)
    expect(drawn).toBeGreaterThan(60)
    expect(drawn).toBeLessThanOrEqual(180)
  })

  /** Everything that somebody without credentials may send, as short as it gets. */
  function inputs(client: NetworkClient): readonly Input[] {
    const methods = [...Object.values(Method), 0x0fff]
    const classes = Object.values(MessageClass)
    const typed = (method: number, messageClass: number) => rawMessage(typeOf(method, messageClass))
    const unknown = (count: number, first: number) =>
      Array.from({ length: count }, (_, i) => [first + i, ''] as const satisfies readonly [number, string])
    const wrong = { login: WRONG, realm: client.realm!, nonce: client.nonce! }
    return [
      ...methods.flatMap((method) =>
        classes.map(
          (messageClass): Input => [`0x${method.toString(16)} of class ${messageClass}`, typed(method, messageClass)],
        ),
      ),
      ...methods.map((method): Input => {
        const junk = [Attribute.MESSAGE_INTEGRITY, randomBytes(20)] as const
        return [`0x${method.toString(16)} with junk for integrity`, rawMessage(typeOf(method, 0), [UDP_WANTED, junk])]
      }),
      ...methods.map((method): Input => {
        return [`0x${method.toString(16)} with a wrong password`, client.request(method, undefined, wrong)]
      }),
      ['a nonce of our own making', client.request(Method.ALLOCATE, udp, { ...wrong, nonce: 'x' })],
      ['a short realm', client.request(Method.ALLOCATE, udp, { ...wrong, realm: 'x' })],
      ['one unknown attribute', rawMessage(Method.BINDING, unknown(1, 0x0030))],
      ['300 unknown attributes', rawMessage(Method.BINDING, unknown(300, 0x0030))],
      ['300 unknown attributes of TURN', rawMessage(Method.ALLOCATE, unknown(300, 0x0030))],
      ['a PADDING', rawMessage(Method.BINDING, [[Attribute.PADDING, '']])],
      ['a CHANGE-REQUEST', rawMessage(Method.BINDING, [[Attribute.CHANGE_REQUEST, '00000006']])],
      ['a RESPONSE-PORT', rawMessage(Method.BINDING, [[Attribute.RESPONSE_PORT, '00350000']])],
      ['a Binding of RFC 3489', Buffer.concat([Buffer.from('00010000', 'hex'), randomBytes(16)])],
      ['ChannelData', channelData(0x4000, Buffer.alloc(4))],
    ]
  }

  function typeOf(method: number, messageClass: number): number {
    return (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2) | messageClass
  }

  describe.each(['udp', 'tcp', 'tls'] as const)('over %s', (transport) => {
    test.each([
      ['with the defaults', { 'unauthorized-ratelimit': 'false' }],
      ['with everything on', EVERYTHING_ON],
      ['with secure-stun', { ...EVERYTHING_ON, 'secure-stun': true }],
    ])(
      'SEC-09 %s nothing draws more than 200 bytes or four times its own size',
      { timeout: 60_000 },
      async (_name, options) => {
        const server = await startForTest(options)
        const probe = await NetworkClient.udp({ port: server.ports.udp })
        await probe.greet()
        const drawn: [string, number, number][] = []
        for (const [name, bytes] of inputs(probe)) {
          // A connection of its own each time, because some of these end it.
          const client = transport === 'udp' ? probe : await NetworkClient[transport]({ port: server.ports[transport] })
          const before = client.receivedBytes
          client.send(bytes)
          if (transport === 'udp') await client.settled()
          else await Promise.race([client.settled(), client.closed])
          drawn.push([name, bytes.length, client.receivedBytes - before])
        }
        // Each number holds the answer to the Binding behind it, too, which is what a silent input draws.
        const fence = Math.min(...drawn.map(([, , received]) => received).filter((received) => received > 0))
        const tooMuch = drawn.filter(([, sent, received]) => received - fence > Math.max(200, 4 * sent))
        expect(tooMuch).toEqual([])
        expect(drawn.filter(([, , received]) => received > fence).length).toBeGreaterThan(10)
      },
    )
  })

  test('SEC-09 nor does HTTP on a TURN port', async () => {
    const server = await startForTest({
      ...EVERYTHING_ON,
      'acme-redirect': 'http://localhost/.well-known/acme-challenge/',
    })
    for (const line of ['GET / HTTP/1.0\r\n\r\n', 'GET /.well-known/acme-challenge/x HTTP/1.1\r\n\r\n']) {
      const client = await connectTcp(server.ports.tcp)
      client.socket.write(line)
      client.socket.end()
      const answer = await client.readToEnd()
      expect(answer.length).toBeGreaterThan(0)
      expect(answer.length).toBeLessThanOrEqual(200)
    }
  })

  test.each([
    ['CHANGE-REQUEST for the address', [Attribute.CHANGE_REQUEST, '00000004'], Attribute.CHANGE_REQUEST],
    ['CHANGE-REQUEST for the port', [Attribute.CHANGE_REQUEST, '00000002'], Attribute.CHANGE_REQUEST],
  ] satisfies [string, readonly [number, string], number][])(
    'SEC-10 without rfc5780 %s is refused with 420 to where it came from',
    async (_name, attribute, refused) => {
      const server = await startForTest()
      const client = await NetworkClient.udp({ port: server.ports.udp })
      const request = rawMessage(Method.BINDING, [attribute])
      const [answer, ...more] = await client.answersTo(request)
      expect(more).toEqual([])
      expect(answer!.code).toBe(420)
      expect(answer!.message.value(Attribute.UNKNOWN_ATTRIBUTES)?.readUInt16BE(0)).toBe(refused)
      expect(answer!.message.has(Attribute.PADDING)).toBe(false)
      expect(answer!.bytes.length).toBeLessThanOrEqual(64)
    },
  )

  test.each([
    ['PADDING', [Attribute.PADDING, '00000000']],
    ['PADDING of 1 400 bytes', [Attribute.PADDING, Buffer.alloc(1400)]],
    ['RESPONSE-PORT', [Attribute.RESPONSE_PORT, 'c0000000']],
    ['RESPONSE-PORT below 1024', [Attribute.RESPONSE_PORT, '00350000']],
  ] satisfies [string, readonly [number, string | Buffer]][])(
    'SEC-10 without rfc5780 %s changes neither the way nor the size of the answer',
    async (_name, attribute) => {
      const server = await startForTest()
      const client = await NetworkClient.udp({ port: server.ports.udp })
      const [answer, ...more] = await client.answersTo(rawMessage(Method.BINDING, [attribute]))
      expect(more).toEqual([])
      expect(answer!.code).toBe(200)
      expect(answer!.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
    },
  )
})

describe('what is dropped', () => {
  const binding = rawMessage(Method.BINDING)
  const CASES: readonly (readonly [name: string, bytes: Buffer, counter: string])[] = [
    ['a success response', rawMessage(0x0101), 'response'],
    ['an error response', rawMessage(0x0113), 'response'],
    ['a Data indication', rawMessage(0x0017), 'unexpected-class'],
    ['an Allocate indication', rawMessage(0x0013), 'unexpected-class'],
    ['a Send indication', rawMessage(0x0016), 'no-allocation'],
    ['ChannelData', channelData(0x4000, Buffer.from('data')), 'no-allocation'],
    ['junk', Buffer.from('ffffffffffffffffffffffffffffffffffffffff', 'hex'), 'malformed'],
    ['three bytes', Buffer.from('000100', 'hex'), 'malformed'],
    ['a wrong cookie', Buffer.concat([binding.subarray(0, 4), Buffer.alloc(16, 1)]), 'malformed'],
    ['a length beyond the datagram', withLength(binding, 4), 'malformed'],
    ['a length that is no multiple of four', Buffer.concat([withLength(binding, 2), Buffer.alloc(2)]), 'malformed'],
    ['bytes behind the message', Buffer.concat([binding, Buffer.alloc(4)]), 'malformed'],
    ['an attribute that ends outside', rawMessage(Method.BINDING, [[0x8022, '00000000']]).fill(9, 23, 24), 'malformed'],
    ['a wrong FINGERPRINT', rawMessage(Method.BINDING, [[Attribute.FINGERPRINT, '00000000']]), 'fingerprint'],
    ['a method that does not exist', rawMessage(0x000f), 'unknown-method'],
  ]

  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ 'relay-threads': '1' })
    return () => server.close()
  })

  test.each(CASES)('SEC-11 %s draws nothing, leaves nothing and is counted', async (_name, bytes, counter) => {
    const client = await NetworkClient.udp({ port: server.ports.udp })
    const before = { ...(await server.counters()).dropped }
    expect(await client.answersTo(bytes)).toEqual([])
    expect(client.data.length).toBe(0)
    expect((await server.counters()).dropped).toEqual({
      ...before,
      [counter]: before[counter as keyof typeof before] + 1,
    })
    expect((await server.holds()).allocations).toBe(0)
  })

  function withLength(message: Buffer, length: number): Buffer {
    const copy = Buffer.from(message)
    copy.writeUInt16BE(length, 2)
    return copy
  }
})

/** Sends in portions that fit into the buffers of the system, and answers with what came. */
async function flood(client: NetworkClient, count: number, request: () => Buffer): Promise<Answer[]> {
  const answers: Answer[] = []
  for (let sent = 0; sent < count; sent += 100) {
    answers.push(...(await client.answersTo(...Array.from({ length: 100 }, request))))
  }
  return answers
}

describe('how many answers a stranger draws', () => {
  const FLOODS: readonly (readonly [name: string, request: (client: NetworkClient) => Buffer, code: number])[] = [
    ['401', (client) => client.request(Method.ALLOCATE, udp, { login: null }), 401],
    ['401 to Refresh', (client) => client.request(Method.REFRESH, () => {}, { login: null }), 401],
    ['438', (client) => client.request(Method.ALLOCATE, udp, { login: ALICE, realm: 'x', nonce: 'forged' }), 438],
    ['400', () => rawMessage(Method.ALLOCATE, [UDP_WANTED, [Attribute.MESSAGE_INTEGRITY, randomBytes(20)]]), 400],
    ['420', () => rawMessage(Method.BINDING, [[Attribute.CHANGE_REQUEST, '00000004']]), 420],
  ]

  test.each(FLOODS)(
    'SEC-12 %s over UDP: a hundred a second for an address, whatever the port, and nothing more',
    { timeout: 60_000 },
    async (_name, request, code) => {
      const server = await startForTest({ 'max-wrong-guesses-per-minute': '0' })
      const began = performance.now()
      const ports = await Promise.all(
        [1, 2, 3, 4].map(() => NetworkClient.udp({ port: server.ports.udp, from: '127.0.0.9' })),
      )
      const answers: Answer[] = []
      for (const client of ports) answers.push(...(await flood(client, 500, () => request(client))))
      const seconds = Math.ceil((performance.now() - began) / 1000)
      expect(new Set(answers.map((answer) => answer.code))).toEqual(new Set([code]))
      expect(answers.length).toBeGreaterThanOrEqual(100)
      // A window may have begun before the first and another end after the last.
      expect(answers.length).toBeLessThanOrEqual(100 * (seconds + 1))
      expect((await server.counters()).dropped['challenge-limit']).toBe(2000 - answers.length)
    },
  )

  test('SEC-12 however many threads serve it', { timeout: 60_000 }, async () => {
    const server = await startForTest({ 'relay-threads': '3' })
    const clients = await Promise.all(
      Array.from({ length: 12 }, () => NetworkClient.udp({ port: server.ports.udp, from: '127.0.0.16' })),
    )
    const began = performance.now()
    let answers = 0
    for (const client of clients)
      answers += (await flood(client, 300, () => client.request(Method.ALLOCATE, udp))).length
    const seconds = Math.ceil((performance.now() - began) / 1000)
    expect(answers).toBeGreaterThanOrEqual(100)
    expect(answers).toBeLessThanOrEqual(100 * (seconds + 1))
  })

  test('SEC-12 an address that has used up its answers is served when it has credentials, and others are anyway', async () => {
    const server = await startForTest({ 'unauthorized-ratelimit-rps': '5' })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.10' })
    await client.greet()
    expect((await client.allocate()).code).toBe(200)
    const challenge = () => client.request(Method.ALLOCATE, udp, { login: null })
    const answers = await flood(client, 300, challenge)
    expect(answers.length).toBeLessThan(150)
    expect((await client.refresh(600)).code).toBe(200)
    expect((await client.permit('127.0.0.2:1')).code).toBe(200)

    const other = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.11' })
    expect((await other.allocate()).code).toBe(200)
  })

  test('SEC-12 TCP proves its source, so there it is not limited', async () => {
    const server = await startForTest({ 'unauthorized-ratelimit-rps': '5' })
    const client = await NetworkClient.tcp({ port: server.ports.tcp })
    expect(await flood(client, 300, () => client.request(Method.ALLOCATE, udp))).toHaveLength(300)
  })

  test('SEC-16 secure-stun answers a Binding as a 401 is answered: as small, and as seldom', async () => {
    const server = await startForTest({ 'secure-stun': true, 'unauthorized-ratelimit-rps': '5' })
    const began = performance.now()
    const client = await NetworkClient.udp({ port: server.ports.udp, from: '127.0.0.12' })
    for (let i = 0; i < 200; i++) client.send(rawMessage(Method.BINDING))
    // Another source's answer comes when these have been handled.
    const other = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.13' })
    const challenge = await other.ask(Method.ALLOCATE, udp)
    await vi.waitFor(async () => expect((await server.counters()).dropped['challenge-limit']).toBeGreaterThan(0))
    const seconds = Math.ceil((performance.now() - began) / 1000)
    expect(client.answers.length).toBeGreaterThanOrEqual(5)
    expect(client.answers.length).toBeLessThanOrEqual(5 * (seconds + 1))
    const answer = await client.answers.next()
    expect(answer.code).toBe(401)
    expect(answer.bytes.length).toBe(challenge.bytes.length)
    expect(answer.message.has(Attribute.XOR_MAPPED_ADDRESS)).toBe(false)
  })

  test('SEC-16 while draining strangers meet the same 401, as seldom, and users a 403 that is smaller', async () => {
    const server = await startForTest({ 'unauthorized-ratelimit-rps': '5', 'user-quota': '1' })
    const client = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.14' })
    const challenge = await client.ask(Method.ALLOCATE, udp)
    client.learn(challenge)
    expect((await client.allocate()).code).toBe(200)
    const limited = await NetworkClient.udp({ port: server.ports.udp, login: ALICE, from: '127.0.0.14' })
    const refused = await limited.allocate()
    expect(refused.code).toBe(486)
    expect(refused.bytes.length).toBeLessThanOrEqual(challenge.bytes.length)

    server.running.operations.drain(null)
    // By now every thread knows.
    await server.readings()
    const drained = await limited.allocate()
    expect(drained.code).toBe(403)
    expect(drained.bytes.length).toBeLessThanOrEqual(challenge.bytes.length)
    const stranger = await NetworkClient.udp({ port: server.ports.udp, from: '127.0.0.15' })
    const [first, ...more] = await flood(stranger, 300, () => stranger.request(Method.ALLOCATE, udp))
    expect([first!.code, first!.bytes.length]).toEqual([401, challenge.bytes.length])
    expect(more.length).toBeLessThan(150)
  })
})
