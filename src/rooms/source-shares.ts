/** How much there may be; 0 is no limit. */
export interface AmountLimits {
  readonly total: number
  readonly perSource: number
}

/** No source may have more than this many times what is left: whoever has the most is refused first, while others still get some. */
const MOST_OF_WHAT_IS_LEFT = 8

/**
 * What sources have of something that is limited: rooms, or the memory for texts that wait. Nothing is ever taken away again, so
 * the last ninth is out of reach of a source alone.
 */
export class SourceShares {
  readonly refused = { 'too-many': 0, 'too-many-from-source': 0 }
  #limits: AmountLimits
  readonly #held = new Map<string, number>()
  #taken = 0

  constructor(limits: AmountLimits) {
    this.#limits = limits
  }

  /** Other limits for what is taken from now on. */
  apply(limits: AmountLimits): void {
    this.#limits = limits
  }

  /** What all have together. */
  get taken(): number {
    return this.#taken
  }

  /** False when it is too much, and then nothing is taken. */
  take(source: string, amount: number): boolean {
    const { total, perSource } = this.#limits
    const held = (this.#held.get(source) ?? 0) + amount
    const left = total === 0 ? Number.POSITIVE_INFINITY : total - this.#taken
    if (amount > left) return this.#refuse('too-many')
    if (perSource > 0 && held > perSource) return this.#refuse('too-many-from-source')
    if (held > left * MOST_OF_WHAT_IS_LEFT) return this.#refuse('too-many-from-source')
    this.#held.set(source, held)
    this.#taken += amount
    return true
  }

  /** Gives back what was taken. */
  give(source: string, amount: number): void {
    const held = (this.#held.get(source) ?? 0) - amount
    if (held > 0) this.#held.set(source, held)
    else this.#held.delete(source)
    this.#taken -= amount
  }

  #refuse(reason: 'too-many' | 'too-many-from-source'): false {
    this.refused[reason]++
    return false
  }
}
