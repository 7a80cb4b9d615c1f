import type { StreamTraffic } from '../../shared/stream-traffic.ts'
import type { Address } from '../../stun/address.ts'
import type { Relay } from '../allocation.ts'
import type { AccountName } from '../auth/account.ts'

/** A TCP connection between a relayed transport address and a peer (RFC 6062 §3). */
export class PeerConnection {
  /** CONNECTION-ID. */
  readonly id: number
  readonly peer: Address
  /** Null where the allocation is another server's, and only the data connection is here. */
  readonly relay: Relay | null
  /** Whose data connection it may have. */
  readonly account: AccountName
  readonly traffic: StreamTraffic
  /**
   * `waiting` for the ConnectionBind of its client; `bound` to a data connection here; `lent` to another server, which has the data
   * connection.
   */
  state: 'connecting' | 'waiting' | 'bound' | 'lent' | 'closed' = 'connecting'
  /** Until when a client may bind it. */
  expiresAt = Infinity
  /** Its Connect while that waits: an id of Pending. */
  parkedAs: number | null = null

  constructor(id: number, peer: Address, relay: Relay | null, account: AccountName, traffic: StreamTraffic) {
    this.id = id
    this.peer = peer
    this.relay = relay
    this.account = account
    this.traffic = traffic
  }
}
