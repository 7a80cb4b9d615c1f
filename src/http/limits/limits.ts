import type { Context } from 'hono'
import type { Rooms, RoomView } from '../../rooms/rooms.ts'
import type { RoomVerdict } from '../../signaling/hub.ts'
import type { Environment } from '../environment.ts'
import type { HttpOptions } from '../options.ts'
import { answerOf } from '../unreachable.ts'
import { SourceWindows } from './source-windows.ts'

const MINUTE_MS = 60_000
/** How many times as many wrong ids an address may name in one room as it may without being from there. */
const OWN_ROOM = 5

type Limits = Pick<
  HttpOptions,
  'newRoomsPerMinute' | 'newRoomsBurst' | 'iceConfigPerMinute' | 'unknownClientsPerMinute'
>

/** What one address may do in a minute. */
export class AddressLimits {
  /** How often each limit has said no. */
  readonly refused = { 'new-rooms': 0, 'ice-config': 0, 'unknown-clients': 0 }
  /** The first one that grants it is used up: so many a minute, and a burst that comes back as slowly. */
  #newRooms: readonly SourceWindows[] | null = null
  #iceConfig: SourceWindows | null = null
  #unknownClients: { readonly of: SourceWindows; readonly inRoom: SourceWindows } | null = null
  readonly #now: () => number

  /** While on, nobody may open a room; those that are there go on, and whoever belongs there comes back. */
  isDraining = false

  /** `now`: monotonic milliseconds. */
  constructor(options: Limits, now: () => number) {
    this.#now = now
    this.apply(options)
  }

  /** Other limits, which count from now on. */
  apply(options: Limits): void {
    const { newRoomsPerMinute, newRoomsBurst, iceConfigPerMinute, unknownClientsPerMinute } = options
    const burstMs = Math.max(1, newRoomsBurst / newRoomsPerMinute) * MINUTE_MS
    this.#newRooms =
      newRoomsPerMinute === 0
        ? null
        : [
            new SourceWindows(newRoomsPerMinute, MINUTE_MS),
            new SourceWindows(Math.max(0, newRoomsBurst - newRoomsPerMinute), burstMs),
          ]
    this.#iceConfig = iceConfigPerMinute === 0 ? null : new SourceWindows(iceConfigPerMinute, MINUTE_MS)
    this.#unknownClients =
      unknownClientsPerMinute === 0
        ? null
        : {
            of: new SourceWindows(unknownClientsPerMinute, MINUTE_MS),
            inRoom: new SourceWindows(unknownClientsPerMinute * OWN_ROOM, MINUTE_MS),
          }
  }

  /** Counts one new room of this address, or refuses it. */
  async mayOpenRoom(block: string): Promise<RoomVerdict> {
    if (this.isDraining) return 'draining'
    const may = this.#newRooms === null || this.#newRooms.some((windows) => windows.take(block, this.#now()) === 0)
    if (!may) this.refused['new-rooms']++
    return may ? 'yes' : 'too-many'
  }

  /** Counts one ICE document; 0, or the seconds until the next one is allowed. */
  iceConfigWait(block: string): number {
    const wait = this.#iceConfig?.take(block, this.#now()) ?? 0
    if (wait > 0) this.refused['ice-config']++
    return seconds(wait)
  }

  /**
   * Ids have eight digits and are all that a client shows, so who names wrong ones is guessing. 0, or the seconds for which this
   * address may name none that did not come `fromThere`: clients behind one address are not shut out by a neighbour, unless
   * that one guesses in their very room.
   */
  clientWait(block: string, room: string, fromThere: boolean): number {
    if (this.#unknownClients === null) return 0
    const { of, inRoom } = this.#unknownClients
    const ofAddress = fromThere ? 0 : of.wait(block, this.#now())
    const wait = Math.max(ofAddress, inRoom.wait(keyOf(block, room), this.#now()))
    if (wait > 0) this.refused['unknown-clients']++
    return seconds(wait)
  }

  /** This address has named a client of the room that nobody knows. */
  unknownClient(block: string, room: string): void {
    this.#unknownClients?.of.take(block, this.#now())
    this.#unknownClients?.inRoom.take(keyOf(block, room), this.#now())
  }
}

interface Naming {
  readonly rooms: Rooms
  readonly limits: AddressLimits
}

/** What is known of the client that a request names. */
export interface Named extends RoomView {
  /** 0, or the seconds for which the caller may not name this client, because it has guessed too often. */
  readonly wait: number
}

export async function named(
  c: Context<Environment>,
  room: string,
  client: string,
  { rooms, limits }: Naming,
): Promise<Named> {
  const { block } = c.env.caller
  const view = await answerOf(rooms.look(room, client))
  return { ...view, wait: limits.clientWait(block, room, view.client?.from === block) }
}

/** The same where only clients that somebody knows can be meant: any other is counted as a guess. */
export async function namedOrGuessed(
  c: Context<Environment>,
  room: string,
  client: string,
  naming: Naming,
): Promise<Named> {
  const known = await named(c, room, client, naming)
  if (known.wait === 0 && known.client === null) naming.limits.unknownClient(c.env.caller.block, room)
  return known
}

function keyOf(block: string, room: string): string {
  return `${block} ${room}`
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000)
}
