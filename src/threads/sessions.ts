import type { Session } from '../net/session.ts'
import { subject } from './line.ts'

/** The allocations of a thread now. */
export const SESSIONS = subject<never, null, readonly Session[]>('sessions')
