import type { AccountName } from '../auth/account.ts'
import type { PeerConnection } from './peer-connection.ts'

/** What one server asks the one that has a connection with a peer: to have it, for a data connection that has come here. */
export interface ConnectionQuestion {
  readonly connectionId: number
  /** Who has signed the ConnectionBind. */
  readonly account: AccountName
}

export type ConnectionAnswer =
  | { readonly kind: 'refused'; readonly error: number; readonly reason: string }
  | {
      readonly kind: 'lent'
      readonly connectionId: number
      readonly host: string
      readonly port: number
      readonly descriptor: number
      /** Of its allocation. */
      readonly bytesPerSecond: number
      /** StreamTraffic.memory. */
      readonly traffic: SharedArrayBuffer
    }

/**
 * The servers beside this one among which a client's connections may be spread, a data connection to another one than the
 * connection that it was asked for on (RFC 6062 §4.3). Synchronous and never re-entrant, like Effects.
 */
export interface ConnectionLenders {
  /** This one among them, from 0; a CONNECTION-ID modulo `count` is the place of the server that has the connection. */
  readonly place: number
  readonly count: number
  /** False when nobody can be asked now; otherwise PeerConnections.answered() follows, once. */
  ask(id: number, question: ConnectionQuestion): boolean
  /** Lets go of a connection that waits without closing it; its descriptor, or -1 when it is gone. */
  detach(connection: PeerConnection): number
  /** Keeps what was detached somewhere else for Effects.joinPeer(); false, and it is not touched, when that cannot be. */
  attach(connection: PeerConnection, descriptor: number): boolean
  /** The allocation of a connection that was lent is gone. */
  recall(connectionId: number): void
  /** A connection that was lent to this server is over. */
  giveBack(connectionId: number): void
}

/** For a server that all connections come to. */
export const NO_LENDERS: ConnectionLenders = {
  place: 0,
  count: 1,
  ask: () => false,
  detach: () => -1,
  attach: () => false,
  recall: () => {},
  giveBack: () => {},
}
