/** How many allocations there may be at one time (RFC 8656 §7.2); 0 = as many as ports allow. */
export interface QuotaLimits {
  readonly user: number
  readonly total: number
}

/**
 * Counts allocations by user and in all. A reserved port counts like an allocation, so that reservations cannot be used
 * to hold more ports than the quota grants (TURN-EVEN-07 in the tests).
 */
export class Quota {
  #limits: QuotaLimits
  #total = 0
  readonly #users = new Map<string, number>()

  constructor(limits: QuotaLimits) {
    this.#limits = limits
  }

  /** Counts `places` for `user` when all of them fit; otherwise counts none and says which limit is in the way. */
  take(user: string, places = 1): 'taken' | 'user' | 'total' {
    const used = this.of(user)
    if (this.#limits.user > 0 && used + places > this.#limits.user) return 'user'
    if (this.#limits.total > 0 && this.#total + places > this.#limits.total) return 'total'
    this.#users.set(user, used + places)
    this.#total += places
    return 'taken'
  }

  /** Gives places back. */
  give(user: string, places = 1): void {
    const used = this.of(user)
    const left = Math.max(0, used - places)
    this.#total -= used - left
    if (left === 0) this.#users.delete(user)
    else this.#users.set(user, left)
  }

  /** Takes effect for what comes next; whoever is over a lowered limit keeps what he has. */
  limit(limits: QuotaLimits): void {
    this.#limits = limits
  }

  of(user: string): number {
    return this.#users.get(user) ?? 0
  }

  get total(): number {
    return this.#total
  }

  /** Users that hold at least one place. */
  get users(): number {
    return this.#users.size
  }
}
