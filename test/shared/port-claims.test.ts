import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { claimMemory, PortClaims } from '../../src/shared/port-claims.ts'

const THREADS = 4

test.each([5, 20, 300])(
  'SEC-28 four threads at once give none of %i ports twice and lose none',
  {
    timeout: 60_000,
  },
  async (size) => {
    const range = { minPort: 50_001, maxPort: 50_000 + size }
    const memory = claimMemory()
    const owners = new SharedArrayBuffer((size + 1) * Int32Array.BYTES_PER_ELEMENT)
    const entry = new URL('../support/port-claims-storm.ts', import.meta.url).pathname
    const { outputFiles } = await build({ entryPoints: [entry], bundle: true, platform: 'node', write: false })
    const run = (thread: number) =>
      new Promise<{ takes: number; stolen: number; doubles: number }>((resolve, reject) => {
        const workerData = { memory, range, owners, thread, threads: THREADS, rounds: 20_000 }
        new Worker(outputFiles[0]!.text, { eval: true, workerData }).once('message', resolve).once('error', reject)
      })
    const results = await Promise.all(Array.from({ length: THREADS }, (_, thread) => run(thread)))
    expect(results.map(({ doubles }) => doubles)).toEqual([0, 0, 0, 0])
    if (size === 5) expect(results.some(({ stolen }) => stolen > 0)).toBe(true)
    const late = new PortClaims(memory, range, THREADS, randomBytes)
    for (let thread = 0; thread < THREADS; thread++) late.forget(thread)
    const free = Array.from({ length: size }, () => late.take('any'))
    expect(new Set(free).size).toBe(size)
    expect(free).not.toContain(null)
    expect(late.take('any')).toBeNull()
  },
)

test('a port outside the range is nobody’s to give back', () => {
  const range = { minPort: 50_001, maxPort: 50_002 }
  const claims = new PortClaims(claimMemory(), range, 0, randomBytes)
  for (const port of [0, 50_000, 50_003, 65_535]) {
    expect([claims.idle(port, true), claims.wake(port), claims.adopt(port, 0), claims.isInUse(port)]).toEqual([
      false,
      false,
      false,
      false,
    ])
  }
  expect([claims.take('any'), claims.take('any'), claims.take('any')].toSorted()).toEqual([50_001, 50_002, null])
})

test('a port is in use while an allocation has it, not while it is reserved, at rest or free', () => {
  const range = { minPort: 50_000, maxPort: 50_001 }
  const memory = claimMemory()
  const [one, other] = [0, 1].map((thread) => new PortClaims(memory, range, thread, randomBytes)) as [
    PortClaims,
    PortClaims,
  ]
  const used = () => [50_000, 50_001].map((port) => other.isInUse(port))
  expect(used()).toEqual([false, false])
  one.take('pair')
  expect(used()).toEqual([true, false])
  expect(other.adopt(50_001, 0)).toBe(true)
  expect(used()).toEqual([true, true])
  one.idle(50_000, true)
  expect(used()).toEqual([false, true])
})
