import type { Allocation } from '../turn/allocation.ts'
import type { QuotaSource } from '../turn/options.ts'
import type { Relay } from '../turn/relay-address.ts'

/** A request for places that the main thread has not answered yet. */
interface Question {
  readonly allocation: Allocation
  readonly relays: Relay[]
  readonly places: number
  isAbandoned: boolean
}

export interface RelayGateOptions {
  /** Quotas are kept by the main thread, for all threads together; without any there is nobody to ask. */
  readonly hasQuota: boolean
  readonly ask: (id: number, user: string, places: number) => void
  readonly give: (user: string, places: number) => void
}

/**
 * Holds a relay back until the main thread has counted its allocation, and until every thread has heard of the
 * reservation that comes with it. To the core it is the quota: it says yes at once, and the true answer comes with the
 * relay.
 */
export class RelayGate implements QuotaSource {
  readonly #options: RelayGateOptions
  readonly #questions = new Map<number, Question>()
  readonly #asking = new Map<Allocation, Question>()
  readonly #granted = new WeakSet<Allocation>()
  #lastId = 0
  /** The core has taken places that nobody has been asked for. */
  #isFresh = false
  /** What the core gives back next was never counted. */
  #isUncounted = false

  constructor(options: RelayGateOptions) {
    this.#options = options
  }

  take(): 'taken' {
    this.#isFresh = true
    return 'taken'
  }

  give(user: string, places = 1): void {
    const wasCounted = !this.#isFresh && !this.#isUncounted
    this.#isFresh = false
    this.#isUncounted = false
    if (wasCounted && places > 0 && this.#options.hasQuota) this.#options.give(user, places)
  }

  /** Asks when somebody has to be asked. */
  mayOpen(relay: Relay): 'now' | 'later' {
    const { allocation } = relay
    this.#isFresh = false
    const waiting = this.#asking.get(allocation)
    if (waiting !== undefined) {
      waiting.relays.push(relay)
      return 'later'
    }
    const { reservationToken, ports } = allocation.request
    // A reserved port was counted with its pair.
    const isCounted = !this.#options.hasQuota || ports === 'reserved' || this.#granted.has(allocation)
    if (isCounted && reservationToken === null) return 'now'
    const places = isCounted ? 0 : allocation.quotaPlaces
    const question = { allocation, relays: [relay], places, isAbandoned: false }
    const id = ++this.#lastId
    this.#questions.set(id, question)
    this.#asking.set(allocation, question)
    this.#options.ask(id, allocation.user.quotaName, places)
    return 'later'
  }

  /** The core has ended an allocation whose question is open: what it gives back next was not counted for it. */
  abandon(relay: Relay): void {
    const question = this.#asking.get(relay.allocation)
    if (question === undefined) return
    question.isAbandoned = true
    this.#isUncounted = question.places > 0
  }

  /** The relays that may be opened, or have to be refused; none when their allocation has ended meanwhile. */
  verdict(id: number, granted: boolean, refuse: (relay: Relay) => void): readonly Relay[] {
    const question = this.#questions.get(id)
    if (question === undefined) return []
    const { allocation, relays, places } = question
    this.#questions.delete(id)
    this.#asking.delete(allocation)
    if (question.isAbandoned) {
      if (granted && places > 0) this.#options.give(allocation.user.quotaName, places)
      return []
    }
    if (granted) {
      this.#granted.add(allocation)
      return relays
    }
    // The last of them ends the allocation, which gives its places back.
    this.#isUncounted = true
    for (const relay of relays) refuse(relay)
    this.#isUncounted = false
    return []
  }
}
