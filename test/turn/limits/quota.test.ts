import { expect, test } from 'vitest'
import { quotaOf } from '../../support/quota.ts'

test('SEC-27 the place after the last is refused, and one given back can be taken again', () => {
  const quota = quotaOf({ user: 2, total: 0 })
  expect([quota.take('alice'), quota.take('alice'), quota.take('alice')]).toEqual(['taken', 'taken', 'user'])
  quota.give('alice')
  expect(quota.take('alice')).toBe('taken')
  expect(quota.take('alice')).toBe('user')
})

test('SEC-27 fifty at once cannot pass the limit', () => {
  const quota = quotaOf({ user: 10, total: 0 })
  const outcomes = Array.from({ length: 50 }, () => quota.take('alice'))
  expect(outcomes.filter((outcome) => outcome === 'taken')).toHaveLength(10)
  expect(quota.of('alice')).toBe(10)
})

test('SEC-27 a refused request takes nothing, whichever limit is in the way', () => {
  const quota = quotaOf({ user: 3, total: 4 })
  quota.take('alice', 2)
  expect(quota.take('alice', 2)).toBe('user')
  expect(quota.take('bob', 3)).toBe('total')
  expect([quota.of('alice'), quota.of('bob'), quota.total, quota.users]).toEqual([2, 0, 2, 1])
})

test('TURN-ALLOC-12 one user at his limit leaves the others alone', () => {
  const quota = quotaOf({ user: 1, total: 0 })
  quota.take('alice')
  expect(quota.take('bob')).toBe('taken')
})

test('TURN-EVEN-07 a pair of ports takes two places or none', () => {
  const quota = quotaOf({ user: 3, total: 0 })
  expect(quota.take('alice', 2)).toBe('taken')
  expect(quota.take('alice', 2)).toBe('user')
  expect(quota.take('alice', 1)).toBe('taken')
})

test('total-quota counts everybody', () => {
  const quota = quotaOf({ user: 0, total: 2 })
  expect([quota.take('a'), quota.take('b'), quota.take('c')]).toEqual(['taken', 'taken', 'total'])
  quota.give('a')
  expect(quota.take('c')).toBe('taken')
})

test('RES-07 a user who has nothing left is forgotten', () => {
  const quota = quotaOf()
  for (let i = 0; i < 1000; i++) quota.take(`user ${i}`)
  for (let i = 0; i < 1000; i++) quota.give(`user ${i}`)
  expect([quota.users, quota.total]).toEqual([0, 0])
})

test('giving back more than was taken does not make room for more', () => {
  const quota = quotaOf({ user: 1, total: 1 })
  quota.give('alice', 5)
  expect([quota.take('alice'), quota.take('alice')]).toEqual(['taken', 'user'])
})

test('a lowered limit takes nothing away but refuses what comes next', () => {
  const quota = quotaOf()
  quota.take('alice', 3)
  quota.limit({ user: 2, total: 0, bytesPerSecond: 0 })
  expect([quota.of('alice'), quota.take('alice')]).toEqual([3, 'user'])
})

test('SEC-24 names of object members are ordinary users', () => {
  const quota = quotaOf({ user: 1, total: 0 })
  for (const name of ['__proto__', 'constructor', 'toString']) expect(quota.take(name)).toBe('taken')
  expect(quota.of('valueOf')).toBe(0)
})

test('SEC-24 RES-07 a stranger with many names gets no more of them in than there are ports, and leaves nothing behind', () => {
  const quota = quotaOf({}, 100)
  for (let round = 0; round < 3; round++) {
    let count = 0
    while (quota.take(`${1_700_000_000 + round}:${count}`) === 'taken') count++
    expect(count).toBeGreaterThanOrEqual(100)
    expect(count).toBeLessThan(110)
    expect(quota.users).toBe(count)
    for (let i = 0; i < count; i++) quota.give(`${1_700_000_000 + round}:${i}`)
    expect([quota.users, quota.total]).toEqual([0, 0])
  }
})

test('who starts before there is an address counts all the same', () => {
  const quota = quotaOf({ user: 1 }, 0)
  expect(quota.take('alice')).toBe('taken')
  expect(quota.take('alice')).toBe('user')
  quota.give('alice')
  expect(quota.of('alice')).toBe(0)
})
