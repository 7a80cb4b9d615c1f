import { parentPort, workerData } from 'node:worker_threads'
import { Quota, type QuotaMemory } from '../../src/turn/limits/quota.ts'

// A thread that takes all it can get of one user's places, begins together with the others, and gives everything back
// before the next round. `taken` has a word for each round and behind them one where the threads meet.

export interface RaceData {
  readonly memory: QuotaMemory
  readonly taken: SharedArrayBuffer
  readonly thread: number
  readonly threads: number
  readonly rounds: number
}

const { memory, taken, thread, threads, rounds } = workerData as RaceData
const quota = new Quota(memory, thread)
const words = new Int32Array(taken)
let meetings = 0

for (let round = 0; round < rounds; round++) {
  meet()
  let own = 0
  while (quota.take('alice') === 'taken') own++
  Atomics.add(words, round, own)
  meet()
  quota.give('alice', own)
}
parentPort!.postMessage('done')

function meet(): void {
  meetings++
  const wanted = meetings * threads
  Atomics.add(words, rounds, 1)
  Atomics.notify(words, rounds)
  for (let here = Atomics.load(words, rounds); here < wanted; here = Atomics.load(words, rounds)) {
    Atomics.wait(words, rounds, here)
  }
}
