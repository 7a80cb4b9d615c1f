import type { Address } from '../../stun/address.ts'
import type { FiveTuple } from '../five-tuple.ts'

/** Which of our relay addresses an allocation may get (RFC 8656 §7.2). */
export class RelayChoice {
  readonly #whereReached: boolean
  readonly #addresses: { readonly 4: Address[]; readonly 6: Address[] }

  /** `whereReached`: nobody chose the addresses, so each client gets the one that it can certainly reach. */
  constructor(addresses: readonly Address[], whereReached: boolean) {
    this.#whereReached = whereReached
    this.#addresses = {
      4: addresses.filter(({ family }) => family === 4),
      6: addresses.filter(({ family }) => family === 6),
    }
  }

  /** Whether a client can get a relayed address of this family at all. */
  offers(family: 4 | 6, client: FiveTuple): boolean {
    return this.#whereReached ? this.#reached(family, client) !== undefined : this.#addresses[family].length > 0
  }

  /** The addresses to try, in this order. */
  next(family: 4 | 6, client: FiveTuple): readonly Address[] {
    const addresses = this.#addresses[family]
    if (this.#whereReached) {
      const reached = this.#reached(family, client)
      return reached === undefined ? [] : [reached]
    }
    const first = addresses.shift()
    if (first !== undefined) addresses.push(first)
    return addresses
  }

  /** Where else a relay may be that could not be opened at `local`: its interface may have vanished. */
  besides(local: Address): readonly Address[] {
    return this.#whereReached ? [] : this.#addresses[local.family].filter((address) => !address.sameIp(local))
  }

  /**
   * Where the client reached us; where it came by the other family, the first that is no loopback. A host's other
   * interfaces (containers, virtual machines) lead nowhere from where the client is.
   */
  #reached(family: 4 | 6, { server }: FiveTuple): Address | undefined {
    const addresses = this.#addresses[family]
    const reached = addresses.find((address) => address.sameIp(server)) ?? addresses.find((ip) => !ip.isLoopback)
    return reached ?? (server.isLoopback ? addresses[0] : undefined)
  }
}
