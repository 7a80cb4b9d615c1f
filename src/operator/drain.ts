/** Since when no new calls are taken, and until when the others may go on. */
export interface DrainReport {
  /** ISO 8601. */
  readonly since: string
  /** When what still runs is ended; null for never. */
  readonly deadline: string | null
  /** The deadline has passed: everything has been ended. */
  readonly isOver: boolean
}

interface DrainedServer {
  /** Unix milliseconds. */
  wallClock(): number
  drain(on: boolean): void
  /** Ends all sessions there are. */
  end(): Promise<void>
}

/** Whether a server takes new calls, and when those that run have had their time. */
export class Drain {
  readonly #server: DrainedServer
  #since: number | null = null
  #deadline: number | null = null
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(server: DrainedServer) {
    this.#server = server
  }

  /** Null while new calls are taken. */
  get report(): DrainReport | null {
    if (this.#since === null) return null
    const deadline = this.#deadline === null ? null : new Date(this.#deadline).toISOString()
    return { since: new Date(this.#since).toISOString(), deadline, isOver: this.#isOver }
  }

  /** Begins, or gives another deadline to what has begun. */
  begin(deadlineSeconds: number | null): DrainReport {
    this.#since ??= this.#server.wallClock()
    clearTimeout(this.#timer)
    this.#isOver = false
    this.#deadline = deadlineSeconds === null ? null : this.#server.wallClock() + deadlineSeconds * 1000
    this.#server.drain(true)
    if (deadlineSeconds !== null) this.#timer = setTimeout(() => this.#finish(), deadlineSeconds * 1000).unref()
    return this.report!
  }

  /** New calls are welcome again. */
  end(): void {
    this.close()
    this.#since = null
    this.#deadline = null
    this.#isOver = false
    this.#server.drain(false)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #finish(): void {
    this.#server.end().then(
      () => {
        this.#isOver = true
      },
      // Threads that are silent are no error; this is a bug, which is to end the program.
      (error: unknown) => {
        throw error
      },
    )
  }
}
