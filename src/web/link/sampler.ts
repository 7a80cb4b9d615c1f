import { signal } from '@preact/signals'
import type { Reading } from './stats.ts'

/** A reading and when it was taken (monotonic milliseconds). */
export interface Sample extends Reading {
  readonly at: number
}

const everyMs = 1000
/** Two minutes: what a graph shows. */
const kept = 120

/** Looks at a connection once a second and keeps the last two minutes of what it saw. */
export class Sampler {
  /** Oldest first; a new array with each look, so that whoever shows it follows. */
  readonly samples = signal<readonly Sample[]>([])
  readonly #read: () => Promise<Reading>
  readonly #seen: (sample: Sample) => void
  readonly #timer: ReturnType<typeof setInterval>
  #looking = false

  constructor(read: () => Promise<Reading>, seen: (sample: Sample) => void) {
    this.#read = read
    this.#seen = seen
    this.#timer = setInterval(() => void this.#look(), everyMs)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      const sample = { ...(await this.#read()), at: performance.now() }
      this.samples.value = [...this.samples.value.slice(1 - kept), sample]
      this.#seen(sample)
    } finally {
      this.#looking = false
    }
  }
}
