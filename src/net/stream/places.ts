import { SourceTable, sourceMemory } from '../../shared/source-table.ts'
import type { Address } from '../../stun/address.ts'
import { SourceCount } from '../../turn/limits/source-count.ts'
import type { StreamLimits } from './options.ts'

/** What the connections of all threads are counted in. */
export interface SharedPlaces {
  /** Connections now: of all threads, and then of each. */
  readonly open: SharedArrayBuffer
  /** Of each source (SourceTable). */
  readonly sources: SharedArrayBuffer
}

/** Room for what `threads` threads count. */
export function sharedPlaces(threads: number, random: (size: number) => Buffer): SharedPlaces {
  return {
    open: new SharedArrayBuffer(ownOf(threads) * Int32Array.BYTES_PER_ELEMENT),
    sources: sourceMemory(threads, random),
  }
}

/** The connections that may be open at a time: in total and from one source, in all threads together (SEC-15 in the tests). */
export class StreamPlaces {
  readonly #limits: Pick<StreamLimits, 'total' | 'perSource'>
  readonly #open: Int32Array
  readonly #own: number
  readonly #sources: SourceCount

  /** `thread` counts from 0. */
  constructor(limits: Pick<StreamLimits, 'total' | 'perSource'>, { open, sources }: SharedPlaces, thread: number) {
    this.#limits = limits
    this.#open = new Int32Array(open)
    this.#own = ownOf(thread)
    this.#sources = new SourceCount(new SourceTable(sources, thread))
  }

  /** Counts one more connection, unless that is one too many. */
  take(): boolean {
    if (Atomics.add(this.#open, ALL, 1) >= this.#limits.total) {
      Atomics.sub(this.#open, ALL, 1)
      return false
    }
    this.#open[this.#own]!++
    return true
  }

  /** Counts one more where another one is about to give its place back. */
  takeInAdvance(): void {
    Atomics.add(this.#open, ALL, 1)
    this.#open[this.#own]!++
  }

  /** The same as `take` for one of them, once it is known where it comes from. */
  takeOf(source: Address): boolean {
    // Counted first, and seen by the others: of two threads that take the last place at one moment none goes beyond it.
    this.#sources.add(source)
    if (this.#sources.of(source) <= this.#limits.perSource) return true
    this.#sources.remove(source)
    return false
  }

  /** The connections from there. */
  of(source: Address): number {
    return this.#sources.of(source)
  }

  /** A connection is over; `source` when it was counted there, too. */
  give(source: Address | null): void {
    Atomics.sub(this.#open, ALL, 1)
    this.#open[this.#own]!--
    if (source !== null) this.#sources.remove(source)
  }
}

/** The connections of a thread that is no more count no more. */
export function takeBackPlaces({ open, sources }: SharedPlaces, thread: number): void {
  const counts = new Int32Array(open)
  Atomics.sub(counts, ALL, counts[ownOf(thread)]!)
  counts[ownOf(thread)] = 0
  new SourceTable(sources, thread).forgetThread(thread)
}

const ALL = 0

function ownOf(thread: number): number {
  return 1 + thread
}
