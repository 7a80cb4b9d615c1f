import { spawn } from 'node:child_process'

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

/** Lines for the system log, with the level of each. */
export interface Syslog {
  write(line: string): void
  /** Set by pino before each line: its own number for the level. */
  lastLevel: number
}

/**
 * The system log through logger(1), because Node has no Unix datagram sockets. Lines are lost, not waited for, when the
 * system log is away: a full disk of the log host must not stop calls.
 */
export function openSyslog(facility: string, moreArguments: readonly string[] = []): Syslog & { close(): void } {
  const code = FACILITIES[facility] ?? FACILITIES['LOG_DAEMON']!
  const logger = spawn('logger', ['--prio-prefix', '--tag', 'webrtc-stack', ...moreArguments], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  let isUsable = true
  const giveUp = () => {
    isUsable = false
  }
  logger.on('error', giveUp)
  logger.on('exit', giveUp)
  logger.stdin.on('error', giveUp)
  logger.unref()
  return Object.assign(
    {
      lastLevel: 30,
      write(line: string): void {
        if (isUsable && logger.stdin.writableLength < MAX_WAITING)
          logger.stdin.write(`<${code * 8 + severity(this.lastLevel)}>${line}`)
      },
      close: () => logger.stdin.end(),
    },
    { [Symbol.for('pino.metadata')]: true },
  )
}

const MAX_WAITING = 1 << 20

// RFC 5424 §6.2.1, from pino's 10 (trace) to 60 (fatal).
function severity(level: number): number {
  if (level >= 60) return 2
  if (level >= 50) return 3
  if (level >= 40) return 4
  return level >= 30 ? 6 : 7
}
