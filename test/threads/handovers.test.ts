import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Handovers, type ToMover } from '../../src/threads/handovers.ts'
import type { Answer, Question } from '../../src/turn/mobility/elsewhere.ts'
import type { MovedAllocation } from '../../src/turn/mobility/moved-allocation.ts'

const TICKET = 'A'.repeat(24)
const ASK: Question = { kind: 'ticket', ticket: TICKET, username: 'alice', hasLapsed: false, request: new Uint8Array() }
const FETCH: Question = { kind: 'allocation', departure: { holder: 0, ticket: TICKET, relay: '192.0.2.1:50000' } }
const GRANTED: Answer = { kind: 'granted', lifetimeSeconds: 600, ticket: null, departure: null, isClientGone: false }

/** What these tests look at of an allocation with two sockets, given away by thread 0. */
const MOVED = {
  ...{ holder: 0, ticket: TICKET, source: '198.51.100.7' },
  relays: [41, 42].map((descriptor) => ({ host: '192.0.2.1', port: 50_000, descriptor })),
} as unknown as MovedAllocation
const HANDED: Answer = { kind: 'moved', allocation: MOVED }

/** Two threads and the way between them; what each was told. */
function twoThreads() {
  const told: ToMover[][] = [[], []]
  const dead = new Set<number>()
  const closed: number[] = []
  const handovers = new Handovers({
    tell: (thread, message) => {
      if (dead.has(thread)) return false
      told[thread]!.push(message)
      return true
    },
    closeDescriptor: (fd) => closed.push(fd),
  })
  handovers.hear(0, { kind: 'ticket', ticket: TICKET, isGood: true })
  const die = (thread: number) => {
    dead.add(thread)
    closed.push(...handovers.arrivingAt(thread))
    handovers.forget(thread)
  }
  /** Thread 1 asks for what thread 0 has, which then answers. */
  const hand = (id: number) => {
    handovers.hear(1, { kind: 'question', id, question: FETCH })
    const asked = told[0]!.at(-1)!
    if (asked.kind !== 'question') throw new Error('not asked')
    return (answer: Answer) => handovers.hear(0, { kind: 'answer', id: asked.id, answer })
  }
  return { told, dead, closed, handovers, die, hand }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('a question goes to the thread with the ticket, and its answer back', () => {
  const { told, handovers } = twoThreads()
  handovers.hear(1, { kind: 'question', id: 7, question: ASK })
  expect(told[0]).toEqual([{ kind: 'question', id: 1, question: ASK }])
  handovers.hear(0, { kind: 'answer', id: 1, answer: GRANTED })
  handovers.hear(0, { kind: 'answer', id: 1, answer: GRANTED })
  expect(told[1]).toEqual([{ kind: 'answer', id: 7, answer: GRANTED }])
  vi.advanceTimersByTime(60_000)
  expect(told[1]).toHaveLength(1)
})

test('SEC-24 a ticket that leads nowhere disturbs no thread', async () => {
  const { told, handovers } = twoThreads()
  handovers.hear(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  handovers.hear(1, { kind: 'question', id: 7, question: ASK })
  await nextTurn()
  expect(told[0]).toEqual([])
  expect(told[1]).toMatchObject([{ kind: 'answer', id: 7, answer: { kind: 'refused', error: 437 } }])
})

test('a client may be faster than what its thread says of its ticket', async () => {
  const { told, handovers } = twoThreads()
  handovers.hear(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  handovers.hear(1, { kind: 'question', id: 7, question: ASK })
  handovers.hear(0, { kind: 'ticket', ticket: TICKET, isGood: true })
  await nextTurn()
  expect(told[0]).toMatchObject([{ kind: 'question', question: ASK }])
  expect(told[1]).toEqual([])
})

test('TURN-MOB-02 with an allocation its ticket leads to another thread, and only that one can revoke it', () => {
  const { told, handovers, hand } = twoThreads()
  hand(7)(HANDED)
  handovers.hear(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  handovers.hear(0, { kind: 'question', id: 3, question: ASK })
  expect(told[1]!.at(-1)).toMatchObject({ kind: 'question', question: ASK })
  handovers.hear(1, { kind: 'ticket', ticket: TICKET, isGood: false })
  expect(handovers.tickets).toBe(0)
})

test('who has given an allocation away hears that it is taken', () => {
  const { told, closed, handovers, hand } = twoThreads()
  hand(7)(HANDED)
  handovers.hear(1, { kind: 'adopted', id: 7 })
  handovers.hear(1, { kind: 'adopted', id: 7 })
  expect(told[0]!.slice(1)).toEqual([{ kind: 'given', source: '198.51.100.7' }])
  expect(handovers.arrivingAt(1)).toEqual([])
  expect(closed).toEqual([])
})

test('a thread that dies before it answers has answered: no', () => {
  const { told, handovers, die, hand } = twoThreads()
  hand(7)
  die(0)
  expect(told[1]).toMatchObject([{ kind: 'answer', id: 7, answer: { kind: 'refused', error: 437 } }])
  expect(handovers.tickets).toBe(0)
})

test('a thread that does not answer in time has answered: no; what comes later is closed', () => {
  const { told, closed, hand } = twoThreads()
  const answer = hand(7)
  vi.advanceTimersByTime(5000)
  expect(told[1]).toMatchObject([{ kind: 'answer', id: 7, answer: { kind: 'refused', error: 500 } }])
  answer(HANDED)
  expect(told[1]).toHaveLength(1)
  expect(closed).toEqual([41, 42])
  expect(told[0]!.at(-1)).toEqual({ kind: 'returned', allocation: MOVED })
})

test.each(['asks', 'is answered', 'has taken it'])(
  'RES-07 a thread that dies after it %s leaves no socket open',
  (when) => {
    const { told, closed, handovers, die, hand } = twoThreads()
    const answer = hand(7)
    if (when === 'asks') die(1)
    answer(HANDED)
    if (when === 'has taken it') handovers.hear(1, { kind: 'adopted', id: 7 })
    if (when !== 'asks') die(1)
    // What it has taken is in its own table, from which its descriptors are closed.
    expect(closed).toEqual(when === 'has taken it' ? [] : [41, 42])
    expect(told[0]!.at(-1)!.kind).toBe(when === 'has taken it' ? 'given' : 'returned')
    expect(handovers.tickets).toBe(0)
  },
)

test('RES-07 when both threads die the sockets between them are closed once', () => {
  const { closed, die, hand } = twoThreads()
  hand(7)(HANDED)
  die(0)
  expect(closed).toEqual([])
  die(1)
  expect(closed).toEqual([41, 42])
})

test('SEC-22 the successor of a thread gets no answer that was meant for it', () => {
  const { told, dead, die, hand } = twoThreads()
  const answer = hand(7)
  die(1)
  dead.delete(1)
  answer(GRANTED)
  expect(told[1]).toEqual([])
})
