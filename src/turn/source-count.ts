import { Address } from '../stun/address.ts'

/** Allocations by where they were asked from: an IPv4 address, or an IPv6 /64, which one host has to itself. */
export class SourceCount {
  readonly #counts = new Map<number, number>()

  of(source: Address): number {
    return this.#counts.get(keyOf(source)) ?? 0
  }

  add(source: Address): void {
    this.#counts.set(keyOf(source), this.of(source) + 1)
  }

  remove(source: Address): void {
    const left = this.of(source) - 1
    if (left > 0) this.#counts.set(keyOf(source), left)
    else this.#counts.delete(keyOf(source))
  }

  /** Sources that have at least one. */
  get size(): number {
    return this.#counts.size
  }
}

function keyOf(source: Address): number {
  return source.family === 4 ? source.ipKey : Address.ipv6(source.w0, source.w1, 0, 0, 0).ipKey
}
