import type { EffectOf, Outcomes, RoomCommand } from './command.ts'
import type { CloseOutcome, RoomPage } from './listing.ts'
import type { RoomsOptions } from './options.ts'
import type { SourceShares } from './source-shares.ts'

/**
 * Every room there is, by name, wherever it is kept. A promise that is rejected means that the rooms are out of reach: whether the
 * command has been carried out is then unknown. Commands that one caller gives one after another, each when the one before is
 * answered, are carried out in that order.
 */
export interface Rooms {
  /** Carries out one command on one room, and then what it asks of the world. */
  run<C extends RoomCommand>(room: string, command: C): Promise<Outcomes[C['verb']]>
  /** A room and one client of it as they are now, without any change. */
  look(room: string, client: string): Promise<RoomView>
  /**
   * For an operator: at most `limit` rooms that were opened after those of the page that `cursor` ended; null is the beginning. A room
   * that is there the whole time is in exactly one page.
   */
  list(cursor: string | null, limit: number): Promise<RoomPage>
  /** For an operator: ends a room and the sockets in it, which are told `reason`. */
  closeRoom(room: string, reason: string): Promise<CloseOutcome>
  /** Once a second: takes back places and drops rooms whose time is over. */
  sweep(): Promise<void>
  /** Other limits and times from now on, for the rooms there are, too. */
  apply(options: RoomsOptions): void
  readonly readings: RoomReadings
}

export interface RoomView {
  readonly exists: boolean
  /** Whether a visitor of the page would get no place. */
  readonly isFull: boolean
  /** Null for a client that nobody knows there. */
  readonly client: {
    /** What it came with, whatever its standing. */
    readonly from: string
    /** It has joined and not left. */
    readonly hasPlace: boolean
  } | null
}

/** After so long without an answer the rooms count as out of reach: nobody waits for longer. */
export const PATIENCE_MS = 5000

/** Numbers of this process, for metrics. */
export interface RoomReadings {
  /** Rooms there are now. */
  readonly rooms: number
  /** Memory that undelivered texts take. */
  readonly waitingBytes: number
  /** Rooms that were not opened, and texts that were not kept because all of them together or those of one source were too many. */
  readonly refused: Readonly<Record<'rooms' | 'texts', SourceShares['refused']>>
}

/** What rooms ask of whoever has the sockets. Synchronous, never re-entrant. */
export interface RoomEffects {
  /** False when the socket is not there any more, so that the text has to wait for the next one. */
  deliver(room: string, effect: EffectOf<'deliver'>): boolean
  disconnect(room: string, effect: EffectOf<'disconnect'>): void
  /** Whether a socket that is in the way of another one still answers. */
  isLive(socket: string): boolean
  forgotten(room: string, client: string): void
  /** Only where another Collider has the sockets. */
  forward?(room: string, sender: string, text: string): void
}
