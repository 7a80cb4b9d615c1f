import type { Socket } from 'node:net'

// How much the socket gets at once. What it has been given leaves in one piece, so this is also the smallest progress
// that can be seen: all of it within `stalledMs` is slow enough for anybody.
const IN_FLIGHT = 64 * 1024

// Copying that much is cheaper than a system call for each piece of it.
const TOGETHER = 16 * 1024

// What node and V8 keep beside the bytes of each piece: without it a megabyte of the smallest frames would be thirty.
const KEPT_WITH_EACH = 256

/** What waits to be written to one stream, with its size and whether any of it has moved lately. */
export class SendQueue {
  readonly #socket: Socket
  readonly #joins: boolean
  readonly #written = () => {
    this.#moved = true
    this.flush()
  }
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #head = 0
  #moved = false
  #stillSince: number

  /** `joins` says whether several pieces may be written as one. */
  constructor(socket: Socket, now: number, joins: boolean) {
    this.#socket = socket
    this.#joins = joins
    this.#stillSince = now
  }

  /** Bytes that the system has not taken yet. */
  get bytes(): number {
    return this.#waitingBytes + this.#socket.writableLength
  }

  /** The memory that those take, in bytes. */
  get cost(): number {
    return this.bytes + (this.#waiting.length - this.#head) * KEPT_WITH_EACH
  }

  /** Keeps `bytes` until they are written, which `flush` begins, or the next that would not go along with them. */
  push(bytes: Buffer): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= TOGETHER) this.flush()
  }

  /** Writes what waits, as far as the socket is to have it; what has come together leaves together. */
  flush(): void {
    while (this.#waitingBytes > 0 && this.#socket.writable && this.#socket.writableLength < IN_FLIGHT) {
      const bytes = this.#next()
      this.#waitingBytes -= bytes.length
      this.#socket.write(bytes, this.#written)
    }
    // Lets go of what was written, even if the queue never runs empty; not each time, because it moves the rest.
    if (this.#waitingBytes === 0) this.#waiting.length = 0
    else if (this.#head > 1024) this.#waiting.splice(0, this.#head)
    else return
    this.#head = 0
  }

  /** For how long nothing has left although something waits, as seen by calls about once a second. */
  stalledFor(now: number): number {
    if (this.#moved || this.bytes === 0) this.#stillSince = now
    this.#moved = false
    return now - this.#stillSince
  }

  #next(): Buffer {
    const waiting = this.#waiting
    const first = this.#head++
    if (!this.#joins) return waiting[first]!
    let { length } = waiting[first]!
    for (; this.#head < waiting.length; this.#head++) {
      const longer = length + waiting[this.#head]!.length
      if (longer > TOGETHER) break
      length = longer
    }
    return this.#head === first + 1 ? waiting[first]! : Buffer.concat(waiting.slice(first, this.#head), length)
  }
}
