import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QuotaTable } from '../../../src/shared/quota-table.ts'
import { Quota, type QuotaLimits, quotaMemory } from '../../../src/turn/limits/quota.ts'

const THREADS = 3
const USERS = ['alice', 'bob', 'carol', 'Alice', 'alice ', '', '1700000000:alice', '\u{1f600}']

/** Threads that share a quota, and beside them what ought to be the case. */
class Threads {
  readonly #memory
  readonly #threads: Quota[]
  readonly #room: number
  readonly #held: Map<string, number>[]
  #limits: QuotaLimits

  constructor(limits: QuotaLimits, ports: number) {
    this.#limits = limits
    this.#memory = quotaMemory(limits, { threads: THREADS, ports }, randomBytes)
    this.#threads = Array.from({ length: THREADS }, (_, thread) => new Quota(this.#memory, thread))
    this.#room = new QuotaTable(this.#memory, 0).room
    this.#held = Array.from({ length: THREADS }, () => new Map())
  }

  take(thread: number, user: string, places: number): void {
    const { user: ofUser, total } = this.#limits
    const isOver = (limit: number, sum: number) => limit > 0 && sum + places > limit
    const wanted = isOver(ofUser, this.#of(user))
      ? 'user'
      : isOver(total, this.#total) || isOver(this.#room, this.#total)
        ? 'total'
        : 'taken'
    expect(this.#threads[thread]!.take(user, places)).toBe(wanted)
    if (wanted === 'taken') this.#add(thread, user, places)
  }

  give(thread: number, user: string, places: number): void {
    this.#threads[thread]!.give(user, places)
    this.#add(thread, user, -Math.min(places, this.#held[thread]!.get(user) ?? 0))
  }

  takeOver(thread: number, from: number, user: string, isThere: boolean): void {
    const has = (this.#held[from]!.get(user) ?? 0) > 0
    expect(this.#threads[thread]!.takeOver(user, from, () => isThere)).toBe(has && isThere)
    if (!has || !isThere) return
    this.#add(from, user, -1)
    this.#add(thread, user, 1)
  }

  /** Anywhere, or in the middle of an Allocate. */
  die(thread: number, isInside: boolean): void {
    if (isInside) {
      const table = new QuotaTable(this.#memory, thread)
      table.lock()
      table.add(table.hash('somebody'), thread, 1)
    }
    this.#threads[(thread + 1) % THREADS]!.forgetThread(thread)
    this.#held[thread]!.clear()
  }

  limit(limits: QuotaLimits): void {
    this.#threads[0]!.limit(limits)
    this.#limits = limits
  }

  check(): void {
    for (const quota of this.#threads) {
      expect(USERS.map((user) => quota.of(user))).toEqual(USERS.map((user) => this.#of(user)))
      expect([quota.total, quota.users]).toEqual([this.#total, USERS.filter((user) => this.#of(user) > 0).length])
    }
  }

  #add(thread: number, user: string, places: number): void {
    this.#held[thread]!.set(user, (this.#held[thread]!.get(user) ?? 0) + places)
  }

  #of(user: string): number {
    return this.#held.reduce((sum, held) => sum + (held.get(user) ?? 0), 0)
  }

  get #total(): number {
    return USERS.reduce((sum, user) => sum + this.#of(user), 0)
  }
}

const thread = fc.nat(THREADS - 1)
const user = fc.constantFrom(...USERS)
const places = fc.constantFrom(1, 1, 2)
const limits = fc.record({ user: fc.nat(5), total: fc.nat(12), bytesPerSecond: fc.constant(0) })
const step: fc.Arbitrary<(threads: Threads) => void> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(thread, user, places).map((take) => (threads: Threads) => threads.take(...take)),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(thread, user, places).map((give) => (threads: Threads) => threads.give(...give)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(thread, thread, user, fc.boolean())
      .map((move) => (threads: Threads) => threads.takeOver(...move)),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(thread, fc.boolean()).map((death) => (threads: Threads) => threads.die(...death)),
  },
  { weight: 1, arbitrary: limits.map((lowered) => (threads: Threads) => threads.limit(lowered)) },
)

test('RES-04 SEC-27 TURN-EVEN-07 threads together have what the limits grant, and no less', () => {
  fc.assert(
    fc.property(limits, fc.nat(12), fc.array(step, { maxLength: 150 }), (first, ports, steps) => {
      const threads = new Threads(first, ports)
      for (const run of steps) {
        run(threads)
        threads.check()
      }
    }),
    { numRuns: 200 },
  )
})
