import type { Client } from './client.ts'

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
