import type { Address } from '../stun/address.ts'
import type { Relay } from './allocation.ts'
import type { FiveTuple } from './five-tuple.ts'
import type { PeerConnection } from './tcp/peer-connection.ts'

/**
 * Free bytes that a driver keeps before and behind every datagram from a peer, so that the ChannelData header or the
 * whole Data indication (20 header + 24 XOR-PEER-ADDRESS + 4 DATA; 3 padding + 8 FINGERPRINT behind) is written where
 * the payload lies.
 */
export const HEADROOM = 48
export const TAILROOM = 12

/**
 * What the TURN server asks of the world. Synchronous and never re-entrant: an effect does not call back into the core.
 * `bytes.subarray(start, end)` is the data, and it is borrowed: valid only during the call, because it lies either in the buffer
 * the driver handed in or in the core's reused writer. The same holds for `client` and `peer`.
 */
export interface Effects {
  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void
  /** Sends the answer to a Binding request from `server`, which is another UDP address of ours, to `client` (RFC 5780 §6.1). */
  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void
  /** `dontFragment`: no router may cut it into pieces (RFC 8656 §14); asked only where TurnOptions.dontFragment says so. */
  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void
  /**
   * Binds a socket to `relay.local`, or takes the one that is held there; holds another at `relay.reserved`, or fails. One of a TCP
   * allocation listens: who connects to it is told to PeerConnections.arrived(). Answered later by TurnServer.relayOpened() or relayFailed().
   */
  openRelay(relay: Relay): void
  /** Also while the socket is still opening: it is closed when it is there, and no answer needs to follow. */
  closeRelay(relay: Relay): void
  /** Lets go of the socket that has been held for a reservation, if it is there: nobody will come for it. */
  closeReserved(local: Address): void
  /** Ends a TCP, TLS or DTLS connection (no re-synchronising after a bad frame, NET-TCP-04 in the tests). */
  closeClient(client: FiveTuple): void
  /** Connects from `connection.relay` to its peer. Answered later by PeerConnections.connected() or failed(). */
  connectPeer(connection: PeerConnection): void
  /**
   * Closes the connection with a peer, whatever it is doing, and its data connection, after what has been read from one is written
   * to the other. No answer follows.
   */
  closePeer(connection: PeerConnection): void
  /**
   * Passes what comes from this client's connection to the peer and the reverse, unframed, once the answer that is sent to the client
   * from within the same input is written: behind the request of now everything is the peer's. PeerConnections.ended() follows.
   */
  joinPeer(client: FiveTuple, connection: PeerConnection): void
  /** Nothing that this client has sent behind the request of now is handed to the core before resumeClient() or joinPeer(). */
  pauseClient(client: FiveTuple): void
  resumeClient(client: FiveTuple): void
  /** A request that was answered with an error, and why; for the log alone, never for the client. */
  refused(client: FiveTuple, refusal: Refusal): void
}

export interface Refusal {
  /** The request's method, a value of Method. */
  readonly method: number
  readonly code: number
  /** What an operator wants to read: `expired 42 s ago`, `no secret matched`, `peer 10.0.0.1 is denied`. */
  readonly reason: string
  readonly username?: string | undefined
  readonly realm?: string | undefined
}
