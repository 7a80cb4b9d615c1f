import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import {
  forgetHandshakes,
  type HandshakeLimits,
  Handshakes,
  handshakeMemory,
} from '../../../src/net/limits/handshakes.ts'
import { Address } from '../../../src/stun/address.ts'

const [GREEDY, HONEST, OTHER] = ['192.0.2.7', '192.0.2.8', '192.0.2.9'].map((host) => Address.parse(host, 1)!) as [
  Address,
  Address,
  Address,
]

/** Those of two threads, whose names are remembered when they are displaced. */
function threads(limits: Partial<HandshakeLimits> = {}) {
  const memory = handshakeMemory(2, randomBytes)
  const displaced: string[] = []
  const thread = (number: number) => {
    const handshakes = new Handshakes<string>('tls', { atOnce: 100, perSource: 100, perSecond: 0, ...limits }, memory, {
      thread: number,
      clockOffsetMs: 0,
    })
    const begin = (source: Address, name: string) =>
      handshakes.begin(source, name, (other) => {
        displaced.push(other)
        handshakes.end(other.startsWith('h') ? HONEST : GREEDY, other)
      })
    return { handshakes, begin }
  }
  return { memory, displaced, first: thread(0), second: thread(1) }
}

test('SEC-14 a source has its share over all threads, and beyond it loses its own oldest', () => {
  const { first, second, displaced } = threads({ perSource: 3 })
  expect([first.begin(GREEDY, 'g1'), second.begin(GREEDY, 'g2'), first.begin(GREEDY, 'g3')]).toEqual([true, true, true])
  expect(first.begin(GREEDY, 'g4')).toBe(true)
  expect(displaced).toEqual(['g1'])
  expect([first.handshakes.size, second.handshakes.size]).toEqual([2, 1])
  expect(second.begin(HONEST, 'h1')).toBe(true)
  // All that there are of it are in the other thread.
  second.handshakes.end(GREEDY, 'g2')
  first.begin(GREEDY, 'g5')
  expect(second.begin(GREEDY, 'g6')).toBe(false)
})

test('SEC-14 where all places are taken the greediest source loses its oldest, to those that have less', () => {
  const { first, displaced } = threads({ atOnce: 4 })
  for (const name of ['g1', 'g2', 'g3']) first.begin(GREEDY, name)
  first.begin(OTHER, 'o1')
  expect(first.begin(GREEDY, 'g4')).toBe(false)
  expect(first.begin(HONEST, 'h1')).toBe(true)
  expect(displaced).toEqual(['g1'])
  expect(first.begin(HONEST, 'h2')).toBe(true)
  expect(displaced).toEqual(['g1', 'g2'])
  // Two of one, one of each of the others: who has two already displaces nobody.
  expect(first.begin(HONEST, 'h3')).toBe(false)
  expect(first.handshakes.size).toBe(4)
})

test('SEC-14 who has much in another thread displaces nobody in this one', () => {
  const { first, second, displaced } = threads({ atOnce: 2 })
  for (const name of ['g1', 'g2']) first.begin(GREEDY, name)
  second.begin(HONEST, 'h1')
  second.begin(OTHER, 'o1')
  expect(second.begin(GREEDY, 'g3')).toBe(false)
  expect(displaced).toEqual([])
})

test('the share of a thread that has died is free again', () => {
  const { memory, first, second } = threads({ perSource: 1 })
  first.begin(GREEDY, 'g1')
  expect(second.begin(GREEDY, 'g2')).toBe(false)
  forgetHandshakes(memory, 0)
  expect(second.begin(GREEDY, 'g2')).toBe(true)
})

test('sources are worked on in turn, and those that go on in turn with those that begin', () => {
  const { first } = threads()
  for (const name of ['g1', 'g2', 'g3']) first.begin(GREEDY, name)
  first.begin(HONEST, 'h1')
  const { handshakes } = first
  expect([handshakes.next(0), handshakes.next(0)]).toEqual(['g1', 'h1'])
  handshakes.goOn(GREEDY, 'g1')
  handshakes.goOn(HONEST, 'h1')
  expect([handshakes.next(0), handshakes.next(0)].sort()).toEqual(['g1', 'g2'])
  handshakes.end(HONEST, 'h1')
  expect([handshakes.next(0), handshakes.next(0), handshakes.isWaiting]).toEqual(['g3', null, false])
})

test('a source that has begun its number waits for the next ten seconds, in all threads, and others do not', () => {
  const { first, second } = threads({ perSecond: 1 })
  for (let i = 0; i < 8; i++) first.begin(GREEDY, `g${i}`)
  for (let i = 8; i < 12; i++) second.begin(GREEDY, `g${i}`)
  for (let i = 0; i < 8; i++) expect(first.handshakes.next(i)).toBe(`g${i}`)
  expect([second.handshakes.next(8), second.handshakes.next(9)]).toEqual(['g8', 'g9'])
  expect([second.handshakes.next(10), second.handshakes.isWaiting]).toEqual([null, true])
  second.begin(HONEST, 'h1')
  expect([second.handshakes.next(11), second.handshakes.next(12)]).toEqual(['h1', null])
  // What was begun goes on.
  first.handshakes.goOn(GREEDY, 'g0')
  expect(first.handshakes.next(13)).toBe('g0')
  expect(second.handshakes.next(10_000)).toBe('g10')
})

test('other limits hold for those that begin from now on', () => {
  const { first, displaced } = threads({ perSource: 2 })
  for (const name of ['g1', 'g2']) first.begin(GREEDY, name)
  first.handshakes.apply({ atOnce: 100, perSource: 3, perSecond: 1 })
  expect(first.begin(GREEDY, 'g3')).toBe(true)
  expect(displaced).toEqual([])
  for (let i = 0; i < 20; i++) first.begin(OTHER, `o${i}`)
  first.handshakes.apply({ atOnce: 100, perSource: 100, perSecond: 0 })
  const begun = () => Array.from({ length: 5 }, () => first.handshakes.next(0))
  expect(begun()).not.toContain(null)
})
