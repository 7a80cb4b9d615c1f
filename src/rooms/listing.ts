import type { Client, RoomState } from './state.ts'
import { waitingIn } from './waiting.ts'

/** A room as an operator sees it: plain JSON. */
export interface RoomListing {
  readonly name: string
  readonly ageSeconds: number
  /** Since somebody last came, left, or stored a text. */
  readonly idleSeconds: number
  readonly waitingMessages: number
  readonly waitingBytes: number
  readonly clients: readonly ClientListing[]
}

interface ClientListing {
  readonly id: string
  readonly standing: Client['standing']
  readonly socket: Client['socket']
  /** An IPv4 address or an IPv6 /64. */
  readonly from: string
  readonly initiator: boolean
  readonly loopback: boolean
  readonly ageSeconds: number
  /** Texts that wait for its socket. */
  readonly waitingMessages: number
}

/** Some of the rooms, and where to go on; a null cursor is the end. */
export interface RoomPage {
  readonly rooms: readonly RoomListing[]
  readonly cursor: string | null
}

export type CloseOutcome =
  | { readonly result: 'SUCCESS'; readonly clients: number }
  | { readonly result: 'UNKNOWN_ROOM' }

export function listing(name: string, room: RoomState, now: number): RoomListing {
  const seconds = (since: number) => Math.max(0, Math.floor((now - since) / 1000))
  const { messages, bytes } = waitingIn(room.clients)
  return {
    name,
    ageSeconds: seconds(room.openedAt),
    idleSeconds: seconds(room.changedAt),
    waitingMessages: messages,
    waitingBytes: bytes,
    clients: room.clients.map(({ id, standing, socket, from, initiator, loopback, since, inbox }) => ({
      id,
      standing,
      socket,
      from,
      initiator,
      loopback,
      ageSeconds: seconds(since),
      waitingMessages: inbox.length,
    })),
  }
}
