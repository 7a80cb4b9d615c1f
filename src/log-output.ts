import { closeSync, constants, fstatSync, mkdirSync, openSync, write } from 'node:fs'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'

/** Where log lines go. Whoever takes them, or does not, never makes this thread wait. */
export interface LogOutput {
  /** Takes a line with its line feed, or drops it; `level` is pino's number. */
  write(line: string, level: number): void
  /** Lines that were dropped so far. */
  readonly dropped: number
  /** Called once lines are taken again, with how many were dropped since the last time. */
  onResumed: (dropped: number) => void
  /** Resolves when nothing waits to be written, when that is hopeless, or when the time is over. */
  written(patienceMs: number): Promise<void>
  /** A write has begun long ago and does not end: process.exit() would wait for it. */
  readonly hangs: boolean
  /** Opens the file anew after somebody has moved it away; throws, and keeps the old one, when that fails. */
  reopen(): void
}

/** Bytes of log lines to keep while they cannot be written. */
export const MAX_WAITING = 1_048_576

const FIRST_PAUSE_MS = 1
const LONGEST_PAUSE_MS = 100
const PAUSE_AFTER_ERROR_MS = 1000
const HANGS_AFTER_MS = 500
const POLL_MS = 2

/**
 * A file, or what is open already: a pipe, a terminal, the journal's socket. One write runs at a time, on a thread of libuv,
 * with all lines that have come meanwhile; so neither a pipe that nobody reads nor a disk that hangs stops this thread. What
 * is not taken waits, up to MAX_WAITING; lines after that are dropped and counted.
 */
export class DescriptorOutput implements LogOutput {
  dropped = 0
  onResumed: (dropped: number) => void = () => {}
  readonly #path: string | null
  #descriptor: number
  /** Moved away while it was written to. */
  #former: number | null = null
  #lines: string[] = []
  /** What the system has left of what it was given last. */
  #rest: Buffer = Buffer.alloc(0)
  #waiting = 0
  #told = 0
  #writingSince: number | null = null
  #retry: NodeJS.Timeout | null = null
  #pauseMs = FIRST_PAUSE_MS
  #hasFailed = false

  /** Throws when the file cannot be opened. */
  constructor(destination: string | number) {
    this.#path = typeof destination === 'string' ? destination : null
    this.#descriptor = typeof destination === 'string' ? openFile(destination) : nonBlocking(destination)
  }

  write(line: string): void {
    const length = Buffer.byteLength(line)
    if (this.#waiting + length > MAX_WAITING) {
      this.dropped++
      return
    }
    this.#lines.push(line)
    this.#waiting += length
    if (this.#writingSince === null && this.#retry === null) this.#write()
  }

  async written(patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs
    while (this.#waiting > 0 && !this.#hasFailed && performance.now() < end) await pause(POLL_MS)
  }

  get hangs(): boolean {
    return this.#writingSince !== null && performance.now() - this.#writingSince > HANGS_AFTER_MS
  }

  reopen(): void {
    if (this.#path === null) return
    const opened = openFile(this.#path)
    if (this.#writingSince !== null && this.#former === null) this.#former = this.#descriptor
    else closeSync(this.#descriptor)
    this.#descriptor = opened
  }

  #write(): void {
    if (this.#rest.length === 0) {
      this.#rest = Buffer.from(this.#lines.join(''))
      this.#lines = []
    }
    this.#writingSince = performance.now()
    write(this.#descriptor, this.#rest, (error, count) => {
      this.#writingSince = null
      if (this.#former !== null) closeSync(this.#former)
      this.#former = null
      if (error === null) this.#took(count)
      else this.#failed(error)
    })
  }

  #took(count: number): void {
    this.#rest = this.#rest.subarray(count)
    this.#waiting -= count
    this.#hasFailed = false
    this.#pauseMs = FIRST_PAUSE_MS
    const more = this.dropped - this.#told
    if (more > 0 && this.#waiting <= MAX_WAITING / 2) {
      this.#told = this.dropped
      this.onResumed(more)
    }
    if (this.#waiting > 0 && this.#writingSince === null) this.#write()
  }

  /** A full pipe is tried again soon; a full disk, or a pipe whose reader is gone, may be mended by somebody. */
  #failed({ code }: NodeJS.ErrnoException): void {
    this.#hasFailed = code !== 'EAGAIN'
    const waitMs = this.#hasFailed ? PAUSE_AFTER_ERROR_MS : this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS)
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.#write()
    }, waitMs).unref()
  }
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

function openFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true })
  try {
    return openSync(path, APPEND, 0o666)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
    // A named pipe that nobody has opened yet: as its reader too we need not wait for another.
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  }
}

/** What is open at this number, so that writing to it never waits. */
function nonBlocking(descriptor: number): number {
  const kind = fstatSync(descriptor)
  // Opened once more, it is not blocking for us alone: others may have it open at the same number.
  if (kind.isFIFO() || kind.isCharacterDevice())
    try {
      return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    } catch {
      // No /proc, or no right to it: then as below.
    }
  // A socket cannot be opened again. Node makes it non-blocking when it makes a stream of it, and blocking again at its end.
  if (!kind.isFile()) void (descriptor === 1 ? process.stdout : process.stderr)
  return descriptor
}
