import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** What one direction has come to. Delays are in milliseconds; null when nothing arrived. */
export interface DirectionResult {
  readonly sent: number
  readonly received: number
  readonly lost: number
  /** Overtaken by a later one of the same allocation. */
  readonly reordered: number
  readonly delayMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number } | null
}

/** Counts what goes one way, and how long it takes. */
export class Direction {
  sent = 0
  received = 0
  #reordered = 0
  readonly #sentOf: Uint32Array
  readonly #lastOf: Uint32Array
  readonly #delays: RecordableHistogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 })

  constructor(allocations: number) {
    this.#sentOf = new Uint32Array(allocations)
    this.#lastOf = new Uint32Array(allocations)
  }

  /** Counts one more of an allocation and numbers it, from 1. */
  send(allocation: number): number {
    this.sent++
    return ++this.#sentOf[allocation]!
  }

  receive(allocation: number, sequence: number, delayMs: number): void {
    this.received++
    if (sequence < this.#lastOf[allocation]!) this.#reordered++
    else this.#lastOf[allocation] = sequence
    this.#delays.record(Math.max(1, Math.round(delayMs * 1000)))
  }

  /** The median so far, in milliseconds. */
  get medianMs(): number | null {
    return this.received === 0 ? null : this.#delays.percentile(50) / 1000
  }

  result(): DirectionResult {
    const { sent, received } = this
    const delays = this.#delays
    const at = (percentile: number) => delays.percentile(percentile) / 1000
    const delayMs = received === 0 ? null : { p50: at(50), p95: at(95), p99: at(99), max: delays.max / 1000 }
    return { sent, received, lost: sent - received, reordered: this.#reordered, delayMs }
  }
}
