import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { ClientTransport } from '../../../src/turn/five-tuple.ts'
import { NatBehaviour } from '../../../src/turn/methods/nat-behaviour.ts'
import { Answer, type Write } from '../../support/turn-client.ts'
import { ALICE, TurnWorld, type WorldOptions } from '../../support/turn-world.ts'

/** Clients come to 192.0.2.1:3478 or [2001:db8::1]:3478. */
const BESIDE = new NatBehaviour(
  ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'].map((host) => Address.parse(host)!),
  [
    [3478, 3479],
    [5349, 5350],
  ],
)

interface Reply {
  readonly answer: Answer
  readonly from: string
  readonly to: string
}

/** What a Binding request gets, and on which way; null for nothing. */
function ask(world: TurnWorld, write: Write, transport: ClientTransport = 'udp', host = '198.51.100.7'): Reply | null {
  const client = world.client(null, transport, host)
  world.effects.clear()
  client.send(client.request(Method.BINDING, write))
  const sent = world.effects.toClient[0]
  if (sent === undefined) return null
  const { server, client: to } = sent.client
  return { answer: new Answer(sent.bytes), from: server.toString(), to: to.toString() }
}

const discovering = (options: WorldOptions = {}) => new TurnWorld({ natBehaviour: BESIDE, ...options })
const change =
  (bits: number): Write =>
  (writer) =>
    writer.uint32(Attribute.CHANGE_REQUEST, bits)
const nothing: Write = () => {}

function plain(answer: Answer, attribute: number): string | null {
  const address = new Address()
  return answer.message.address(attribute, address) ? address.toString() : null
}

test.each([
  ['198.51.100.7', '192.0.2.1:3478', '192.0.2.2:3479'],
  ['2001:db8:7::7', '[2001:db8::1]:3478', '[2001:db8::2]:3479'],
])('NAT-5780-02 %s is told where the answer leaves from and what stands beside it', (host, here, there) => {
  const { answer, from } = ask(discovering(), nothing, 'udp', host)!
  expect(answer.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS, Attribute.RESPONSE_ORIGIN, Attribute.OTHER_ADDRESS])
  expect(plain(answer, Attribute.RESPONSE_ORIGIN)).toBe(here)
  expect(plain(answer, Attribute.OTHER_ADDRESS)).toBe(there)
  expect(from).toBe(here)
})

test('NAT-5780-02 of three addresses each has the next beside it, and the last the first', () => {
  const ring = new NatBehaviour(
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((host) => Address.parse(host)!),
    [[1, 2]],
  )
  const beside = (host: string, port: number) => ring.otherAddress(Address.parse(host, port)!)?.toString()
  expect([beside('10.0.0.1', 1), beside('10.0.0.2', 2), beside('10.0.0.3', 1)]).toEqual([
    '10.0.0.2:2',
    '10.0.0.3:1',
    '10.0.0.1:2',
  ])
  expect(beside('10.0.0.1', 3)).toBeUndefined()
  expect(beside('10.0.0.4', 1)).toBeUndefined()
})

test.each([
  [0x02, '192.0.2.1:3479'],
  [0x04, '192.0.2.2:3478'],
  [0x06, '192.0.2.2:3479'],
])('NAT-5780-03 CHANGE-REQUEST %i is answered from %s', (bits, origin) => {
  const { answer, from, to } = ask(discovering(), change(bits))!
  expect(answer.code).toBe(200)
  expect(from).toBe(origin)
  expect(plain(answer, Attribute.RESPONSE_ORIGIN)).toBe(origin)
  expect(plain(answer, Attribute.OTHER_ADDRESS)).toBe('192.0.2.2:3479')
  expect(answer.address(Attribute.XOR_MAPPED_ADDRESS)?.toString()).toBe(to)
})

test('NAT-5780-04 without bits CHANGE-REQUEST is answered from where it came to', () => {
  expect(ask(discovering(), change(0))?.from).toBe('192.0.2.1:3478')
})

test('NAT-5780-04 an address that stands alone cannot be left for another', () => {
  const alone = new NatBehaviour([Address.parse('192.0.2.1')!], [[3478, 3479]])
  const world = discovering({ natBehaviour: alone })
  expect(ask(world, change(0x04))?.answer.code).toBe(420)
  expect(ask(world, nothing)?.answer.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
})

test.each(['tcp', 'tls', 'dtls'] as const)('NAT-5780-05 over %s bits and RESPONSE-PORT are 400', (transport) => {
  const world = discovering()
  expect(ask(world, change(0x02), transport)?.answer.code).toBe(400)
  expect(ask(world, (writer) => writer.uint32(Attribute.RESPONSE_PORT, 0x9c400000), transport)?.answer.code).toBe(400)
  expect(ask(world, nothing, transport)?.answer.code).toBe(200)
})

test.each([
  ['of two bytes', Buffer.from('9c40', 'hex')],
  ['of four bytes', Buffer.from('9c400000', 'hex')],
])('NAT-5780-06 RESPONSE-PORT %s sends the answer there, to the same address', (_name, value) => {
  const { answer, from, to } = ask(discovering(), (writer) => writer.bytes(Attribute.RESPONSE_PORT, value))!
  expect([from, to]).toEqual(['192.0.2.1:3478', '198.51.100.7:40000'])
  expect(answer.address(Attribute.XOR_MAPPED_ADDRESS)?.port).not.toBe(40000)
})

test('NAT-5780-06 RESPONSE-PORT and CHANGE-REQUEST go together', () => {
  const { from, to } = ask(discovering(), (writer) =>
    writer.uint32(Attribute.RESPONSE_PORT, 0x9c400000).uint32(Attribute.CHANGE_REQUEST, 0x06),
  )!
  expect([from, to]).toEqual(['192.0.2.2:3479', '198.51.100.7:40000'])
})

test('NAT-5780-06 SEC-10 no answer goes to the port of a service, and few go to others', () => {
  const world = discovering({ challengesPerSecond: 3 })
  const to = (port: number) => ask(world, (writer) => writer.uint32(Attribute.RESPONSE_PORT, port * 0x10000))
  expect(to(53)).toMatchObject({ answer: { code: 400 } })
  expect(to(1023)).toMatchObject({ answer: { code: 400 } })
  expect(to(1024)?.to).toBe('198.51.100.7:1024')
  expect(to(1024)).toBeNull()
  expect(world.dropped).toEqual({ 'challenge-limit': 1 })
  // Answers on the way that the request came are not counted.
  expect(ask(world, nothing)?.answer.code).toBe(200)
})

test('NAT-5780-06 a RESPONSE-PORT of another size is 400', () => {
  const answer = ask(discovering(), (writer) => writer.bytes(Attribute.RESPONSE_PORT, Buffer.alloc(3)))?.answer
  expect(answer?.code).toBe(400)
})

test.each([
  [1500, 1452],
  [1200, 1452],
  [600, 700],
])(
  'NAT-5780-07 NAT-5780-08 SEC-10 a request with %i bytes of PADDING has an answer of at most %i, and of its own size',
  (size, most) => {
    const world = discovering()
    const request = (writer: Parameters<Write>[0]) => writer.bytes(Attribute.PADDING, Buffer.alloc(size))
    const { answer } = ask(world, request)!
    const padding = answer.message.value(Attribute.PADDING)!
    expect(padding.length % 4).toBe(0)
    expect(padding.every((byte) => byte === 0)).toBe(true)
    expect(answer.bytes.length).toBeLessThanOrEqual(Math.min(most, size + 24))
    expect(answer.bytes.length).toBeGreaterThan(Math.min(most, size + 24) - 60)
  },
)

test('NAT-5780-08 SEC-10 no request draws more than it was, FINGERPRINT included', () => {
  const world = discovering({ settings: { fingerprint: true } })
  for (let size = 0; size <= 1600; size += 4) {
    const client = world.client(null)
    const request = client.request(Method.BINDING, (writer) => writer.bytes(Attribute.PADDING, Buffer.alloc(size)))
    const [answer] = client.send(request)
    expect(answer!.length).toBeLessThanOrEqual(Math.max(request.length, 100))
  }
})

test.each(['tcp', 'tls'] as const)('NAT-5780-07 PADDING over %s is 400', (transport) => {
  const padded: Write = (writer) => writer.bytes(Attribute.PADDING, Buffer.alloc(64))
  expect(ask(discovering(), padded, transport)?.answer.code).toBe(400)
})

test('NAT-5780-07 PADDING with RESPONSE-PORT is 400', () => {
  const { answer } = ask(discovering(), (writer) =>
    writer.bytes(Attribute.PADDING, Buffer.alloc(64)).uint32(Attribute.RESPONSE_PORT, 0x9c400000),
  )!
  expect(answer.code).toBe(400)
})

test('NAT-5780-09 behind external-ip the public addresses are named, and the answer leaves from the private one', () => {
  const world = discovering({
    relayAddresses: ['192.0.2.1', '192.0.2.2'],
    externalIps: ['192.0.2.1', '192.0.2.2'].map((host) => ({
      public: Address.parse(host.replace('192.0.2', '203.0.113'))!,
      private: Address.parse(host)!,
    })),
  })
  const { answer, from } = ask(world, change(0x06))!
  expect(from).toBe('192.0.2.2:3479')
  expect(plain(answer, Attribute.RESPONSE_ORIGIN)).toBe('203.0.113.2:3479')
  expect(plain(answer, Attribute.OTHER_ADDRESS)).toBe('203.0.113.2:3479')
})

test('NAT-5780-02 with secure-stun the answer is signed over all of it', () => {
  const world = discovering({ settings: { stun: 'secure' } })
  const alice = world.client(ALICE)
  alice.learn(alice.ask(Method.BINDING)!)
  world.effects.clear()
  alice.send(alice.request(Method.BINDING, change(0x06)))
  const [sent] = world.effects.toClient
  const answer = new Answer(sent!.bytes)
  expect(alice.isSigned(answer)).toBe(true)
  expect(sent!.client.server.toString()).toBe('192.0.2.2:3479')
})

test('RFC 3489 clients read the same from SOURCE-ADDRESS and CHANGED-ADDRESS', () => {
  const world = discovering({ settings: { rfc3489Compatibility: true } })
  const client = world.client(null)
  const request = Buffer.from(`00010008${'07'.repeat(16)}0003000400000006`, 'hex')
  client.send(request)
  const [{ client: path, bytes }] = world.effects.toClient as [(typeof world.effects.toClient)[0]]
  expect(path.server.toString()).toBe('192.0.2.2:3479')
  const ip = (last: number, port: number) =>
    `0001${port.toString(16).padStart(4, '0')}c00002${last.toString(16).padStart(2, '0')}`
  expect(bytes.toString('hex', 32)).toBe(`00040008${ip(2, 3479)}00050008${ip(2, 3479)}`)
})
