import { parentPort, workerData } from 'node:worker_threads'
import { Quota, type QuotaMemory } from '../../src/turn/limits/quota.ts'

// A thread that takes and gives back places as fast as it can, while others do the same. `witness` has a word for each user
// and behind them one for all: whoever has got a place adds to it, and takes that away before giving the place back. What
// stands there is never more than what is taken, so more than the limit means that too much was granted.

export interface StormData {
  readonly memory: QuotaMemory
  readonly witness: SharedArrayBuffer
  readonly thread: number
  readonly users: number
  readonly limits: { readonly user: number; readonly total: number }
}

export interface StormResult {
  readonly takes: number
  readonly refusals: number
  /** Times that a limit was exceeded. */
  readonly excesses: number
  /** Places it still has, by user. */
  readonly held: readonly number[]
}

const { memory, witness, thread, users, limits } = workerData as StormData
const quota = new Quota(memory, thread)
const seen = new Int32Array(witness)
const all = users
const isOver = users + 1
const held = new Array<number>(users).fill(0)
let takes = 0
let refusals = 0
let excesses = 0

const chance = (limit: number) => Math.floor(Math.random() * limit)

while (Atomics.load(seen, isOver) === 0) {
  const user = chance(users)
  const places = 1 + chance(2)
  if (chance(2) === 0) take(user, places)
  else give(user, Math.min(places, held[user]!))
}
quota.sweep()
parentPort!.postMessage({ takes, refusals, excesses, held } satisfies StormResult)

function take(user: number, places: number): void {
  if (quota.take(`user ${user}`, places) !== 'taken') {
    refusals++
    return
  }
  takes++
  held[user]! += places
  if (Atomics.add(seen, user, places) + places > limits.user) excesses++
  if (Atomics.add(seen, all, places) + places > limits.total) excesses++
}

function give(user: number, places: number): void {
  held[user]! -= places
  Atomics.sub(seen, user, places)
  Atomics.sub(seen, all, places)
  quota.give(`user ${user}`, places)
}
