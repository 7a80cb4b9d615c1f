import type { Address } from '../../stun/address.ts'

/** Bits of CHANGE-REQUEST (RFC 5780 §7.2). */
const CHANGE_IP = 0x04
const CHANGE_PORT = 0x02

/**
 * The addresses that stand beside each other for NAT behaviour discovery (RFC 5780 §6): at least two of a family, each
 * listened on at both ports of every pair.
 */
export class NatBehaviour {
  readonly #others = new Map<string, Address>()
  readonly #otherPorts: ReadonlyMap<number, number>

  /** Of each family at least two addresses, or none; what came to one is answered from the next. */
  constructor(addresses: readonly Address[], ports: readonly (readonly [number, number])[]) {
    this.#otherPorts = new Map(ports.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]))
    for (const family of [4, 6]) {
      const own = addresses.filter((address) => address.family === family)
      if (own.length < 2) continue
      for (const [i, { host }] of own.entries()) this.#others.set(host, own[(i + 1) % own.length]!)
    }
  }

  /** The other address and the other port of what was sent to `server`; null where nothing stands beside it. */
  otherAddress(server: Address): Address | null {
    const other = this.#others.get(server.host)
    const port = this.#otherPorts.get(server.port)
    return other === undefined || port === undefined ? null : other.withPort(port)
  }

  /** Where the answer leaves from, to what was sent to `server` with this CHANGE-REQUEST; null where there is no such socket. */
  responseOrigin(server: Address, changeRequest: number): Address | null {
    const other = this.otherAddress(server)
    if (other === null) return null
    const port = (changeRequest & CHANGE_PORT) === 0 ? server.port : other.port
    return ((changeRequest & CHANGE_IP) === 0 ? server : other).withPort(port)
  }
}

/** Whether it asks for anything: without a bit it means nothing, and some clients send it always. */
export function changes(changeRequest: number): boolean {
  return (changeRequest & (CHANGE_IP | CHANGE_PORT)) !== 0
}
