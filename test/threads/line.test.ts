import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { fc, test as propertyTest } from '@fast-check/vitest'
import { expect, onTestFinished, test } from 'vitest'
import { type Envelope, Line, lineMemory, MOST_ON_THE_WAY, MOST_QUESTIONS, subject } from '../../src/threads/line.ts'

const NEWS = subject<number>('news')
const SUMS = subject<never, { readonly a: number; readonly b: number }, number>('sums')

/** Two ends in one thread; what one posts lies in a channel until the other takes it. */
function pair() {
  const memory = lineMemory()
  const channels: [Envelope[], Envelope[]] = [[], []]
  const time = { now: 0 }
  const ends = ([0, 1] as const).map(
    (end) =>
      new Line({
        post: (envelope) => channels[1 - end]!.push(structuredClone(envelope)),
        next: () => channels[end]!.shift(),
        memory,
        end,
        clock: () => time.now,
      }),
  )
  return { here: ends[0]!, there: ends[1]!, channels, time }
}

test('what is told arrives in its order', () => {
  const { here, there } = pair()
  const heard: number[] = []
  there.on(NEWS, { told: (news) => heard.push(news) })
  for (let i = 0; i < 5; i++) expect(here.tell(NEWS, i)).toBe(true)
  there.take()
  expect(heard).toEqual([0, 1, 2, 3, 4])
})

test('a question is answered during the call or later', () => {
  const { here, there } = pair()
  const later: (() => void)[] = []
  there.on(SUMS, {
    asked: ({ a, b }, answer) => {
      if (a === 0) answer(b)
      else later.push(() => answer(a + b))
    },
  })
  const answers: unknown[] = []
  for (const a of [1, 0]) here.ask(SUMS, { a, b: 2 }, 1000, (answer) => answers.push(answer))
  there.take()
  here.take()
  expect(answers).toEqual([2])
  for (const answer of later) answer()
  here.take()
  expect(answers).toEqual([2, 3])
})

test('who is in the midst of something hears about one subject, and the rest afterwards in its order', () => {
  const { here, there } = pair()
  const heard: string[] = []
  there.on(NEWS, { told: (news) => heard.push(`news ${news}`) })
  there.on(SUMS, { asked: ({ a }) => heard.push(`sum ${a}`) })
  here.tell(NEWS, 1)
  here.ask(SUMS, { a: 1, b: 0 }, 1000, () => {})
  here.tell(NEWS, 2)
  there.takeOnly(SUMS)
  expect(heard).toEqual(['sum 1'])
  here.tell(NEWS, 3)
  there.take()
  expect(heard).toEqual(['sum 1', 'news 1', 'news 2', 'news 3'])
})

test('patience ends, and an answer that comes later is not heard', () => {
  const { here, there, time } = pair()
  there.on(SUMS, { asked: ({ a, b }, answer) => answer(a + b) })
  const answers: unknown[] = []
  here.ask(SUMS, { a: 1, b: 2 }, 1000, (answer) => answers.push(answer))
  time.now = 999
  here.sweep(time.now)
  expect(answers).toEqual([])
  time.now = 1000
  here.sweep(time.now)
  expect(answers).toEqual(['late'])
  there.take()
  here.take()
  expect(answers).toEqual(['late'])
})

test('what comes with an answer that is too late is not lost', () => {
  const { here, there } = pair()
  const late: number[] = []
  here.on(SUMS, { answeredLate: (answer) => late.push(answer) })
  there.on(SUMS, { asked: ({ a, b }, answer) => answer(a + b) })
  here.ask(SUMS, { a: 1, b: 2 }, 1000, () => {})
  here.sweep(1000)
  there.take()
  here.take()
  expect(late).toEqual([3])
})

test('when the other end dies its last words are heard, then who waits is told', () => {
  const { here, there } = pair()
  const heard: unknown[] = []
  here.on(NEWS, { told: (news) => heard.push(news) })
  there.on(SUMS, { asked: ({ a, b }, answer) => answer(a + b) })
  here.ask(SUMS, { a: 1, b: 2 }, 1000, (answer) => heard.push(answer))
  there.take()
  here.ask(SUMS, { a: 3, b: 4 }, 1000, (answer) => heard.push(answer))
  there.tell(NEWS, 9)
  here.close()
  expect(heard).toEqual([3, 9, 'gone'])
  expect(here.tell(NEWS, 1)).toBe(false)
  here.ask(SUMS, { a: 5, b: 6 }, 1000, (answer) => heard.push(answer))
  expect(heard).toEqual([3, 9, 'gone', 'gone'])
})

test('an end that does not listen is told so much and no more', () => {
  const { here, there, channels } = pair()
  for (let i = 0; i < MOST_ON_THE_WAY; i++) expect(here.tell(NEWS, i)).toBe(true)
  expect(here.isFull).toBe(true)
  expect(here.tell(NEWS, -1)).toBe(false)
  const answers: unknown[] = []
  here.ask(SUMS, { a: 1, b: 2 }, 1000, (answer) => answers.push(answer))
  expect(answers).toEqual(['late'])
  expect(channels[1]).toHaveLength(MOST_ON_THE_WAY)
  there.take()
  expect(here.tell(NEWS, 1)).toBe(true)
})

test('questions without an answer are bounded', () => {
  const { here, there } = pair()
  there.on(SUMS, { asked: () => {} })
  const answers: unknown[] = []
  for (let i = 0; i <= MOST_QUESTIONS; i++) {
    here.ask(SUMS, { a: i, b: 0 }, 1000, (answer) => answers.push(answer))
    there.take()
  }
  expect(answers).toEqual(['late'])
})

test('a subject has one listener', () => {
  const { here } = pair()
  here.on(NEWS, {})
  expect(() => here.on(NEWS, {})).toThrow('news has a listener')
})

const steps = fc.array(
  fc.record({
    what: fc.constantFrom('tell', 'ask', 'here takes', 'there takes', 'sweep', 'answer'),
    later: fc.integer({ min: 0, max: 400 }),
  }),
  { maxLength: 100 },
)

propertyTest.prop([steps, fc.boolean()])('nothing is lost, and nobody waits for ever', (words, dies) => {
  const { here, there, time } = pair()
  const open: ((answer: number) => void)[] = []
  const heard: number[] = []
  there.on(NEWS, { told: (news) => heard.push(news) })
  there.on(SUMS, { asked: (_, answer) => open.push(answer) })
  let told = 0
  const answers: unknown[][] = []
  for (const { what, later } of words) {
    time.now += later
    if (what === 'tell') here.tell(NEWS, told++)
    else if (what === 'ask') {
      const mine: unknown[] = []
      answers.push(mine)
      here.ask(SUMS, { a: 0, b: 0 }, 1000, (answer) => mine.push(answer))
    } else if (what === 'here takes') here.take()
    else if (what === 'there takes') there.take()
    else if (what === 'sweep') here.sweep(time.now)
    else open.shift()?.(1)
  }
  there.take()
  expect(heard).toEqual(Array.from({ length: told }, (_, i) => i))
  if (dies) here.close()
  else here.sweep(time.now + 1000)
  here.take()
  for (const mine of answers) expect(mine).toHaveLength(1)
})

test('between real threads: answered, and told when the thread is gone', async () => {
  const { port1, port2 } = new MessageChannel()
  const memory = lineMemory()
  const worker = new Worker(
    `const { workerData: { port, memory } } = require('node:worker_threads')
     port.on('message', ({ subject, kind, id, body }) => {
       Atomics.add(new Int32Array(memory), 1, 1)
       if (body.a < 0) process.exit(0)
       if (kind === 'ask') port.postMessage({ subject, kind: 'answer', id, body: body.a + body.b })
     })`,
    { eval: true, workerData: { port: port2, memory }, transferList: [port2] },
  )
  onTestFinished(async () => void (await worker.terminate()))
  const line = new Line({
    post: (envelope) => port1.postMessage(envelope),
    next: () => receiveMessageOnPort(port1)?.message as Envelope | undefined,
    memory,
    end: 0,
    clock: () => 0,
  })
  const ask = (a: number, b: number) => new Promise((resolve) => line.ask(SUMS, { a, b }, 1000, resolve))
  const listening = setInterval(() => line.take(), 5)
  expect(await ask(1, 2)).toBe(3)
  const lost = ask(-1, 0)
  await new Promise((resolve) => worker.once('exit', resolve))
  clearInterval(listening)
  line.close()
  expect(await lost).toBe('gone')
  port1.close()
})
