import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { PortClaims } from '../../src/shared/port-claims.ts'

// A thread that takes, uses and gives back ports as fast as it can, while others do the same. `owners` has a word for each
// port, in which every user of a port writes its number: whoever finds another's there has got a port that is in use.
// Its last word counts who is ready, so that all begin at once.

const { memory, range, owners, thread, threads, rounds } = workerData as {
  readonly memory: SharedArrayBuffer
  readonly range: { readonly minPort: number; readonly maxPort: number }
  readonly owners: SharedArrayBuffer
  readonly thread: number
  readonly threads: number
  readonly rounds: number
}
const claims = new PortClaims(memory, range, thread, randomBytes)
const users = new Int32Array(owners)
const held: number[] = []
const kept: number[] = []
const result = { takes: 0, stolen: 0, doubles: 0 }

const chance = (limit: number) => Math.floor(Math.random() * limit)
const use = (port: number) => {
  if (Atomics.compareExchange(users, port - range.minPort, 0, thread + 1) !== 0) result.doubles++
  held.push(port)
}

const start = users.length - 1
Atomics.add(users, start, 1)
Atomics.notify(users, start)
for (let ready = 0; ready < threads; ready = Atomics.load(users, start)) Atomics.wait(users, start, ready)

for (let round = 0; round < rounds; round++) {
  const wanted = (['any', 'even', 'pair'] as const)[chance(3)]!
  let port = claims.take(wanted)
  for (; port === null && claims.wakeAny(wanted); port = claims.take(wanted)) result.stolen++
  if (port !== null) {
    result.takes++
    use(port)
    if (wanted === 'pair') {
      if (!claims.adopt(port + 1, thread)) result.doubles++
      use(port + 1)
    }
  }
  while (held.length > 1) {
    const [done] = held.splice(chance(held.length), 1) as [number]
    if (Atomics.compareExchange(users, done - range.minPort, thread + 1, 0) !== thread + 1) result.doubles++
    if (!claims.idle(done, chance(4) > 0)) result.doubles++
    kept.push(done)
  }
  if (kept.length > 1) claims.wake(kept.shift()!)
}

parentPort!.postMessage(result)
