import type { Address } from '../stun/address.ts'

/**
 * How many allocations each source has in each thread, in memory that all threads see. Every thread writes a part of its own
 * and reads the others'; a source stands for all with the same keyed hash of 32 bits: nobody can choose one that counts for another.
 */
export class SourceTable {
  readonly #seeds: Int32Array
  /** By place: the hash and the count; where that is 0 the place is vacant. */
  readonly #tags: Int32Array
  readonly #counts: Int32Array
  readonly #thread: number
  readonly #threads: number

  /** `memory` was made by `sourceMemory`; `thread` counts from 0. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#threads = (memory.byteLength - SEEDS_LENGTH) / (PLACES * 8)
    const places = this.#threads * PLACES
    this.#seeds = new Int32Array(memory, 0, 4)
    this.#tags = new Int32Array(memory, SEEDS_LENGTH, places)
    this.#counts = new Int32Array(memory, SEEDS_LENGTH + places * 4, places)
    this.#thread = thread
  }

  /** Lets the other threads see how many `source` has in this one. */
  publish(source: Address, count: number): void {
    const tag = this.#hash(source)
    const first = firstPlace(tag, this.#thread)
    let vacant = -1
    for (let place = first; place < first + WAYS; place++) {
      if (this.#counts[place] === 0) {
        if (vacant < 0) vacant = place
      } else if (this.#tags[place] === tag) {
        Atomics.store(this.#counts, place, count)
        return
      }
    }
    // Where no place is vacant, only this thread knows of the source: better too generous than a table that grows.
    if (vacant < 0) return
    Atomics.store(this.#tags, vacant, tag)
    Atomics.store(this.#counts, vacant, count)
  }

  /** How many `source` has in all other threads; an Allocate that one of them answers at this moment may be missing. */
  ofOthers(source: Address): number {
    const tag = this.#hash(source)
    let sum = 0
    for (let thread = 0; thread < this.#threads; thread++) {
      if (thread === this.#thread) continue
      const first = firstPlace(tag, thread)
      for (let place = first; place < first + WAYS; place++) {
        if (this.#tags[place] === tag) sum += this.#counts[place]!
      }
    }
    return sum
  }

  /** Forgets what a thread has counted that is no more. */
  forgetThread(thread: number): void {
    this.#counts.fill(0, thread * PLACES, (thread + 1) * PLACES)
  }

  #hash({ family, w0, w1, w3 }: Address): number {
    const [a, b, c, d] = this.#seeds as unknown as [number, number, number, number]
    let hash = family === 4 ? Math.imul(w3 ^ a, b) : Math.imul(Math.imul(w0 ^ c, d) ^ (w1 + a), b)
    hash = Math.imul(hash ^ (hash >>> 15), c)
    hash = Math.imul(hash ^ (hash >>> 13), d)
    return hash ^ (hash >>> 16)
  }
}

function firstPlace(tag: number, thread: number): number {
  return thread * PLACES + (tag & (PLACES - WAYS))
}

/** Room for what each of `threads` counts, and a secret of its own for where. */
export function sourceMemory(threads: number, random: (size: number) => Buffer): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(SEEDS_LENGTH + threads * PLACES * 8)
  const bytes = random(SEEDS_LENGTH)
  new Int32Array(memory, 0, 4).set([0, 4, 8, 12].map((at) => bytes.readInt32LE(at) | 1))
  return memory
}

const SEEDS_LENGTH = 16
/** Of each thread: more sources than its allocations come from, so that hardly ever all ways are occupied. */
const PLACES = 0x8000
/** Places where a source may be. */
const WAYS = 8
