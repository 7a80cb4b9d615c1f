import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'
import { QuotaTable } from '../../../src/shared/quota-table.ts'
import { Quota, type QuotaLimits, quotaMemory } from '../../../src/turn/limits/quota.ts'
import type { RaceData } from '../../support/quota-race.ts'
import type { StormData, StormResult } from '../../support/quota-storm.ts'

const THREADS = 4

function memoryFor(limits: QuotaLimits) {
  return quotaMemory(limits, { threads: THREADS, ports: 1000 }, randomBytes)
}

async function programOf(name: string): Promise<string> {
  const entry = new URL(`../../support/${name}.ts`, import.meta.url).pathname
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, platform: 'node', write: false })
  return outputFiles[0]!.text
}

function run(program: string, workerData: StormData | RaceData): Worker {
  const worker = new Worker(program, { eval: true, workerData })
  onTestFinished(async () => {
    await worker.terminate()
  })
  return worker
}

test.each([
  ['a user', { user: 13, total: 0, bytesPerSecond: 0 }],
  ['all', { user: 0, total: 13, bytesPerSecond: 0 }],
])('RES-04 SEC-27 four threads at once get exactly the places of %s', { timeout: 60_000 }, async (_of, limits) => {
  const rounds = 500
  const memory = memoryFor(limits)
  const taken = new SharedArrayBuffer((rounds + 1) * Int32Array.BYTES_PER_ELEMENT)
  const program = await programOf('quota-race')
  const ends = Array.from({ length: THREADS }, (_, thread) =>
    once(run(program, { memory, taken, thread, threads: THREADS, rounds }), 'message'),
  )
  await Promise.all(ends)
  expect(Array.from(new Int32Array(taken, 0, rounds))).toEqual(new Array<number>(rounds).fill(13))
  expect(new Quota(memory).users).toBe(0)
})

test('RES-04 threads that die at any moment hold nobody up, and what they had is given back', {
  timeout: 60_000,
}, async () => {
  const limits = { user: 5, total: 30, bytesPerSecond: 0 }
  const users = 12
  const memory = memoryFor(limits)
  const quota = new Quota(memory)
  const witness = new SharedArrayBuffer((users + 2) * Int32Array.BYTES_PER_ELEMENT)
  const program = await programOf('quota-storm')
  const begin = (thread: number) => run(program, { memory, witness, thread, users, limits })
  const workers = Array.from({ length: THREADS }, (_, thread) => begin(thread))
  await Promise.all(workers.map((worker) => once(worker, 'online')))
  // The last one lives, and would be stuck for ever behind one that died inside.
  for (let death = 0; death < 30; death++) {
    const thread = death % (THREADS - 1)
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random()))
    await workers[thread]!.terminate()
    quota.forgetThread(thread)
    // What it has witnessed it will not take back: nobody can be held to that any more.
    workers[thread] = begin(thread)
  }
  const ends = workers.map((worker) => once(worker, 'message') as Promise<[StormResult]>)
  Atomics.store(new Int32Array(witness), users + 1, 1)
  const results = (await Promise.all(ends)).map(([result]) => result)
  const left = Array.from({ length: users }, (_, user) => results.reduce((sum, { held }) => sum + held[user]!, 0))
  expect(left.map((_, user) => quota.of(`user ${user}`))).toEqual(left)
  expect(quota.total).toBe(left.reduce((sum, places) => sum + places, 0))
  expect(results.at(-1)!.takes).toBeGreaterThan(1000)
})

test('RES-04 SEC-27 threads that take and give at random never have more than the limits', {
  timeout: 60_000,
}, async () => {
  const limits = { user: 5, total: 30, bytesPerSecond: 0 }
  const users = 12
  const memory = memoryFor(limits)
  const witness = new SharedArrayBuffer((users + 2) * Int32Array.BYTES_PER_ELEMENT)
  const program = await programOf('quota-storm')
  const workers = Array.from({ length: THREADS }, (_, thread) =>
    run(program, { memory, witness, thread, users, limits }),
  )
  const ends = workers.map((worker) => once(worker, 'message') as Promise<[StormResult]>)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  Atomics.store(new Int32Array(witness), users + 1, 1)
  const results = (await Promise.all(ends)).map(([result]) => result)
  expect(results.map(({ excesses }) => excesses)).toEqual([0, 0, 0, 0])
  // Both limits were met.
  for (const { takes, refusals } of results) expect(Math.min(takes, refusals)).toBeGreaterThan(100)
  expect(new Quota(memory).total).toBe(results.reduce((sum, { held }) => sum + held.reduce((a, b) => a + b), 0))
})

test('SEC-27 one that dies inside holds up nobody for long, not even whoever hears of another death first', () => {
  const memory = memoryFor({ user: 5, total: 0, bytesPerSecond: 0 })
  const quota = new Quota(memory)
  quota.take('alice', 2)
  for (const thread of [1, 2]) new Quota(memory, thread).take('bob', 2)
  const dead = new QuotaTable(memory, 1)
  expect(dead.lock()).toBe(true)
  dead.add(dead.hash('carol'), 1, 3)
  // Each would wait for ever if it waited for the dead one.
  expect(quota.take('alice')).toBe('held-up')
  expect(quota.takeOver('bob', 2, () => true)).toBe(false)
  quota.give('alice')
  quota.forgetThread(2)
  expect(quota.take('dave')).toBe('held-up')
  quota.forgetThread(1)
  // What could not be given back is, and what the dead one had is nobody's.
  quota.sweep()
  const others = new Quota(memory, 2)
  expect([others.of('alice'), others.of('bob'), others.of('carol'), others.total]).toEqual([1, 0, 0, 1])
  expect(quota.take('alice', 4)).toBe('taken')
})
