import { expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { SourceCount } from '../../src/turn/source-count.ts'
import { ALICE, BOB, TurnWorld } from '../support/turn-world.ts'

const LIMIT = 3

function worldWithLimit(): TurnWorld {
  return new TurnWorld({ settings: { maxAllocationsPerAddress: LIMIT } })
}

test.each([
  ['IPv4 address', '198.51.100.7', '198.51.100.7', '198.51.100.8'],
  ['IPv6 /64', '2001:db8:0:7::1', '2001:db8:0:7:ffff::2', '2001:db8:0:8::1'],
])('RES-04 RES-05 one %s gets as many allocations as allowed, then 486, whoever asks', (_name, first, same, other) => {
  const world = worldWithLimit()
  for (let i = 0; i < LIMIT; i++) expect(world.client(ALICE, 'udp', first).allocate().code).toBe(200)
  const bob = world.client(BOB, 'tcp', same)
  const answer = bob.allocate()
  expect(answer.code).toBe(486)
  expect(bob.isSigned(answer)).toBe(true)
  expect(world.effects.refusals.at(-1)).toMatchObject({ code: 486, reason: expect.stringContaining('one address') })
  expect(world.client(BOB, 'udp', other).allocate().code).toBe(200)
  expect(world.server.counters.refusedAllocations).toEqual({ quota: 0, address: 1 })
})

test('RES-04 an allocation that ends, by whatever way, makes room for the next', () => {
  const world = worldWithLimit()
  const [first, second] = [world.client(), world.client(ALICE, 'tcp')]
  first.allocate()
  second.allocate()
  world.client().allocate()
  first.refresh(0)
  expect(world.client().allocate().code).toBe(200)
  world.server.clientClosed(second.fiveTuple, world.now)
  expect(world.client().allocate().code).toBe(200)
  expect(world.client().allocate().code).toBe(486)
  world.pass(600)
  expect(world.client().allocate().code).toBe(200)
})

test('RES-04 TURN-ALLOC-21 Allocates that fail leave no trace in the count, and none is taken from the quota', () => {
  const world = new TurnWorld({ settings: { maxAllocationsPerAddress: 1 }, ports: [50000, 50000], userQuota: 5 })
  world.client(ALICE, 'udp', '203.0.113.1').allocate()
  for (let i = 0; i < 3; i++) expect(world.client().allocate().code).toBe(508)
  expect(world.client(ALICE, 'udp', '203.0.113.1').allocate().code).toBe(486)
  expect(world.options.quota.of('alice')).toBe(1)
  expect(world.server.sources.size).toBe(1)
})

test('RES-04 0 is no limit, and a user over his quota is counted apart', () => {
  const world = new TurnWorld({ settings: { maxAllocationsPerAddress: 0 }, userQuota: 5 })
  for (let i = 0; i < 5; i++) expect(world.client().allocate().code).toBe(200)
  expect(world.client().allocate((writer) => writer.uint32(Attribute.LIFETIME, 600)).code).toBe(486)
  expect(world.server.counters.refusedAllocations).toEqual({ quota: 1, address: 0 })
})

test('RES-07 sources without allocations are forgotten', () => {
  const count = new SourceCount()
  const address = Address.parse('192.0.2.1')!
  count.add(address)
  count.add(address)
  count.remove(address)
  expect([count.of(address), count.size]).toEqual([1, 1])
  count.remove(address)
  expect([count.of(address), count.size]).toEqual([0, 0])
})
