import { describe, expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { connected, connectionIdOf, TCP_PEER as PEER, tcpAllocated, tcpWorld } from '../../support/tcp-world.ts'
import { ALICE, addressOf, BOB } from '../../support/turn-world.ts'

const OTHER = '203.0.113.6:4000'

describe('a TCP allocation', () => {
  test.each(['tcp', 'tls'] as const)('TURN-TCP-01 is granted over %s', (transport) => {
    const { world, alice } = tcpAllocated({}, transport)
    expect(alice.lastAnswer.code).toBe(200)
    expect(alice.relay.allocation.request.transport).toBe('tcp')
    expect(world.effects.open.size).toBe(1)
  })

  test.each(['udp', 'dtls'] as const)('TURN-TCP-01 is 400 over %s', (transport) => {
    const world = tcpWorld()
    expect(world.client(ALICE, transport).allocateTcp().code).toBe(400)
    expect(world.server.allocations.size).toBe(0)
  })

  test.each([
    ['EVEN-PORT', Attribute.EVEN_PORT, '00'],
    ['EVEN-PORT with a reservation', Attribute.EVEN_PORT, '80'],
    ['DONT-FRAGMENT', Attribute.DONT_FRAGMENT, ''],
    ['RESERVATION-TOKEN', Attribute.RESERVATION_TOKEN, '0011223344556677'],
  ])('TURN-TCP-02 is 400 with %s', (_name, attribute, hex) => {
    const world = tcpWorld({ settings: { dontFragment: true } })
    const answer = world.client(ALICE, 'tcp').allocateTcp((writer) => writer.bytes(attribute, Buffer.from(hex, 'hex')))
    expect(answer.code).toBe(400)
    expect([world.server.allocations.size, world.effects.open.size]).toEqual([0, 0])
  })

  test('TURN-TCP-03 TURN-ALLOC-05 SEC-07 is 442 unless tcp-relay is on', () => {
    const world = tcpWorld({ settings: { tcpRelay: false } })
    expect(world.client(ALICE, 'tcp').allocateTcp().code).toBe(442)
    expect(world.effects.refusals.at(-1)?.reason).toContain('tcp-relay is off')
  })

  test('TURN-TCP-03 is granted where UDP allocations are not', () => {
    const world = tcpWorld({ settings: { noUdpRelay: true } })
    expect(world.client(ALICE, 'tcp').allocateTcp().code).toBe(200)
    expect(world.client(ALICE, 'tcp').allocate().code).toBe(442)
  })

  test('TURN-TCP-19 TURN-CHAN-08 has no channels: 403', () => {
    const { alice } = tcpAllocated()
    expect(alice.bind(0x4000, PEER).code).toBe(403)
  })

  test('TURN-TCP-19 TURN-SEND-07 drops Send indications and ChannelData', () => {
    const { world, alice } = tcpAllocated()
    expect(alice.permit(PEER).code).toBe(200)
    alice.sendIndication(PEER, 'hello')
    alice.sendChannelData(0x4000, 'hello')
    expect(world.effects.toPeer).toEqual([])
    expect(world.dropped).toEqual({ 'bad-indication': 1, 'unbound-channel': 1 })
  })

  test('gets no ticket: its data connections could not move with it', () => {
    const world = tcpWorld({ settings: { mobility: true } })
    const answer = world.client(ALICE, 'tcp').allocateTcp((writer) => writer.empty(Attribute.MOBILITY_TICKET))
    expect(answer.code).toBe(200)
    expect(answer.message.has(Attribute.MOBILITY_TICKET)).toBe(false)
  })

  test('of two families relays to peers of both', () => {
    const world = tcpWorld()
    const alice = world.client(ALICE, 'tcp')
    alice.allocateTcp((writer) => writer.uint32(Attribute.ADDITIONAL_ADDRESS_FAMILY, 0x02000000))
    expect([connected(alice, PEER), connected(alice, '[2001:db8::5]:4000')].map(({ relay }) => relay)).toEqual(
      alice.relays,
    )
    // Refreshed to 0, one half takes its connections along and no other.
    alice.demand(Method.REFRESH, (writer) =>
      writer.uint32(Attribute.LIFETIME, 0).uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000),
    )
    expect([...world.effects.peers].map(({ peer }) => peer.toString())).toEqual([PEER])
  })
})

describe('Connect', () => {
  test('TURN-TCP-05 without a valid peer, or to port 0, it is 400', () => {
    const { world, alice } = tcpAllocated()
    const codes = [
      alice.demand(Method.CONNECT),
      alice.demand(Method.CONNECT, (writer) =>
        writer.bytes(Attribute.XOR_PEER_ADDRESS, Buffer.from('0003a14bc6336405', 'hex')),
      ),
      alice.connect('203.0.113.5:0'),
    ].map((answer) => answer?.code)
    expect(codes).toEqual([400, 400, 400])
    expect(world.effects.connecting).toEqual([])
  })

  test('TURN-TCP-05 TURN-PEER-01 SEC-08 it is 403 to a denied peer, in any notation, and to our own services', () => {
    const { world, alice } = tcpAllocated({ denied: '203.0.113.5' })
    const denied = [PEER, '127.0.0.1:80', '169.254.169.254:80', '192.0.2.1:3478']
    expect(denied.map((peer) => alice.connect(peer)?.code)).toEqual([403, 403, 403, 403])
    const mapped = alice.demand(Method.CONNECT, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('[::ffff:203.0.113.5]:4000')),
    )
    expect(mapped.code).toBe(403)
    expect(world.effects.connecting).toEqual([])
  })

  test('TURN-TCP-05 it is 443 to a family that is not relayed, and 403 on a UDP allocation', () => {
    const { world, alice } = tcpAllocated()
    expect(alice.connect('[2001:db8::5]:80')?.code).toBe(443)
    const other = world.client(ALICE, 'tcp')
    other.allocate()
    expect(other.connect(PEER)?.code).toBe(403)
  })

  test('TURN-GEN-02 it is 437 without an allocation and 441 with that of another user', () => {
    const { world, alice } = tcpAllocated()
    const stranger = world.client(ALICE, 'tcp')
    expect(stranger.demand(Method.CONNECT).code).toBe(437)
    alice.refresh()
    const write = (writer: Parameters<NonNullable<Parameters<typeof alice.ask>[1]>>[0]) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER))
    expect(alice.ask(Method.CONNECT, write, { login: BOB })?.code).toBe(441)
  })

  test('TURN-TCP-07 TURN-TCP-08 it is answered when the peer has accepted, and not before', () => {
    const { world, alice } = tcpAllocated()
    expect(alice.connect(PEER)).toBeNull()
    // Meanwhile others are.
    expect(alice.refresh().code).toBe(200)
    const connection = world.acceptPeer()
    const { lastAnswer } = alice
    expect([lastAnswer.code, lastAnswer.message.method]).toEqual([200, Method.CONNECT])
    expect(connectionIdOf(alice)).toBe(connection.id)
    expect(alice.isSigned(lastAnswer)).toBe(true)
    expect(connection.relay).toBe(alice.relay)
  })

  test('TURN-TCP-08 no two connections have the same CONNECTION-ID', () => {
    const { alice } = tcpAllocated({ settings: { maxPeerConnections: 0 } })
    const ids = Array.from({ length: 200 }, (_, i) => connected(alice, `203.0.113.5:${1000 + i}`).id)
    expect(new Set(ids).size).toBe(200)
    // Drawn from all 32 bits.
    expect(ids.filter((id) => id > 0x7fffffff).length).toBeGreaterThan(50)
  })

  test('TURN-TCP-06 it is 446 to a peer that is connected, or about to be, and no longer when that has ended', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    expect(alice.connect(PEER)?.code).toBe(446)
    const connection = world.acceptPeer()
    expect(alice.connect(PEER)?.code).toBe(446)
    // The same ip with another port is another peer.
    expect(alice.connect('203.0.113.5:4001')).toBeNull()
    world.acceptPeer()
    world.effects.peers.delete(connection)
    world.server.peerConnections.ended(connection)
    expect(alice.connect(PEER)).toBeNull()
  })

  test('TURN-TCP-06 it is 446 to a peer that has connected by itself', () => {
    const { world, alice } = tcpAllocated()
    alice.permit(PEER)
    world.peerArrives(alice.relay, PEER)
    expect(alice.connect(PEER)?.code).toBe(446)
  })

  test('TURN-TCP-07 it is 447 when the peer refuses, and the next one may succeed', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    world.refusePeer()
    expect(alice.lastAnswer.code).toBe(447)
    connected(alice)
    expect(alice.lastAnswer.code).toBe(200)
  })

  test('TURN-TCP-07 it is 447 after 30 seconds, not sooner, and nothing is left of it', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    const before = world.effects.toClient.length
    world.pass(29)
    expect(world.effects.toClient).toHaveLength(before)
    world.pass(2)
    expect(alice.lastAnswer.code).toBe(447)
    expect([world.effects.connecting.length, world.server.peerConnections.size]).toEqual([0, 0])
    expect(world.server.counters.peerConnections).toMatchObject({ failed: 1, ended: 0 })
  })

  test('RES-06 it is 508 when the server has nothing left to connect with', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    world.refusePeer('EMFILE', true)
    expect(alice.lastAnswer.code).toBe(508)
  })

  test('TURN-TCP-20 RES-04 SEC-07 it is 508 above the limit of one allocation, and others are not in the way', () => {
    const { world, alice } = tcpAllocated()
    for (let i = 0; i < 16; i++) connected(alice, `203.0.113.5:${1000 + i}`)
    expect(alice.connect(OTHER)?.code).toBe(508)
    alice.permit(OTHER)
    expect(world.peerArrives(alice.relay, OTHER)).toBeNull()
    expect(world.dropped).toEqual({ 'over-limit': 1 })
    const other = world.client(ALICE, 'tcp')
    other.allocateTcp()
    connected(other)
    expect(other.lastAnswer.code).toBe(200)
  })

  test('RES-04 of one source only so many may wait for their peers', () => {
    const world = tcpWorld({ settings: { maxPeerConnections: 0 } })
    const from = (host: string) => {
      const client = world.client(ALICE, 'tcp', host)
      client.allocateTcp()
      return client
    }
    const greedy = from('198.51.100.1')
    for (let i = 0; i < 256; i++) expect(greedy.connect(`203.0.113.5:${1000 + i}`)).toBeNull()
    expect(greedy.connect(OTHER)?.code).toBe(508)
    expect(from('198.51.100.1').connect(OTHER)?.code).toBe(508)
    expect(from('198.51.100.2').connect(OTHER)).toBeNull()
    expect(world.effects.connecting).toHaveLength(257)
  })

  test('TURN-TCP-09 it needs no permission and makes none', () => {
    const { world, alice } = tcpAllocated()
    connected(alice)
    expect(world.peerArrives(alice.relay, '203.0.113.5:5000')).toBeNull()
    expect(world.dropped).toEqual({ 'no-permission': 1 })
  })

  test('TURN-TCP-18 an allocation that ends meanwhile answers 447 and opens nothing', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    const before = world.effects.toClient.length
    alice.refresh(0)
    expect(world.effects.toClient.slice(before).map(({ bytes }) => bytes.readUInt16BE(0))).toEqual([0x011a, 0x0104])
    expect([world.effects.connecting.length, world.server.peerConnections.size]).toEqual([0, 0])
  })

  test('a client that is gone meanwhile is answered nothing', () => {
    const { world, alice } = tcpAllocated()
    alice.connect(PEER)
    const before = world.effects.toClient.length
    world.server.clientClosed(alice.fiveTuple, world.now)
    expect(world.effects.toClient).toHaveLength(before)
    expect([world.effects.connecting.length, world.effects.open.size]).toEqual([0, 0])
  })

  test('TURN-PEER-07 a peer behind external-ip is connected to by its local address', () => {
    const externalIps = [{ public: addressOf('198.18.0.1:0'), private: addressOf('192.0.2.1:0') }]
    const { world, alice } = tcpAllocated({ externalIps })
    const other = world.client(ALICE, 'tcp')
    other.allocateTcp()
    const { port } = other.relay.local
    expect(alice.connect(`198.18.0.1:${port}`)).toBeNull()
    expect(world.effects.connecting[0]?.peer.toString()).toBe(`192.0.2.1:${port}`)
    other.permit('198.18.0.1:0')
    world.peerArrives(other.relay, alice.relay.local.toString())
    expect(String(other.lastAnswer.address(Attribute.XOR_PEER_ADDRESS))).toBe(`198.18.0.1:${alice.relay.local.port}`)
  })
})
