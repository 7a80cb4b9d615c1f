import { expect, test } from 'vitest'
import { Shares } from '../../../src/net/limits/shares.ts'

/** A pool of named things, and who had to go. */
function pool(total: number, perSource: number) {
  const shares = new Shares<{ name: string }>({ total, perSource })
  const displaced: string[] = []
  const take = (from: string | null, name: string) => {
    const item = { name }
    return { item, refused: shares.take(from, item, (other) => displaced.push(other.name)) }
  }
  return { shares, displaced, take }
}

test('when all are taken the source with the most loses its oldest to one with fewer', () => {
  const { shares, displaced, take } = pool(4, 0)
  take('192.0.2.1', 'a1')
  take('192.0.2.2', 'b1')
  take('192.0.2.1', 'a2')
  take('192.0.2.1', 'a3')
  expect(take('192.0.2.3', 'c1').refused).toBeNull()
  expect(displaced).toEqual(['a1'])
  expect(take('192.0.2.4', 'd1').refused).toBeNull()
  expect(displaced).toEqual(['a1', 'a2'])
  // Now each has one, and nobody has taken more than a newcomer wants.
  expect(take('192.0.2.5', 'e1').refused).toBe('too-many')
  expect(shares.size).toBe(4)
  expect(shares.counters).toEqual({ 'too-many': 1, 'too-many-from-source': 0, displaced: 2 })
})

test('the source with the most displaces nobody', () => {
  const { displaced, take } = pool(3, 0)
  take('192.0.2.1', 'a1')
  take('192.0.2.1', 'a2')
  take('192.0.2.2', 'b1')
  expect(take('192.0.2.1', 'a3').refused).toBe('too-many')
  expect(displaced).toEqual([])
})

test('one source has its share: an IPv4 address, or an IPv6 /64 in any spelling', () => {
  const { take } = pool(0, 2)
  for (const [first, second, third, other] of [
    ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'],
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::2', '2001:db8:0:1', '2001:db8:0:2::1'],
  ] as const) {
    expect([take(first, 'x').refused, take(second, 'y').refused]).toEqual([null, null])
    expect(take(third, 'z').refused).toBe('too-many-from-source')
    expect(take(other, 'z').refused).toBeNull()
  }
})

test('who speaks for many has no share and gives none up', () => {
  const { displaced, take, shares } = pool(3, 1)
  const proxied = ['p1', 'p2', 'p3'].map((name) => take(null, name))
  expect(proxied.map(({ refused }) => refused)).toEqual([null, null, null])
  expect(take('192.0.2.1', 'a').refused).toBe('too-many')
  expect(displaced).toEqual([])
  shares.give(proxied[0]!.item)
  expect(take('192.0.2.1', 'a').refused).toBeNull()
})

test('what is given back twice, or was displaced before, is counted once', () => {
  const { shares, take } = pool(2, 0)
  const first = take('192.0.2.1', 'a1').item
  take('192.0.2.1', 'a2')
  take('192.0.2.2', 'b1')
  shares.give(first)
  shares.give(first)
  expect(shares.size).toBe(2)
})
