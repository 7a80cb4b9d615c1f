import type { Allocation } from './allocation.ts'
import { type FiveTuple, FiveTupleMap } from './five-tuple.ts'

/** The allocations of one worker by 5-tuple (RFC 8656 §3.2). */
export class AllocationTable implements Iterable<Allocation> {
  readonly #allocations = new FiveTupleMap<Allocation>()

  get size(): number {
    return this.#allocations.size
  }

  /** Whatever occupies the 5-tuple, be it still opening or past its time. */
  get(client: FiveTuple): Allocation | undefined {
    return this.#allocations.get(client)
  }

  /** The allocation that relays for this 5-tuple now. */
  live(client: FiveTuple, now: number): Allocation | undefined {
    const allocation = this.#allocations.get(client)
    return allocation !== undefined && allocation.state === 'open' && allocation.expiresAt > now
      ? allocation
      : undefined
  }

  add(allocation: Allocation): boolean {
    return this.#allocations.add(allocation)
  }

  delete(allocation: Allocation): void {
    this.#allocations.delete(allocation.client)
  }

  [Symbol.iterator](): Iterator<Allocation> {
    return this.#allocations[Symbol.iterator]()
  }

  /** Hands every allocation whose time is over to `end`, and lets the others drop what has expired inside them. */
  sweep(now: number, end: (allocation: Allocation, now: number) => void): void {
    for (const allocation of this.#allocations) {
      if (allocation.expiresAt <= now) end(allocation, now)
      else allocation.sweep(now)
    }
  }
}
