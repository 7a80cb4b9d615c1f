import type { Allocation, Drops } from '../allocation.ts'
import type { EndReason } from '../end-reason.ts'
import type { TurnEvents } from '../events.ts'
import type { ClientTransport } from '../five-tuple.ts'

/** All that is worth keeping of a session that is over: plain values that can be copied to another thread. */
export interface EndedSession {
  readonly id: string
  readonly username: string
  readonly transport: ClientTransport
  /** Where its client was last, `IP:PORT`. */
  readonly client: string
  /** As the client was told them. */
  readonly relays: readonly string[]
  readonly reason: EndReason
  /** What an operator gave for a reason. */
  readonly detail: string | null
  readonly seconds: number
  readonly toPeerPackets: number
  readonly toPeerBytes: number
  readonly toClientPackets: number
  readonly toClientBytes: number
  /** Packets that were dropped, by reason. */
  readonly droppedToPeer: Drops
  readonly droppedToClient: Drops
}

/** The same listener, and besides `ended` with each session that is over; one that goes on with another server is not. */
export function tellingOfEnds(
  events: TurnEvents,
  clock: () => number,
  ended: (session: EndedSession) => void,
): TurnEvents {
  return {
    allocationOpened: (allocation) => events.allocationOpened(allocation),
    allocationMoved: (allocation, from) => events.allocationMoved(allocation, from),
    allocationEnded: (allocation, reason, detail) => {
      events.allocationEnded(allocation, reason, detail)
      if (reason !== 'moved') ended(endedSession(allocation, reason, detail, clock()))
    },
    channelOpened: (channel) => events.channelOpened(channel),
    channelRenewed: (channel) => events.channelRenewed(channel),
    channelClosed: (channel) => events.channelClosed(channel),
  }
}

function endedSession(allocation: Allocation, reason: EndReason, detail: string | null, now: number): EndedSession {
  const { id, username, client, relays, createdAt, droppedToPeer, droppedToClient } = allocation
  const { toPeerPackets, toPeerBytes, toClientPackets, toClientBytes } = allocation
  return {
    id,
    username,
    transport: client.transport,
    client: client.client.toString(),
    relays: relays.map(({ advertised }) => advertised.toString()),
    reason,
    detail,
    seconds: Math.round((now - createdAt) / 1000),
    toPeerPackets,
    toPeerBytes,
    toClientPackets,
    toClientBytes,
    droppedToPeer: droppedToPeer ?? {},
    droppedToClient: droppedToClient ?? {},
  }
}
