import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../../src/stun/constants.ts'
import { verifyFingerprint } from '../../../src/stun/integrity.ts'
import { Answer } from '../../support/turn-client.ts'
import { ALICE, TurnWorld } from '../../support/turn-world.ts'

/** A Binding request of RFC 3489: 16 bytes of transaction id and no cookie. */
function classic(hex = '000102030405060708090a0b0c0d0e0f'): Buffer {
  return Buffer.concat([Buffer.from('00010000', 'hex'), Buffer.from(hex, 'hex')])
}

test.each([
  ['198.51.100.7', 32],
  ['2001:db8:7::7', 44],
])('STUN-BIND-01 SEC-09 %s gets its mapped address in %i bytes', (host, length) => {
  const world = new TurnWorld()
  const client = world.client(null, 'udp', host)
  const request = client.request(Method.BINDING)
  const [bytes] = client.send(request)
  const answer = new Answer(bytes!)
  expect(answer.code).toBe(200)
  expect(bytes).toHaveLength(length)
  expect(answer.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
  expect(answer.address(Attribute.XOR_MAPPED_ADDRESS)?.equals(client.fiveTuple.client)).toBe(true)
  expect(bytes!.subarray(4, 20)).toEqual(request.subarray(4, 20))
})

test('SEC-09 with everything on it is not more than 100 bytes', () => {
  const world = new TurnWorld({
    settings: {
      fingerprint: true,
      software: 'webrtc-stack',
      includeReasonString: true,
      stunBackwardCompatibility: true,
    },
  })
  const client = world.client(null, 'udp', '2001:db8:7::7')
  expect(client.send(client.request(Method.BINDING))[0]!.length).toBeLessThanOrEqual(100)
})

test('STUN-BIND-01 behind external-ip a client on our own host sees our public address', () => {
  const world = new TurnWorld({
    relayAddresses: ['10.0.0.5'],
    externalIps: [{ public: Address.parse('203.0.113.9')!, private: Address.parse('10.0.0.5')! }],
  })
  const client = world.client(null, 'udp', '10.0.0.5')
  expect(client.ask(Method.BINDING)?.address(Attribute.XOR_MAPPED_ADDRESS)?.host).toBe('203.0.113.9')
  expect(client.fiveTuple.client.host).toBe('10.0.0.5')
})

test('STUN-BIND-02 USERNAME and integrity mean nothing', () => {
  const world = new TurnWorld()
  const client = world.client(null)
  const answer = client.ask(Method.BINDING, (writer) =>
    writer.text(Attribute.USERNAME, 'nobody').bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)),
  )
  expect(answer?.code).toBe(200)
  expect(answer?.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
})

test('STUN-BIND-03 SEC-16 secure-stun asks for credentials as TURN does, and signs the answer', () => {
  const world = new TurnWorld({ settings: { stun: 'secure' }, challengesPerSecond: 2 })
  const alice = world.client(ALICE)
  const challenge = alice.ask(Method.BINDING)!
  expect(challenge.code).toBe(401)
  alice.learn(challenge)
  const answer = alice.ask(Method.BINDING)!
  expect(answer.code).toBe(200)
  expect(alice.isSigned(answer)).toBe(true)
  expect(alice.ask(Method.BINDING, () => {}, { nonce: 'another' })?.code).toBe(438)
  expect(alice.ask(Method.BINDING, () => {}, { login: null })).toBeNull()
  expect(alice.ask(Method.BINDING)?.code).toBe(200)
})

test('STUN-BIND-03 no-stun drops Binding and nothing else, stun-only drops all else', () => {
  const without = new TurnWorld({ settings: { stun: 'off' } })
  expect(without.client().ask(Method.BINDING)).toBeNull()
  expect(without.client().allocate().code).toBe(200)
  const only = new TurnWorld({ settings: { stunOnly: true } })
  const alice = only.client()
  expect(alice.ask(Method.BINDING)?.code).toBe(200)
  for (const method of [Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND]) {
    expect(alice.ask(method)).toBeNull()
  }
  expect(only.dropped).toEqual({ 'turn-disabled': 4 })
})

test('STUN-BIND-04 a Binding indication has no answer', () => {
  const world = new TurnWorld()
  const client = world.client(null)
  expect(client.send(client.indication(Method.BINDING, () => {}))).toEqual([])
})

test.each(['udp', 'tcp', 'tls', 'dtls'] as const)(
  'STUN-BIND-05 over %s, beside a live allocation that it leaves alone',
  (transport) => {
    const world = new TurnWorld()
    const alice = world.client(ALICE, transport)
    expect(alice.ask(Method.BINDING, () => {}, { login: null })?.code).toBe(200)
    alice.allocate()
    world.pass(599)
    expect(alice.ask(Method.BINDING)?.code).toBe(200)
    expect(world.server.allocations.size).toBe(1)
    world.pass(1)
    expect(world.server.allocations.size).toBe(0)
  },
)

test('STUN-BIND-06 the mapped address is the 5-tuple the driver names, wherever the connection came from', () => {
  const world = new TurnWorld()
  const behindFront = world.client(null, 'tcp', '203.0.113.200')
  expect(behindFront.ask(Method.BINDING)?.address(Attribute.XOR_MAPPED_ADDRESS)?.host).toBe('203.0.113.200')
})

test('STUN-BIND-07 stun-backward-compatibility adds MAPPED-ADDRESS', () => {
  const world = new TurnWorld({ settings: { stunBackwardCompatibility: true } })
  const client = world.client(null)
  const answer = client.ask(Method.BINDING)!
  const mapped = new Address()
  expect(answer.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS, Attribute.MAPPED_ADDRESS])
  expect(answer.message.address(Attribute.MAPPED_ADDRESS, mapped)).toBe(true)
  expect(mapped.equals(client.fiveTuple.client)).toBe(true)
})

test('STUN-BIND-08 rfc3489-compatibility answers without the cookie, with the 16-byte id', () => {
  const world = new TurnWorld({ settings: { rfc3489Compatibility: true } })
  const [bytes] = world.client(null, 'udp', '198.51.100.7').send(classic())
  expect(bytes?.toString('hex')).toBe(
    '0101000c000102030405060708090a0b0c0d0e0f000100080001 4e20 c6336407'.replaceAll(' ', ''),
  )
})

test('STUN-BIND-08 STUN-HDR-05 such a request is dropped by default, and is 500 over DTLS', () => {
  const world = new TurnWorld()
  expect(world.client(null).send(classic())).toEqual([])
  expect(world.dropped).toEqual({ malformed: 1 })
  const compatible = new TurnWorld({ settings: { rfc3489Compatibility: true } })
  const [bytes] = compatible.client(null, 'dtls').send(classic())
  expect(bytes?.toString('hex', 0, 2)).toBe('0111')
  expect(bytes?.toString('hex', 24, 28)).toBe('00000500')
})

test('STUN-BIND-08 no other method and no other class is answered without the cookie', () => {
  const world = new TurnWorld({ settings: { rfc3489Compatibility: true } })
  for (const type of ['0003', '0011', '0101', '0111', '0004']) {
    const bytes = classic()
    Buffer.from(type, 'hex').copy(bytes)
    expect(world.client(null).send(bytes)).toEqual([])
  }
})

test('STUN-BIND-09 answering creates no state', () => {
  const world = new TurnWorld()
  for (let i = 0; i < 1000; i++) world.client(null).ask(Method.BINDING)
  expect(world.server.counters.bindingSuccesses).toBe(1000)
  expect(world.server.allocations.size).toBe(0)
  expect(world.effects.opening).toEqual([])
})

test('NAT-5780-04 CHANGE-REQUEST with a bit set is 420 naming it, without bits it is ignored', () => {
  const world = new TurnWorld()
  const client = world.client(null)
  for (const bits of [0x02, 0x04, 0x06]) {
    const answer = client.ask(Method.BINDING, (writer) => writer.uint32(Attribute.CHANGE_REQUEST, bits))!
    expect(answer.code).toBe(420)
    expect(answer.message.value(Attribute.UNKNOWN_ATTRIBUTES)?.toString('hex')).toBe('0003')
  }
  expect(client.ask(Method.BINDING, (writer) => writer.uint32(Attribute.CHANGE_REQUEST, 0))?.code).toBe(200)
})

test('SEC-10 PADDING and RESPONSE-PORT change nothing without rfc5780', () => {
  const client = new TurnWorld().client(null)
  const padded = client.ask(Method.BINDING, (writer) => writer.bytes(Attribute.PADDING, Buffer.alloc(640)))!
  expect(padded.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
  const answer = client.ask(Method.BINDING, (writer) => writer.uint32(Attribute.RESPONSE_PORT, 0x00160000))!
  expect(answer.attributes).toEqual([Attribute.XOR_MAPPED_ADDRESS])
})

test('STUN-ATTR-05 STUN-ATTR-06 optional attributes are skipped, known ones without meaning ignored, USE-CANDIDATE is 420', () => {
  const client = new TurnWorld().client(null)
  const ask = (attribute: number) => client.ask(Method.BINDING, (writer) => writer.uint32(attribute, 1))?.code
  expect([0xff05, 0xc057, 0xc05a, Attribute.ICE_CONTROLLED].map(ask)).toEqual([200, 200, 200, 200])
  expect([Attribute.LIFETIME, Attribute.XOR_PEER_ADDRESS, Attribute.DATA].map(ask)).toEqual([200, 200, 200])
  expect([Attribute.PRIORITY, Attribute.USE_CANDIDATE].map(ask)).toEqual([200, 420])
})

test('STUN-FP-04 a request with FINGERPRINT gets one, the next without gets none', () => {
  const client = new TurnWorld().client(null)
  const [first, second] = [true, false].map((fingerprint) => client.ask(Method.BINDING, () => {}, { fingerprint })!)
  expect(first && verifyFingerprint(first.message)).toBe('right')
  expect(second && verifyFingerprint(second.message)).toBe('absent')
})

test('STUN-HDR-08 a Binding response that comes in is dropped', () => {
  const world = new TurnWorld()
  const client = world.client(null)
  for (const messageClass of [MessageClass.SUCCESS, MessageClass.ERROR]) {
    const bytes = client.request(Method.BINDING)
    bytes.writeUInt16BE(Method.BINDING | messageClass, 0)
    expect(client.send(bytes)).toEqual([])
  }
  expect(world.dropped).toEqual({ response: 2 })
})
