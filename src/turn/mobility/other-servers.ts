import type { Relay } from '../allocation.ts'
import type { AccountName } from '../auth/account.ts'
import type { MovedAllocation } from './moved-allocation.ts'

/** What one server asks another that serves the same clients, in values that can be copied to it. */
export type Question =
  | {
      readonly kind: 'ticket'
      readonly ticket: string
      /** Who has signed the Refresh. */
      readonly account: AccountName
      /** A temporary name that has run out: it may move what it has, and nothing else. */
      readonly hasLapsed: boolean
      /** The Refresh as it came. */
      readonly request: Uint8Array
    }
  /** The client has come: the allocation is to follow it. */
  | { readonly kind: 'allocation'; readonly outgoing: OutgoingMove }

export type Answer =
  | { readonly kind: 'refused'; readonly error: number; readonly reason: string }
  /** The Refresh is done; the allocation stays until its client is heard. Without `outgoing` nothing moves. */
  | {
      readonly kind: 'granted'
      readonly lifetimeSeconds: number
      readonly ticket: string | null
      readonly outgoing: OutgoingMove | null
      /** The client's old connection is gone: nothing keeps the allocation where it is. */
      readonly isClientGone: boolean
    }
  | { readonly kind: 'moved'; readonly allocation: MovedAllocation }

/** A move that has begun where the allocation is. */
export interface OutgoingMove {
  /** Whom to ask for the allocation (RelayPorts.thread). */
  readonly holder: number
  /** The ticket that the client was given for the one it has shown. Nobody can guess it, and the next move has another. */
  readonly ticket: string
  /** The allocation's first relayed address, which no other one has. */
  readonly relay: string
}

/**
 * The servers beside this one among which a client's packets may be spread, a new 5-tuple to another one than the last
 * (RFC 8016). Synchronous and never re-entrant, like Effects.
 */
export interface OtherServers {
  /** False when nobody can be asked now; otherwise Handover.answered() follows, once. */
  ask(id: number, question: Question): boolean
  /** A ticket leads here from now on, or nowhere any more. */
  ticketIssued(ticket: string): void
  ticketRevoked(ticket: string): void
  /** Stops serving an open relay without closing it: what `attach` takes somewhere else. */
  detach(relay: Relay): number
  /** Serves a relay that was detached somewhere else; false, and it is closed, when that cannot be. */
  attach(relay: Relay, descriptor: number): boolean
}

/** For a server that all packets come to. */
export const NO_OTHER_SERVERS: OtherServers = {
  ask: () => false,
  ticketIssued: () => {},
  ticketRevoked: () => {},
  detach: () => -1,
  attach: () => false,
}
