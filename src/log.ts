import pino from 'pino'
import pretty from 'pino-pretty'

/** What the rest of the program logs through: fields first, then a constant message. */
export type Log = Pick<
  pino.Logger,
  'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'isLevelEnabled' | 'flush'
> & {
  level: string
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** A person reads it: colours and short times instead of JSON. */
  readonly pretty: boolean
  /** Where lines go; standard error by default, because standard output holds what `serve` prints for people. */
  readonly destination?: string | number
}

/**
 * JSON lines (or pretty ones) without a worker thread. Control characters in values are escaped by JSON itself; the pretty
 * form escapes them too, so one event stays one line.
 */
export function createLog(options: LogOptions): Log {
  const settings: pino.LoggerOptions = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        'password',
        'secret',
        'credential',
        'token',
        'key',
        '*.password',
        '*.secret',
        '*.credential',
        '*.token',
        '*.key',
      ],
      censor: '[redacted]',
    },
    serializers: { err: pino.stdSerializers.err },
  }
  if (!options.pretty)
    return pino(settings, pino.destination({ dest: options.destination ?? 2, sync: true, mkdir: true }))
  return pino(
    settings,
    pretty({
      sync: true,
      destination: options.destination ?? 2,
      translateTime: 'SYS:HH:MM:ss',
      singleLine: true,
      ignore: 'pid,hostname',
    }),
  )
}

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
