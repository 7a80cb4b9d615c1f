import type { RelayThreads } from '../../src/threads/relay-threads.ts'
import { SESSIONS } from '../../src/threads/sessions.ts'
import type { Session } from '../../src/turn/sessions/session.ts'
import type { SessionsAnswer, SessionsQuestion } from '../../src/turn/sessions/sessions.ts'

/** Of all threads; those that have died have none. Each has obeyed all that it was told before. */
export async function sessionsOf(workers: RelayThreads): Promise<Session[]> {
  const found: Session[] = []
  for (let thread = 0; thread < workers.size; thread++) {
    let question: SessionsQuestion | null = { filter: {}, after: null, act: 'list', limit: 200 }
    while (question !== null) {
      const answer: SessionsAnswer | 'late' | 'gone' = await workers.askOne(thread, SESSIONS, question)
      if (typeof answer === 'string') break
      found.push(...answer.sessions)
      question = answer.next === null ? null : { ...question, after: answer.next }
    }
  }
  return found
}
