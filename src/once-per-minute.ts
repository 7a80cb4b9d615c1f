/**
 * Lets each kind of event through once a minute and says how many it held back, so that a stranger cannot fill a disk.
 * Holds at most `limit` kinds; past that all new ones share one budget.
 */
export class OncePerMinute {
  readonly #last = new Map<string, { at: number; held: number }>()
  readonly #limit: number

  constructor(limit = 1024) {
    this.#limit = limit
  }

  /** The number of events held back since the last one that passed, or null when this one is held back too. */
  pass(kind: string, now: number): number | null {
    const known = this.#last.get(kind)
    if (known !== undefined && now - known.at < 60_000) {
      known.held++
      return null
    }
    if (known === undefined && this.#last.size >= this.#limit) {
      for (const [old, entry] of this.#last) if (now - entry.at >= 60_000) this.#last.delete(old)
      if (this.#last.size >= this.#limit && kind !== '') return this.pass('', now)
    }
    this.#last.set(kind, { at: now, held: 0 })
    return known?.held ?? 0
  }
}
