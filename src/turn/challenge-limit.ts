import type { Address } from '../stun/address.ts'

/**
 * Grants each source a number of answers in a time: for 401 and 438 over UDP (SEC-12 in the tests) and for wrong guesses
 * (SEC-23). A source is an IPv4 address or an IPv6 /64; the port does not matter.
 *
 * The table never grows: sources whose keyed hash is the same share one budget, because evicting the other would let a
 * flood of made-up sources reset everybody's.
 */
export class ChallengeLimit {
  readonly #granted: number
  readonly #windowMs: number
  readonly #used = new Uint32Array(SLOTS)
  readonly #startedAt = new Float64Array(SLOTS).fill(-Infinity)
  readonly #seeds: Int32Array

  /** `granted` answers to a source in `windowMs`; 0 = no limit. */
  constructor(granted: number, windowMs: number, random: (size: number) => Buffer) {
    this.#granted = granted
    this.#windowMs = windowMs
    const bytes = random(16)
    this.#seeds = Int32Array.from([0, 4, 8, 12], (at) => bytes.readInt32LE(at) | 1)
  }

  /** Counts one answer to `source`; false when its budget is spent. */
  take(source: Address, now: number): boolean {
    if (this.#granted === 0) return true
    const slot = this.#slot(source)
    if (now - this.#startedAt[slot]! >= this.#windowMs) {
      this.#startedAt[slot] = now
      this.#used[slot] = 0
    }
    if (this.#used[slot]! >= this.#granted) return false
    this.#used[slot]!++
    return true
  }

  #slot({ family, w0, w1, w3 }: Address): number {
    const [a, b, c, d] = this.#seeds as unknown as [number, number, number, number]
    let hash = family === 4 ? Math.imul(w3 ^ a, b) : Math.imul(Math.imul(w0 ^ c, d) ^ (w1 + a), b)
    hash = Math.imul(hash ^ (hash >>> 15), c)
    hash = Math.imul(hash ^ (hash >>> 13), d)
    return (hash ^ (hash >>> 16)) & (SLOTS - 1)
  }
}

const SLOTS = 0x10000
