import type { SessionsAnswer, SessionsQuestion } from '../turn/sessions/sessions.ts'
import { subject } from './line.ts'

/** The allocations of a thread, for an operator. */
export const SESSIONS = subject<never, SessionsQuestion, SessionsAnswer>('sessions')
