/** Of the streams of one allocation: what has passed, and what may pass. */
export type Direction = 'toPeer' | 'toClient'

/**
 * Counts the bytes that the streams of one allocation pass in each direction, and limits them to so many a second
 * (RES-03 in the tests). The streams may be on several threads, which all count in the same memory. One second's worth may
 * pass at once.
 */
export class StreamTraffic {
  readonly memory: SharedArrayBuffer
  readonly bytesPerSecond: number
  readonly #clockOffsetMs: number
  /** Bytes so far, and until when they are paid for, in microseconds; for each direction. */
  readonly #cells: BigInt64Array

  /** `clockOffsetMs` turns this thread's `now` into a time that all share. 0 bytes a second = no limit. */
  constructor(bytesPerSecond: number, clockOffsetMs: number, memory = new SharedArrayBuffer(CELLS * 8)) {
    this.memory = memory
    this.bytesPerSecond = bytesPerSecond
    this.#clockOffsetMs = clockOffsetMs
    this.#cells = new BigInt64Array(memory)
  }

  /** Counts bytes that have passed; for how many milliseconds no more of them are to follow. */
  pass(direction: Direction, bytes: number, now: number): number {
    const at = CELL[direction]
    Atomics.add(this.#cells, at, BigInt(bytes))
    return this.bytesPerSecond === 0 ? 0 : this.#pay(at + 1, bytes, now + this.#clockOffsetMs)
  }

  bytes(direction: Direction): number {
    return Number(Atomics.load(this.#cells, CELL[direction]))
  }

  #pay(cell: number, bytes: number, now: number): number {
    const cost = BigInt(Math.ceil((bytes * 1e6) / this.bytesPerSecond))
    const earliest = BigInt(Math.floor((now - BURST_MS) * 1000))
    for (;;) {
      const paid = Atomics.load(this.#cells, cell)
      const until = (paid > earliest ? paid : earliest) + cost
      if (Atomics.compareExchange(this.#cells, cell, paid, until) !== paid) continue
      return Math.max(0, Number(until) / 1000 - now)
    }
  }
}

const BURST_MS = 1000
const CELLS = 4
const CELL = { toPeer: 0, toClient: 2 } as const
