import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Handovers, type MoveMessage } from '../../src/threads/handovers.ts'
import type { MovedAllocation } from '../../src/turn/mobility/moved-allocation.ts'
import type { Answer, Question } from '../../src/turn/mobility/other-servers.ts'

const TICKET = 'A'.repeat(24)
const account = { name: 'alice', realm: 'example.org' }
const ASK: Question = { kind: 'ticket', ticket: TICKET, account, hasLapsed: false, request: new Uint8Array() }
const FETCH: Question = { kind: 'allocation', outgoing: { holder: 0, ticket: TICKET, relay: '192.0.2.1:50000' } }
const GRANTED: Answer = { kind: 'granted', lifetimeSeconds: 600, ticket: null, outgoing: null, isClientGone: false }

/** What these tests look at of an allocation with two sockets, given away by thread 0. */
const MOVED = {
  ...{ id: 'run-1', holder: 0, ticket: TICKET, source: '198.51.100.7' },
  relays: [41, 42].map((descriptor) => ({ host: '192.0.2.1', port: 50_000, descriptor })),
} as unknown as MovedAllocation
const HANDED: Answer = { kind: 'moved', allocation: MOVED }

type Then = (answer: Answer | 'late' | 'gone') => void

/** Two threads and the way between them: what each was told and asked, and the answers that thread 1 got. */
function twoThreads() {
  const told: MoveMessage[][] = [[], []]
  const asked: { readonly question: Question; readonly then: Then }[][] = [[], []]
  const answers: Answer[] = []
  const dead = new Set<number>()
  const closed: number[] = []
  const handovers = new Handovers({
    tell: (thread, message) => {
      if (dead.has(thread)) return false
      told[thread]!.push(message)
      return true
    },
    ask: (thread, question, _patienceMs, then) => {
      if (dead.has(thread)) then('gone')
      else asked[thread]!.push({ question, then })
    },
    closeDescriptor: (fd) => closed.push(fd),
  })
  handovers.told(0, { kind: 'ticket', ticket: TICKET, isGood: true })
  const die = (thread: number) => {
    dead.add(thread)
    for (const { then } of asked[thread]!.splice(0)) then('gone')
    closed.push(...handovers.arrivingAt(thread))
    handovers.forget(thread)
  }
  const ask = (question: Question) => handovers.asked(1, question, (answer) => answers.push(answer))
  /** Thread 1 asks for what thread 0 has, which then answers. */
  const hand = () => {
    ask(FETCH)
    const { then } = asked[0]!.shift()!
    return then
  }
  return { told, asked, answers, dead, closed, handovers, die, ask, hand }
}

test('a question goes to the thread with the ticket, and its answer back', () => {
  const { asked, answers, ask } = twoThreads()
  ask(ASK)
  expect(asked[0]).toMatchObject([{ question: ASK }])
  asked[0]![0]!.then(GRANTED)
  expect(answers).toEqual([GRANTED])
})

test('SEC-24 a ticket that leads nowhere disturbs no thread', async () => {
  const { asked, answers, handovers, ask } = twoThreads()
  handovers.told(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  ask(ASK)
  await nextTurn()
  expect(asked[0]).toEqual([])
  expect(answers).toMatchObject([{ kind: 'refused', error: 437 }])
})

test('a client may be faster than what its thread says of its ticket', async () => {
  const { asked, answers, handovers, ask } = twoThreads()
  handovers.told(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  ask(ASK)
  handovers.told(0, { kind: 'ticket', ticket: TICKET, isGood: true })
  await nextTurn()
  expect(asked[0]).toMatchObject([{ question: ASK }])
  expect(answers).toEqual([])
})

test('TURN-MOB-02 with an allocation its ticket leads to another thread, and only that one can revoke it', () => {
  const { asked, handovers, hand } = twoThreads()
  hand()(HANDED)
  handovers.told(0, { kind: 'ticket', ticket: TICKET, isGood: false })
  handovers.asked(0, ASK, () => {})
  expect(asked[1]).toMatchObject([{ question: ASK }])
  handovers.told(1, { kind: 'ticket', ticket: TICKET, isGood: false })
  expect(handovers.tickets).toBe(0)
})

test('who has given an allocation away hears that it is taken', () => {
  const { told, closed, handovers, hand } = twoThreads()
  hand()(HANDED)
  handovers.told(1, { kind: 'adopted', id: MOVED.id })
  handovers.told(1, { kind: 'adopted', id: MOVED.id })
  expect(told[0]).toEqual([{ kind: 'given', source: '198.51.100.7' }])
  expect(handovers.arrivingAt(1)).toEqual([])
  expect(closed).toEqual([])
})

test('what a thread that waits no longer was sent goes back to who gave it', () => {
  const { told, closed, handovers, hand } = twoThreads()
  hand()(HANDED)
  handovers.told(1, { kind: 'declined', id: MOVED.id })
  expect(told[0]).toEqual([{ kind: 'returned', allocation: MOVED }])
  expect(closed).toEqual([41, 42])
  expect(handovers.arrivingAt(1)).toEqual([])
})

test('a thread that dies before it answers has answered: no', () => {
  const { answers, handovers, die, ask } = twoThreads()
  ask(FETCH)
  die(0)
  expect(answers).toMatchObject([{ kind: 'refused', error: 437 }])
  expect(handovers.tickets).toBe(0)
})

test('a thread that does not answer in time has answered: no; what comes later is closed', () => {
  const { told, answers, closed, handovers, hand } = twoThreads()
  hand()('late')
  expect(answers).toMatchObject([{ kind: 'refused', error: 500 }])
  handovers.turnBack(HANDED)
  expect(closed).toEqual([41, 42])
  expect(told[0]).toEqual([{ kind: 'returned', allocation: MOVED }])
})

test.each(['asks', 'is answered', 'has taken it'])(
  'RES-07 a thread that dies after it %s leaves no socket open',
  (when) => {
    const { told, closed, handovers, die, hand } = twoThreads()
    const answer = hand()
    if (when === 'asks') die(1)
    answer(HANDED)
    if (when === 'has taken it') handovers.told(1, { kind: 'adopted', id: MOVED.id })
    if (when !== 'asks') die(1)
    // What it has taken is in its own table, from which its descriptors are closed.
    expect(closed).toEqual(when === 'has taken it' ? [] : [41, 42])
    expect(told[0]!.at(-1)!.kind).toBe(when === 'has taken it' ? 'given' : 'returned')
    expect(handovers.tickets).toBe(0)
  },
)

test('RES-07 when both threads die the sockets between them are closed once', () => {
  const { closed, die, hand } = twoThreads()
  hand()(HANDED)
  die(0)
  expect(closed).toEqual([])
  die(1)
  expect(closed).toEqual([41, 42])
})

test('SEC-22 the successor of a thread gets no answer that was meant for it', () => {
  const { answers, dead, die, hand } = twoThreads()
  const answer = hand()
  die(1)
  dead.delete(1)
  answer(GRANTED)
  expect(answers).toEqual([])
})
