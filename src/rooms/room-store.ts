import type { Claim } from './client.ts'
import type { CloseOutcome, RoomListing, RoomPage } from './listing.ts'
import type { RoomsOptions } from './options.ts'
import { type JoinOutcome, type MessageResult, type Refusal, Room, type RoomEffects, type RoomWorld } from './room.ts'
import { SourceShares } from './source-shares.ts'

/** Every room there is, by name. */
export interface RoomStore {
  /** Rooms there are now. */
  readonly size: number
  /** Memory that undelivered texts take. */
  readonly waitingBytes: number
  /** Rooms that were not opened, and texts that were not kept because all of them together or those of one source were too many. */
  readonly refused: Readonly<Record<'rooms' | 'texts', SourceShares['refused']>>
  has(room: string): boolean
  /** Whether this client has joined and not left. */
  hasPlace(room: string, client: string): boolean
  /** The `from` that a client came with, whatever its standing; undefined for one that nobody knows. */
  comesFrom(room: string, client: string): string | undefined
  /** Whether a visitor of the page would get no place. */
  isFull(room: string, now: number): boolean
  /** `from`, here and below: what a newcomer's limits are counted by. */
  join(
    room: string,
    client: string,
    loopback: boolean,
    now: number,
    from?: string,
    secret?: string,
  ): JoinOutcome | { readonly result: 'TOO_MANY_ROOMS' }
  message(room: string, client: string, text: string, now: number): MessageResult
  post(room: string, client: string, text: string, now: number, from?: string): Refusal
  /** Whether this is the secret that `join` was given for this client. */
  proves(room: string, client: string, secret: string): boolean
  register(room: string, client: string, now: number, from?: string, claim?: Claim | null): Refusal
  send(room: string, client: string, text: string, now: number): Refusal
  closed(room: string, client: string, goingAway: boolean, now: number): void
  leave(room: string, client: string, now: number): void
  remove(room: string, client: string, now: number): void
  /**
   * For an operator: at most `limit` rooms that were opened after those of the page that `cursor` ended; null is the beginning. A room
   * that is there the whole time is in exactly one page.
   */
  list(cursor: string | null, limit: number): Promise<RoomPage>
  /** For an operator: ends a room and the sockets in it, which are told `reason`. */
  closeRoom(name: string, reason: string): Promise<CloseOutcome>
  /** Once a second: takes back places and drops rooms whose time is over. */
  sweep(now: number): void
  /** Other limits and times from now on, for the rooms there are, too. */
  apply(options: RoomsOptions): void
}

/** How long after a start of the server calls that were there before it come back. */
const RESTORE_MS = 60_000

/** Rooms of one process. A room exists from the first join, register or POST until its last client is gone. */
export class MemoryRooms implements RoomStore {
  readonly #world: RoomWorld
  readonly #rooms = new Map<string, { readonly room: Room; readonly number: number }>()
  #opened = 0
  #sweptAt = 0
  readonly #shares: SourceShares

  /** `startedAt`: when the server began; without it nobody comes back from before. */
  constructor(options: RoomsOptions, effects: RoomEffects, startedAt: number = Number.NEGATIVE_INFINITY) {
    const waiting = new SourceShares(options.waitingBytes)
    this.#world = { options: { ...options }, effects, waiting, restoresUntil: startedAt + RESTORE_MS }
    this.#shares = new SourceShares(options.rooms)
  }

  get size(): number {
    return this.#rooms.size
  }

  get waitingBytes(): number {
    return this.#world.waiting.taken
  }

  get refused(): RoomStore['refused'] {
    return { rooms: this.#shares.refused, texts: this.#world.waiting.refused }
  }

  has(room: string): boolean {
    return this.#rooms.has(room)
  }

  hasPlace(room: string, client: string): boolean {
    return this.#rooms.get(room)?.room.hasPlace(client) ?? false
  }

  comesFrom(room: string, client: string): string | undefined {
    return this.#rooms.get(room)?.room.comesFrom(client)
  }

  isFull(room: string, now: number): boolean {
    return this.#rooms.get(room)?.room.isFull(now) ?? false
  }

  join(
    name: string,
    client: string,
    loopback: boolean,
    now: number,
    from?: string,
    secret?: string,
  ): ReturnType<RoomStore['join']> {
    const room = this.#open(name, now, from)
    if (!room) return { result: 'TOO_MANY_ROOMS' }
    const outcome = room.join(client, loopback, now, from, secret)
    this.#dropIfEmpty(room)
    return outcome
  }

  message(name: string, client: string, text: string, now: number): MessageResult {
    return this.#rooms.get(name)?.room.message(client, text, now) ?? 'UNKNOWN_ROOM'
  }

  post(name: string, client: string, text: string, now: number, from?: string): Refusal {
    const room = this.#open(name, now, from)
    if (!room) return 'Max room capacity reached'
    const refusal = room.post(client, text, now, from)
    this.#dropIfEmpty(room)
    return refusal
  }

  proves(room: string, client: string, secret: string): boolean {
    return this.#rooms.get(room)?.room.proves(client, secret) ?? false
  }

  register(name: string, client: string, now: number, from?: string, claim?: Claim | null): Refusal {
    const room = this.#open(name, now, from)
    if (!room) return 'Max room capacity reached'
    const refusal = room.register(client, now, from, claim)
    this.#dropIfEmpty(room)
    return refusal
  }

  send(name: string, client: string, text: string, now: number): Refusal {
    return this.#change(name, (room) => room.send(client, text, now)) ?? null
  }

  closed(name: string, client: string, goingAway: boolean, now: number): void {
    this.#change(name, (room) => room.closed(client, goingAway, now))
  }

  leave(name: string, client: string, now: number): void {
    this.#change(name, (room) => room.leave(client, now))
  }

  remove(name: string, client: string, now: number): void {
    this.#change(name, (room) => room.remove(client, now))
  }

  async list(cursor: string | null, limit: number): Promise<RoomPage> {
    const after = Number(cursor ?? 0) || 0
    const rooms: RoomListing[] = []
    let last = after
    for (const { room, number } of this.#rooms.values()) {
      if (number <= after) continue
      if (rooms.length >= limit) return { rooms, cursor: String(last) }
      rooms.push(room.listing(this.#sweptAt))
      last = number
    }
    return { rooms, cursor: null }
  }

  async closeRoom(name: string, reason: string): Promise<CloseOutcome> {
    const clients = this.#change(name, (room) => room.close(reason))
    return clients === undefined ? { result: 'UNKNOWN_ROOM' } : { result: 'SUCCESS', clients }
  }

  sweep(now: number): void {
    this.#sweptAt = now
    for (const { room } of this.#rooms.values()) {
      room.sweep(now)
      this.#dropIfEmpty(room)
    }
  }

  // Each room looks at the one object.
  apply(options: RoomsOptions): void {
    Object.assign(this.#world.options, options)
    this.#world.waiting.apply(options.waitingBytes)
    this.#shares.apply(options.rooms)
  }

  #open(name: string, now: number, from = ''): Room | null {
    const known = this.#rooms.get(name)
    if (known) return known.room
    if (!this.#shares.take(from, 1)) return null
    const room = new Room(name, from, this.#world, now)
    this.#rooms.set(name, { room, number: ++this.#opened })
    return room
  }

  #change<T>(name: string, change: (room: Room) => T): T | undefined {
    const room = this.#rooms.get(name)?.room
    if (!room) return undefined
    const outcome = change(room)
    this.#dropIfEmpty(room)
    return outcome
  }

  #dropIfEmpty(room: Room): void {
    if (room.empty && this.#rooms.delete(room.name)) this.#shares.give(room.from, 1)
  }
}
