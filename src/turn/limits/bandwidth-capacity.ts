const CAPACITY = 0

/**
 * The bytes a second that allocations have reserved of `bps-capacity`, those of all threads together. Each thread writes down its own
 * alone, so that one that dies leaves nothing half done; two that reserve at the same moment may together get one allocation's worth
 * too much.
 */
export class BandwidthCapacity {
  readonly #words: BigInt64Array
  readonly #own: number

  /** `memory` is made by `bandwidthMemory`, for all threads; `thread` counts from 0. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new BigInt64Array(memory)
    this.#own = thread + 1
  }

  /**
   * Reserves what an allocation may use, or what is left; null, and nothing is reserved, when nothing is. One without a limit of its
   * own (0) has none here either.
   */
  take(bytesPerSecond: number): number | null {
    if (bytesPerSecond === 0) return 0
    const capacity = Number(Atomics.load(this.#words, CAPACITY))
    const granted = capacity === 0 ? bytesPerSecond : Math.min(bytesPerSecond, capacity - this.reserved)
    if (granted <= 0) return null
    Atomics.add(this.#words, this.#own, BigInt(granted))
    return granted
  }

  give(bytesPerSecond: number): void {
    Atomics.sub(this.#words, this.#own, BigInt(bytesPerSecond))
  }

  /** The allocation is with us now, and no longer with `thread`; null when that has lost what it had reserved. */
  takeOver(bytesPerSecond: number, thread: number | null): void {
    Atomics.add(this.#words, this.#own, BigInt(bytesPerSecond))
    if (thread !== null) Atomics.sub(this.#words, thread + 1, BigInt(bytesPerSecond))
  }

  /** Gives back what a thread had reserved that is no more. */
  forgetThread(thread: number): void {
    Atomics.store(this.#words, thread + 1, 0n)
  }

  /** Of all threads. */
  get reserved(): number {
    let sum = 0n
    for (let thread = 1; thread < this.#words.length; thread++) sum += Atomics.load(this.#words, thread)
    return Number(sum)
  }

  /** Takes effect for what comes next; 0 = no limit. */
  limit(capacity: number): void {
    Atomics.store(this.#words, CAPACITY, BigInt(capacity))
  }
}

export function bandwidthMemory(capacity: number, threads: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer((threads + 1) * BigInt64Array.BYTES_PER_ELEMENT)
  new BigInt64Array(memory)[CAPACITY] = BigInt(capacity)
  return memory
}
