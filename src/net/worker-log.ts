import type { Log } from '../log.ts'
import type { FromWorker } from './relay-messages.ts'

/** A worker's log: the main thread writes the lines, because one place knows where they go. */
export function forwardingLog(least: string, tell: (message: FromWorker) => void): Log {
  const levels = ['debug', 'info', 'warn', 'error'] as const
  const from = levels.indexOf(least as (typeof levels)[number])
  const line = (level: (typeof levels)[number]) => (fields: object, message: string) => {
    if (from >= 0 && levels.indexOf(level) >= from) tell({ kind: 'log', level, fields, message })
  }
  const isLevelEnabled = (level: string) => from >= 0 && levels.indexOf(level as (typeof levels)[number]) >= from
  const made = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error'), isLevelEnabled }
  // Only what the drivers call; the type has pino's many overloads.
  return made as unknown as Log
}
