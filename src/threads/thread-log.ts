import type { Log } from '../log.ts'
import type { LineQueue } from './line-queue.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]

/**
 * A worker's log: the main thread writes the lines, because one place knows where they go. They wait for `flush`, because
 * waking that thread for each costs as much as half an allocation.
 */
export class WorkerLog {
  readonly log: Log
  readonly #queue: LineQueue
  /** For which the queue has no room yet. */
  readonly #held: string[] = []

  constructor(least: string, queue: LineQueue) {
    const from = LEVELS.indexOf(least as Level)
    const isEnabled = (level: Level) => from >= 0 && LEVELS.indexOf(level) >= from
    const line = (level: Level) => (fields: object, message: string) => {
      if (isEnabled(level)) this.#add(JSON.stringify({ level, fields, message }))
    }
    const made = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
    // Only what the drivers call; the type has pino's many overloads.
    this.log = { ...made, isLevelEnabled: (level: string) => isEnabled(level as Level) } as unknown as Log
    this.#queue = queue
  }

  /** Calls `wake` when there are lines to write. */
  flush(wake: () => void): void {
    while (this.#held.length > 0 && this.#queue.add(this.#held[0]!)) this.#held.shift()
    if (!this.#queue.isEmpty) wake()
  }

  #add(line: string): void {
    if (this.#held.length > 0 || !this.#queue.add(line)) this.#held.push(line)
  }
}

/** Writes what a worker has logged since the last time. */
export function writeLines(queue: LineQueue, log: Log, thread: number): void {
  for (const line of queue.take()) {
    // As WorkerLog has put it together.
    const { level, fields, message } = JSON.parse(line) as { level: Level; fields: object; message: string }
    log[level]({ ...fields, thread }, message)
  }
}
