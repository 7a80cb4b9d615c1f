import { expect, test } from 'vitest'
import { type LoanMessage, Loans } from '../../src/threads/loans.ts'
import type { ConnectionAnswer, ConnectionQuestion } from '../../src/turn/tcp/connection-lenders.ts'

/** Of thread 0 when there are two. */
const ID = 4
const ASK: ConnectionQuestion = { connectionId: ID, account: { name: 'alice', realm: 'example.org' } }
const LENT: ConnectionAnswer = {
  ...{ kind: 'lent', connectionId: ID, host: '192.0.2.9', port: 80, descriptor: 41 },
  bytesPerSecond: 0,
  traffic: new SharedArrayBuffer(0),
}

type Then = (answer: ConnectionAnswer | 'late' | 'gone') => void

/** Two threads: what each was told and asked, the answers that thread 1 got, and the descriptors that were closed. */
function twoThreads() {
  const told: LoanMessage[][] = [[], []]
  const asked: Then[][] = [[], []]
  const answers: ConnectionAnswer[] = []
  const closed: number[] = []
  const loans = new Loans({
    threads: 2,
    tell: (thread, message) => void told[thread]!.push(message),
    ask: (thread, _question, _patienceMs, then) => void asked[thread]!.push(then),
    closeDescriptor: (fd) => void closed.push(fd),
  })
  const ask = (connectionId = ID) =>
    loans.asked(1, { ...ASK, connectionId }, (answer) => {
      answers.push(answer)
    })
  const lend = () => {
    ask()
    asked[0]!.shift()!(LENT)
  }
  const die = (thread: number) => {
    closed.push(...loans.arrivingAt(thread))
    loans.forget(thread)
  }
  return { told, asked, answers, closed, loans, ask, lend, die }
}

test('a connection is looked for where its id says, and nobody is asked for his own', () => {
  const { asked, answers, ask } = twoThreads()
  ask(5)
  expect(answers).toMatchObject([{ kind: 'refused', error: 400 }])
  ask(6)
  expect([asked[0]!.length, asked[1]!.length]).toEqual([1, 0])
})

test('what is lent and over is told to its lender, and nothing is closed twice', () => {
  const { told, answers, closed, loans, lend } = twoThreads()
  lend()
  expect(answers).toEqual([LENT])
  loans.told(1, { kind: 'taken', id: ID })
  loans.told(1, { kind: 'over', id: ID })
  loans.told(1, { kind: 'over', id: ID })
  expect(told).toEqual([[{ kind: 'returned', id: ID }], []])
  expect([closed, loans.size]).toEqual([[], 0])
})

test('what its borrower declines is closed, and its lender hears of it', () => {
  const { told, closed, loans, lend } = twoThreads()
  lend()
  loans.told(1, { kind: 'declined', id: ID })
  expect([told[0], closed, loans.size]).toEqual([[{ kind: 'returned', id: ID }], [41], 0])
})

test('TURN-TCP-18 what its lender recalls is told to its borrower, before and after that has taken it', () => {
  for (const order of ['taken first', 'recalled first'] as const) {
    const { told, closed, loans, lend } = twoThreads()
    lend()
    if (order === 'taken first') loans.told(1, { kind: 'taken', id: ID })
    loans.told(0, { kind: 'recalled', id: ID })
    if (order === 'recalled first') loans.told(1, { kind: 'taken', id: ID })
    expect([told[1], closed, loans.size]).toEqual([[{ kind: 'recalled', id: ID }], [], 0])
  }
})

test('nobody but lender and borrower has a say', () => {
  const { told, closed, loans, lend } = twoThreads()
  lend()
  loans.told(0, { kind: 'taken', id: ID })
  loans.told(0, { kind: 'declined', id: ID })
  loans.told(1, { kind: 'recalled', id: ID })
  expect([told, closed, loans.size]).toEqual([[[], []], [], 1])
})

test('a borrower that dies leaves no descriptor open, and its lender hears of the end', () => {
  const { told, closed, loans, lend, die } = twoThreads()
  lend()
  die(1)
  expect([told[0], closed, loans.size]).toEqual([[{ kind: 'returned', id: ID }], [41], 0])
  // Once it serves the connection, its own end closes it.
  const later = twoThreads()
  later.lend()
  later.loans.told(1, { kind: 'taken', id: ID })
  later.die(1)
  expect([later.told[0], later.closed]).toEqual([[{ kind: 'returned', id: ID }], []])
})

test('a lender that dies takes what it has lent along', () => {
  const { told, loans, lend, die } = twoThreads()
  lend()
  loans.told(1, { kind: 'taken', id: ID })
  die(0)
  expect([told[1], loans.size]).toEqual([[{ kind: 'recalled', id: ID }], 0])
})

test('an answer to a thread that has died meanwhile is not for its successor', () => {
  const { told, asked, answers, closed, ask, die } = twoThreads()
  ask()
  die(1)
  asked[0]!.shift()!(LENT)
  expect([answers, closed, told[0]]).toEqual([[], [41], [{ kind: 'returned', id: ID }]])
})

test('without an answer it is 400 from a thread that is gone, and 500 from one that is late', () => {
  const { asked, answers, ask } = twoThreads()
  for (const word of ['gone', 'late'] as const) {
    ask()
    asked[0]!.shift()!(word)
  }
  expect(answers).toMatchObject([{ error: 400 }, { error: 500 }])
})
