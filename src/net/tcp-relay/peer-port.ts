import type { Socket } from 'node:net'
import type { Address } from '../../stun/address.ts'

/** What a socket of a peer is made with, whoever began the connection: it reads nothing before somebody wants it to. */
export interface PeerPortEvents {
  /** Peers may connect. */
  listening(): void
  /** They cannot. May come again later, and then tells of a port that was good before. */
  failed(error: Error): void
  /** A peer has connected; the socket is paused. */
  arrived(socket: Socket): void
}

/**
 * The local port of one TCP relay: peers connect to it, and connections to peers come from it (RFC 6062 §5.1, §5.2). Sockets that it has
 * made stay open when it closes.
 */
export interface PeerPort {
  /** A paused socket on its way to `peer`: `connect` or `error` follows. Throws when it cannot begin. */
  connect(peer: Address): Socket
  /** Tries again what failed after it had been good. */
  mend(): void
  close(): void
}

export type OpenPeerPort = (local: Address, events: PeerPortEvents) => PeerPort

/** Both halves of a connection end for themselves. */
export const PEER_SOCKET = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true } as const
/** Peers that wait to be accepted. */
export const PEER_BACKLOG = 64
