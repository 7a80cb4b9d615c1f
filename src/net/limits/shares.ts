import { Address } from '../../stun/address.ts'
import { BySource } from './by-source.ts'

/** How many there may be; 0 is no limit. */
export interface ShareLimits {
  readonly total: number
  /** Of one IPv4 address or one IPv6 /64. */
  readonly perSource: number
}

/** How many got no place, because all were taken or those of their source, or lost one to a newcomer. */
export type Refused = Record<'too-many' | 'too-many-from-source' | 'displaced', number>

/**
 * A pool that strangers can fill: connections, WebSockets, handshakes. Each source has its share, and when all are taken the
 * source that has the most loses its oldest to a newcomer that has fewer.
 */
export class Shares<T extends object> {
  readonly counters: Refused = { 'too-many': 0, 'too-many-from-source': 0, displaced: 0 }
  #limits: ShareLimits
  readonly #bySource = new BySource<T>()
  /** Null for those who speak for many, such as a proxy: they have no share and give none up. */
  readonly #sources = new Map<T, Address | null>()

  constructor(limits: ShareLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#sources.size
  }

  /** Other limits for whoever comes. */
  apply(limits: ShareLimits): void {
    this.#limits = limits
  }

  /**
   * Null when there was a place for `item`, perhaps after `displace` was called for another one, or why there was none. `from` is
   * an address, or the first four groups of an IPv6 one; null for who has no share.
   */
  take(from: string | null, item: T, displace: (item: T) => void): 'too-many' | 'too-many-from-source' | null {
    const { total, perSource } = this.#limits
    const source = from === null ? null : (Address.parse(from) ?? Address.parse(`${from}::`))
    const has = source === null ? 0 : this.#bySource.sizeOf(source)
    if (source !== null && perSource > 0 && has >= perSource) return this.#refuse('too-many-from-source')
    if (total > 0 && this.size >= total) {
      // Not for one more than its own source then had.
      const other = this.#bySource.toGiveWay(has + 1)
      if (other === null) return this.#refuse('too-many')
      this.counters.displaced++
      this.give(other)
      displace(other)
    }
    this.#sources.set(item, source)
    if (source !== null) this.#bySource.add(source, item)
    return null
  }

  /** `item` is over; one that has no place any more changes nothing. */
  give(item: T): void {
    const source = this.#sources.get(item)
    if (this.#sources.delete(item) && source) this.#bySource.delete(source, item)
  }

  #refuse<Reason extends 'too-many' | 'too-many-from-source'>(reason: Reason): Reason {
    this.counters[reason]++
    return reason
  }
}
