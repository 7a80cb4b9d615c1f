import type { Address } from '../../stun/address.ts'
import { sourceKey } from '../../turn/limits/source-count.ts'

/** What one source has, oldest first. */
interface Group<T> {
  /** Any of its addresses. */
  readonly source: Address
  readonly items: Set<T>
}

/**
 * Things that each belong to the source they came from: an IPv4 address, or an IPv6 /64. Knows at any time which source has
 * the most, so that who takes more than others is the first to lose something.
 */
export class BySource<T> {
  readonly #groups = new Map<number, Group<T>>()
  /** Groups by how much they have; the first of each has had that for the longest time. */
  readonly #bySize: Set<Group<T>>[] = []
  #most = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): Generator<T> {
    for (const { items } of this.#groups.values()) yield* items
  }

  add(source: Address, item: T): void {
    const key = sourceKey(source)
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = { source: source.copy(), items: new Set() }
      this.#groups.set(key, group)
    }
    const before = group.items.size
    group.items.add(item)
    this.#resized(group, before)
  }

  /** False when it was not there. */
  delete(source: Address, item: T): boolean {
    const key = sourceKey(source)
    const group = this.#groups.get(key)
    const before = group?.items.size ?? 0
    if (!group?.items.delete(item)) return false
    if (group.items.size === 0) this.#groups.delete(key)
    this.#resized(group, before)
    return true
  }

  has(source: Address, item: T): boolean {
    return this.#groups.get(sourceKey(source))?.items.has(item) ?? false
  }

  sizeOf(source: Address): number {
    return this.#groups.get(sourceKey(source))?.items.size ?? 0
  }

  oldestOf(source: Address): T | null {
    return oldest(this.#groups.get(sourceKey(source)))
  }

  /**
   * The oldest thing of the source that has the most; null when that is no more than `has`, what the newcomer's source has. What
   * `mayStay` says yes to is taken out, and never has to make room again.
   */
  toGiveWay(has: number, mayStay: (item: T) => boolean = () => false): T | null {
    while (has < this.#most) {
      const group = first(this.#bySize[this.#most])!
      const item = oldest(group)!
      if (!mayStay(item)) return item
      this.delete(group.source, item)
    }
    return null
  }

  /** Takes out one thing: of each source in turn its oldest, leaving out the sources that `mayGo` says no to. */
  take(mayGo: (source: Address) => boolean): T | null {
    for (const [key, group] of this.#groups) {
      if (!mayGo(group.source)) continue
      const item = oldest(group)!
      this.delete(group.source, item)
      // To the end of the line.
      if (this.#groups.delete(key)) this.#groups.set(key, group)
      return item
    }
    return null
  }

  #resized(group: Group<T>, before: number): void {
    const { size } = group.items
    this.#size += size - before
    this.#bySize[before]?.delete(group)
    this.#bySize[size] ??= new Set()
    if (size > 0) this.#bySize[size].add(group)
    this.#most = Math.max(this.#most, size)
    while (this.#most > 0 && this.#bySize[this.#most]!.size === 0) this.#most--
  }
}

function oldest<T>(group: Group<T> | undefined): T | null {
  return group === undefined ? null : (first(group.items) ?? null)
}

function first<T>(items: Iterable<T> | undefined): T | undefined {
  for (const item of items ?? []) return item
  return undefined
}
