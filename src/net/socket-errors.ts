import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import type { RelayFailure } from '../turn/allocation.ts'

/** Which sockets an error came from; a label value in metrics. */
export type SocketKind = 'udp' | 'relay' | 'tcp' | 'tls' | 'listener' | 'http'

/** How often an error with this code came from sockets of this kind. */
export type ErrorCount = readonly [SocketKind, string, number]

/** Errors of sockets by kind and code: each is counted, and logged at most once a minute. */
export class SocketErrors {
  readonly counts: Record<SocketKind, Map<string, number>> = {
    udp: new Map(),
    relay: new Map(),
    tcp: new Map(),
    tls: new Map(),
    listener: new Map(),
    http: new Map(),
  }
  readonly #log: Log
  readonly #clock: () => number
  readonly #once = new OncePerMinute()
  readonly #told = new Map<string, number>()

  constructor(log: Log, clock: () => number) {
    this.#log = log
    this.#clock = clock
  }

  get entries(): ErrorCount[] {
    const kinds = Object.entries(this.counts) as [SocketKind, Map<string, number>][]
    return kinds.flatMap(([kind, codes]) => Array.from(codes, ([code, count]) => [kind, code, count]))
  }

  /** What was counted since the last call. */
  news(): ErrorCount[] {
    return this.entries.flatMap(([kind, code, count]) => {
      const key = `${kind} ${code}`
      const more = count - (this.#told.get(key) ?? 0)
      this.#told.set(key, count)
      return more > 0 ? [[kind, code, more]] : []
    })
  }

  /** Adds what another thread has counted and logged. */
  add(news: readonly ErrorCount[]): void {
    for (const [kind, code, more] of news) this.counts[kind].set(code, (this.counts[kind].get(code) ?? 0) + more)
  }

  count(kind: SocketKind, error: unknown, times = 1): void {
    const code = errorCode(error)
    this.add([[kind, code, times]])
    const held = this.#once.pass(`${kind} ${code}`, this.#clock())
    if (held === null) return
    // A client that vanishes is daily life, on streams even the usual end.
    if (USUAL.has(code)) this.#log.debug({ kind, code, held }, 'socket error')
    else if (code === 'EMFILE') this.#log.warn({ kind, code, held, fix: MORE_FILES }, 'socket error')
    else this.#log.warn({ kind, code, held }, 'socket error')
  }

  /** Counts why a relay could not be opened, and says it in the core's words. */
  relayFailure(error: unknown): RelayFailure {
    const code = errorCode(error)
    // Another program's port is not our trouble: the core tries the next one.
    if (code === 'EADDRINUSE') return 'in-use'
    this.count('relay', error)
    return isExhausted(code) ? 'exhausted' : 'unavailable'
  }
}

const MORE_FILES = 'raise the limit of open files: LimitNOFILE= in the systemd unit, or ulimit -n'
const USUAL = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED'])
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

/** Whether it is this machine, or this process, that has nothing left. */
export function isExhausted(code: string): boolean {
  return EXHAUSTED.has(code)
}

/** The stable code of whatever a socket has thrown or emitted. */
export function errorCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'UNKNOWN'
}
