import type { Allocation, Channel } from './allocation.ts'
import type { FiveTuple } from './five-tuple.ts'

/** Why an allocation has ended. Fixed words, because logs, events and metrics use them as values. */
export type EndReason =
  /** A Refresh with lifetime 0 (RFC 8656 §8.2). */
  | 'refreshed-to-0'
  /** Nobody refreshed it in time. */
  | 'expired'
  /** Its TCP, TLS or DTLS connection is closed (RFC 8656 §5), or could not go on. */
  | 'client-gone'
  /** Its account or secret is no longer valid. */
  | 'account-gone'
  /** An operator disconnected it. */
  | 'operator'
  /** None of its relayed addresses could be had; it was never open. */
  | 'no-relay'
  /** It goes on under the same id with another server of the same clients (RFC 8016). */
  | 'moved'
  /** The time that a draining server gives its clients is over. */
  | 'draining'
  /** The server stops. */
  | 'stopped'
  /** The thread that relayed it died: nobody was there to tell of it. */
  | 'thread-died'

export const END_REASONS = [
  'refreshed-to-0',
  'expired',
  'client-gone',
  'account-gone',
  'operator',
  'no-relay',
  'moved',
  'draining',
  'stopped',
  'thread-died',
] as const satisfies readonly EndReason[]

/**
 * What becomes of allocations and their channels, for whoever keeps records or shortcuts of them. Synchronous and never
 * re-entrant, like Effects: a listener does not call back into the core. Nothing here is called for a relayed packet.
 *
 * Each allocation that was opened, or has come from another server, ends once; its channels are closed before.
 */
export interface TurnEvents {
  /** An Allocate has succeeded. */
  allocationOpened(allocation: Allocation): void
  /** The client is at `allocation.client` now: before, it was at `from`, or with another server (null). */
  allocationMoved(allocation: Allocation, from: FiveTuple | null): void
  /** `detail` is what an operator gave for a reason, if anything. */
  allocationEnded(allocation: Allocation, reason: EndReason, detail: string | null): void
  /** Bound by a ChannelBind, or brought along from another server. */
  channelOpened(channel: Channel): void
  channelRenewed(channel: Channel): void
  /** It has expired, or its allocation or relayed address ends. */
  channelClosed(channel: Channel): void
}

/** Where nobody listens. */
export const NO_EVENTS: TurnEvents = {
  allocationOpened: () => {},
  allocationMoved: () => {},
  allocationEnded: () => {},
  channelOpened: () => {},
  channelRenewed: () => {},
  channelClosed: () => {},
}
