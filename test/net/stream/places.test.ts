import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { StreamPlaces, sharedPlaces, takeBackPlaces } from '../../../src/net/stream/places.ts'
import { Address } from '../../../src/stun/address.ts'

const here = Address.parse('192.0.2.7', 1)!
const there = Address.parse('192.0.2.8', 1)!

function twoThreads(limits: { total: number; perSource: number }) {
  const shared = sharedPlaces(2, randomBytes)
  const places = (thread: number) => new StreamPlaces(limits, shared, thread)
  return { shared, places, first: places(0), second: places(1) }
}

test('SEC-15 connections are counted over all threads, and a place is free again when its connection is over', () => {
  const { first, second } = twoThreads({ total: 3, perSource: 10 })
  const threads = [first, second, first, second, first]
  expect(threads.map((places) => places.take())).toEqual([true, true, true, false, false])
  second.give(null)
  expect([first.take(), second.take()]).toEqual([true, false])
})

test('SEC-15 so are those of one source', () => {
  const { first, second } = twoThreads({ total: 10, perSource: 2 })
  expect([first.takeOf(here), second.takeOf(here), first.takeOf(here), second.takeOf(here)]).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(first.takeOf(there)).toBe(true)
  first.take()
  first.give(here)
  expect([second.takeOf(here), first.takeOf(here)]).toEqual([true, false])
})

test('SEC-15 the connections of a thread that has died count no more', () => {
  const { shared, places, first, second } = twoThreads({ total: 3, perSource: 3 })
  for (const thread of [first, second, second]) expect([thread.take(), thread.takeOf(here)]).toEqual([true, true])
  expect([first.take(), first.takeOf(here)]).toEqual([false, false])
  takeBackPlaces(shared, 1)
  const successor = places(1)
  for (let i = 0; i < 2; i++) expect([successor.take(), successor.takeOf(here)]).toEqual([true, true])
  expect([successor.take(), successor.takeOf(here)]).toEqual([false, false])
  first.give(here)
  expect([first.take(), first.takeOf(here)]).toEqual([true, true])
})
