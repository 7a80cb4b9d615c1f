import { SourceTable, sourceMemory } from '../../shared/source-table.ts'
import type { Address } from '../../stun/address.ts'
import { budgetMemory, ChallengeLimit } from '../../turn/limits/challenge-limit.ts'
import { SourceCount } from '../../turn/limits/source-count.ts'
import { BySource } from './by-source.ts'

export type SecureTransport = 'tls' | 'dtls'

/** What the handshakes of all threads are counted in. */
export interface HandshakeMemory {
  /** How many each source has begun lately, of both kinds. */
  readonly begun: SharedArrayBuffer
  /** How many each source has under way (SourceTable). */
  readonly underWay: Readonly<Record<SecureTransport, SharedArrayBuffer>>
}

export interface HandshakeLimits {
  /** Under way at a time in one thread, of all sources. */
  readonly atOnce: number
  /** Under way at a time in all threads, of one source. */
  readonly perSource: number
  /** Begun by one source in all threads, on average of ten seconds; 0 = no limit. */
  readonly perSecond: number
}

/** Room for what `threads` threads count. */
export function handshakeMemory(threads: number, random: (size: number) => Buffer): HandshakeMemory {
  return {
    begun: budgetMemory(random),
    underWay: { tls: sourceMemory(threads, random), dtls: sourceMemory(threads, random) },
  }
}

/** The handshakes of a thread that is no more are over. */
export function forgetHandshakes({ underWay }: HandshakeMemory, thread: number): void {
  for (const memory of Object.values(underWay)) new SourceTable(memory, thread).forgetThread(thread)
}

/**
 * The TLS or the DTLS handshakes of one thread. Who begins too many has no more than a share of the places, and the others'
 * handshakes are worked on in turn with his: each costs a signature, which is time that packets of calls wait.
 */
export class Handshakes<T> {
  #limits: HandshakeLimits
  readonly #counts: SourceCount
  readonly #budget: ChallengeLimit
  readonly #underWay = new BySource<T>()
  /** Those that have not cost anything yet. */
  readonly #new = new BySource<T>()
  /** Those whose client has said something more. */
  readonly #going = new BySource<T>()
  #isNewNext = false

  /** `thread` counts from 0; its `now` with `clockOffsetMs` is a time that all threads share. */
  constructor(
    kind: SecureTransport,
    limits: HandshakeLimits,
    memory: HandshakeMemory,
    { thread, clockOffsetMs }: { readonly thread: number; readonly clockOffsetMs: number },
  ) {
    this.#limits = limits
    this.#counts = new SourceCount(new SourceTable(memory.underWay[kind], thread))
    this.#budget = new ChallengeLimit(limits.perSecond * BUDGET_SECONDS, BUDGET_SECONDS * 1000, {
      memory: memory.begun,
      clockOffsetMs,
    })
  }

  /** Other limits, for those that begin from now on. */
  apply(limits: HandshakeLimits): void {
    this.#limits = limits
    this.#budget.granted = limits.perSecond * BUDGET_SECONDS
  }

  /** Those that have begun and have not ended. */
  get size(): number {
    return this.#underWay.size
  }

  [Symbol.iterator](): Generator<T> {
    return this.#underWay[Symbol.iterator]()
  }

  /**
   * Lets one more begin, to be worked on when `next` says so; false where there are too many. `displace` is to end the one that
   * has to make room: the oldest of the same source when that has its share already, or else of the source that has the most.
   */
  begin(source: Address, item: T, displace: (item: T) => void): boolean {
    // Counted first, and seen by the others: of two threads that give out the last place at one moment none goes beyond it.
    this.#counts.add(source)
    const has = this.#counts.of(source) - 1
    const isGreedy = has >= this.#limits.perSource
    if (isGreedy || this.#underWay.size >= this.#limits.atOnce) {
      const displaced = isGreedy ? this.#underWay.oldestOf(source) : this.#underWay.toGiveWay(has)
      if (displaced === null) {
        this.#counts.remove(source)
        return false
      }
      displace(displaced)
    }
    this.#underWay.add(source, item)
    this.#new.add(source, item)
    return true
  }

  /** There is more to do for one that has begun. */
  goOn(source: Address, item: T): void {
    if (!this.#going.has(source, item) && !this.#new.has(source, item)) this.#going.add(source, item)
  }

  /** It is done, has failed or was displaced. */
  end(source: Address, item: T): void {
    if (!this.#underWay.delete(source, item)) return
    this.#counts.remove(source)
    this.#new.delete(source, item)
    this.#going.delete(source, item)
  }

  /** Some may want to be worked on. */
  get isWaiting(): boolean {
    return this.#new.size > 0 || this.#going.size > 0
  }

  /** Which one to work on now; null when none is waiting but of sources that have begun too many lately. */
  next(now: number): T | null {
    this.#isNewNext = !this.#isNewNext
    return this.#isNewNext ? (this.#nextNew(now) ?? this.#nextGoing()) : (this.#nextGoing() ?? this.#nextNew(now))
  }

  #nextGoing(): T | null {
    return this.#going.take(() => true)
  }

  #nextNew(now: number): T | null {
    return this.#new.take((source) => this.#budget.take(source, now))
  }
}

const BUDGET_SECONDS = 10
