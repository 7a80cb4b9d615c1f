import { describe, expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import { Answer } from '../../support/turn-client.ts'
import { ALICE, addressOf, BOB, TurnWorld, udp } from '../../support/turn-world.ts'

const PEER = '203.0.113.5:4000'

function requestedFamily(family: number) {
  return (writer: StunWriter) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, family * 0x1000000)
}

function additionalFamily(family: number) {
  return (writer: StunWriter) => writer.uint32(Attribute.ADDITIONAL_ADDRESS_FAMILY, family * 0x1000000)
}

function nothingIsLeft(world: TurnWorld): void {
  expect(world.server.allocations.size).toBe(0)
  expect(world.effects.open.size).toBe(0)
  expect(world.effects.opening).toEqual([])
  expect(world.options.quota.total).toBe(0)
  expect(world.options.relayPorts.reservations).toBe(0)
}

describe('the answer', () => {
  test('TURN-ALLOC-18 a success tells the relayed address, the lifetime and the mapped address', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const answer = alice.allocate()
    expect(answer.code).toBe(200)
    expect(answer.address(Attribute.XOR_RELAYED_ADDRESS)).toEqual(alice.relay.advertised)
    expect(answer.lifetime).toBe(600)
    expect(answer.address(Attribute.XOR_MAPPED_ADDRESS)?.toString()).toBe(alice.fiveTuple.client.toString())
    expect(answer.attributes).toEqual([
      Attribute.XOR_RELAYED_ADDRESS,
      Attribute.LIFETIME,
      Attribute.XOR_MAPPED_ADDRESS,
      Attribute.MESSAGE_INTEGRITY,
    ])
    expect(alice.isSigned(answer)).toBe(true)
  })

  test.each([
    ['TURN-ALLOC-16 no LIFETIME gives 600', null, 600],
    ['TURN-ALLOC-16 D-10 less than 600 gives 600', 1, 600],
    ['TURN-ALLOC-16 what lies between is granted', 1800, 1800],
    ['TURN-ALLOC-16 D-10 SEC-30 more than the maximum gives the maximum', 4_000_000_000, 3600],
    ['TURN-ALLOC-17 zero counts as below the default', 0, 600],
  ])('%s', (_name, asked, granted) => {
    const world = new TurnWorld()
    const answer = world.client().allocate((writer) => {
      if (asked !== null) writer.uint32(Attribute.LIFETIME, asked)
    })
    expect(answer.lifetime).toBe(granted)
    world.pass(granted - 1)
    expect(world.server.allocations.size).toBe(1)
    world.pass(1)
    expect(world.server.allocations.size).toBe(0)
  })

  test('TURN-ALLOC-16 max-allocate-lifetime moves the upper end', () => {
    const world = new TurnWorld({ settings: { maxAllocateLifetimeSeconds: 900 } })
    expect(world.client().allocate((writer) => writer.uint32(Attribute.LIFETIME, 1000)).lifetime).toBe(900)
  })

  test('TURN-ALLOC-19 behind external-ip the public address is told, with the real port and of the same family', () => {
    const world = new TurnWorld({
      relayAddresses: ['10.0.0.5', '2001:db8::1'],
      externalIps: [{ public: address('203.0.113.9'), private: address('10.0.0.5') }],
    })
    const alice = world.client()
    const relayed = alice.allocate(additionalFamily(2)).addresses(Attribute.XOR_RELAYED_ADDRESS)
    const [relay4, relay6] = alice.relays
    expect(relay4!.local.host).toBe('10.0.0.5')
    expect(relayed.map(String)).toEqual([`203.0.113.9:${relay4!.local.port}`, `[2001:db8::1]:${relay6!.local.port}`])
  })

  test('TURN-ALLOC-20 a new allocation has no permissions and no channels', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate()
    world.peerData(alice.relay, PEER, Buffer.from('hello'))
    alice.sendChannelData(0x4000, 'hello')
    alice.sendIndication(PEER, 'hello')
    expect(world.dropped).toEqual({ 'no-permission': 2, 'unbound-channel': 1 })
    expect(world.effects.toPeer).toEqual([])
  })

  test('TURN-ALLOC-25 the order of attributes means nothing', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    const answer = alice.ask(Method.ALLOCATE, (writer) =>
      udp(writer.text(Attribute.SOFTWARE, 'x').uint32(Attribute.LIFETIME, 700)),
    )
    const bob = world.client(BOB)
    bob.learn(bob.ask(Method.ALLOCATE, udp)!)
    const other = bob.ask(Method.ALLOCATE, (writer) =>
      udp(writer).uint32(Attribute.LIFETIME, 700).text(Attribute.SOFTWARE, 'x'),
    )
    expect([answer?.code, answer?.lifetime]).toEqual([200, 700])
    expect([other?.code, other?.lifetime]).toEqual([200, 700])
  })
})

describe('the same request again', () => {
  const transactionId = Buffer.from('0123456789ab')

  test('TURN-ALLOC-02 D-22 gets the same address, signed, although its nonce has gone stale', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const first = alice.allocate((writer) => writer.uint32(Attribute.LIFETIME, 3600), { transactionId })
    world.clock.wall += 3_600_000
    world.clock.advanceSeconds(10)
    const again = alice.allocate((writer) => writer.uint32(Attribute.LIFETIME, 3600), { transactionId })
    expect(again.code).toBe(200)
    expect(again.address(Attribute.XOR_RELAYED_ADDRESS)).toEqual(first.address(Attribute.XOR_RELAYED_ADDRESS))
    expect(again.lifetime).toBe(3590)
    expect(alice.isSigned(again)).toBe(true)
    expect(world.server.counters.allocationsCreated).toBe(1)
  })

  test('TURN-ALLOC-02 gets the same reservation token', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const pair = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0x80)
    const first = alice.allocate(pair, { transactionId })
    const again = alice.allocate(pair, { transactionId })
    expect(first.message.value(Attribute.RESERVATION_TOKEN)).toHaveLength(8)
    expect(again.message.value(Attribute.RESERVATION_TOKEN)).toEqual(first.message.value(Attribute.RESERVATION_TOKEN))
    expect(world.options.relayPorts.reservations).toBe(1)
  })

  test('TURN-ALLOC-02 is not taken from who cannot sign it', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate(() => {}, { transactionId })
    expect(alice.ask(Method.ALLOCATE, udp, { transactionId, login: null })?.code).toBe(401)
    expect(alice.ask(Method.ALLOCATE, udp, { transactionId, login: { ...ALICE, password: 'wrong' } })?.code).toBe(401)
  })

  test('TURN-ALLOC-23 meets silence while the socket opens, and makes no second allocation', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    const request = alice.request(Method.ALLOCATE, udp, { transactionId })
    expect(alice.send(request)).toEqual([])
    expect(alice.send(request)).toEqual([])
    expect(world.effects.opening).toHaveLength(1)
    world.effects.clear()
    world.openRelays()
    expect(world.effects.toClient.map((sent) => new Answer(sent.bytes).code)).toEqual([200])
    expect(world.server.counters.allocationsCreated).toBe(1)
  })

  test('TURN-ALLOC-18 the lifetime begins when the relay is open, however long that took', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, udp)
    world.pass(5)
    world.effects.clear()
    world.openRelays()
    expect(new Answer(world.effects.toClient[0]!.bytes).lifetime).toBe(600)
    world.pass(599)
    expect(world.server.allocations.size).toBe(1)
  })

  test('TURN-ALLOC-03 D-08 another transaction id on the 5-tuple is 437, after authentication and signed', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate()
    const answer = alice.allocate()
    expect(answer.code).toBe(437)
    expect(alice.isSigned(answer)).toBe(true)
    expect(alice.ask(Method.ALLOCATE, udp, { login: null })?.code).toBe(401)
  })
})

describe('requests that cannot be met', () => {
  const dontFragment = (writer: StunWriter) => writer.empty(Attribute.DONT_FRAGMENT)
  const token = (writer: StunWriter) => writer.bytes(Attribute.RESERVATION_TOKEN, Buffer.alloc(8, 7))
  const evenPort = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0)
  const pair = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0x80)
  const transport = (protocol: number) => (writer: StunWriter) =>
    writer.uint32(Attribute.REQUESTED_TRANSPORT, protocol * 0x1000000)

  test.each<[string, number, (writer: StunWriter) => unknown]>([
    ['TURN-ALLOC-04 no REQUESTED-TRANSPORT', 400, () => {}],
    [
      'TURN-ALLOC-04 a REQUESTED-TRANSPORT of one byte',
      400,
      (writer) => writer.uint8(Attribute.REQUESTED_TRANSPORT, 17),
    ],
    ['TURN-ALLOC-05 SEC-07 TCP while it is off', 442, transport(6)],
    ['TURN-ALLOC-05 another protocol', 442, transport(132)],
    ['TURN-ALLOC-06 DONT-FRAGMENT that cannot be honoured', 420, (writer) => dontFragment(udp(writer))],
    ['TURN-ALLOC-07 a token with EVEN-PORT', 400, (writer) => token(evenPort(udp(writer)))],
    ['TURN-ALLOC-07 a token with a family', 400, (writer) => token(requestedFamily(1)(udp(writer)))],
    ['TURN-ALLOC-07 a token with a second family', 400, (writer) => token(additionalFamily(2)(udp(writer)))],
    ['TURN-ALLOC-08 a token that was never given out', 508, (writer) => token(udp(writer))],
    ['TURN-ALLOC-09 both family attributes', 400, (writer) => requestedFamily(1)(additionalFamily(2)(udp(writer)))],
    ['TURN-ALLOC-10 a family that does not exist', 440, (writer) => requestedFamily(3)(udp(writer))],
    ['TURN-DUAL-02 IPv4 as the additional family', 400, (writer) => additionalFamily(1)(udp(writer))],
    ['TURN-EVEN-06 a pair in two families', 400, (writer) => pair(additionalFamily(2)(udp(writer)))],
    ['TURN-MOB-01 a mobility ticket while mobility is off', 405, (w) => udp(w).empty(Attribute.MOBILITY_TICKET)],
    ['STUN-ATTR-10 a LIFETIME of one byte', 400, (writer) => udp(writer).uint8(Attribute.LIFETIME, 1)],
    ['STUN-ATTR-10 a token of four bytes', 400, (writer) => udp(writer).uint32(Attribute.RESERVATION_TOKEN, 1)],
  ])('TURN-ALLOC-21 %s: %i, and nothing is left behind', (_name, code, write) => {
    const world = new TurnWorld()
    const alice = world.client()
    const answer = alice.demand(Method.ALLOCATE, write)
    expect(answer.code).toBe(code)
    expect(alice.isSigned(answer)).toBe(true)
    expect(world.effects.refusals.at(-1)).toMatchObject({ method: Method.ALLOCATE, code, username: 'alice' })
    nothingIsLeft(world)
  })

  test('TURN-ALLOC-06 the 420 names DONT-FRAGMENT, and a driver that can set DF gets no 420', () => {
    const answer = new TurnWorld().client().allocate(dontFragment)
    expect(answer.message.value(Attribute.UNKNOWN_ATTRIBUTES)?.toString('hex')).toBe('001a')
    expect(new TurnWorld({ settings: { dontFragment: true } }).client().allocate(dontFragment).code).toBe(200)
  })

  test('TURN-ALLOC-05 with no-udp-relay UDP is 442 too, and is again what it was without', () => {
    const world = new TurnWorld({ settings: { noUdpRelay: true } })
    const answer = world.client().allocate()
    expect(answer.code).toBe(442)
    nothingIsLeft(world)
    world.server.apply({ noUdpRelay: false })
    expect(world.client().allocate().code).toBe(200)
  })

  test('TURN-ALLOC-01 of several mistakes the earlier check answers', () => {
    const world = new TurnWorld({ userQuota: 1 })
    const alice = world.client()
    const all = (writer: StunWriter) => pair(additionalFamily(2)(token(dontFragment(transport(6)(writer)))))
    expect(alice.ask(Method.ALLOCATE, all)?.code).toBe(401)
    expect(alice.demand(Method.ALLOCATE, all).code).toBe(442)
    expect(alice.demand(Method.ALLOCATE, (w) => pair(additionalFamily(2)(token(dontFragment(udp(w)))))).code).toBe(420)
    expect(alice.demand(Method.ALLOCATE, (w) => token(requestedFamily(9)(udp(w)))).code).toBe(400)
    expect(alice.demand(Method.ALLOCATE, udp).code).toBe(200)
    expect(alice.demand(Method.ALLOCATE, all).code).toBe(437)
    const second = world.client()
    expect(second.demand(Method.ALLOCATE, (w) => requestedFamily(9)(udp(w))).code).toBe(440)
    expect(second.demand(Method.ALLOCATE, udp).code).toBe(486)
  })

  test('TURN-ALLOC-11 D-09 without a family attribute it is IPv4, also for a client on IPv6', () => {
    const world = new TurnWorld()
    const alice = world.client(ALICE, 'udp', '2001:db8:7::7')
    expect(alice.allocate().address(Attribute.XOR_RELAYED_ADDRESS)?.family).toBe(4)
  })

  test('TURN-ALLOC-10 TURN-ALLOC-11 a family without a relay address is 440', () => {
    const only6 = new TurnWorld({ relayAddresses: ['2001:db8::1'] })
    expect(only6.client().allocate().code).toBe(440)
    expect(only6.client().allocate(requestedFamily(2)).code).toBe(200)
    const only4 = new TurnWorld({ relayAddresses: ['192.0.2.1'] })
    expect(only4.client().allocate(requestedFamily(2)).code).toBe(440)
  })

  test.each([
    ['ipv6', '198.51.100.7', 6],
    ['keep', '198.51.100.7', 4],
    ['keep', '2001:db8:7::7', 6],
  ] as const)(
    'TURN-ALLOC-11 allocation-default-address-family %s gives a client on %s IPv%i',
    (choice, host, family) => {
      const world = new TurnWorld({ settings: { allocationDefaultAddressFamily: choice } })
      const answer = world.client(ALICE, 'udp', host).allocate()
      expect(answer.address(Attribute.XOR_RELAYED_ADDRESS)?.family).toBe(family)
    },
  )

  test('TURN-ALLOC-12 RES-05 SEC-27 the quota counts by user, not by address, and failures take none of it', () => {
    const world = new TurnWorld({ userQuota: 2 })
    for (let i = 0; i < 3; i++) expect(world.client().demand(Method.ALLOCATE, transport(6)).code).toBe(442)
    const first = world.client()
    expect(first.allocate().code).toBe(200)
    expect(world.client(ALICE, 'tcp', '198.51.100.99').allocate().code).toBe(200)
    expect(world.client(ALICE, 'udp', '198.51.100.55').allocate().code).toBe(486)
    expect(world.client(BOB).allocate().code).toBe(200)
    first.refresh(0)
    expect(world.client().allocate().code).toBe(200)
  })

  test('SEC-27 fifty Allocates in flight do not pass the quota', () => {
    const world = new TurnWorld({ userQuota: 5 })
    world.opensRelays = false
    const clients = Array.from({ length: 50 }, () => world.client())
    const codes = clients.map((client) => {
      client.learn(client.ask(Method.ALLOCATE, udp)!)
      return client.ask(Method.ALLOCATE, udp)?.code ?? 'later'
    })
    expect(codes.filter((code) => code === 'later')).toHaveLength(5)
    expect(codes.filter((code) => code === 486)).toHaveLength(45)
    world.openRelays()
    expect(world.server.allocations.size).toBe(5)
  })

  test('TURN-ALLOC-13 RES-05 SEC-28 no free port is 508, and one that comes free serves the next', () => {
    const world = new TurnWorld({ ports: [50000, 50003] })
    const clients = Array.from({ length: 4 }, () => world.client())
    for (const client of clients) expect(client.allocate().code).toBe(200)
    const late = world.client()
    expect(late.allocate().code).toBe(508)
    clients[2]!.refresh(0)
    expect(late.allocate().code).toBe(200)
  })

  test('TURN-ALLOC-22 draining is 403 for new Allocates alone', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const transactionId = Buffer.from('repeated one')
    alice.allocate(() => {}, { transactionId })
    world.server.drain(true)
    const bob = world.client(BOB)
    const refused = bob.allocate()
    expect(refused.code).toBe(403)
    expect(bob.isSigned(refused)).toBe(true)
    expect(alice.allocate(() => {}, { transactionId }).code).toBe(200)
    expect(alice.refresh(900).lifetime).toBe(900)
    expect(alice.permit(PEER).code).toBe(200)
    world.server.drain(false)
    expect(bob.allocate().code).toBe(200)
  })

  test.each(['2002:c633:6407::1', '2001:0:1::1'])('TURN-ALLOC-24 a request from %s is 403', (host) => {
    const world = new TurnWorld()
    expect(world.client(ALICE, 'udp', host).ask(Method.ALLOCATE, udp)?.code).toBe(403)
    expect(world.client(ALICE, 'udp', '2001:db8:1::1').ask(Method.ALLOCATE, udp)?.code).toBe(401)
  })
})

describe('ports', () => {
  test('TURN-ALLOC-14 SEC-30 they are in the range and follow no pattern', () => {
    const world = new TurnWorld({ ports: [50000, 60000] })
    const differences = new Map<number, number>()
    let last = 0
    for (let i = 0; i < 200; i++) {
      const port = world.client().allocate().address(Attribute.XOR_RELAYED_ADDRESS)!.port
      expect(port).toBeGreaterThanOrEqual(50000)
      expect(port).toBeLessThanOrEqual(60000)
      differences.set(port - last, (differences.get(port - last) ?? 0) + 1)
      last = port
    }
    expect(Math.max(...differences.values())).toBeLessThanOrEqual(5)
  })

  test('TURN-ALLOC-14 a freed port is not handed out again at once', () => {
    const world = new TurnWorld({ ports: [50000, 50009] })
    const alice = world.client()
    const freed = alice.allocate().address(Attribute.XOR_RELAYED_ADDRESS)!.port
    alice.refresh(0)
    for (let i = 0; i < 9; i++) {
      expect(world.client().allocate().address(Attribute.XOR_RELAYED_ADDRESS)!.port).not.toBe(freed)
    }
  })

  test('TURN-GEN-06 the lowest relay port is the configured one', () => {
    const world = new TurnWorld({ ports: [1024, 1026] })
    const ports = [1, 2, 3].map(() => world.client().allocate().address(Attribute.XOR_RELAYED_ADDRESS)!.port)
    expect(ports.sort()).toEqual([1024, 1025, 1026])
  })

  test('TURN-ALLOC-15 a port that another program holds is skipped', () => {
    const world = new TurnWorld({ ports: [50000, 50003] })
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    expect(alice.ask(Method.ALLOCATE, udp)).toBeNull()
    const skipped = [world.failRelay('in-use'), world.failRelay('in-use')].map((relay) => relay.local.port)
    world.effects.clear()
    world.openRelays()
    const answer = new Answer(world.effects.toClient[0]!.bytes)
    const port = answer.address(Attribute.XOR_RELAYED_ADDRESS)!.port
    expect(answer.code).toBe(200)
    expect(new Set([...skipped, port]).size).toBe(3)
  })

  test('TURN-ALLOC-15 TURN-ALLOC-21 when every port is held it gives up with 508 and leaves nothing', () => {
    const world = new TurnWorld({ ports: [50000, 50003] })
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, udp)
    world.effects.clear()
    for (let i = 0; i < 4; i++) world.failRelay('in-use')
    expect(new Answer(world.effects.toClient[0]!.bytes).code).toBe(508)
    nothingIsLeft(world)
  })

  test('TURN-ALLOC-15 the tries are bounded', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, udp)
    let tries = 0
    for (; world.effects.opening.length > 0; tries++) world.failRelay('in-use')
    expect(tries).toBe(17)
    nothingIsLeft(world)
  })

  test.each(['exhausted', 'unavailable'] as const)(
    'TURN-ALLOC-21 RES-06 an %s socket is 508 at once, nothing is left, and the next Allocate works',
    (reason) => {
      const world = new TurnWorld()
      world.opensRelays = false
      const alice = world.client()
      alice.learn(alice.ask(Method.ALLOCATE, udp)!)
      alice.ask(Method.ALLOCATE, udp)
      world.effects.clear()
      world.failRelay(reason)
      const answer = new Answer(world.effects.toClient[0]!.bytes)
      expect(answer.code).toBe(508)
      expect(alice.isSigned(answer)).toBe(true)
      nothingIsLeft(world)
      world.opensRelays = true
      expect(alice.allocate().code).toBe(200)
    },
  )

  test('TURN-ALLOC-21 a client that leaves while its socket opens leaves nothing', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client(ALICE, 'tcp')
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, (writer) => udp(writer).uint8(Attribute.EVEN_PORT, 0x80))
    const relay = world.effects.opening[0]!
    world.server.clientClosed(alice.fiveTuple, world.now)
    nothingIsLeft(world)
    world.effects.clear()
    world.server.relayOpened(relay, world.now)
    expect(world.effects.toClient).toEqual([])
    nothingIsLeft(world)
  })

  test('several relay addresses of a family are used in turn, and a full one is passed over', () => {
    const world = new TurnWorld({ relayAddresses: ['192.0.2.1', '192.0.2.2'], ports: [50000, 50000] })
    const hosts = [1, 2].map(() => world.client().allocate().address(Attribute.XOR_RELAYED_ADDRESS)!.host)
    expect(hosts.sort()).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(world.client().allocate().code).toBe(508)
  })

  test.each(['unavailable', 'in-use'] as const)(
    'RES-06 one relay address that is %s leaves the others of use',
    (reason) => {
      const world = new TurnWorld({ relayAddresses: ['192.0.2.1', '192.0.2.2'], ports: [50000, 50000] })
      world.opensRelays = false
      const alice = world.client()
      alice.learn(alice.ask(Method.ALLOCATE, udp)!)
      alice.ask(Method.ALLOCATE, udp)
      const failed = world.failRelay(reason)
      world.effects.clear()
      world.openRelays()
      const relayed = new Answer(world.effects.toClient[0]!.bytes).address(Attribute.XOR_RELAYED_ADDRESS)!
      expect([failed.local.host, relayed.host].sort()).toEqual(['192.0.2.1', '192.0.2.2'])
    },
  )
})

describe('EVEN-PORT', () => {
  const evenPort = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0)
  const pair = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0x80)
  const portOf = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!.port
  const tokenOf = (answer: Answer) => Buffer.from(answer.message.value(Attribute.RESERVATION_TOKEN)!)
  const claim = (token: Buffer) => (writer: StunWriter) => writer.bytes(Attribute.RESERVATION_TOKEN, token)

  test('TURN-EVEN-01 SEC-28 R=0 gives an even port and keeps nothing back', () => {
    const world = new TurnWorld({ ports: [50000, 50019] })
    for (let i = 0; i < 100; i++) {
      const alice = world.client()
      const answer = alice.allocate(evenPort)
      expect(portOf(answer) % 2).toBe(0)
      expect(answer.message.has(Attribute.RESERVATION_TOKEN)).toBe(false)
      alice.refresh(0)
    }
    for (let i = 0; i < 20; i++) expect(world.client().allocate().code).toBe(200)
  })

  test('TURN-EVEN-02 TURN-EVEN-05 R=1 gives an even port and a token for the odd one above', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const first = alice.allocate(pair)
    expect(portOf(first) % 2).toBe(0)
    expect(tokenOf(first)).toHaveLength(8)
    alice.permit(PEER)
    const other = world.client(ALICE, 'tcp')
    const second = other.allocate((writer) => claim(tokenOf(first))(writer).uint32(Attribute.LIFETIME, 1200))
    expect(portOf(second)).toBe(portOf(first) + 1)
    expect(second.lifetime).toBe(1200)
    world.peerData(other.relay, PEER, Buffer.from('x'))
    expect(world.dropped).toEqual({ 'no-permission': 1 })
  })

  test('TURN-EVEN-03 SEC-28 the reservation outlives its allocation, and ends after 30 s', () => {
    const world = new TurnWorld({ ports: [50000, 50001] })
    const alice = world.client()
    alice.allocate(pair)
    alice.refresh(0)
    world.pass(29)
    expect(world.client().allocate().code).toBe(200)
    expect(world.client().allocate().code).toBe(508)
    world.pass(1)
    expect(world.client().allocate().code).toBe(200)
  })

  test('TURN-EVEN-04 TURN-ALLOC-08 a token works once, and not after its time', () => {
    const world = new TurnWorld()
    const token = tokenOf(world.client().allocate(pair))
    expect(world.client(ALICE, 'tls').allocate(claim(token)).code).toBe(200)
    expect(world.client().allocate(claim(token)).code).toBe(508)
    const late = tokenOf(world.client().allocate(pair))
    world.clock.advanceSeconds(30)
    expect(world.client().allocate(claim(late)).code).toBe(508)
  })

  test('TURN-ALLOC-08 a reserved port that another program took meanwhile is 508', () => {
    const world = new TurnWorld()
    const token = tokenOf(world.client().allocate(pair))
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, (writer) => claim(token)(udp(writer)))
    world.effects.clear()
    world.failRelay('in-use')
    expect(new Answer(world.effects.toClient[0]!.bytes).code).toBe(508)
    expect(world.options.quota.total).toBe(1)
  })

  test('TURN-EVEN-06 no free pair is 508', () => {
    const world = new TurnWorld({ ports: [50001, 50002] })
    expect(world.client().allocate(pair).code).toBe(508)
    expect(world.client().allocate(evenPort).code).toBe(200)
    expect(world.client().allocate(evenPort).code).toBe(508)
  })

  test('TURN-EVEN-07 a reservation takes a place in the quota until it is used or over', () => {
    const world = new TurnWorld({ userQuota: 2 })
    const alice = world.client()
    const token = tokenOf(alice.allocate(pair))
    expect(world.client().allocate().code).toBe(486)
    const second = world.client()
    expect(second.allocate(claim(token)).code).toBe(200)
    expect(world.client().allocate().code).toBe(486)
    second.refresh(0)
    alice.refresh(0)
    expect(world.options.quota.total).toBe(0)
    expect(world.client().allocate(pair).code).toBe(200)
    expect(world.client().allocate(pair).code).toBe(486)
    world.pass(30)
    expect(world.options.quota.total).toBe(1)
  })

  test('TURN-EVEN-07 a reservation keeps its place when its allocation ends', () => {
    const world = new TurnWorld({ userQuota: 2 })
    const alice = world.client()
    alice.allocate(pair)
    expect(world.options.quota.of('account alice\nexample.org')).toBe(2)
    alice.refresh(0)
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
    expect(world.effects.held.size).toBe(1)
    world.pass(30)
    expect(world.options.quota.of('account alice\nexample.org')).toBe(0)
    expect(world.effects.held.size).toBe(0)
  })

  test("TURN-EVEN-08 another user's token is 508 and stays its owner's", () => {
    const world = new TurnWorld()
    const token = tokenOf(world.client().allocate(pair))
    expect(world.client(BOB).allocate(claim(token)).code).toBe(508)
    expect(world.effects.refusals.at(-1)?.reason).toMatch(/another user/)
    expect(world.options.quota.of('account bob\nexample.org')).toBe(0)
    expect(world.client().allocate(claim(token)).code).toBe(200)
  })

  test.each([
    [50001, 50003],
    [50000, 50002],
  ])('TURN-EVEN-09 the range %i-%i has one pair, inside itself', (low, high) => {
    const world = new TurnWorld({ ports: [low, high] })
    const port = portOf(world.client().allocate(pair))
    expect(port).toBeGreaterThanOrEqual(low)
    expect(port + 1).toBeLessThanOrEqual(high)
    expect(world.client().allocate(pair).code).toBe(508)
  })

  test('a pair whose even port is held by another program is replaced by another pair', () => {
    const world = new TurnWorld({ ports: [50000, 50003] })
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, (writer) => pair(udp(writer)))
    const skipped = world.failRelay('in-use').local.port
    world.effects.clear()
    world.openRelays()
    const answer = new Answer(world.effects.toClient[0]!.bytes)
    expect(portOf(answer)).not.toBe(skipped)
    expect(world.options.relayPorts.reservations).toBe(1)
    world.opensRelays = true
    expect(world.client().allocate(claim(tokenOf(answer))).code).toBe(200)
  })
})

describe('a relay that does not open in time', () => {
  /** Alice has one allocation, and a pair whose relay still opens. */
  function lateWorld(): TurnWorld {
    const world = new TurnWorld({ userQuota: 4 })
    world.client().allocate()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, (writer) => udp(writer).uint8(Attribute.EVEN_PORT, 0x80))
    expect(world.options.quota.of('account alice\nexample.org')).toBe(3)
    world.effects.clear()
    return world
  }

  test('TURN-EVEN-07 TURN-ALLOC-21 is refused, and gives back what was taken for it', () => {
    const world = lateWorld()
    world.pass(9)
    expect(world.effects.toClient).toEqual([])
    world.pass(1)
    expect(world.effects.toClient.map((sent) => new Answer(sent.bytes).code)).toEqual([508])
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
    expect(world.server.allocations.size).toBe(1)
    expect(world.effects.opening).toEqual([])
  })

  test('is not answered again when it opens after all', () => {
    const world = lateWorld()
    const relay = world.effects.opening[0]!
    world.pass(10)
    world.effects.clear()
    world.server.relayOpened(relay, world.now)
    world.server.relayFailed(relay, 'in-use', world.now)
    expect(world.effects.toClient).toEqual([])
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
  })

  test('is not answered when an operator ends the allocation before', () => {
    const world = lateWorld()
    const [, opening] = [...world.server.allocations]
    world.server.allocations.release(opening!, 'operator', world.now)
    world.pass(11)
    expect(world.effects.toClient).toEqual([])
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
  })
})

describe('two families', () => {
  const dual = additionalFamily(2)

  test('TURN-DUAL-01 D-18 one answer has an IPv4 and an IPv6 relayed address', () => {
    const world = new TurnWorld()
    const alice = world.client()
    const relayed = alice.allocate(dual).addresses(Attribute.XOR_RELAYED_ADDRESS)
    expect(relayed.map((address) => address.family)).toEqual([4, 6])
    expect(world.server.allocations.size).toBe(1)
  })

  test('TURN-DUAL-03 without IPv6 it is a success with IPv4 and 440 for the other', () => {
    const world = new TurnWorld({ relayAddresses: ['192.0.2.1'] })
    const answer = world.client().allocate(dual)
    expect(answer.code).toBe(200)
    expect(answer.addresses(Attribute.XOR_RELAYED_ADDRESS).map((address) => address.family)).toEqual([4])
    expect(answer.message.value(Attribute.ADDRESS_ERROR_CODE)?.toString('hex')).toBe('02000428')
  })

  test('TURN-DUAL-03 with no IPv4 port left it is a success with IPv6 and 508 for the other', () => {
    const world = new TurnWorld({ ports: [50000, 50000] })
    world.client().allocate()
    const answer = world.client().allocate(dual)
    expect(answer.addresses(Attribute.XOR_RELAYED_ADDRESS).map((address) => address.family)).toEqual([6])
    expect(answer.message.value(Attribute.ADDRESS_ERROR_CODE)?.toString('hex')).toBe('01000508')
    expect(world.client().allocate(dual).code).toBe(508)
  })

  test('TURN-DUAL-03 a family whose socket fails is told with 508, both failing is 508', () => {
    const world = new TurnWorld()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    alice.ask(Method.ALLOCATE, (writer) => dual(udp(writer)))
    world.effects.clear()
    world.failRelay('unavailable')
    expect(world.effects.toClient).toEqual([])
    world.openRelays()
    const answer = new Answer(world.effects.toClient[0]!.bytes)
    expect(answer.code).toBe(200)
    expect(answer.message.value(Attribute.ADDRESS_ERROR_CODE)?.toString('hex')).toBe('01000508')
    const bob = world.client(BOB)
    bob.learn(bob.ask(Method.ALLOCATE, udp)!)
    bob.ask(Method.ALLOCATE, (writer) => dual(udp(writer)))
    world.effects.clear()
    world.failRelay('exhausted')
    world.failRelay('exhausted')
    expect(world.effects.toClient.map((sent) => new Answer(sent.bytes).code)).toEqual([508])
    expect(world.options.quota.of('account bob\nexample.org')).toBe(0)
  })

  test('TURN-DUAL-06 counts as one toward the quota', () => {
    const world = new TurnWorld({ userQuota: 2 })
    expect(world.client().allocate(dual).code).toBe(200)
    expect(world.client().allocate(dual).code).toBe(200)
    expect(world.client().allocate(dual).code).toBe(486)
  })

  test('TURN-DUAL-07 with EVEN-PORT R=0 both ports are even', () => {
    const world = new TurnWorld()
    for (let i = 0; i < 8; i++) {
      const answer = world.client().allocate((writer) => dual(writer.uint8(Attribute.EVEN_PORT, 0)))
      for (const { port } of answer.addresses(Attribute.XOR_RELAYED_ADDRESS)) expect(port % 2).toBe(0)
    }
  })
})

function address(host: string) {
  return addressOf(`${host}:0`)
}
