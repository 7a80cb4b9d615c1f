import { createRequire } from 'node:module'
import pino from 'pino'
import type pinoPretty from 'pino-pretty'
import { DescriptorOutput, type LogOutput } from './log-output.ts'
import { SyslogOutput } from './syslog.ts'
import { visible } from './visible.ts'

/** What the rest of the program logs through: fields first, then a constant message. */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'child' | 'isLevelEnabled'> & {
  level: string
}

/** The log of the process, and what becomes of its lines. */
export type ProcessLog = Log & {
  readonly output: Omit<LogOutput, 'write' | 'onResumed'>
  /** The least level that is written from now on, also by its children. */
  setLevel(level: LogOptions['level']): void
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** A person reads it: colours and short times instead of JSON. */
  readonly pretty: boolean
  /** A path or a file descriptor; standard error by default, because standard output holds what `serve` prints for people. */
  readonly destination?: string | number
  /** The facility, when lines go to the system log instead. */
  readonly syslog?: string
}

/** JSON lines, or pretty ones; one event is one line, and nothing in it steers a terminal. Throws when the file cannot be opened. */
export function createLog(options: LogOptions): ProcessLog {
  const output =
    options.syslog === undefined ? new DescriptorOutput(options.destination ?? 2) : new SyslogOutput(options.syslog)
  const format = options.pretty ? prettyLines(typeof options.destination === 'string') : (line: string) => line
  const stream = {
    /** So that pino sets the next before each line. */
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 30,
    write(line: string): void {
      output.write(visible(format(line)), stream.lastLevel)
    },
  }
  // A child has a level of its own. There are as many as the program has parts.
  const all: Log[] = []
  const log = Object.assign(pino({ ...settings(options), onChild: (child) => all.push(child) }, stream), {
    output,
    setLevel: (level: LogOptions['level']) => {
      for (const each of all) each.level = level
    },
  })
  all.push(log)
  output.onResumed = (lines) => log.warn({ lines }, 'log lines were dropped: they were not taken fast enough')
  return log
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

/** Only the frames of a stack have lines of their own. */
function prettyLines(isForFile: boolean): (line: string) => string {
  // Where a machine reads the log nobody needs it.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty
  const prettify = prettyFactory({
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
    ignore: 'pid,hostname',
    // Its own form of an error has the line feeds of the error's message.
    errorLikeObjectKeys: [],
    messageFormat: (log, key) => JSON.stringify(String(log[key])).slice(1, -1).replaceAll('\\"', '"'),
    ...(isForFile ? { colorize: false } : {}),
  })
  return (line) =>
    prettify(line).replace(/"stack":"(?:[^"\\]|\\.)*"/g, (stack) => stack.replaceAll('\\n    at ', '\n    at '))
}
