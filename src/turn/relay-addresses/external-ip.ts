import type { Address } from '../../stun/address.ts'

/** One `external-ip` value: the address the world sees, and the one behind it when it was given. */
export interface ExternalIpPair {
  readonly public: Address
  readonly private: Address | null
}

/** Turns our addresses into those that the world sees, and back. Families never mix; ports stay. */
export class ExternalIp {
  /** A plain value makes it impossible to tell our relay addresses apart from outside. */
  hasPlainValue = false
  #pairs: readonly { readonly public: Address; readonly private: Address }[] = []

  constructor(values: readonly ExternalIpPair[], relayAddresses: readonly Address[]) {
    this.reload(values, relayAddresses)
  }

  /** Addresses change while we run. A plain value stands for every relay address of its family but loopback. */
  reload(values: readonly ExternalIpPair[], relayAddresses: readonly Address[]): void {
    const pairs: { public: Address; private: Address }[] = []
    for (const value of values) {
      if (value.private !== null) pairs.push({ public: value.public, private: value.private })
    }
    const plain = values.filter((value) => value.private === null)
    for (const { public: publicIp } of plain) {
      for (const relayAddress of relayAddresses) {
        if (relayAddress.family !== publicIp.family || relayAddress.isLoopback) continue
        if (pairs.some((pair) => pair.private.sameIp(relayAddress))) continue
        pairs.push({ public: publicIp, private: relayAddress })
      }
    }
    this.hasPlainValue = plain.length > 0
    this.#pairs = pairs
  }

  /** For every address that we write. Changes `address` in place. */
  toPublic(address: Address): Address {
    for (const pair of this.#pairs) if (pair.private.sameIp(address)) return replaceIp(address, pair.public)
    return address
  }

  /** For every address that we read, so that two clients of this server reach each other. Changes `address` in place. */
  toPrivate(address: Address): Address {
    for (const pair of this.#pairs) if (pair.public.sameIp(address)) return replaceIp(address, pair.private)
    return address
  }
}

function replaceIp(address: Address, by: Address): Address {
  const { port } = address
  address.set(by)
  address.port = port
  return address
}
