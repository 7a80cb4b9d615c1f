import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { budgetMemory, ChallengeLimit } from '../../../src/turn/limits/challenge-limit.ts'

const HOST = Address.parse('198.51.100.7', 1000)!

function taken(limit: ChallengeLimit, source: Address, tries: number, now: number): number {
  let count = 0
  for (let i = 0; i < tries; i++) if (limit.take(source, now)) count++
  return count
}

test('SEC-12 a source gets a hundred answers a second, whatever its port, then silence', () => {
  const limit = new ChallengeLimit(100, 1000, randomBytes)
  let answers = 0
  for (let port = 1; port <= 500; port++) if (limit.take(HOST.withPort(port), port)) answers++
  expect(answers).toBe(100)
})

test('SEC-12 the next second brings the next hundred', () => {
  const limit = new ChallengeLimit(100, 1000, randomBytes)
  expect(taken(limit, HOST, 500, 5000)).toBe(100)
  expect(taken(limit, HOST, 500, 5999)).toBe(0)
  expect(taken(limit, HOST, 500, 6000)).toBe(100)
})

test('SEC-12 an IPv6 /64 is one source', () => {
  const limit = new ChallengeLimit(100, 1000, randomBytes)
  let answers = 0
  for (let i = 0; i < 500; i++) if (limit.take(Address.ipv6(0x20010db8, 1, i, i, 1), 0)) answers++
  expect(answers).toBe(100)
})

test('SEC-12 another address or /64 has a budget of its own', () => {
  const limit = new ChallengeLimit(1, 1000, randomBytes)
  let answers = 0
  for (let i = 0; i < 500; i++) if (limit.take(Address.ipv4(0xc6336400 + i, 1), 0)) answers++
  for (let i = 0; i < 500; i++) if (limit.take(Address.ipv6(0x20010db8, i, 0, 0, 1), 0)) answers++
  // A few share a slot of the fixed table by chance.
  expect(answers).toBeGreaterThan(970)
})

test('SEC-12 made-up sources neither reset the budget of one nor make the table grow', () => {
  const limit = new ChallengeLimit(100, 1000, randomBytes)
  taken(limit, HOST, 500, 0)
  for (let i = 0; i < 100_000; i++) limit.take(Address.ipv4(i, 1), 0)
  expect(taken(limit, HOST, 10, 0)).toBe(0)
})

test('SEC-12 which sources share a slot differs from one key to the next', () => {
  const collisions = (random: (size: number) => Buffer): string => {
    const limit = new ChallengeLimit(1, 1000, random)
    return Array.from({ length: 5000 }, (_, i) => (limit.take(Address.ipv4(i * 7919, 1), 0) ? '1' : '0')).join('')
  }
  expect(collisions(randomBytes)).not.toBe(collisions(randomBytes))
})

test('SEC-23 three hundred wrong guesses a minute from one address', () => {
  const guesses = new ChallengeLimit(300, 60_000, randomBytes)
  expect(taken(guesses, HOST, 1000, 0)).toBe(300)
  expect(taken(guesses, HOST, 1000, 59_999)).toBe(0)
  expect(taken(guesses, HOST, 1000, 60_000)).toBe(300)
})

test('0 is no limit', () => {
  expect(taken(new ChallengeLimit(0, 1000, randomBytes), HOST, 10_000, 0)).toBe(10_000)
})

test('SEC-12 threads whose clocks began at different times share one budget', () => {
  const memory = budgetMemory(randomBytes)
  const early = new ChallengeLimit(100, 1000, { memory, clockOffsetMs: 5_000 })
  const late = new ChallengeLimit(100, 1000, { memory, clockOffsetMs: 65_000 })
  expect(taken(early, HOST, 60, 60_100)).toBe(60)
  expect(taken(late, HOST, 500, 200)).toBe(40)
  expect(taken(early, HOST, 500, 61_000)).toBe(0)
  expect(taken(late, HOST, 500, 1_100)).toBe(100)
  expect(taken(early, HOST, 500, 61_200)).toBe(0)
})
