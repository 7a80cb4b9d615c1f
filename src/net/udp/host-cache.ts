import { Address } from '../../stun/address.ts'

/** Text hosts as addresses, so that a sender's host is parsed once and not for each of its packets. Bounded. */
export class HostCache {
  readonly #known = new Map<string, Address>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#known.size
  }

  /** Refills `address`; false when `host` is not a numeric address. */
  fill(address: Address, host: string, port: number): boolean {
    let known = this.#known.get(host)
    if (known === undefined) {
      const parsed = Address.parse(host)
      if (parsed === null) return false
      if (this.#known.size >= this.#limit) this.#known.clear()
      // Formatted here, so that every copy of it carries its text along.
      parsed.host
      this.#known.set(host, parsed)
      known = parsed
    }
    address.set(known)
    address.port = port
    return true
  }
}
