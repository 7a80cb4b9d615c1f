import type { Address } from '../../stun/address.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import { type Session, sessionOf, wholeSessionOf } from './session.ts'
import { matching, type SessionFilter } from './session-filter.ts'
import type { SessionsEnd } from './standing-ends.ts'

/** What an operator wants of the sessions of one server: values that can be copied to another thread. */
export interface SessionsQuestion {
  readonly filter: SessionFilter
  /** `next` of the answer before; null to begin. */
  readonly after: string | null
  /** What to do with those that are meant. */
  readonly act: 'list' | 'show' | SessionsEnd
  /** Sessions at most; never more than MOST_LISTED of them. */
  readonly limit: number
}

export interface SessionsAnswer {
  /** Those listed or shown. */
  readonly sessions: readonly Session[]
  readonly ended: number
  /** Where the next question goes on; null when all have been looked at. */
  readonly next: string | null
}

// So little that relaying does not pause for it: what is asked takes as many questions as it needs.
/** Sessions in one answer. */
export const MOST_LISTED = 200
/** Sessions that one question looks at. */
export const MOST_LOOKED_AT = 1000
/** Sessions that one question ends. */
export const MOST_ENDED = 20

/**
 * The sessions of one server for an operator: listed, shown and ended in pieces. Who goes through all pieces meets each session
 * once that is there the whole time, whatever comes, goes and moves meanwhile.
 */
export class Sessions {
  readonly #allocations: Allocations

  constructor(allocations: Allocations) {
    this.#allocations = allocations
  }

  answer(question: SessionsQuestion, now: number): SessionsAnswer {
    const { filter, after, act } = question
    const isMeant = matching(filter, now, this.#connections)
    const limit = Math.min(question.limit, typeof act === 'string' ? MOST_LISTED : MOST_ENDED)
    const sessions: Session[] = []
    // First, so that nobody slips through who comes while the others are looked at.
    if (typeof act !== 'string' && after === null) this.#allocations.standingEnds.add(filter, act, now)
    const { from, upTo } = this.#place(after)
    let [found, lookedAt, last] = [0, 0, from]
    for (const allocation of this.#allocations.after(from)) {
      if (allocation.serial > upTo) break
      if (found >= limit || lookedAt >= MOST_LOOKED_AT) return this.#answered(sessions, found, this.#cursor(last, upTo))
      last = allocation.serial
      lookedAt++
      if (allocation.expiresAt <= now || !isMeant(allocation)) continue
      if (allocation.state !== 'open') {
        // Its Allocate is not answered yet, and will not be: the client asks again.
        if (typeof act !== 'string') this.#allocations.disconnect(allocation, act, now)
        continue
      }
      found++
      if (act === 'list') sessions.push(sessionOf(allocation, now))
      else if (act === 'show')
        sessions.push(wholeSessionOf(allocation, this.#connections(allocation), this.#shown, now))
      else this.#allocations.disconnect(allocation, act, now)
    }
    return this.#answered(sessions, found, null)
  }

  #answered(sessions: readonly Session[], found: number, next: string | null): SessionsAnswer {
    return { sessions, ended: found - sessions.length, next }
  }

  /**
   * Between which serials to go on. Who has come since the first question is not meant: otherwise whoever allocates anew whenever he is
   * ended would keep it going for ever. A cursor of another life of this server means the beginning.
   */
  #place(cursor: string | null): { readonly from: number; readonly upTo: number } {
    const { idPrefix, lastSerial } = this.#allocations
    const serials = cursor?.startsWith(idPrefix) ? cursor.slice(idPrefix.length).split('-') : []
    const [from = Number.NaN, upTo = Number.NaN] = serials.map((serial) => Number.parseInt(serial, 36))
    return from <= upTo ? { from, upTo } : { from: 0, upTo: lastSerial }
  }

  #cursor(from: number, upTo: number): string {
    return `${this.#allocations.idPrefix}${from.toString(36)}-${upTo.toString(36)}`
  }

  readonly #connections = (allocation: Allocation) => this.#allocations.peerConnections.of(allocation)

  readonly #shown = (peer: Address): Address => this.#allocations.options.externalIp.toPublic(peer)
}
