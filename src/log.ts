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
