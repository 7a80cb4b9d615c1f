import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BandwidthCapacity, bandwidthMemory } from '../../../src/turn/limits/bandwidth-capacity.ts'
import { BOB, TurnWorld } from '../../support/turn-world.ts'

const THREADS = 3

test('the last allocation gets what is left, and the next one nothing', () => {
  const capacity = new BandwidthCapacity(bandwidthMemory(2500, 1), 0)
  expect([capacity.take(1000), capacity.take(1000), capacity.take(1000), capacity.take(1000)]).toEqual([
    1000,
    1000,
    500,
    null,
  ])
  capacity.give(1000)
  expect(capacity.take(600)).toBe(600)
  expect(capacity.reserved).toBe(2100)
})

test('without a capacity everybody gets all, and it is known what that is once there is one', () => {
  const capacity = new BandwidthCapacity(bandwidthMemory(0, 1), 0)
  expect(capacity.take(1_000_000)).toBe(1_000_000)
  capacity.limit(1_500_000)
  expect(capacity.take(1_000_000)).toBe(500_000)
  expect(capacity.take(1)).toBeNull()
  capacity.give(1_000_000)
  expect(capacity.reserved).toBe(500_000)
})

test('an allocation without a limit of its own reserves nothing', () => {
  const capacity = new BandwidthCapacity(bandwidthMemory(1000, 1), 0)
  expect([capacity.take(1000), capacity.take(0)]).toEqual([1000, 0])
  expect(capacity.reserved).toBe(1000)
})

test('RES-04 threads together reserve no more than there is, and one that dies gives all back', () => {
  const thread = fc.nat(THREADS - 1)
  const step = fc.oneof(
    fc.record({ what: fc.constant('take' as const), thread, amount: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ what: fc.constant('give' as const), thread, amount: fc.nat() }),
    fc.record({ what: fc.constant('move' as const), thread, amount: thread }),
    fc.record({ what: fc.constant('die' as const), thread, amount: fc.constant(0) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.array(step, { maxLength: 120 }), (most, steps) => {
      const memory = bandwidthMemory(most, THREADS)
      const threads = Array.from({ length: THREADS }, (_, each) => new BandwidthCapacity(memory, each))
      const held = threads.map((): number[] => [])
      for (const { what, thread, amount } of steps) {
        const own = held[thread]!
        if (what === 'take') {
          const granted = threads[thread]!.take(amount)
          if (granted !== null) own.push(granted)
        } else if (what === 'die') {
          threads[(thread + 1) % THREADS]!.forgetThread(thread)
          own.length = 0
        } else if (own.length > 0) {
          const [taken] = own.splice(what === 'give' ? amount % own.length : 0, 1)
          if (what === 'give') threads[thread]!.give(taken!)
          else {
            threads[amount]!.takeOver(taken!, thread)
            held[amount]!.push(taken!)
          }
        }
        const sum = held.flat().reduce((all, one) => all + one, 0)
        expect(threads[0]!.reserved).toBe(sum)
        expect(sum).toBeLessThanOrEqual(most)
      }
    }),
  )
})

test('bps-capacity: an allocation is held to its share, the next one is 486 with the reason, and the end gives it back', () => {
  const world = new TurnWorld({ settings: { maxBytesPerSecond: 1000 } })
  world.options.quota.limit({ user: 0, total: 0, bytesPerSecond: 1500 })
  const [alice, bob, late] = [world.client(), world.client(BOB), world.client()]
  for (const client of [alice, bob]) expect(client.allocate().code).toBe(200)
  expect(late.allocate().code).toBe(486)
  expect(world.effects.refusals.at(-1)?.reason).toBe('bps-capacity is used up')
  expect(world.options.quota.total).toBe(2)
  // Half a share: what is sent above it is lost.
  bob.bind(0x4000, '203.0.113.5:4000')
  const before = world.effects.toPeer.length
  for (let i = 0; i < 20; i++) bob.sendChannelData(0x4000, Buffer.alloc(100))
  expect(world.effects.toPeer.length - before).toBe(5)
  alice.refresh(0)
  expect(late.allocate().code).toBe(200)
  expect(world.options.quota.bandwidth.reserved).toBe(1500)
})
