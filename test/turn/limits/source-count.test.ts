import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SourceTable, sourceMemory } from '../../../src/shared/source-table.ts'
import { Address } from '../../../src/stun/address.ts'
import { Attribute } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import { SourceCount } from '../../../src/turn/limits/source-count.ts'
import { ALICE, BOB, TurnWorld } from '../../support/turn-world.ts'

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
  expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
  expect(world.server.allocations.options.sources.size).toBe(1)
})

test('RES-04 TURN-EVEN-07 what an address has reserved counts until somebody comes for it or its time is over', () => {
  const world = worldWithLimit()
  const pair = (writer: StunWriter) => writer.uint8(Attribute.EVEN_PORT, 0x80)
  const tokens: Buffer[] = []
  for (let i = 0; i < 2; i++) {
    const client = world.client()
    tokens.push(Buffer.from(client.allocate(pair).message.value(Attribute.RESERVATION_TOKEN)!))
    client.refresh(0)
  }
  expect(world.client().allocate(pair).code).toBe(486)
  expect(world.client(ALICE, 'udp', '203.0.113.1').allocate(pair).code).toBe(200)
  expect(world.client().allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, tokens[0]!)).code).toBe(200)
  expect(world.client().allocate().code).toBe(200)
  expect(world.client().allocate().code).toBe(486)
  world.pass(30)
  expect(world.client().allocate().code).toBe(200)
  expect(world.client().allocate().code).toBe(486)
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

/** What threads count that share a table, and the tables. */
function threads(count: number) {
  const memory = sourceMemory(count, randomBytes)
  const tables = Array.from({ length: count }, (_, thread) => new SourceTable(memory, thread))
  return { tables, counts: tables.map((table) => new SourceCount(table)) }
}

const source = fc.oneof(
  fc.nat(20).map((host) => Address.ipv4(0xc6336400 + host, 1000)),
  fc.nat(20).map((net) => Address.ipv6(0x20010db8, net, 0, 1, 1000)),
)

test('RES-04 every thread sees what all of them have counted, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), source, fc.boolean()), { maxLength: 200 }), (steps) => {
      const { counts } = threads(3)
      const has = new Map<string, number[]>()
      for (const [thread, address, isNew] of steps) {
        const here = has.get(address.host) ?? [0, 0, 0]
        has.set(address.host, here)
        if (isNew) counts[thread]!.add(address)
        else if (here[thread]! > 0) counts[thread]!.remove(address)
        here[thread] = Math.max(0, here[thread]! + (isNew ? 1 : -1))
        const sum = here.reduce((all, one) => all + one)
        expect(counts.map((count) => count.of(address))).toEqual([sum, sum, sum])
      }
    }),
  )
})

test('RES-04 what a thread that died had counted is forgotten', () => {
  const { tables, counts } = threads(2)
  const address = Address.parse('192.0.2.1')!
  counts[0]!.add(address)
  counts[1]!.add(address)
  tables[0]!.forgetThread(1)
  expect(counts[0]!.of(address)).toBe(1)
})

test('RES-04 ten thousand sources, and none is taken for another', () => {
  const { counts } = threads(2)
  const sources = Array.from({ length: 20_000 }, (_, i) => Address.ipv4(0x0a000000 + i * 7, 1000))
  for (const address of sources.slice(0, 10_000)) counts[0]!.add(address)
  const seen = sources.map((address) => counts[1]!.of(address))
  expect(seen.slice(10_000).filter((count) => count > 0)).toEqual([])
  // Where there is no room, a thread is alone with what it counts.
  expect(seen.slice(0, 10_000).filter((count) => count === 1).length).toBeGreaterThan(9_900)
  for (const address of sources.slice(0, 10_000)) counts[0]!.remove(address)
  expect(sources.filter((address) => counts[1]!.of(address) > 0)).toEqual([])
})
