import type { Session } from '../turn/sessions/session.ts'
import type { SessionFilter } from '../turn/sessions/session-filter.ts'
import type { SessionsAnswer, SessionsQuestion } from '../turn/sessions/sessions.ts'
import type { SessionsEnd } from '../turn/sessions/standing-ends.ts'

/** The threads that relay, each with sessions of its own. */
export interface SessionThreads {
  readonly threads: number
  /** `gone` when the thread has died, `late` when it does not answer. */
  sessions(thread: number, question: SessionsQuestion): Promise<SessionsAnswer | 'late' | 'gone'>
}

/** A session and which thread relays it. */
export type ThreadSession = Session & { readonly thread: number }

/** Some of the sessions of all threads; each that is there the whole time is in exactly one page. */
export interface SessionPage {
  readonly sessions: readonly ThreadSession[]
  /** Where the next page begins; null at the end. */
  readonly cursor: string | null
  /** Threads that did not answer: their sessions are missing here. */
  readonly silentThreads: readonly number[]
}

/** What has become of an order to end sessions. */
export interface Ended {
  readonly ended: number
  /** Threads that did not answer: their sessions may go on. */
  readonly silentThreads: readonly number[]
}

/** At most `limit` sessions, beginning where `cursor` says; null when that is no cursor of ours. */
export async function listSessions(
  threads: SessionThreads,
  filter: SessionFilter,
  { cursor, limit, act = 'list' }: { cursor: string | null; limit: number; act?: 'list' | 'show' },
): Promise<SessionPage | null> {
  const begin = placeOf(cursor)
  if (begin === null) return null
  const sessions: ThreadSession[] = []
  const silentThreads: number[] = []
  for (let { thread, after } = begin; thread < threads.threads; ) {
    if (sessions.length >= limit) return { sessions, cursor: cursorOf(thread, after), silentThreads }
    const answer = await threads.sessions(thread, { filter, after, act, limit: limit - sessions.length })
    if (typeof answer === 'string') silentThreads.push(thread)
    else sessions.push(...answer.sessions.map((session) => ({ ...session, thread })))
    after = typeof answer === 'string' ? null : answer.next
    if (after === null) thread++
  }
  return { sessions, cursor: null, silentThreads }
}

/** Ends all that are meant, those too that move from one thread to another at this moment. */
export async function endSessions(threads: SessionThreads, filter: SessionFilter, end: SessionsEnd): Promise<Ended> {
  const all = Array.from({ length: threads.threads }, async (_, thread) => {
    let ended = 0
    let after: string | null = null
    do {
      const answer = await threads.sessions(thread, { filter, after, act: end, limit: Number.MAX_SAFE_INTEGER })
      if (typeof answer === 'string') return { ended, isSilent: true }
      ended += answer.ended
      after = answer.next
    } while (after !== null)
    return { ended, isSilent: false }
  })
  const parts = await Promise.all(all)
  return {
    ended: parts.reduce((sum, { ended }) => sum + ended, 0),
    silentThreads: parts.flatMap(({ isSilent }, thread) => (isSilent ? [thread] : [])),
  }
}

interface Place {
  readonly thread: number
  readonly after: string | null
}

function cursorOf(thread: number, after: string | null): string {
  return `${thread}.${after ?? ''}`
}

function placeOf(cursor: string | null): Place | null {
  if (cursor === null) return { thread: 0, after: null }
  const [, thread, after] = /^(\d{1,3})\.([0-9a-z-]{0,64})$/.exec(cursor) ?? []
  return thread === undefined ? null : { thread: Number(thread), after: after || null }
}
