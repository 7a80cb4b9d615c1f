import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import type { Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { type LogOutput, MAX_WAITING } from './log-output.ts'

/** Facilities of syslog(3) by the names that `syslog-facility` takes. */
const FACILITIES: Readonly<Record<string, number>> = {
  LOG_AUTH: 4,
  LOG_CRON: 9,
  LOG_DAEMON: 3,
  LOG_LOCAL0: 16,
  LOG_LOCAL1: 17,
  LOG_LOCAL2: 18,
  LOG_LOCAL3: 19,
  LOG_LOCAL4: 20,
  LOG_LOCAL5: 21,
  LOG_LOCAL6: 22,
  LOG_LOCAL7: 23,
  LOG_USER: 1,
}

/** rsyslog's limit for a message. logger(1) would make several of a longer line, and take what a stranger wrote for a priority. */
const MAX_LINE_BYTES = 8192
const RESTART_MS = 10_000
const POLL_MS = 2

type Logger = ChildProcessByStdio<Writable, null, null>

/**
 * The system log through logger(1), because Node has no Unix datagram sockets. Lines are dropped, not waited for, when the
 * system log is away: a full disk of the log host must not stop calls. A logger that has ended is started again.
 */
export class SyslogOutput implements LogOutput {
  dropped = 0
  onResumed: (dropped: number) => void = () => {}
  readonly hangs = false
  readonly #facility: number
  readonly #words: readonly string[]
  #logger: Logger | null = null
  #startedAt = Number.NEGATIVE_INFINITY
  #told = 0

  constructor(facility: string, moreArguments: readonly string[] = []) {
    this.#facility = FACILITIES[facility] ?? FACILITIES['LOG_DAEMON']!
    const size = String(MAX_LINE_BYTES)
    this.#words = ['--prio-prefix', '--tag', 'webrtc-stack', '--size', size, ...moreArguments]
    this.#start()
  }

  write(line: string, level: number): void {
    if (this.#logger === null && performance.now() - this.#startedAt >= RESTART_MS) this.#start()
    const logger = this.#logger
    if (logger === null || logger.stdin.writableLength > MAX_WAITING) {
      this.dropped++
      return
    }
    logger.stdin.write(`<${this.#facility * 8 + severity(level)}>${shortened(line)}`)
    const more = this.dropped - this.#told
    if (more === 0) return
    this.#told = this.dropped
    this.onResumed(more)
  }

  async written(patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs
    while ((this.#logger?.stdin.writableLength ?? 0) > 0 && performance.now() < end) await pause(POLL_MS)
  }

  reopen(): void {}

  /** Ends the logger once it has read everything. */
  close(): void {
    this.#logger?.stdin.end()
  }

  #start(): void {
    this.#startedAt = performance.now()
    const logger = spawn('logger', this.#words, { stdio: ['pipe', 'ignore', 'ignore'] })
    const giveUp = () => {
      if (this.#logger === logger) this.#logger = null
    }
    logger.on('error', giveUp)
    logger.on('exit', giveUp)
    logger.stdin.on('error', giveUp)
    logger.unref()
    // A net.Socket in truth, which keeps an ended server alive while nobody reads it.
    if ('unref' in logger.stdin) (logger.stdin as { unref(): void }).unref()
    this.#logger = logger
  }
}

/** With a line feed at its end, as it has come. */
function shortened(line: string): string {
  if (Buffer.byteLength(line) <= MAX_LINE_BYTES) return line
  return `${Buffer.from(line)
    .subarray(0, MAX_LINE_BYTES - 4)
    .toString()}…\n`
}

// RFC 5424 §6.2.1, from pino's 10 (trace) to 60 (fatal).
function severity(level: number): number {
  if (level >= 60) return 2
  if (level >= 50) return 3
  if (level >= 40) return 4
  return level >= 30 ? 6 : 7
}
