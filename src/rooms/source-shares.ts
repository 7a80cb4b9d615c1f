/** How much there may be; 0 is no limit. */
export interface AmountLimits {
  readonly total: number
  readonly perSource: number
}

/** What there is of something that is limited, and what some sources have of it: plain JSON. */
export interface Amounts {
  readonly limits: AmountLimits
  /** What all have together, not these sources alone. */
  readonly taken: number
  /** By source; one that has nothing need not be here. */
  readonly held: Readonly<Record<string, number>>
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
  readonly #held: Map<string, number>
  #taken: number

  constructor(limits: AmountLimits, { taken, held }: Omit<Amounts, 'limits'> = { taken: 0, held: {} }) {
    this.#limits = limits
    this.#held = new Map(Object.entries(held))
    this.#taken = taken
  }

  /** Other limits for what is taken from now on. */
  apply(limits: AmountLimits): void {
    this.#limits = limits
  }

  /** What all have together. */
  get taken(): number {
    return this.#taken
  }

  /** What is needed to decide about some sources elsewhere. */
  amountsOf(sources: Iterable<string>): Amounts {
    let held: Record<string, number> | null = null
    for (const source of sources) {
      const amount = this.#held.get(source)
      if (amount === undefined) continue
      held ??= Object.create(null) as Record<string, number>
      held[source] = amount
    }
    return { limits: this.#limits, taken: this.#taken, held: held ?? NOTHING }
  }

  /** Null when it was taken; or why it is too much, and then nothing is. */
  tryTake(source: string, amount: number): keyof SourceShares['refused'] | null {
    const { total, perSource } = this.#limits
    const held = (this.#held.get(source) ?? 0) + amount
    const left = total === 0 ? Number.POSITIVE_INFINITY : total - this.#taken
    if (amount > left) return 'too-many'
    if (perSource > 0 && held > perSource) return 'too-many-from-source'
    if (held > left * MOST_OF_WHAT_IS_LEFT) return 'too-many-from-source'
    this.#held.set(source, held)
    this.#taken += amount
    return null
  }

  /** False when it is too much, which is counted; then nothing is taken. */
  take(source: string, amount: number): boolean {
    const refusal = this.tryTake(source, amount)
    if (refusal !== null) this.refused[refusal]++
    return refusal === null
  }

  /** Gives back what was taken; less than nothing is what was granted elsewhere. */
  give(source: string, amount: number): void {
    const held = (this.#held.get(source) ?? 0) - amount
    if (held > 0) this.#held.set(source, held)
    else this.#held.delete(source)
    this.#taken -= amount
  }
}

const NOTHING: Amounts['held'] = Object.freeze({})
