import type { Address } from '../stun/address.ts'
import type { Allocation } from './allocation.ts'

/** Why a relay has no socket: another program has the port, the process has no descriptor left, or the address cannot be bound. */
export type RelayFailure = 'in-use' | 'exhausted' | 'unavailable'

/** One relayed transport address of an allocation: a UDP socket of its own. A dual allocation has two (RFC 8656 §7.2). */
export class Relay {
  readonly allocation: Allocation
  /** What the socket is bound to. */
  readonly local: Address
  /** What the client is told: `local` behind external-ip. */
  readonly advertised: Address
  /** The port beside it that is bound with it and kept for whoever brings the token (RFC 8656 §7.2); null for none. */
  readonly reserved: Address | null
  state: 'opening' | 'open' | 'closed' = 'opening'
  /** The driver's own index of the socket; meaningless to the core. */
  handle = -1

  constructor(allocation: Allocation, local: Address, advertised: Address, reserved: Address | null = null) {
    this.allocation = allocation
    this.local = local
    this.advertised = advertised
    this.reserved = reserved
  }
}
