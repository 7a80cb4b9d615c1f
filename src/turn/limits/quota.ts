import { QuotaTable, type QuotaTableMemory, quotaTableMemory, type UserHash } from '../../shared/quota-table.ts'
import { BandwidthCapacity, bandwidthMemory } from './bandwidth-capacity.ts'

/** How many allocations there may be at one time (RFC 8656 §7.2); 0 = as many as ports allow. */
export interface QuotaLimits {
  readonly user: number
  readonly total: number
  /** Bytes a second that they may reserve together (`bps-capacity`). */
  readonly bytesPerSecond: number
}

/** Made by `quotaMemory`, for all threads. */
export interface QuotaMemory extends QuotaTableMemory {
  /** Of a user and of all. */
  readonly limits: SharedArrayBuffer
  readonly bandwidth: SharedArrayBuffer
}

/**
 * Counts allocations by user and in all, those of all threads together. A reserved port counts like an allocation, so that
 * reservations cannot be used to hold more ports than the quota grants (TURN-EVEN-07 in the tests).
 */
export class Quota {
  readonly bandwidth: BandwidthCapacity
  readonly #thread: number
  readonly #limits: Float64Array
  readonly #table: QuotaTable
  /** Given back, and not written down yet. */
  #owed: { readonly hash: UserHash; readonly places: number }[] = []

  /** `thread` counts from 0. */
  constructor(memory: QuotaMemory, thread = 0) {
    this.bandwidth = new BandwidthCapacity(memory.bandwidth, thread)
    this.#thread = thread
    this.#limits = new Float64Array(memory.limits)
    this.#table = new QuotaTable(memory, thread)
  }

  /**
   * Counts `places` for `user` when all of them fit; otherwise counts none and says which limit is in the way, or that another
   * thread holds up the table, which it does for a moment when it dies. `own` is the user's limit where it differs from that of all.
   */
  take(user: string, places = 1, own: number | null = null): 'taken' | 'user' | 'total' | 'held-up' {
    if (places === 0) return 'taken'
    const table = this.#table
    const hash = table.hash(user)
    if (!this.#lock()) return 'held-up'
    const verdict = this.#verdict(hash, places, own)
    if (verdict === 'taken') table.add(hash, this.#thread, places)
    table.unlock()
    return verdict
  }

  /** Gives places back that this thread has taken. */
  give(user: string, places = 1): void {
    if (places === 0) return
    this.#owed.push({ hash: this.#table.hash(user), places })
    this.sweep()
  }

  /** Gives back what could not be given back because the table was held up; once a second. */
  sweep(): void {
    if (this.#owed.length > 0 && this.#lock()) this.#table.unlock()
  }

  /** Takes over a place that `thread` has, if there is one and `begin` says yes to what it stands for. */
  takeOver(user: string, thread: number, begin: () => boolean): boolean {
    const table = this.#table
    const hash = table.hash(user)
    if (!this.#lock()) return false
    const isOurs = table.count(hash, thread) > 0 && begin()
    if (isOurs) {
      table.add(hash, thread, -1)
      table.add(hash, this.#thread, 1)
    }
    table.unlock()
    return isOurs
  }

  /** Gives back what a thread has taken that is no more. */
  forgetThread(thread: number): void {
    this.#table.forget(thread)
    this.bandwidth.forgetThread(thread)
  }

  /** Takes effect for what comes next; whoever is over a lowered limit keeps what he has. */
  limit({ user, total, bytesPerSecond }: QuotaLimits): void {
    this.#limits.set([user, total])
    this.bandwidth.limit(bytesPerSecond)
  }

  /** NaN while the table is held up. */
  of(user: string): number {
    const table = this.#table
    const hash = table.hash(user)
    if (!this.#lock()) return Number.NaN
    const count = table.count(hash)
    table.unlock()
    return count
  }

  get total(): number {
    return this.#table.total
  }

  /** Users that hold at least one place. */
  get users(): number {
    return this.#table.users
  }

  /** Before anything else is asked, what was given back is written down. */
  #lock(): boolean {
    const table = this.#table
    if (!table.lock()) return false
    for (const { hash, places } of this.#owed) {
      const held = table.count(hash, this.#thread)
      if (held > 0) table.add(hash, this.#thread, -Math.min(held, places))
    }
    if (this.#owed.length > 0) this.#owed = []
    return true
  }

  #verdict(hash: UserHash, places: number, own: number | null): 'taken' | 'user' | 'total' {
    const [all, total] = this.#limits as unknown as [number, number]
    const user = own ?? all
    const table = this.#table
    if (user > 0 && table.count(hash) + places > user) return 'user'
    return table.total + places > (total > 0 ? Math.min(total, table.room) : table.room) ? 'total' : 'taken'
  }
}

/**
 * For `threads` threads with `ports` relay ports in all, which may become `mostPorts`: each place that is taken soon has a port
 * of its own, or is given back.
 */
export function quotaMemory(
  limits: QuotaLimits,
  { threads, ports, mostPorts = ports }: QuotaSize,
  random: (size: number) => Buffer,
): QuotaMemory {
  const memory = new SharedArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT)
  new Float64Array(memory).set([limits.user, limits.total])
  const places = Math.max(ports, mostPorts) + threads * PLACES_IN_PASSING
  return {
    ...quotaTableMemory(threads, places, random, ports),
    limits: memory,
    bandwidth: bandwidthMemory(limits.bytesPerSecond, threads),
  }
}

interface QuotaSize {
  readonly threads: number
  readonly ports: number
  readonly mostPorts?: number
}

/** Of an Allocate that is being answered, which may take a pair, and of an allocation whose ports have just been freed. */
const PLACES_IN_PASSING = 4
