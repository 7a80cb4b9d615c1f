import type { EndedSession } from '../turn/sessions/ended-session.ts'

/** A session is over. */
interface SessionEnded {
  /** Of the event: later ones come behind it in the order of a run of the server. */
  readonly id: string
  readonly type: 'session-ended'
  /** When it was heard of, ISO 8601. */
  readonly at: string
  /** Which relayed it; 0 for the main thread. */
  readonly thread: number
  readonly session: EndedSession
}

/** A relay thread has died, and with it sessions of which nobody knows more than this; the log has who they were. */
interface ThreadDied {
  readonly id: string
  readonly type: 'thread-died'
  readonly at: string
  readonly thread: number
  /** The relayed addresses of its sessions as they are bound here, MOST_RELAYS of them at most. */
  readonly relays: readonly string[]
  /** All of them. */
  readonly relayCount: number
}

/** So many events are missing before the next one: they were too many at a time, or nobody had asked for them in time. */
interface Gap {
  readonly type: 'gap'
  /** Null when nobody knows: the events that were asked for are of another run of the server. */
  readonly missed: number | null
}

export type OperatorEvent = SessionEnded | ThreadDied | Gap

/** Some events, and where to go on. */
export interface EventPage {
  readonly events: readonly OperatorEvent[]
  /** The number of the event to go on with. */
  readonly next: number
}

/** Events that are kept at least for who comes for them later; the oldest give way. */
export const MOST_KEPT = 4096
/** Addresses in one event. */
const MOST_RELAYS = 1000
/** Events in one page. */
const MOST_IN_PAGE = 256

/** What has happened last, for as many readers as there are: none of them holds anybody up. */
export class EventQueue {
  readonly #run: string
  readonly #wallClock: () => number
  readonly #kept: OperatorEvent[] = []
  readonly #waiting = new Set<() => void>()
  #next = 1
  #isClosed = false

  /** `run` stands for this run of the server and no other. */
  constructor(run: string, wallClock: () => number) {
    this.#run = run
    this.#wallClock = wallClock
  }

  ended(session: EndedSession, thread: number): void {
    this.#add({ ...this.#stamp(), type: 'session-ended', thread, session })
  }

  threadDied(relays: readonly string[], thread: number): void {
    const some = relays.slice(0, MOST_RELAYS)
    this.#add({ ...this.#stamp(), type: 'thread-died', thread, relays: some, relayCount: relays.length })
  }

  /** Ends that nobody can tell more of. */
  lost(missed: number): void {
    if (missed > 0) this.#add({ type: 'gap', missed })
  }

  /** The number to begin with for who has seen all up to the event `id`: null for whoever has seen none. */
  begin(id: string | null): EventPage {
    if (id === null) return { events: [], next: this.#first }
    const seen = id.startsWith(`${this.#run}-`) ? Number(id.slice(this.#run.length + 1)) : Number.NaN
    if (Number.isSafeInteger(seen) && seen >= 0 && seen < this.#next) return { events: [], next: seen + 1 }
    return { events: [{ type: 'gap', missed: null }], next: this.#first }
  }

  read(from: number): EventPage {
    const missed = this.#first - from
    if (missed > 0) return { events: [{ type: 'gap', missed }], next: this.#first }
    const place = from - this.#first
    const events = this.#kept.slice(place, place + MOST_IN_PAGE)
    return { events, next: from + events.length }
  }

  /** Until there is one with this number, or nothing will come any more (then false), or `signal` says so. */
  async until(number: number, signal: AbortSignal): Promise<boolean> {
    while (number >= this.#next) {
      if (this.#isClosed || signal.aborted) return false
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    }
    return true
  }

  /** Nothing comes any more: readers end with what there is. */
  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  #stamp(): { readonly id: string; readonly at: string } {
    return { id: `${this.#run}-${this.#next}`, at: new Date(this.#wallClock()).toISOString() }
  }

  get #first(): number {
    return this.#next - this.#kept.length
  }

  #add(event: OperatorEvent): void {
    this.#kept.push(event)
    this.#next++
    // By many at a time, because each time moves all that stay.
    if (this.#kept.length >= 2 * MOST_KEPT) this.#kept.splice(0, this.#kept.length - MOST_KEPT)
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
