import type { Address } from '../../stun/address.ts'

/** What the limits of several threads count in together. */
export interface SharedBudgets {
  /** Made by `budgetMemory`. */
  readonly memory: SharedArrayBuffer
  /** Turns a thread's own `now` into a time that all of them share. */
  readonly clockOffsetMs: number
}

/**
 * Grants each source a number of answers in a time: for 401 and 438 over UDP (SEC-12 in the tests) and for wrong guesses
 * (SEC-23). A source is an IPv4 address or an IPv6 /64; the port does not matter.
 *
 * The table never grows: sources whose keyed hash is the same share one budget, because evicting the other would let a
 * flood of made-up sources reset everybody's.
 */
export class ChallengeLimit {
  #granted: number
  readonly #windowMs: number
  readonly #clockOffsetMs: number
  readonly #startedAt: Float64Array
  readonly #used: Uint32Array
  readonly #seeds: Int32Array

  /** `granted` answers to a source in `windowMs`; 0 = no limit. */
  constructor(granted: number, windowMs: number, budgets: SharedBudgets | ((size: number) => Buffer)) {
    const { memory, clockOffsetMs } =
      typeof budgets === 'function' ? { memory: budgetMemory(budgets), clockOffsetMs: 0 } : budgets
    this.#granted = granted
    this.#windowMs = windowMs
    this.#clockOffsetMs = clockOffsetMs
    this.#startedAt = new Float64Array(memory, 0, SLOTS)
    this.#used = new Uint32Array(memory, USED_AT, SLOTS)
    this.#seeds = new Int32Array(memory, SEEDS_AT, 4)
  }

  /** Another number of answers, from the next one on. */
  set granted(granted: number) {
    this.#granted = granted
  }

  /** Counts one answer to `source`; false when its budget is spent. */
  take(source: Address, now: number): boolean {
    if (this.#granted === 0) return true
    const slot = this.#slot(source)
    const at = now + this.#clockOffsetMs
    // Two threads that begin a window at the same moment may forget a grant or two: nobody is hurt by so few.
    if (at - this.#startedAt[slot]! >= this.#windowMs) {
      this.#startedAt[slot] = at
      this.#used[slot] = 0
    }
    if (this.#used[slot]! >= this.#granted) return false
    Atomics.add(this.#used, slot, 1)
    return true
  }

  /** Whether `take` would say no. */
  isSpent(source: Address, now: number): boolean {
    if (this.#granted === 0) return false
    const slot = this.#slot(source)
    const age = now + this.#clockOffsetMs - this.#startedAt[slot]!
    return age < this.#windowMs && this.#used[slot]! >= this.#granted
  }

  #slot({ family, w0, w1, w3 }: Address): number {
    const [a, b, c, d] = this.#seeds as unknown as [number, number, number, number]
    let hash = family === 4 ? Math.imul(w3 ^ a, b) : Math.imul(Math.imul(w0 ^ c, d) ^ (w1 + a), b)
    hash = Math.imul(hash ^ (hash >>> 15), c)
    hash = Math.imul(hash ^ (hash >>> 13), d)
    return (hash ^ (hash >>> 16)) & (SLOTS - 1)
  }
}

/** Room for everybody's budgets, and a secret of its own for which sources share one. */
export function budgetMemory(random: (size: number) => Buffer): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SEEDS_AT + 16)
  new Float64Array(memory, 0, SLOTS).fill(-Infinity)
  const bytes = random(16)
  new Int32Array(memory, SEEDS_AT, 4).set([0, 4, 8, 12].map((at) => bytes.readInt32LE(at) | 1))
  return memory
}

const SLOTS = 0x10000
const USED_AT = SLOTS * Float64Array.BYTES_PER_ELEMENT
const SEEDS_AT = USED_AT + SLOTS * Uint32Array.BYTES_PER_ELEMENT
