import type { Conditions } from './conditions.ts'
import { SourceShares } from './source-shares.ts'
import type { Client, WaitingText } from './state.ts'

/** What V8 keeps beside each text: without it a megabyte of one-letter texts would be many. */
const KEPT_WITH_EACH = 256

/** What the undelivered texts of a room take of the memory that all rooms share, during one step. */
export class WaitingMemory {
  readonly #conditions: Conditions
  readonly #shares: SourceShares
  readonly #taken = new Map<string, number>()

  constructor(conditions: Conditions) {
    this.#conditions = conditions
    this.#shares = new SourceShares(conditions.waiting.limits, conditions.waiting)
  }

  /** What has been taken of the memory until now, by source; less than nothing was given back. */
  get taken(): readonly (readonly [source: string, amount: number])[] {
    return [...this.#taken]
  }

  /** The text, counted for `from`; else whose limit it meets: that of this room, of all, or of its source. */
  take(
    from: string,
    text: string,
    clients: Iterable<Client>,
  ): WaitingText | 'room' | 'too-many' | 'too-many-from-source' {
    const { maxMessages, maxBytes } = this.#conditions.rules
    const bytes = Buffer.byteLength(text)
    const waiting = waitingIn(clients)
    if (maxMessages > 0 && waiting.messages >= maxMessages) return 'room'
    if (maxBytes > 0 && waiting.bytes + bytes > maxBytes) return 'room'
    const refusal = this.#shares.tryTake(from, bytes + KEPT_WITH_EACH)
    if (refusal !== null) return refusal
    this.#count(from, bytes + KEPT_WITH_EACH)
    return { text, bytes, from }
  }

  /** Nothing waits of these any more. */
  give(texts: readonly WaitingText[]): void {
    for (const { bytes, from } of texts) {
      this.#shares.give(from, bytes + KEPT_WITH_EACH)
      this.#count(from, -bytes - KEPT_WITH_EACH)
    }
  }

  #count(source: string, amount: number): void {
    this.#taken.set(source, (this.#taken.get(source) ?? 0) + amount)
  }
}

/** The undelivered texts of a room: how many, and how many bytes as UTF-8. */
export function waitingIn(clients: Iterable<Client>): { messages: number; bytes: number } {
  const sum = { messages: 0, bytes: 0 }
  for (const { inbox, outbox } of clients)
    for (const box of [inbox, outbox]) {
      sum.messages += box.length
      for (const { bytes } of box) sum.bytes += bytes
    }
  return sum
}
