import type { Socket } from 'node:net'

// How much the socket gets at once. What it has been given leaves in one piece, so this is also the smallest progress
// that can be seen: all of it within `stalledMs` is slow enough for anybody.
const IN_FLIGHT = 64 * 1024

/** What waits to be written to one stream, with its size and whether any of it has moved lately. */
export class SendQueue {
  readonly #socket: Socket
  readonly #written = () => {
    this.#moved = true
    this.#feed()
  }
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #head = 0
  #moved = false
  #stillSince: number

  constructor(socket: Socket, now: number) {
    this.#socket = socket
    this.#stillSince = now
  }

  /** Bytes that the system has not taken yet. */
  get bytes(): number {
    return this.#waitingBytes + this.#socket.writableLength
  }

  /** Keeps `bytes` until they are written. */
  push(bytes: Buffer): void {
    if (this.#waitingBytes === 0 && this.#socket.writableLength < IN_FLIGHT) {
      this.#socket.write(bytes, this.#written)
      return
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
  }

  /** For how long nothing has left although something waits, as seen by calls about once a second. */
  stalledFor(now: number): number {
    if (this.#moved || this.bytes === 0) this.#stillSince = now
    this.#moved = false
    return now - this.#stillSince
  }

  #feed(): void {
    while (this.#waitingBytes > 0 && this.#socket.writable && this.#socket.writableLength < IN_FLIGHT) {
      const bytes = this.#waiting[this.#head++]!
      this.#waitingBytes -= bytes.length
      this.#socket.write(bytes, this.#written)
    }
    // Lets go of what was written, even if the queue never runs empty; not each time, because it moves the rest.
    if (this.#waitingBytes === 0 || this.#head > 1024) {
      this.#waiting.splice(0, this.#head)
      this.#head = 0
    }
  }
}
