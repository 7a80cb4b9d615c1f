/** From so many frames, or letters, that wait, the socket is not read. */
const FULL_FRAMES = 256
const FULL_LENGTH = 256 * 1024

/** What is done about one frame; null when nothing is to be waited for. Never rejects. */
type Work = (frame: string) => Promise<void> | null

/**
 * What one WebSocket has said, done one after the other: the next frame is looked at when the answer to the one before is
 * there, so that whatever rooms a server has and however long they take, a client's texts keep their order.
 *
 * A sender that is faster than the rooms is not read meanwhile. What can still come is what had been read from its connection
 * before, 64 KiB at most and one message, so each socket holds a bounded amount, and each address a bounded number of sockets.
 */
export class Mailbox {
  readonly #work: Work
  /** The socket should not be read any more, or should be again. */
  readonly #full: (isFull: boolean) => void
  #waiting: string[] = []
  #length = 0
  #isBusy = false
  #isFull = false
  #end: (() => void) | null = null

  constructor(work: Work, full: (isFull: boolean) => void) {
    this.#work = work
    this.#full = full
  }

  /** Something is being done, whose answer is not there yet. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  put(frame: string): void {
    if (!this.#isBusy) {
      this.#do(frame)
      return
    }
    this.#waiting.push(frame)
    this.#length += frame.length
    if (!this.#isFull && (this.#waiting.length >= FULL_FRAMES || this.#length >= FULL_LENGTH)) this.#setFull(true)
  }

  /** Nothing more will come: calls `then` after everything that is here. */
  end(then: () => void): void {
    this.#end = then
    if (!this.#isBusy) this.#finish()
  }

  /** Forgets what waits, and waits for nothing any more. */
  abandon(): void {
    this.#waiting = []
    this.#length = 0
    this.#isBusy = false
    if (this.#isFull) this.#setFull(false)
    this.#finish()
  }

  #do(frame: string): void {
    const answered = this.#work(frame)
    if (answered === null) return
    this.#isBusy = true
    void answered.then(() => this.#next())
  }

  #next(): void {
    this.#isBusy = false
    // A frame that is done at once leaves the next one to this loop.
    let done = 0
    while (!this.#isBusy && done < this.#waiting.length) {
      const frame = this.#waiting[done++]!
      this.#length -= frame.length
      this.#do(frame)
    }
    this.#waiting.splice(0, done)
    if (this.#isBusy) return
    if (this.#isFull) this.#setFull(false)
    this.#finish()
  }

  #finish(): void {
    const end = this.#end
    this.#end = null
    end?.()
  }

  #setFull(isFull: boolean): void {
    this.#isFull = isFull
    this.#full(isFull)
  }
}
