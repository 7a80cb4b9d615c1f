import { expect, test } from 'vitest'
import { TokenBucket } from '../../../src/turn/limits/token-bucket.ts'

/** How many packets of `bytes` pass when one is tried every millisecond. */
function passing(bucket: TokenBucket, bytes: number, milliseconds: number): number {
  let passed = 0
  for (let now = 0; now < milliseconds; now++) if (bucket.take(bytes, now)) passed++
  return passed
}

test('SEC-31 RES-03 bytes hold over time, with one second of burst', () => {
  const passed = passing(new TokenBucket(10_000, 0), 100, 10_000)
  expect(passed * 100).toBeGreaterThan(10_000 * 10.9)
  expect(passed * 100).toBeLessThanOrEqual(10_000 * 11)
})

test('SEC-31 packets hold over time, however small they are', () => {
  const passed = passing(new TokenBucket(0, 100), 0, 10_000)
  expect(passed).toBeGreaterThan(1080)
  expect(passed).toBeLessThanOrEqual(1100)
})

test('SEC-31 whichever limit is reached first holds', () => {
  expect(passing(new TokenBucket(1000, 10), 1, 100)).toBe(10)
  expect(passing(new TokenBucket(1000, 10), 500, 1)).toBe(1)
})

test('a packet that is refused costs nothing', () => {
  const bucket = new TokenBucket(1000, 0)
  expect(bucket.take(1000, 0)).toBe(true)
  for (let i = 0; i < 100; i++) expect(bucket.take(1000, 0)).toBe(false)
  expect(bucket.take(1000, 1000)).toBe(true)
})

test('a limit below one packet slows it down and does not stop it', () => {
  const passed = passing(new TokenBucket(500, 0), 1200, 60_000)
  expect(passed).toBeGreaterThanOrEqual(25)
  expect(passed).toBeLessThanOrEqual(26)
})

test('a long pause fills no more than one second', () => {
  const bucket = new TokenBucket(0, 5)
  for (let i = 0; i < 5; i++) bucket.take(1, 0)
  expect(Array.from({ length: 6 }, () => bucket.take(1, 3_600_000))).toEqual([true, true, true, true, true, false])
})

test('0 is no limit', () => {
  expect(passing(new TokenBucket(0, 0), 65_507, 5000)).toBe(5000)
})
