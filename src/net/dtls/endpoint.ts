import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { DtlsCounters } from '../counters.ts'

/**
 * DTLS beside plain UDP on one port, told apart by the first byte (RFC 7983). Plaintext goes in and out of `DtlsWorld`;
 * nothing here throws for what the network sends.
 */
export interface DtlsEndpoint {
  /** A datagram whose first byte is 20…63. It is borrowed, and so is `source`, the plain UDP 5-tuple it came by. */
  receive(bytes: Buffer, start: number, end: number, source: FiveTuple, now: number): void
  /** Whether this plain UDP 5-tuple has a session or a handshake. */
  has(source: FiveTuple): boolean
  /** The same for any that came by this FiveTuple.listener. */
  hasClients(listener: number): boolean
  /** Encrypts borrowed bytes for `client`, a 5-tuple that this endpoint has handed to the core before. */
  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void
  /** Ends one association with a close_notify. Called from inside the core, so `world.closed` has to come later. */
  closeClient(client: FiveTuple): void
  /** There is something for `work` to do, now or later. */
  readonly isWaiting: boolean
  /**
   * Does a bounded part of the handshake work that waits; true while more could be done at once. To be called between two
   * looks at the network for as long as that is so, after `world.waiting`, and after `sweep`.
   */
  work(now: number): boolean
  /** Handshake retransmissions and time-outs; once a second. */
  sweep(now: number): void
  close(): void
}

/** What the driver does for a DTLS endpoint. */
export interface DtlsWorld {
  /** Sends one borrowed datagram from the socket and address that `to` came by. */
  sendDatagram(to: FiveTuple, bytes: Buffer, start: number, end: number): void
  /** Hands one decrypted datagram to the core; `client` has the transport `dtls` and the association's own number. */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void
  /** An association is gone, whatever the reason: exactly once for each that the core may know. */
  closed(client: FiveTuple, now: number): void
  /** Whether the core still holds an allocation for it; an association without one may be closed when idle. */
  hasAllocation(client: FiveTuple): boolean
  /** `isWaiting` has become true, or still is. */
  waiting(): void
  readonly counters: DtlsCounters
  /** A number for FiveTuple.connection. */
  nextConnection(): number
  /** Monotonic milliseconds. */
  clock(): number
}

/** Makes the endpoint for a driver. */
export type OpenDtls = (world: DtlsWorld) => DtlsEndpoint
