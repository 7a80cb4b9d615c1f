import type { Allocation } from '../allocation.ts'
import type { EndReason } from '../end-reason.ts'
import { matching, type SessionFilter } from './session-filter.ts'

/** Why an operator ends sessions. */
export interface SessionsEnd {
  readonly reason: Extract<EndReason, 'operator' | 'draining'>
  /** An operator's own words. */
  readonly detail: string | null
}

interface StandingEnd extends SessionsEnd {
  readonly filter: SessionFilter
  /** Sessions that began later are not meant. */
  readonly from: number
}

/** An allocation is on its way for less. */
const ON_THE_WAY_MS = 30_000
/** Its age stood still meanwhile: it seems so much younger at most. */
const TRANSIT_MS = 1000
/** That hold at one time; the oldest gives way. */
const MOST = 64

/**
 * What an operator has ended holds for a while for sessions that come from other servers too: one may have been on its way, with
 * neither of them, when both were asked (RFC 8016). Who allocates anew is not meant.
 */
export class StandingEnds {
  readonly #ends: StandingEnd[] = []

  add(filter: SessionFilter, end: SessionsEnd, now: number): void {
    this.#ends.push({ filter, ...end, from: now })
    if (this.#ends.length > MOST) this.#ends.shift()
  }

  /** Why this one, which has just arrived, is to end; undefined when it is not. */
  of(allocation: Allocation, now: number): SessionsEnd | undefined {
    const { createdAt } = allocation
    return this.#ends.find(({ from, filter }) => {
      return createdAt <= from + TRANSIT_MS && now < from + ON_THE_WAY_MS && matching(filter, now)(allocation)
    })
  }
}
