import pino from 'pino'
import pretty from 'pino-pretty'
import { openSyslog } from './syslog.ts'

/** What the rest of the program logs through: fields first, then a constant message. */
export type Log = Pick<
  pino.Logger,
  'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'isLevelEnabled' | 'flush'
> & {
  level: string
}

/** The log of the process: its file can be opened anew after somebody has moved it away. */
export type ProcessLog = Log & { reopen(): void }

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** A person reads it: colours and short times instead of JSON. */
  readonly pretty: boolean
  /** A path or a file descriptor; standard error by default, because standard output holds what `serve` prints for people. */
  readonly destination?: string | number
  /** The facility, when lines go to the system log instead. */
  readonly syslog?: string
}

/** Characters of log lines to keep while they cannot be written. */
const MAX_UNWRITTEN = 1_048_576

/**
 * JSON lines (or pretty ones) without a worker thread. Control characters in values are escaped by JSON itself; the pretty
 * form escapes them too, so one event stays one line. Throws when the file cannot be written.
 */
export function createLog(options: LogOptions): ProcessLog {
  if (options.syslog !== undefined)
    return Object.assign(pino(settings(options), openSyslog(options.syslog)), { reopen: () => {} })
  const file = pino.destination({ dest: options.destination ?? 2, sync: true, mkdir: true, maxLength: MAX_UNWRITTEN })
  // A full disk must not end calls. What could not be written is kept, up to the limit, and written with a later line.
  file.on('error', () => {})
  const reopen = () => {
    if (typeof options.destination === 'string') file.reopen()
  }
  const stream = options.pretty
    ? pretty({ destination: file, translateTime: 'SYS:HH:MM:ss', singleLine: true, ignore: 'pid,hostname' })
    : file
  return Object.assign(pino(settings(options), stream), { reopen })
}

function settings({ level }: LogOptions): pino.LoggerOptions {
  return {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: ['', '*.'].flatMap((prefix) => SECRET_FIELDS.map((name) => prefix + name)), censor: '[redacted]' },
    serializers: { err: pino.stdSerializers.err },
  }
}

const SECRET_FIELDS = ['password', 'secret', 'credential', 'token', 'key']

/**
 * Lets each kind of event through once a minute and says how many it held back, so that a stranger cannot fill a disk.
 * Holds at most `limit` kinds; past that all new ones share one budget.
 */
export class OncePerMinute {
  readonly #last = new Map<string, { at: number; held: number }>()
  readonly #limit: number

  constructor(limit = 1024) {
    this.#limit = limit
  }

  /** The number of events held back since the last one that passed, or null when this one is held back too. */
  pass(kind: string, now: number): number | null {
    const known = this.#last.get(kind)
    if (known !== undefined && now - known.at < 60_000) {
      known.held++
      return null
    }
    if (known === undefined && this.#last.size >= this.#limit) {
      for (const [old, entry] of this.#last) if (now - entry.at >= 60_000) this.#last.delete(old)
      if (this.#last.size >= this.#limit && kind !== '') return this.pass('', now)
    }
    this.#last.set(kind, { at: now, held: 0 })
    return known?.held ?? 0
  }
}
