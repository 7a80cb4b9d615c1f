import type { Allocation, ChannelEvents } from './allocation.ts'
import type { EndReason } from './end-reason.ts'
import type { FiveTuple } from './five-tuple.ts'

/**
 * What becomes of allocations and their channels, for whoever keeps records or shortcuts of them. Synchronous and never
 * re-entrant, like Effects: a listener does not call back into the core. Nothing here is called for a relayed packet.
 *
 * Each allocation that was opened, or has come from another server, ends once; its channels are closed before.
 */
export interface TurnEvents extends ChannelEvents {
  /** An Allocate has succeeded. */
  allocationOpened(allocation: Allocation): void
  /** The client is at `allocation.client` now: before, it was at `from`, or with another server (null). */
  allocationMoved(allocation: Allocation, from: FiveTuple | null): void
  /** `detail` is what an operator gave for a reason, if anything. */
  allocationEnded(allocation: Allocation, reason: EndReason, detail: string | null): void
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
