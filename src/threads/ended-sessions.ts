import type { EndedSession } from '../turn/sessions/ended-session.ts'
import { type Subject, subject } from './line.ts'

/** Sessions that are over. */
export interface EndedSessions {
  readonly sessions: readonly EndedSession[]
  /** So many more there was no room for. */
  readonly lost: number
}

export const ENDED_SESSIONS = subject<EndedSessions>('ended sessions')

/** That wait to be told of at one time. */
const MOST = 4096

/** What a thread has to tell of ends: together, because a message for each costs as much as half an allocation. */
export class EndedSessionsToTell {
  #sessions: EndedSession[] = []
  #lost = 0

  add(session: EndedSession): void {
    if (this.#sessions.length < MOST) this.#sessions.push(session)
    else this.#lost++
  }

  /** Tells what there is; what the other end has no room for is counted and told of later. */
  flush(tell: (subject: Subject<EndedSessions>, message: EndedSessions) => boolean): void {
    if (this.#sessions.length === 0 && this.#lost === 0) return
    const message = { sessions: this.#sessions, lost: this.#lost }
    this.#sessions = []
    this.#lost = tell(ENDED_SESSIONS, message) ? 0 : message.lost + message.sessions.length
  }
}
