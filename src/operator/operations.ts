import type { RoomPage } from '../rooms/listing.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { SessionFilter } from '../turn/sessions/session-filter.ts'
import { Drain, type DrainReport } from './drain.ts'
import type { EventQueue } from './events.ts'
import { Problem } from './problem.ts'
import type { CertificateReport, LogLevel, ReloadReport, ServerReport } from './reports.ts'
import {
  type Ended,
  endSessions,
  listSessions,
  type SessionPage,
  type SessionThreads,
  type ThreadSession,
} from './sessions.ts'

/** The running server, as far as an operator's verbs reach. */
export interface OperatedServer {
  /** Null without TURN. */
  readonly sessions: SessionThreads | null
  /** Null without rooms and signaling. */
  readonly rooms: Pick<Rooms, 'list' | 'closeRoom'> | null
  report(): ServerReport
  /** Reads everything again; never throws for what an operator wrote. */
  reload(): Promise<ReloadReport>
  /** Takes no new calls while on; what runs goes on. */
  drain(on: boolean): void
  logLevel: LogLevel
  certificates(): readonly CertificateReport[]
  /** Unix milliseconds. */
  wallClock(): number
}

/** Everything about the server now. */
export type Status = ServerReport & { readonly draining: DrainReport | null; readonly logLevel: LogLevel }

/** What an operator can do to the running server: each verb once, whoever asks for it. Throws Problem for what cannot be done. */
export class Operations {
  readonly events: EventQueue
  readonly #server: OperatedServer
  readonly #drain: Drain

  constructor(server: OperatedServer, events: EventQueue) {
    this.#server = server
    this.events = events
    this.#drain = new Drain({
      wallClock: () => server.wallClock(),
      drain: (on) => server.drain(on),
      end: async () => {
        if (server.sessions !== null) await endSessions(server.sessions, {}, { reason: 'draining', detail: null })
      },
    })
  }

  status(): Status {
    const { logLevel } = this.#server
    return { ...this.#server.report(), draining: this.#drain.report, logLevel }
  }

  async sessions(filter: SessionFilter, cursor: string | null, limit: number): Promise<SessionPage> {
    const page = await listSessions(this.#threads, filter, { cursor, limit })
    if (page === null)
      throw new Problem('bad-request', 'that is no cursor of this list', 'begin again without a cursor')
    return page
  }

  async session(id: string): Promise<ThreadSession> {
    const { sessions } = (await listSessions(this.#threads, { id }, { cursor: null, limit: 1, act: 'show' }))!
    const [session] = sessions
    if (session === undefined)
      throw new Problem('not-found', `there is no session ${id}`, 'it may have ended; list them anew')
    return session
  }

  /** Ends the sessions that are meant and their connections; their clients may come back. */
  async disconnect(filter: SessionFilter, detail: string | null): Promise<Ended> {
    const outcome = await endSessions(this.#threads, filter, { reason: 'operator', detail })
    if (filter.id !== undefined && outcome.ended === 0 && outcome.silentThreads.length === 0)
      throw new Problem('not-found', `there is no session ${filter.id}`, 'it may have ended; list them anew')
    return outcome
  }

  rooms(cursor: string | null, limit: number): Promise<RoomPage> {
    return this.#rooms.list(cursor, limit)
  }

  /** Says bye to everybody in a room; how many that were. */
  async closeRoom(name: string, reason: string): Promise<number> {
    const outcome = await this.#rooms.closeRoom(name, reason)
    if (outcome.result === 'UNKNOWN_ROOM')
      throw new Problem('not-found', `there is no room ${name}`, 'it may be empty by now; list them anew')
    return outcome.clients
  }

  /** Takes no new calls; those that run have until the deadline, if there is one, and end then. */
  drain(deadlineSeconds: number | null): DrainReport {
    return this.#drain.begin(deadlineSeconds)
  }

  undrain(): void {
    this.#drain.end()
  }

  reload(): Promise<ReloadReport> {
    return this.#server.reload()
  }

  get logLevel(): LogLevel {
    return this.#server.logLevel
  }

  /** Until the next reload that changes it, or the next start. */
  set logLevel(level: LogLevel) {
    this.#server.logLevel = level
  }

  certificates(): readonly CertificateReport[] {
    return this.#server.certificates()
  }

  /** Forgets a deadline: the server stops before. */
  close(): void {
    this.#drain.close()
  }

  get #threads(): SessionThreads {
    if (this.#server.sessions === null)
      throw new Problem('not-running', 'this server runs without TURN', 'look at the options turn and no-turn')
    return this.#server.sessions
  }

  get #rooms(): Pick<Rooms, 'list' | 'closeRoom'> {
    if (this.#server.rooms === null)
      throw new Problem('not-running', 'this server runs without rooms', 'look at the options rooms and signaling')
    return this.#server.rooms
  }
}
