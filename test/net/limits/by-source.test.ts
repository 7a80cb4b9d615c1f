import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BySource } from '../../../src/net/limits/by-source.ts'
import { Address } from '../../../src/stun/address.ts'

const SOURCES = [
  Address.parse('192.0.2.1', 1)!,
  Address.parse('192.0.2.2', 2)!,
  Address.parse('2001:db8:0:1::7', 3)!,
  Address.parse('2001:db8:0:2::7', 4)!,
]

test('whatever came and went, the source with the most is known, and the oldest thing of each', () => {
  const step = fc.record({ source: fc.nat(SOURCES.length - 1), item: fc.nat(5), comes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const kept = new BySource<string>()
      const model: string[][] = SOURCES.map(() => [])
      for (const { source, item, comes } of steps) {
        const thing = `${source} ${item}`
        const things = model[source]!
        if (comes && !things.includes(thing)) {
          kept.add(SOURCES[source]!, thing)
          things.push(thing)
        } else if (!comes) {
          expect(kept.delete(SOURCES[source]!, thing)).toBe(things.includes(thing))
          if (things.includes(thing)) things.splice(things.indexOf(thing), 1)
        }
        const most = Math.max(...model.map(({ length }) => length))
        expect(kept.size).toBe(model.flat().length)
        expect([...kept].sort()).toEqual(model.flat().sort())
        expect(model.map((_, i) => kept.oldestOf(SOURCES[i]!))).toEqual(model.map(([first]) => first ?? null))
        expect(kept.toGiveWay(most)).toBeNull()
        if (most > 0)
          expect(model.filter(({ length }) => length === most).map(([first]) => first)).toContain(
            kept.toGiveWay(most - 1),
          )
      }
    }),
  )
})

test('two addresses of one IPv6 /64 are one source', () => {
  const kept = new BySource<number>()
  kept.add(Address.parse('2001:db8:0:1::1', 1)!, 1)
  kept.add(Address.parse('2001:db8:0:1:ffff::2', 2)!, 2)
  expect(kept.toGiveWay(1)).toBe(1)
  expect(kept.oldestOf(Address.parse('2001:db8:0:1::3')!)).toBe(1)
})

test('takes from each source in turn, and leaves out whom it is told to', () => {
  const kept = new BySource<string>()
  const [first, second, third] = SOURCES as [Address, Address, Address]
  for (const item of ['a1', 'a2', 'a3']) kept.add(first, item)
  kept.add(second, 'b1')
  kept.add(third, 'c1')
  const anybody = () => true
  expect(kept.take((source) => source.equals(second))).toBe('b1')
  expect(Array.from({ length: 5 }, () => kept.take(anybody))).toEqual(['a1', 'c1', 'a2', 'a3', null])
  kept.add(first, 'a4')
  kept.add(second, 'b2')
  expect(kept.take((source) => !source.equals(first))).toBe('b2')
  expect(kept.take((source) => !source.equals(first))).toBeNull()
  expect(kept.size).toBe(1)
})

test('what may stay never has to make room again, and the next one is asked for', () => {
  const kept = new BySource<string>()
  const [first] = SOURCES as [Address]
  for (const item of ['a1', 'a2', 'a3']) kept.add(first, item)
  expect(kept.toGiveWay(0, (item) => item !== 'a2')).toBe('a2')
  expect([...kept]).toEqual(['a2', 'a3'])
  expect(kept.toGiveWay(0, () => true)).toBeNull()
  expect(kept.size).toBe(0)
})
