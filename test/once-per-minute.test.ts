import { expect, test } from 'vitest'
import { OncePerMinute } from '../src/once-per-minute.ts'

test('lets one event of a kind through a minute and counts the rest', () => {
  const limit = new OncePerMinute()
  expect(limit.pass('a', 0)).toBe(0)
  expect(limit.pass('a', 1)).toBeNull()
  expect(limit.pass('a', 59_999)).toBeNull()
  expect(limit.pass('b', 2)).toBe(0)
  expect(limit.pass('a', 60_000)).toBe(2)
})

test('past its limit all new kinds share one budget, until old ones have run out', () => {
  const limit = new OncePerMinute(2)
  limit.pass('a', 0)
  limit.pass('b', 0)
  expect(limit.pass('c', 1)).toBe(0)
  expect(limit.pass('d', 1)).toBeNull()
  expect(limit.pass('e', 60_001)).toBe(0)
})
