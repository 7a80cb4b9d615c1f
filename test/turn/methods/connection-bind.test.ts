import { describe, expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { ServerGroup } from '../../support/server-group.ts'
import { connected, TCP_PEER as PEER, tcpAllocated, tcpWorld } from '../../support/tcp-world.ts'
import { ALICE, BOB, REALM, type WorldOptions } from '../../support/turn-world.ts'

describe('ConnectionBind', () => {
  test.each(['tcp', 'tls'] as const)('TURN-TCP-12 joins a fresh %s connection with the peer', (transport) => {
    const { world, alice } = tcpAllocated()
    const connection = connected(alice)
    const data = world.client(ALICE, transport)
    const answer = data.bindConnection(connection.id)
    expect(answer?.code).toBe(200)
    expect(data.isSigned(answer!)).toBe(true)
    expect(world.effects.joined.get(data.fiveTuple.connection)).toBe(connection)
    expect(world.server.counters.peerConnections).toEqual({
      connected: 1,
      accepted: 0,
      failed: 0,
      bound: 1,
      unbound: 0,
      ended: 0,
    })
  })

  test('TURN-TCP-12 it is 400 for an unknown or missing id, a used one, and that of another user', () => {
    const { world, alice } = tcpAllocated()
    const { id } = connected(alice)
    const codes = [
      world.client(ALICE, 'tcp').bindConnection(null),
      world.client(ALICE, 'tcp').bindConnection((id + 1) >>> 0),
      world.client(BOB, 'tcp').bindConnection(id),
      world.client(ALICE, 'tcp').bindConnection(id),
      world.client(ALICE, 'tcp').bindConnection(id),
    ].map((answer) => answer?.code)
    expect(codes).toEqual([400, 400, 400, 200, 400])
  })

  test('TURN-TCP-12 it is 400 over UDP and DTLS, and on a connection with an allocation', () => {
    const { world, alice } = tcpAllocated()
    const { id } = connected(alice)
    const codes = (['udp', 'dtls'] as const).map((transport) => world.client(ALICE, transport).bindConnection(id)?.code)
    expect([...codes, alice.bindConnection(id)?.code]).toEqual([400, 400, 400])
    expect(world.effects.joined.size).toBe(0)
  })

  test('TURN-TCP-12 it is 401 without credentials, and the id stays good', () => {
    const { world, alice } = tcpAllocated()
    const { id } = connected(alice)
    const data = world.client(ALICE, 'tcp')
    expect(data.ask(Method.CONNECTION_BIND, (writer) => writer.uint32(Attribute.CONNECTION_ID, id))?.code).toBe(401)
    expect(data.bindConnection(id)?.code).toBe(200)
  })

  test('TURN-TCP-13 SEC-07 a connection that nobody binds for 30 seconds is closed, and its id is 400', () => {
    const { world, alice } = tcpAllocated()
    const { id } = connected(alice)
    const data = world.client(ALICE, 'tcp')
    world.pass(29)
    expect(world.effects.peers.size).toBe(1)
    world.clock.advanceSeconds(1)
    // Exactly, before any sweep.
    expect(data.bindConnection(id)?.code).toBe(400)
    world.pass(1)
    expect([world.effects.peers.size, world.server.peerConnections.size]).toEqual([0, 0])
    expect(world.server.counters.peerConnections).toMatchObject({ unbound: 1, ended: 1 })
  })

  test('TURN-TCP-18 data connections end with their allocation, and not with a permission', () => {
    const { world, alice } = tcpAllocated()
    alice.permit(PEER)
    const arrived = world.peerArrives(alice.relay, PEER)!
    expect(world.client(ALICE, 'tcp').bindConnection(arrived.id)?.code).toBe(200)
    world.pass(301)
    expect(world.effects.joined.size).toBe(1)
    alice.refresh(0)
    expect([world.effects.joined.size, world.effects.peers.size, world.server.peerConnections.size]).toEqual([0, 0, 0])
  })

  test('TURN-TCP-18 they end when the allocation expires and when its connection closes', () => {
    for (const end of ['expiry', 'close'] as const) {
      const { world, alice } = tcpAllocated()
      world.client(ALICE, 'tcp').bindConnection(connected(alice).id)
      connected(alice, '203.0.113.6:80')
      alice.connect('203.0.113.7:80')
      if (end === 'expiry') world.pass(3601)
      else world.server.clientClosed(alice.fiveTuple, world.now)
      const { joined, peers, connecting, open } = world.effects
      expect([joined.size, peers.size, connecting.length, open.size, world.server.peerConnections.size]).toEqual([
        0, 0, 0, 0, 0,
      ])
    }
  })

  test('TURN-TCP-14 while its account is asked for, what is behind it waits', () => {
    const world = tcpWorld({ storeLifetimeMs: 60_000 })
    const carol = { username: 'carol', password: 'over the sea' }
    const keys = { name: carol.username, md5Keys: [longTermKey(carol.username, REALM, carol.password)] }
    const stranger = world.client(carol, 'tcp')
    stranger.learn(stranger.ask(Method.CONNECTION_BIND)!)
    expect(stranger.ask(Method.CONNECTION_BIND, (writer) => writer.uint32(Attribute.CONNECTION_ID, 1))).toBeNull()
    expect(world.effects.paused.has(stranger.fiveTuple.connection)).toBe(true)
    world.answer(keys)
    expect(stranger.lastAnswer.code).toBe(400)
    expect(world.effects.paused.size).toBe(0)
  })

  test('RES-03 what a data connection passes is counted, and limited to max-bps each way', () => {
    const { world, alice } = tcpAllocated({ settings: { maxBytesPerSecond: 10_000 } })
    const connection = connected(alice)
    world.client(ALICE, 'tcp').bindConnection(connection.id)
    const { peerConnections } = world.server
    expect(peerConnections.passed(connection, 'toPeer', 10_000, world.now)).toBe(0)
    expect(peerConnections.passed(connection, 'toPeer', 5000, world.now)).toBeCloseTo(500, 0)
    expect(peerConnections.passed(connection, 'toClient', 700, world.now)).toBe(0)
    world.pass(1)
    expect(alice.relay.allocation).toMatchObject({ toPeerBytes: 15_000, toClientBytes: 700 })
    expect(world.server.counters).toMatchObject({ toPeerBytes: 15_000, toClientBytes: 700 })
  })
})

describe('ConnectionAttempt', () => {
  test('TURN-TCP-10 TURN-PERM-12 a peer without permission is closed at once, one with it is announced', () => {
    const { world, alice } = tcpAllocated()
    expect(world.peerArrives(alice.relay, PEER)).toBeNull()
    expect(world.dropped).toEqual({ 'no-permission': 1 })
    alice.permit('203.0.113.5:0')
    expect(world.peerArrives(alice.relay, PEER)).not.toBeNull()
    world.pass(300)
    expect(world.peerArrives(alice.relay, '203.0.113.5:4001')).toBeNull()
  })

  test('TURN-TCP-11 tells the client by which id and from where', () => {
    const { world, alice } = tcpAllocated()
    alice.permit(PEER)
    const connection = world.peerArrives(alice.relay, PEER)!
    const { message } = alice.lastAnswer
    expect(message.type).toBe(0x001c)
    expect(message.uint32(Attribute.CONNECTION_ID)).toBe(connection.id)
    expect(String(alice.lastAnswer.address(Attribute.XOR_PEER_ADDRESS))).toBe(PEER)
    expect(message.fingerprintAt).toBe(-1)
    expect(world.client(ALICE, 'tls').bindConnection(connection.id)?.code).toBe(200)
  })

  test('STUN-FP-04 has a FINGERPRINT for a client that sends one', () => {
    const { world, alice } = tcpAllocated()
    alice.demand(Method.REFRESH, () => {}, { fingerprint: true })
    alice.permit(PEER)
    world.peerArrives(alice.relay, PEER)
    expect(alice.lastAnswer.message.fingerprintAt).toBeGreaterThan(0)
  })

  test('TURN-PEER-01 TURN-PEER-10 a peer that is denied by now is closed at once, permission or not', () => {
    const { world, alice } = tcpAllocated()
    alice.permit(PEER)
    world.deny('203.0.113.5')
    expect(world.peerArrives(alice.relay, PEER)).toBeNull()
    expect(world.dropped).toEqual({ 'peer-denied': 1 })
  })

  test('TURN-PEER-10 connections with peers that are denied by now are closed, whatever they do', () => {
    const { world, alice } = tcpAllocated()
    world.client(ALICE, 'tcp').bindConnection(connected(alice).id)
    connected(alice, '203.0.113.5:4001')
    const other = connected(alice, '203.0.113.6:4000')
    alice.connect('203.0.113.5:4002')
    world.deny('203.0.113.5')
    world.pass(1)
    expect([...world.effects.peers].map(({ id }) => id)).toEqual([other.id])
    expect([world.effects.joined.size, world.effects.connecting.length]).toEqual([0, 0])
    expect(alice.lastAnswer.code).toBe(447)
  })

  test('after the end of the allocation nobody arrives', () => {
    const { world, alice } = tcpAllocated()
    const { relay } = alice
    alice.permit(PEER)
    alice.refresh(0)
    expect(world.peerArrives(relay, PEER)).toBeNull()
    expect(world.dropped).toEqual({ 'no-allocation': 1 })
  })
})

describe('with several servers', () => {
  function group(options: WorldOptions = {}) {
    const all = new ServerGroup()
    const [home, away] = [tcpWorld({ ...options, group: all }), tcpWorld({ ...options, group: all })]
    const alice = home.client(ALICE, 'tcp')
    alice.allocateTcp()
    return { all, home, away, alice }
  }

  test('TURN-TCP-15 a data connection may come to another one', () => {
    const { all, home, away, alice } = group({ settings: { maxBytesPerSecond: 10_000 } })
    const { id } = connected(alice)
    const data = away.client(ALICE, 'tcp')
    all.isPrompt = false
    expect(data.bindConnection(id)).toBeNull()
    // What comes behind the request waits as well.
    expect(away.effects.paused.has(data.fiveTuple.connection)).toBe(true)
    all.deliver()
    expect(data.lastAnswer.code).toBe(200)
    const joined = away.effects.joined.get(data.fiveTuple.connection)!
    expect([joined.id, joined.peer.toString(), joined.relay]).toEqual([id, PEER, null])
    expect([home.effects.peers.size, all.detached.size, away.effects.paused.size]).toEqual([0, 0, 0])
    // It still counts where it came from, and what it passes does too.
    expect(alice.connect(PEER)?.code).toBe(446)
    away.server.peerConnections.passed(joined, 'toClient', 25_000, away.now)
    home.pass(1)
    expect(alice.relay.allocation.toClientBytes).toBe(25_000)
  })

  test('TURN-TCP-15 when it ends there its peer can be connected to again', () => {
    const { all, home, away, alice } = group()
    away.client(ALICE, 'tcp').bindConnection(connected(alice).id)
    all.deliver()
    const [joined] = away.effects.joined.values()
    away.server.peerConnections.ended(joined!)
    all.deliver()
    expect([home.server.peerConnections.size, away.server.peerConnections.size]).toEqual([0, 0])
    expect(alice.connect(PEER)).toBeNull()
    expect(home.server.counters.peerConnections).toMatchObject({ connected: 1, bound: 0, ended: 1 })
    expect(away.server.counters.peerConnections).toMatchObject({ connected: 0, bound: 1, ended: 0 })
  })

  test('TURN-TCP-18 when the allocation ends it is closed there', () => {
    const { all, home, away, alice } = group()
    away.client(ALICE, 'tcp').bindConnection(connected(alice).id)
    all.deliver()
    alice.refresh(0)
    all.deliver()
    expect([away.effects.joined.size, away.effects.peers.size, away.server.peerConnections.size]).toEqual([0, 0, 0])
    expect(home.server.peerConnections.size).toBe(0)
  })

  test('TURN-TCP-12 what another one does not give is 400, and its client goes on', () => {
    const { all, away, alice } = group()
    const { id } = connected(alice)
    const codes = [
      [ALICE, (id + 3) >>> 0],
      [BOB, id],
    ].map(([login, wanted]) => {
      const data = away.client(login as typeof ALICE, 'tcp')
      data.bindConnection(wanted as number)
      all.deliver()
      expect(away.effects.paused.size).toBe(0)
      return data.lastAnswer.code
    })
    expect(codes).toEqual([400, 400])
    const data = away.client(ALICE, 'tcp')
    data.bindConnection(id)
    all.deliver()
    expect(data.lastAnswer.code).toBe(200)
  })

  test('a client that is gone before the answer leaves nothing behind', () => {
    const { all, home, away, alice } = group()
    const { id } = connected(alice)
    const data = away.client(ALICE, 'tcp')
    all.isPrompt = false
    data.bindConnection(id)
    away.server.clientClosed(data.fiveTuple, away.now)
    all.deliver()
    expect([all.detached.size, home.server.peerConnections.size, away.server.peerConnections.size]).toEqual([0, 0, 0])
  })

  test('where it cannot be served it is 508', () => {
    const { all, home, away, alice } = group()
    const { id } = connected(alice)
    all.canAttach = false
    const data = away.client(ALICE, 'tcp')
    data.bindConnection(id)
    all.deliver()
    expect(data.lastAnswer.code).toBe(508)
    expect([all.detached.size, home.server.peerConnections.size, away.effects.paused.size]).toEqual([0, 0, 0])
  })

  test('STUN-ERR-08 without an answer of the other one it is 500, and what comes late is given back', () => {
    const { all, home, away, alice } = group()
    const { id } = connected(alice)
    all.isPrompt = false
    const data = away.client(ALICE, 'tcp')
    data.bindConnection(id)
    away.pass(11)
    expect(data.lastAnswer.code).toBe(500)
    expect(away.effects.paused.size).toBe(0)
    all.deliver()
    expect([all.detached.size, home.server.peerConnections.size, away.server.peerConnections.size]).toEqual([0, 0, 0])
  })
})
