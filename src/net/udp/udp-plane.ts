import type { Log } from '../../log.ts'
import type { Address } from '../../stun/address.ts'
import type { Relay } from '../../turn/allocation.ts'
import type { Effects } from '../../turn/effects.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { TurnServer } from '../../turn/turn-server.ts'
import type { ClientDatagrams } from '../client-datagrams.ts'
import type { NetCounters } from '../counters.ts'
import type { SocketErrors } from '../socket-errors.ts'

/**
 * The UDP sockets of one TurnDriver: those that clients talk to, and those behind relayed transport addresses. A thread
 * has planes of one kind alone, so that V8 sees one class at each call.
 */
export interface UdpPlane extends Pick<Effects, 'answerFrom' | 'openRelay' | 'closeRelay' | 'closeReserved'> {
  /** Relay sockets now open. */
  readonly openRelays: number
  /** Borrows `bytes`; `client` is a plain UDP 5-tuple. */
  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void
  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void
  /** Sends what waits to be sent together. */
  flush(): void
  /** What is due by time, about once a second. */
  sweep(now: number): void
  /** Nothing comes from clients any more. */
  stopListening(): Promise<void>
  /** Closes all that was opened here. */
  close(): Promise<void>
}

/** Whom a plane hands what comes in, and what it counts by. */
export interface UdpPlaneWorld {
  readonly clients: ClientDatagrams
  readonly turn: Pick<TurnServer, 'peerData' | 'peerError' | 'relayOpened' | 'relayFailed'>
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly log: Log
  /** Monotonic milliseconds. */
  readonly clock: () => number
}
