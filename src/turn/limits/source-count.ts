import type { SourceTable } from '../../shared/source-table.ts'
import { Address } from '../../stun/address.ts'

/**
 * Allocations or connections by where they come from: an IPv4 address, or an IPv6 /64, which one host has to itself.
 * Several threads may each have one and see what the others count.
 */
export class SourceCount {
  readonly #counts = new Map<number, number>()
  readonly #table: SourceTable | null

  constructor(table: SourceTable | null = null) {
    this.#table = table
  }

  of(source: Address): number {
    return (this.#counts.get(sourceKey(source)) ?? 0) + (this.#table?.ofOthers(source) ?? 0)
  }

  add(source: Address): void {
    const key = sourceKey(source)
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    this.#table?.publish(source, count)
  }

  remove(source: Address): void {
    const key = sourceKey(source)
    const left = (this.#counts.get(key) ?? 0) - 1
    if (left > 0) this.#counts.set(key, left)
    else this.#counts.delete(key)
    this.#table?.publish(source, Math.max(0, left))
  }

  /** Sources that have at least one here. */
  get size(): number {
    return this.#counts.size
  }
}

/** A Map key for the source of an address. */
export function sourceKey(source: Address): number {
  return source.family === 4 ? source.ipKey : Address.ipv6(source.w0, source.w1, 0, 0, 0).ipKey
}
