import { describe, expect, test } from 'vitest'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { longTermKeySha256, verifyFingerprint, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import { StaticAccounts } from '../../src/turn/auth/static-accounts.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { Answer, channelData } from '../support/turn-client.ts'
import { ALICE, addressOf, BOB, REALM, TurnWorld, udp, WorldClient } from '../support/turn-world.ts'

const PEER = '203.0.113.5:4000'

const peer = (writer: StunWriter) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER))
const channel = (writer: StunWriter) => peer(writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000))
const unknown = (writer: StunWriter) => writer.uint32(0x7abc, 1)

const REQUESTS: [string, number, (writer: StunWriter) => StunWriter][] = [
  ['Refresh', Method.REFRESH, (writer) => writer],
  ['CreatePermission', Method.CREATE_PERMISSION, peer],
  ['ChannelBind', Method.CHANNEL_BIND, channel],
  ['Connect', Method.CONNECT, peer],
]

function allocated() {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  return { world, alice }
}

describe('errors', () => {
  test.each([
    [420, 'Allocate', '00000414', unknown],
    [400, 'Allocate', '00000400', (writer: StunWriter) => writer],
    [437, 'Refresh', '00000425', (writer: StunWriter) => writer],
  ])(
    'STUN-ERR-01 STUN-ERR-02 %i of %s is told in four bytes, and with a phrase when switched on',
    (code, method, hex, write) => {
      const number = method === 'Allocate' ? Method.ALLOCATE : Method.REFRESH
      const quiet = new TurnWorld().client().demand(number, write)
      expect(quiet.code).toBe(code)
      expect(quiet.message.value(Attribute.ERROR_CODE)?.toString('hex')).toBe(hex)
      const talking = new TurnWorld({ settings: { includeReasonString: true } }).client().demand(number, write)
      const value = talking.message.value(Attribute.ERROR_CODE)!
      expect(value.toString('hex', 0, 4)).toBe(hex)
      expect(value.toString('utf8', 4)).toMatch(/^[A-Z][A-Za-z ]+$/)
    },
  )

  test('STUN-ERR-03 unknown attributes are listed in the order met, each once, at most 128', () => {
    const { alice } = allocated()
    const few = alice.demand(Method.REFRESH, (writer) => {
      for (const type of [0x7abc, 0x0002, 0x7abc, 0xff05, 0x0030]) writer.empty(type)
    })
    expect(few.code).toBe(420)
    expect(few.message.value(Attribute.UNKNOWN_ATTRIBUTES)?.toString('hex')).toBe('7abc00020030')
    const many = alice.demand(Method.REFRESH, (writer) => {
      for (let i = 0; i < 300; i++) writer.empty(0x7000 + i)
    })
    expect(many.message.value(Attribute.UNKNOWN_ATTRIBUTES)).toHaveLength(256)
  })

  test.each(REQUESTS)(
    'STUN-ERR-04 %s with unknown attributes and without credentials is 401, with them 420',
    (_name, method, write) => {
      const { alice } = allocated()
      const all = (writer: StunWriter) => unknown(write(writer))
      expect(alice.ask(method, all, { login: null })?.code).toBe(401)
      const answer = alice.demand(method, all)
      expect(answer.code).toBe(420)
      expect(alice.isSigned(answer)).toBe(true)
    },
  )

  test('STUN-ERR-06 420 beats what the method itself would object to', () => {
    const { world, alice } = allocated()
    expect(alice.demand(Method.CREATE_PERMISSION, unknown).code).toBe(420)
    expect(alice.demand(Method.CHANNEL_BIND, (writer) => unknown(writer.uint8(Attribute.CHANNEL_NUMBER, 1))).code).toBe(
      420,
    )
    expect(alice.demand(Method.ALLOCATE, unknown).code).toBe(420)
    expect(world.client().demand(Method.REFRESH, unknown).code).toBe(420)
  })

  test('STUN-ERR-07 a malformed request is 400', () => {
    const { alice } = allocated()
    expect(
      alice.demand(Method.CHANNEL_BIND, (writer) => channel(writer.uint8(Attribute.CHANNEL_NUMBER, 0x40))).code,
    ).toBe(400)
    const noNonce = alice.ask(Method.REFRESH, (writer) => writer.bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)), {
      login: null,
    })!
    expect(noNonce.code).toBe(400)
    expect(noNonce.attributes).toEqual([Attribute.ERROR_CODE])
  })

  test('STUN-ERR-08 a user store that cannot answer is 500, never 401', () => {
    const users = { find: () => 'unavailable' as const, findByHash: () => 'unavailable' as const, hasSha256Keys: true }
    const world = new TurnWorld({ auth: { users } })
    const alice = world.client()
    const answer = alice.allocate()
    expect(answer.code).toBe(500)
    expect(answer.message.has(Attribute.NONCE)).toBe(false)
    expect(world.effects.refusals.at(-1)).toMatchObject({ code: 500, username: 'alice' })
  })

  test('STUN-ERR-09 TURN-ALLOC-21 whatever fails, no half-made allocation is left', () => {
    const world = new TurnWorld({ ports: [50000, 50001], userQuota: 2 })
    const pair = (writer: StunWriter) => udp(writer).uint8(Attribute.EVEN_PORT, 0x80)
    expect(world.client().allocate().code).toBe(200)
    expect(world.client().demand(Method.ALLOCATE, pair).code).toBe(486)
    expect(world.client(BOB).demand(Method.ALLOCATE, pair).code).toBe(508)
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
    expect(world.options.quota.of('account bob\nexample.org')).toBe(0)
    expect(world.server.allocations.size).toBe(1)
    expect(world.effects.open.size).toBe(1)
  })

  test('every refusal is reported with method, code, user and a reason', () => {
    const { world, alice } = allocated()
    alice.permit('127.0.0.1:22')
    alice.ask(Method.REFRESH, () => {}, { login: { ...ALICE, password: 'guess' } })
    const [denied, wrong] = world.effects.refusals.slice(-2)
    expect(denied).toMatchObject({ method: Method.CREATE_PERMISSION, code: 403, username: 'alice' })
    expect(denied?.reason).toMatch(/127\.0\.0\.1 .*loopback/)
    expect(wrong).toMatchObject({ method: Method.REFRESH, code: 401, username: 'alice', realm: REALM })
    expect(JSON.stringify(world.effects.refusals)).not.toContain('guess')
    expect(world.server.counters.errors.get(403)).toBe(1)
  })
})

describe('what is dropped', () => {
  test.each([
    ['STUN-HDR-08 SEC-11 a success response', 'response', MessageClass.SUCCESS, Method.ALLOCATE],
    ['STUN-HDR-08 SEC-11 an error response', 'response', MessageClass.ERROR, Method.ALLOCATE],
    ['STUN-HDR-09 a Data indication of a client', 'unexpected-class', MessageClass.INDICATION, Method.DATA],
    [
      'STUN-HDR-09 a ConnectionAttempt of a client',
      'unexpected-class',
      MessageClass.INDICATION,
      Method.CONNECTION_ATTEMPT,
    ],
    ['STUN-HDR-09 Allocate as an indication', 'unexpected-class', MessageClass.INDICATION, Method.ALLOCATE],
    ['STUN-HDR-09 Send as a request', 'unknown-method', MessageClass.REQUEST, Method.SEND],
    ['STUN-HDR-10 D-02 a request with an unknown method', 'unknown-method', MessageClass.REQUEST, 0x00f],
    ['TURN-GEN-03 SEC-11 Send without allocation', 'no-allocation', MessageClass.INDICATION, Method.SEND],
  ])('%s', (_name, reason, messageClass, method) => {
    const world = new TurnWorld()
    const alice = world.client()
    const bytes = alice.request(method)
    bytes.writeUInt16BE(method | messageClass, 0)
    expect(alice.send(bytes)).toEqual([])
    expect(world.dropped).toEqual({ [reason]: 1 })
    expect(world.effects.refusals).toEqual([])
  })

  test.each([
    ['TURN-GEN-03 SEC-11 ChannelData without allocation', 'no-allocation', '40000001aa000000'],
    ['SEC-11 junk', 'malformed', 'deadbeefdeadbeefdeadbeefdeadbeefdeadbeef'],
    ['STUN-HDR-05 SEC-11 a wrong cookie', 'malformed', '000300002112a443000102030405060708090a0b'],
    [
      'STUN-HDR-04 SEC-11 D-01 a length short of the datagram',
      'malformed',
      '000300002112a442000102030405060708090a0b00000000',
    ],
    ['SEC-11 a length beyond the datagram', 'malformed', '000300042112a442000102030405060708090a0b'],
    [
      'STUN-ATTR-01 an attribute that runs past the end',
      'malformed',
      '000300042112a442000102030405060708090a0b80220009',
    ],
    [
      'STUN-FP-02 SEC-11 a wrong FINGERPRINT',
      'fingerprint',
      '000300082112a442000102030405060708090a0b8028000400000000',
    ],
    ['three bytes', 'malformed', '000300'],
    ['nothing', 'malformed', ''],
  ])('%s', (_name, reason, hex) => {
    const world = new TurnWorld()
    expect(world.client().send(Buffer.from(hex, 'hex'))).toEqual([])
    expect(world.dropped).toEqual({ [reason]: 1 })
  })

  test('NET-DEMUX-01 by the first byte: 0-3 STUN, 64-79 ChannelData, the rest is neither', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate()
    alice.bind(0x4000, PEER)
    for (let first = 0; first < 256; first++) {
      const bytes = alice.request(Method.BINDING)
      bytes[0] = first
      alice.send(bytes)
    }
    expect(world.server.counters.bindingRequests).toBe(1)
    expect(world.dropped).toEqual({
      // Binding's type behind a first byte of 1 or 3 is a response, behind 2 it is another method.
      response: 2,
      'unknown-method': 1,
      'unbound-channel': 64,
      malformed: 256 - 4 - 64,
    })
  })

  test('NET-DEMUX-02 RES-02 SEC-13 sources that never authenticate leave nothing behind', () => {
    const world = new TurnWorld()
    const genuine = world.client()
    genuine.learn(genuine.ask(Method.ALLOCATE, udp)!)
    for (let i = 0; i < 10_000; i++) {
      const address = addressOf(`203.0.${(i >> 8) & 255}.${i & 255}:${1024 + (i % 1000)}`)
      const spoofed = new WorldClient(world, ALICE, new FiveTuple('udp', address, addressOf('192.0.2.1:3478'), 0, 0))
      spoofed.realm = REALM
      spoofed.nonce = genuine.nonce
      if (i % 4 === 0) spoofed.send(spoofed.request(Method.BINDING))
      else if (i % 4 === 1) spoofed.send(spoofed.request(Method.ALLOCATE, udp, { login: null }))
      else if (i % 4 === 2) spoofed.send(spoofed.request(Method.ALLOCATE, udp))
      else spoofed.send(spoofed.request(Method.ALLOCATE, udp, { login: { ...ALICE, password: 'wrong' } }))
    }
    expect(world.server.allocations.size).toBe(0)
    expect(world.effects.opening).toEqual([])
    expect(world.options.quota.users).toBe(0)
    expect(world.server.counters.allocationsCreated).toBe(0)
  })
})

describe('whose allocation', () => {
  test('TURN-GEN-01 one 5-tuple has one; another port, listener or transport is another client', () => {
    const { world, alice } = allocated()
    const { client, server } = alice.fiveTuple
    const others = [
      new FiveTuple('udp', client.withPort(client.port + 1), server, 0, 0),
      new FiveTuple('udp', client, server.withPort(5349), 1, 0),
      new FiveTuple('tcp', client, server, 0, 99),
      new FiveTuple('dtls', client, server, 0, 100),
    ]
    for (const fiveTuple of others) {
      const other = new WorldClient(world, ALICE, fiveTuple)
      expect(other.refresh().code).toBe(437)
      expect(other.allocate().code).toBe(200)
    }
    expect(world.server.allocations.size).toBe(5)
    expect(alice.refresh().code).toBe(200)
  })

  test.each(REQUESTS)(
    'TURN-GEN-02 D-07 %s without allocation is 437, after authentication and signed',
    (_name, method, write) => {
      const world = new TurnWorld()
      const alice = world.client()
      expect(alice.ask(method, write)?.code).toBe(401)
      const answer = alice.demand(method, write)
      expect(answer.code).toBe(437)
      expect(alice.isSigned(answer)).toBe(true)
      expect(answer.attributes).toEqual([Attribute.ERROR_CODE, Attribute.MESSAGE_INTEGRITY])
    },
  )

  test('TURN-GEN-02 requests before the relay is open are 437', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, udp)
    expect(alice.permit(PEER).code).toBe(437)
    expect(alice.ask(Method.ALLOCATE, udp)?.code).toBe(437)
    world.openRelays()
    expect(alice.permit(PEER).code).toBe(200)
  })

  test.each(REQUESTS)(
    "STUN-AUTH-09 SEC-22 %s by another valid user is 441, signed with that user's key",
    (_name, method, write) => {
      const { world, alice } = allocated()
      const bob = new WorldClient(world, BOB, alice.fiveTuple)
      const answer = bob.demand(method, write)
      expect(answer.code).toBe(441)
      expect(bob.isSigned(answer)).toBe(true)
      expect(world.effects.refusals.at(-1)).toMatchObject({ code: 441, username: 'bob' })
      expect(alice.refresh(1200).lifetime).toBe(1200)
    },
  )

  test('Connect on a UDP allocation is 403, ConnectionBind to nothing is 400', () => {
    const { alice } = allocated()
    expect(alice.demand(Method.CONNECT, peer).code).toBe(403)
    expect(alice.demand(Method.CONNECTION_BIND, (w) => w.uint32(Attribute.CONNECTION_ID, 7)).code).toBe(400)
  })

  test('NET-TCP-06 D-23 the end of the connection is the end of its allocation', () => {
    const world = new TurnWorld()
    const alice = world.client(ALICE, 'tcp')
    alice.allocate()
    expect(world.server.hasAllocation(alice.fiveTuple)).toBe(true)
    world.server.clientClosed(alice.fiveTuple, world.now)
    expect(world.server.hasAllocation(alice.fiveTuple)).toBe(false)
    expect(world.effects.open.size).toBe(0)
    expect(world.options.quota.total).toBe(0)
    world.server.clientClosed(alice.fiveTuple, world.now)
    expect(world.server.counters.allocationsEnded).toBe(1)
  })

  test('NET-TCP-04 bytes on a stream that are no frame close it, with its allocation', () => {
    const world = new TurnWorld()
    const alice = world.client(ALICE, 'tls')
    alice.allocate()
    alice.send(Buffer.from('ffffffff', 'hex'))
    expect(world.effects.closedClients).toHaveLength(1)
    expect(world.server.allocations.size).toBe(0)
  })
})

describe('signatures', () => {
  test('STUN-MI-06 STUN-AUTH-10 every answer to an authenticated request is signed with the key that verified it', () => {
    const { alice } = allocated()
    const answers = [
      alice.allocate(),
      alice.refresh(),
      alice.permit(PEER),
      alice.permit(),
      alice.permit('127.0.0.1:1'),
      alice.bind(0x4000, PEER),
      alice.bind(0x3000, PEER),
      alice.demand(Method.REFRESH, unknown),
      alice.refresh(0),
      alice.refresh(0),
    ]
    expect(answers.map((answer) => answer.code)).toEqual([437, 200, 200, 400, 403, 200, 400, 420, 200, 437])
    for (const answer of answers) expect(alice.isSigned(answer)).toBe(true)
  })

  test('STUN-AUTH-10 after a change of password the answer carries the new key', () => {
    const { world, alice } = allocated()
    const users = new StaticAccounts([{ name: 'alice', password: 'new one' }], REALM)
    world.authenticate({ users })
    const renewed = new WorldClient(world, { username: 'alice', password: 'new one' }, alice.fiveTuple)
    const answer = renewed.refresh()
    expect(answer.code).toBe(200)
    expect(renewed.isSigned(answer)).toBe(true)
    expect(alice.isSigned(answer)).toBe(false)
  })

  test('STUN-AUTH-15 a user who was removed is 401 and loses the allocation, but not by a forged request', () => {
    const { world, alice } = allocated()
    world.authenticate({ users: new StaticAccounts([{ name: 'bob', password: 'x' }], REALM) })
    const forged = alice.ask(Method.REFRESH, () => {}, { login: { ...ALICE, password: 'guess' } })
    expect(forged?.code).toBe(401)
    expect(world.server.allocations.size).toBe(1)
    expect(alice.ask(Method.REFRESH)?.code).toBe(401)
    expect(world.server.allocations.size).toBe(0)
    expect(world.effects.open.size).toBe(0)
  })

  test('STUN-AUTH-15 an operator ends an allocation at once', () => {
    const { world, alice } = allocated()
    const [allocation] = [...world.server.allocations]
    world.server.allocations.release(allocation!, 'operator', world.now)
    expect(world.server.allocations.size).toBe(0)
    expect(alice.refresh().code).toBe(437)
  })

  test('STUN-MI-07 no answer to a client with MESSAGE-INTEGRITY has a required attribute it may not know', () => {
    const { world } = allocated()
    const alice = world.client()
    const answers = [
      alice.ask(Method.ALLOCATE, udp)!,
      alice.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80)),
      alice.refresh(),
      alice.permit(PEER),
      alice.bind(0x4000, PEER),
      alice.permit('127.0.0.1:1'),
    ]
    const known: number[] = [
      Attribute.ERROR_CODE,
      Attribute.REALM,
      Attribute.NONCE,
      Attribute.XOR_RELAYED_ADDRESS,
      Attribute.XOR_MAPPED_ADDRESS,
      Attribute.LIFETIME,
      Attribute.RESERVATION_TOKEN,
      Attribute.MESSAGE_INTEGRITY,
    ]
    for (const answer of answers) {
      expect(answer.attributes.filter((type) => type < 0x8000 && !known.includes(type))).toEqual([])
    }
  })

  test('STUN-S256-05 STUN-AUTH-10 a request with PASSWORD-ALGORITHM is answered with MESSAGE-INTEGRITY-SHA256 alone', () => {
    const world = new TurnWorld({ auth: { sha256: 'offered' } })
    const alice = world.client()
    const challenge = alice.ask(Method.ALLOCATE, udp)!
    const key = longTermKeySha256(ALICE.username, REALM, ALICE.password)
    const answer = alice.ask(Method.ALLOCATE, (writer) =>
      udp(writer)
        .text(Attribute.USERNAME, ALICE.username)
        .text(Attribute.REALM, REALM)
        .text(Attribute.NONCE, challenge.message.text(Attribute.NONCE)!)
        .bytes(Attribute.PASSWORD_ALGORITHMS, challenge.message.value(Attribute.PASSWORD_ALGORITHMS)!)
        .bytes(Attribute.PASSWORD_ALGORITHM, Buffer.from('00020000', 'hex'))
        .integritySha256(key),
    )!
    expect(answer.code).toBe(200)
    expect(verifyIntegritySha256(answer.message, key)).toBe(true)
    expect(answer.message.has(Attribute.MESSAGE_INTEGRITY)).toBe(false)
  })

  test('anonymous mode signs nothing and asks for nothing', () => {
    const world = new TurnWorld({ auth: { anonymous: true } })
    const anybody = world.client(null)
    const answer = anybody.allocate()
    expect(answer.code).toBe(200)
    expect(answer.message.has(Attribute.MESSAGE_INTEGRITY)).toBe(false)
    expect(anybody.permit(PEER).code).toBe(200)
  })

  test('STUN-FP-04 once a client has sent a FINGERPRINT, its answers keep it', () => {
    const { alice } = allocated()
    const present = (answer: Answer) => verifyFingerprint(answer.message)
    expect(present(alice.refresh())).toBe('absent')
    expect(present(alice.demand(Method.REFRESH, () => {}, { fingerprint: true }))).toBe('right')
    expect(present(alice.refresh())).toBe('right')
    expect(present(alice.permit())).toBe('right')
    expect(present(alice.ask(Method.BINDING, () => {}, { login: null })!)).toBe('right')
  })

  test('STUN-FP-04 the answer to an Allocate with FINGERPRINT has one, and `fingerprint` gives it to all', () => {
    const world = new TurnWorld()
    expect(verifyFingerprint(world.client().allocate(() => {}, { fingerprint: true }).message)).toBe('right')
    const always = new TurnWorld({ settings: { fingerprint: true } })
    expect(verifyFingerprint(always.client().ask(Method.ALLOCATE, udp)!.message)).toBe('right')
  })

  test('STUN-FP-05 TURN-GEN-05 method attributes, then SOFTWARE, then integrity, then FINGERPRINT', () => {
    const world = new TurnWorld({ settings: { software: 'webrtc-stack' } })
    const alice = world.client()
    const { MESSAGE_INTEGRITY, FINGERPRINT, SOFTWARE } = Attribute
    const closing = [SOFTWARE, MESSAGE_INTEGRITY, FINGERPRINT]
    const allocate = alice.allocate(() => {}, { fingerprint: true })
    expect(allocate.attributes.slice(-3)).toEqual(closing)
    expect(allocate.message.text(SOFTWARE)).toBe('webrtc-stack')
    expect(alice.refresh().attributes).toEqual([Attribute.LIFETIME, ...closing])
    expect(alice.allocate().attributes).toEqual([Attribute.ERROR_CODE, ...closing])
    expect(alice.permit(PEER).attributes).toEqual([MESSAGE_INTEGRITY, FINGERPRINT])
  })

  test('TURN-GEN-05 D-17 without the switch there is no SOFTWARE', () => {
    const { alice } = allocated()
    expect(alice.refresh().message.has(Attribute.SOFTWARE)).toBe(false)
  })
})

describe('time', () => {
  test('TURN-GEN-04 the same request twice has the same meaning twice', () => {
    const { alice } = allocated()
    const requests = [
      alice.request(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 1200)),
      alice.request(Method.CREATE_PERMISSION, peer),
      alice.request(Method.CHANNEL_BIND, channel),
    ]
    for (const request of requests) {
      const [first, second] = [alice.send(request)[0], alice.send(request)[0]]
      expect(new Answer(first!).code).toBe(200)
      expect(second).toEqual(first)
    }
  })

  test('TURN-GEN-07 lifetimes follow the monotonic clock, nonces the wall clock', () => {
    const { world, alice } = allocated()
    world.clock.wall += 86_400_000
    world.server.sweep(world.now)
    expect(world.server.allocations.size).toBe(1)
    expect(alice.ask(Method.REFRESH)?.code).toBe(438)
    world.clock.wall -= 86_400_000
    world.clock.now += 599_999
    expect(alice.ask(Method.REFRESH)?.code).toBe(200)
    world.clock.now += 600_000
    expect(alice.ask(Method.REFRESH)?.code).toBe(437)
  })

  test('STUN-NONCE-05 a stale nonce is 438 with a fresh one, and the allocation lives on', () => {
    const { world, alice } = allocated()
    alice.refresh(3600)
    world.pass(700)
    const stale = alice.ask(Method.REFRESH)!
    expect(stale.code).toBe(438)
    expect(stale.attributes).toEqual([Attribute.ERROR_CODE, Attribute.REALM, Attribute.NONCE])
    alice.learn(stale)
    expect(alice.refresh().code).toBe(200)
  })

  test('RES-07 after a thousand allocations nothing is kept', () => {
    const world = new TurnWorld()
    for (let i = 0; i < 1000; i++) {
      const client = world.client()
      client.allocate()
      client.bind(0x4000, PEER)
      if (i % 2 === 0) client.refresh(0)
    }
    world.pass(600)
    expect(world.server.allocations.size).toBe(0)
    expect(world.effects.open.size).toBe(0)
    expect(world.options.quota.users).toBe(0)
  })
})

describe('those who have proved nothing', () => {
  test('SEC-09 RES-01 a bare Allocate draws at most 180 bytes, and nothing draws more than it should', () => {
    const world = new TurnWorld({
      settings: { fingerprint: true, software: 'webrtc-stack', includeReasonString: true },
      auth: { sha256: 'offered' },
    })
    const stranger = world.client(null)
    const plain = new TurnWorld().client(null)
    const bare = plain.request(Method.ALLOCATE, udp)
    expect(bare).toHaveLength(28)
    expect(plain.send(bare)[0]!.length).toBeLessThanOrEqual(180)
    const many = (writer: StunWriter) => {
      for (let i = 0; i < 300; i++) writer.empty(0x7000 + i)
    }
    const inputs = [
      bare,
      stranger.request(Method.REFRESH),
      stranger.request(Method.ALLOCATE, many),
      stranger.request(Method.BINDING, many),
      stranger.request(Method.BINDING, unknown),
      stranger.request(Method.CONNECTION_BIND),
      stranger.request(Method.ALLOCATE, (writer) => writer.bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20))),
    ]
    for (const input of inputs) {
      const [bytes] = stranger.send(input)
      expect(bytes!.length).toBeLessThanOrEqual(Math.max(200, 4 * input.length))
    }
  })

  test('SEC-12 SEC-16 RES-01 refusals over UDP are limited by source, whatever they are, and the rightful pass', () => {
    const world = new TurnWorld({ challengesPerSecond: 5 })
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    const stranger = world.client(null)
    const questions: [number, (writer: StunWriter) => unknown][] = [
      [Method.ALLOCATE, udp],
      [Method.REFRESH, (writer) => writer],
      [Method.BINDING, unknown],
      [Method.ALLOCATE, (writer) => writer.bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20))],
    ]
    for (const [method, write] of questions) expect(stranger.ask(method, write)).not.toBeNull()
    for (const [method, write] of questions) expect(stranger.ask(method, write)).toBeNull()
    expect(world.dropped).toEqual({ 'challenge-limit': 4 })
    expect(alice.allocate().code).toBe(200)
    expect(world.client(null, 'udp', '198.51.100.8').ask(Method.ALLOCATE, udp)?.code).toBe(401)
    expect(world.client(null, 'tcp').ask(Method.ALLOCATE, udp)?.code).toBe(401)
    world.clock.advanceSeconds(1)
    expect(stranger.ask(Method.ALLOCATE, udp)?.code).toBe(401)
  })

  test('SEC-23 wrong guesses beyond the limit meet silence over UDP and the end of a connection; the right one works', () => {
    const world = new TurnWorld({ guessesPerMinute: 10 })
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    const guess = { ...ALICE, password: 'guess' }
    for (let i = 0; i < 10; i++) expect(alice.ask(Method.ALLOCATE, udp, { login: guess })?.code).toBe(401)
    expect(alice.ask(Method.ALLOCATE, udp, { login: guess })).toBeNull()
    const stream = world.client(ALICE, 'tcp')
    stream.learn(stream.ask(Method.ALLOCATE, udp)!)
    expect(stream.ask(Method.ALLOCATE, udp, { login: guess })).toBeNull()
    expect(world.effects.closedClients).toHaveLength(1)
    expect(world.dropped).toEqual({ 'guess-limit': 2 })
    expect(alice.allocate().code).toBe(200)
  })

  test.each([0, 4, 10, 19, 21])('SEC-20 STUN-MI-03 a MESSAGE-INTEGRITY of %i bytes is 401', (length) => {
    const alice = new TurnWorld().client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    const answer = alice.ask(
      Method.ALLOCATE,
      (writer) =>
        udp(writer)
          .text(Attribute.USERNAME, 'alice')
          .text(Attribute.REALM, REALM)
          .text(Attribute.NONCE, alice.nonce!)
          .bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(length)),
      { login: null },
    )
    expect(answer?.code).toBe(401)
  })

  test('SEC-20 attributes behind MESSAGE-INTEGRITY change nothing', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const answer = alice.allocate(() => {}, {
      behind: (writer) =>
        writer
          .uint32(Attribute.LIFETIME, 3000)
          .uint8(Attribute.EVEN_PORT, 0x80)
          .text(Attribute.USERNAME, 'bob')
          .uint32(0x7abc, 1)
          .end(),
    })
    expect(answer.code).toBe(200)
    expect(answer.lifetime).toBe(600)
    expect(answer.message.has(Attribute.RESERVATION_TOKEN)).toBe(false)
    expect([...world.server.allocations][0]?.username).toBe('alice')
  })
})

test('settings that are reloaded hold from the next request on', () => {
  const { world, alice } = allocated()
  world.server.apply({ maxAllocateLifetimeSeconds: 700, software: 'webrtc-stack', fingerprint: true })
  const answer = alice.refresh(3600)
  expect(answer.lifetime).toBe(700)
  expect(answer.attributes.slice(1)).toEqual([Attribute.SOFTWARE, Attribute.MESSAGE_INTEGRITY, Attribute.FINGERPRINT])
  world.effects.clear()
  alice.permit(PEER)
  world.peerData(alice.relay, PEER, Buffer.from('x'))
  expect(verifyFingerprint(new Answer(world.effects.toClient.at(-1)!.bytes).message)).toBe('right')
})

test('a reused buffer does not change what was kept of a request', () => {
  const world = new TurnWorld()
  world.opensRelays = false
  const alice = world.client()
  alice.learn(alice.ask(Method.ALLOCATE, udp)!)
  const request = alice.request(Method.ALLOCATE, udp, { transactionId: Buffer.from('abcdefghijkl') })
  alice.send(request)
  world.receive(channelData(0x4000, Buffer.alloc(64, 0x55)), alice.fiveTuple)
  world.effects.clear()
  world.openRelays()
  const [answer] = world.effects.toClient
  expect(answer?.bytes.toString('latin1', 8, 20)).toBe('abcdefghijkl')
  expect(answer?.client.client.equals(alice.fiveTuple.client)).toBe(true)
})
