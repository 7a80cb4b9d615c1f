import type { Log } from '../log.ts'
import type { LineQueue } from './line-queue.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]

/**
 * A worker's log: the main thread writes the lines, because one place knows where they go. They wait for `flush`, because
 * waking that thread for each costs as much as half an allocation.
 */
export class ThreadLog {
  readonly log: Log
  readonly #queue: LineQueue
  #from: number
  readonly #wake: () => void
  /** What had been taken from the queue when the other thread was woken last. */
  #takenAtWake = -1

  /** `wake` tells the main thread that there are lines to write. */
  constructor(least: string, queue: LineQueue, wake: () => void) {
    this.#from = LEVELS.indexOf(least as Level)
    const isEnabled = (level: Level) => this.#from >= 0 && LEVELS.indexOf(level) >= this.#from
    const line = (level: Level) => (fields: object, message: string) => {
      if (isEnabled(level)) this.#add(JSON.stringify({ level, fields, message }))
    }
    const made = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
    // Only what the drivers call; the type has pino's many overloads.
    this.log = { ...made, isLevelEnabled: (level: string) => isEnabled(level as Level) } as unknown as Log
    this.#queue = queue
    this.#wake = wake
  }

  /** The least level from now on; one that is not among these logs nothing. */
  setLevel(least: string): void {
    this.#from = LEVELS.indexOf(least as Level)
  }

  /** What was logged so far is written soon. */
  flush(): void {
    const { taken, isEmpty } = this.#queue
    // Woken before, and not there yet.
    if (isEmpty || taken === this.#takenAtWake) return
    this.#takenAtWake = taken
    this.#wake()
  }

  #add(line: string): void {
    if (!this.#queue.add(line) || this.#queue.isHalfFull) this.flush()
  }
}

/** Writes what a worker has logged since the last time, and returns how many lines there was no room for. */
export function writeLines(queue: LineQueue, log: Log, thread: number): number {
  for (const line of queue.take()) {
    // As ThreadLog has put it together.
    const { level, fields, message } = JSON.parse(line) as { level: Level; fields: object; message: string }
    log[level]({ ...fields, thread }, message)
  }
  const lines = queue.takeDropped()
  if (lines > 0) log.warn({ lines, thread }, 'log lines were dropped: the main thread did not take them')
  return lines
}
