import type { Address } from '../../stun/address.ts'
import { SourceCount } from '../limits/source-count.ts'

/** Who has reserved a port: whoever brings its token must be the same user, and it counts for the address it was asked from. */
export interface Reserver {
  /** As quotas count (Authenticated.quotaName). */
  readonly user: string
  readonly source: Address
}

/** Reservations by token, oldest first, and how many each source has. */
export class Reservations<R extends Reserver> implements Iterable<[string, R]> {
  readonly #byToken = new Map<string, R>()
  readonly #sources = new SourceCount()

  get size(): number {
    return this.#byToken.size
  }

  get(token: string): R | undefined {
    return this.#byToken.get(token)
  }

  /** How many an IPv4 address or an IPv6 /64 has. */
  of(source: Address): number {
    return this.#sources.of(source)
  }

  add(token: string, reservation: R): void {
    this.delete(token)
    this.#byToken.set(token, reservation)
    this.#sources.add(reservation.source)
  }

  /** What has been deleted. */
  delete(token: string): R | undefined {
    const reservation = this.#byToken.get(token)
    if (reservation === undefined) return undefined
    this.#byToken.delete(token)
    this.#sources.remove(reservation.source)
    return reservation
  }

  [Symbol.iterator](): Iterator<[string, R]> {
    return this.#byToken[Symbol.iterator]()
  }
}
