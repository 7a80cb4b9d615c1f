import { expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { dual } from '../../support/turn-client.ts'
import { BOB, TurnWorld } from '../../support/turn-world.ts'

const PEER = '203.0.113.5:4000'

test.each([
  ['no LIFETIME', null, 600],
  ['less than the default', 5, 600],
  ['what lies between', 1800, 1800],
  ['more than the maximum', 4_000_000_000, 3600],
])('TURN-REFRESH-01 TURN-REFRESH-03 %s: LIFETIME tells what was granted', (_name, asked, granted) => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  world.pass(599)
  const answer = alice.refresh(asked)
  expect(answer.code).toBe(200)
  expect(answer.lifetime).toBe(granted)
  expect(alice.isSigned(answer)).toBe(true)
  world.pass(granted - 1)
  expect(world.server.allocations.size).toBe(1)
  world.pass(1)
  expect(world.server.allocations.size).toBe(0)
})

test('TURN-REFRESH-02 D-16 zero ends the allocation before the answer is out', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.permit(PEER)
  alice.bind(0x4000, PEER)
  const { relay } = alice
  const answer = alice.refresh(0)
  expect([answer.code, answer.lifetime]).toEqual([200, 0])
  expect(alice.isSigned(answer)).toBe(true)
  expect(world.server.allocations.size).toBe(0)
  expect(world.effects.open.size).toBe(0)
  expect(relay.state).toBe('closed')
  alice.sendChannelData(0x4000, 'late')
  world.peerData(relay, PEER, Buffer.from('late'))
  expect(world.effects.toPeer).toEqual([])
  expect(world.dropped).toEqual({ 'no-allocation': 2 })
})

test('TURN-ALLOC-13 a port is given back when its socket is closed, or another thread could not bind it', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  const { relayPorts } = world.options
  const openWhenFreed: number[] = []
  relayPorts.free = () => openWhenFreed.push(world.effects.open.size)
  alice.refresh(0)
  expect(openWhenFreed).toEqual([0])
})

test('TURN-REFRESH-04 a repeated Refresh 0 is 437', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.refresh(0)
  const again = alice.refresh(0)
  expect(again.code).toBe(437)
  expect(alice.isSigned(again)).toBe(true)
})

test('TURN-REFRESH-05 a family that the allocation does not hold is 443', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  const of = (family: number) =>
    alice.demand(Method.REFRESH, (writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, family * 0x1000000)).code
  expect([of(1), of(2), of(9)]).toEqual([200, 443, 443])
})

test('TURN-DUAL-05 zero with a family ends that half, zero without ends both', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate(dual)
  alice.permit(PEER, '[2001:db8:5::5]:4000')
  alice.bind(0x4001, '[2001:db8:5::5]:4000')
  const half = alice.demand(Method.REFRESH, (writer) =>
    writer.uint32(Attribute.LIFETIME, 0).uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000),
  )
  expect([half.code, half.lifetime]).toEqual([200, 0])
  expect(alice.relays.map((relay) => relay.local.family)).toEqual([4])
  expect(world.effects.open.size).toBe(1)
  alice.sendIndication(PEER, 'v4')
  alice.sendIndication('[2001:db8:5::5]:4000', 'v6')
  alice.sendChannelData(0x4001, 'v6')
  expect(world.effects.toPeer.map((sent) => sent.data.toString())).toEqual(['v4'])
  expect(alice.permit('[2001:db8:5::5]:4000').code).toBe(443)

  const bob = world.client(BOB)
  bob.allocate(dual)
  bob.refresh(0)
  expect(world.server.allocations.size).toBe(1)
  expect(world.effects.open.size).toBe(1)
})

test('TURN-DUAL-05 zero with the only family that is left ends the allocation', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate(dual)
  for (const family of [1, 2]) {
    alice.demand(Method.REFRESH, (writer) =>
      writer.uint32(Attribute.LIFETIME, 0).uint32(Attribute.REQUESTED_ADDRESS_FAMILY, family * 0x1000000),
    )
  }
  expect(world.server.allocations.size).toBe(0)
  expect(world.options.quota.total).toBe(0)
})

test('TURN-REFRESH-06 permissions and channels are not refreshed with it', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.permit(PEER)
  alice.bind(0x4000, '203.0.113.6:4000')
  for (let i = 0; i < 6; i++) {
    world.pass(100)
    alice.refresh(3600)
  }
  world.peerData(alice.relay, PEER, Buffer.from('x'))
  world.peerData(alice.relay, '203.0.113.6:4000', Buffer.from('x'))
  alice.sendChannelData(0x4000, 'x')
  expect(world.dropped).toEqual({ 'no-permission': 2, 'unbound-channel': 1 })
})

test('TURN-REFRESH-07 without it the allocation expires: traffic is dropped and requests are 437', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.permit(PEER)
  const { relay } = alice
  world.pass(600)
  expect(world.effects.open.size).toBe(0)
  world.peerData(relay, PEER, Buffer.from('x'))
  alice.sendIndication(PEER, 'x')
  expect(world.dropped).toEqual({ 'no-allocation': 2 })
  expect(alice.refresh().code).toBe(437)
  expect(alice.permit(PEER).code).toBe(437)
  expect(world.server.counters.endedBy.expired).toBe(1)
})

test('TURN-REFRESH-08 at the very moment of expiry nothing is resurrected, swept or not', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.bind(0x4000, PEER)
  const { relay } = alice
  world.clock.advanceSeconds(600)
  world.peerData(relay, PEER, Buffer.from('x'))
  alice.sendChannelData(0x4000, 'x')
  expect(world.dropped).toEqual({ 'no-allocation': 2 })
  expect(alice.refresh().code).toBe(437)
  expect(world.server.allocations.size).toBe(0)
  expect(world.effects.open.size).toBe(0)
  expect(alice.allocate().code).toBe(200)
  alice.sendChannelData(0x4000, 'x')
  expect(world.effects.toPeer).toEqual([])
})

test('TURN-GEN-08 expiry is exact and never early', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  alice.permit(PEER)
  world.clock.advance(299_999)
  alice.sendIndication(PEER, 'in time')
  world.clock.advance(1)
  alice.sendIndication(PEER, 'late')
  expect(world.effects.toPeer.map((sent) => sent.data.toString())).toEqual(['in time'])
  world.clock.advance(299_999)
  expect(alice.refresh().code).toBe(200)
})

test('STUN-ATTR-10 a LIFETIME of a wrong size is 400 and changes nothing', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  expect(alice.demand(Method.REFRESH, (writer) => writer.uint8(Attribute.LIFETIME, 0)).code).toBe(400)
  expect(world.server.allocations.size).toBe(1)
})

test('TURN-MOB-01 a mobility ticket while mobility is off is 405', () => {
  const world = new TurnWorld()
  const alice = world.client()
  alice.allocate()
  expect(alice.demand(Method.REFRESH, (writer) => writer.empty(Attribute.MOBILITY_TICKET)).code).toBe(405)
})
