/** Of each limit. A source costs some 150 bytes. */
const MOST_SOURCES = 0x10000

/**
 * Grants each source a number of events in a time. Holds so many sources and no more: beyond that it forgets the one whose
 * time began first, which helps only who has that many addresses and with each of them a time of its own.
 */
export class SourceWindows {
  readonly #granted: number
  readonly #windowMs: number
  // In the order of their beginning, which is that of their end.
  readonly #windows = new Map<string, { readonly until: number; used: number }>()

  /** `granted` events of a source in `windowMs`. */
  constructor(granted: number, windowMs: number) {
    this.#granted = granted
    this.#windowMs = windowMs
  }

  /** Counts one event; 0, or the milliseconds until the next one is granted, and then it is not counted. */
  take(source: string, now: number): number {
    const wait = this.wait(source, now)
    if (wait > 0) return wait
    const window = this.#windows.get(source)
    if (window !== undefined) window.used++
    else if (this.#granted > 0) this.#open(source, now)
    return this.#granted > 0 ? 0 : this.#windowMs
  }

  /** The milliseconds until an event of this source is granted; 0: now. */
  wait(source: string, now: number): number {
    const window = this.#windows.get(source)
    if (window === undefined) return 0
    if (window.until <= now) this.#windows.delete(source)
    else if (window.used >= this.#granted) return window.until - now
    return 0
  }

  get size(): number {
    return this.#windows.size
  }

  #open(source: string, now: number): void {
    for (const [first, { until }] of this.#windows) {
      if (until > now && this.#windows.size < MOST_SOURCES) break
      this.#windows.delete(first)
    }
    this.#windows.set(source, { until: now + this.#windowMs, used: 1 })
  }
}
