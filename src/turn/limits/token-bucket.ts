/**
 * Limits bytes and packets a second in one direction of one allocation (RES-03 and SEC-31 in the tests). 0 = no limit.
 *
 * One second's worth may pass at once. A packet passes while anything is left and may overdraw, so a limit below the
 * size of one packet slows a stream down instead of cutting it off. Nothing is allocated on use.
 */
export class TokenBucket {
  readonly bytesPerSecond: number
  readonly packetsPerSecond: number
  #bytes: number
  #packets: number
  #filledAt = 0

  constructor(bytesPerSecond: number, packetsPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond
    this.packetsPerSecond = packetsPerSecond
    this.#bytes = bytesPerSecond
    this.#packets = packetsPerSecond
  }

  /** Whether a packet of `bytes` may pass now; one that may not costs nothing. */
  take(bytes: number, now: number): boolean {
    if (now > this.#filledAt) this.#refill(now)
    if (this.bytesPerSecond > 0 && this.#bytes <= 0) return false
    if (this.packetsPerSecond > 0 && this.#packets < 1) return false
    this.#bytes -= bytes
    this.#packets -= 1
    return true
  }

  /** How much of a second's worth is not there now. */
  spent(now: number): Spent {
    if (now > this.#filledAt) this.#refill(now)
    return { bytes: this.bytesPerSecond - this.#bytes, packets: this.packetsPerSecond - this.#packets }
  }

  /** Goes on where another one was. */
  resume({ bytes, packets }: Spent, now: number): void {
    this.#bytes = this.bytesPerSecond - bytes
    this.#packets = this.packetsPerSecond - packets
    this.#filledAt = now
  }

  #refill(now: number): void {
    const seconds = (now - this.#filledAt) / 1000
    this.#filledAt = now
    this.#bytes = Math.min(this.bytesPerSecond, this.#bytes + seconds * this.bytesPerSecond)
    this.#packets = Math.min(this.packetsPerSecond, this.#packets + seconds * this.packetsPerSecond)
  }
}

/** What a TokenBucket has to be refilled with. */
export interface Spent {
  readonly bytes: number
  readonly packets: number
}
