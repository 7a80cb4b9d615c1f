import type { Claim, JoinOutcome, MessageResult, Outcomes, Refusal, RoomCommand } from '../../src/rooms/command.ts'
import type { CloseOutcome, RoomPage } from '../../src/rooms/listing.ts'
import { MemoryRooms } from '../../src/rooms/memory-rooms.ts'
import type { RoomRules, RoomsOptions } from '../../src/rooms/options.ts'
import type { RoomEffects, RoomReadings, Rooms, RoomView } from '../../src/rooms/rooms.ts'
import { defaultRooms } from '../support/default-config.ts'

type MakeRooms = (...made: ConstructorParameters<typeof MemoryRooms>) => Rooms

export const inMemory: MakeRooms = (...made) => new MemoryRooms(...made)

/** Every kind of rooms there is: all of them have the same rules. */
export const IMPLEMENTATIONS: readonly { readonly kind: string; readonly make: MakeRooms }[] = [
  { kind: 'memory', make: inMemory },
  { kind: 'memory that takes its time', make: (...made) => new SlowRooms(inMemory(...made)) },
]

/** Carries out each command later, and answers later still. */
export class SlowRooms implements Rooms {
  readonly #rooms: Rooms
  readonly #pause: () => Promise<unknown>

  /** `pause` is waited for before and after each command; by default for some turns of the event loop. */
  constructor(rooms: Rooms, pause: () => Promise<unknown> = someTurns) {
    this.#rooms = rooms
    this.#pause = pause
  }

  get readings(): RoomReadings {
    return this.#rooms.readings
  }

  run<C extends RoomCommand>(room: string, command: C): Promise<Outcomes[C['verb']]> {
    return this.#later(() => this.#rooms.run(room, command))
  }

  look(room: string, client: string): Promise<RoomView> {
    return this.#later(() => this.#rooms.look(room, client))
  }

  list(cursor: string | null, limit: number): Promise<RoomPage> {
    return this.#later(() => this.#rooms.list(cursor, limit))
  }

  closeRoom(room: string, reason: string): Promise<CloseOutcome> {
    return this.#later(() => this.#rooms.closeRoom(room, reason))
  }

  sweep(): Promise<void> {
    return this.#later(() => this.#rooms.sweep())
  }

  apply(options: RoomsOptions): void {
    this.#rooms.apply(options)
  }

  async #later<T>(ask: () => Promise<T>): Promise<T> {
    await this.#pause()
    const answer = await ask()
    await this.#pause()
    return answer
  }
}

let turn = 0

async function someTurns(): Promise<void> {
  for (let left = turn++ % 3; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

type Limits = Partial<RoomRules & Omit<RoomsOptions, 'rules'>>

/** Limits as tests say them, the rest as an operator has it who says nothing. */
export function roomsWith({
  rooms = defaultRooms.rooms,
  waitingBytes = defaultRooms.waitingBytes,
  ...rules
}: Limits): RoomsOptions {
  return { rules: { ...defaultRooms.rules, ...rules }, rooms, waitingBytes }
}

interface Told {
  deliver?(client: string, text: string): void
  disconnect?(client: string): void
}

/** Rooms with a clock, and a record of everything they asked for. A client's socket has the client's name. */
export class RecordedRooms {
  readonly delivered: string[] = []
  readonly disconnected: string[] = []
  readonly forgotten: string[] = []
  /** What was delivered and forgotten, in order. */
  readonly log: string[] = []
  readonly #rooms: Rooms
  #now = 0

  /** `also` is told, too. */
  constructor(make: MakeRooms, limits: Limits = {}, startedAt: number | null = null, also: Told = {}) {
    const effects: RoomEffects = {
      deliver: (room, { client, text }) => {
        also.deliver?.(client, text)
        this.delivered.push(`${room}/${client}: ${text}`)
        this.log.push(`${room}/${client}: ${text}`)
        return true
      },
      disconnect: (room, { client }) => {
        also.disconnect?.(client)
        this.disconnected.push(`${room}/${client}`)
      },
      isLive: () => true,
      forgotten: (room, client) => {
        this.forgotten.push(`${room}/${client}`)
        this.log.push(`forgotten ${room}/${client}`)
      },
    }
    this.#rooms = make(roomsWith(limits), effects, () => this.#now, startedAt)
  }

  get size(): number {
    return this.#rooms.readings.rooms
  }

  get waitingBytes(): number {
    return this.#rooms.readings.waitingBytes
  }

  get refused(): RoomReadings['refused'] {
    return this.#rooms.readings.refused
  }

  async has(room: string): Promise<boolean> {
    return (await this.#rooms.look(room, '')).exists
  }

  async isFull(room: string, now: number): Promise<boolean> {
    this.#now = now
    return (await this.#rooms.look(room, '')).isFull
  }

  join(room: string, client: string, loopback: boolean, now: number, from = '', secret = ''): Promise<JoinOutcome> {
    return this.run(room, { verb: 'join', client, from, loopback, secret }, now)
  }

  message(room: string, client: string, text: string, now: number): Promise<MessageResult> {
    return this.run(room, { verb: 'message', client, text }, now)
  }

  post(room: string, client: string, text: string, now: number, from = ''): Promise<Refusal> {
    return this.run(room, { verb: 'post', client, from, text }, now)
  }

  async register(room: string, client: string, now: number, from = '', claim: Claim | null = null): Promise<Refusal> {
    const command = { verb: 'register', client, from, claim, socket: socketOf(client), over: '' } as const
    return (await this.run(room, command, now)).refusal
  }

  send(room: string, client: string, text: string, now: number): Promise<Refusal> {
    return this.run(room, { verb: 'send', client, text }, now)
  }

  closed(room: string, client: string, goingAway: boolean, now: number): Promise<null> {
    return this.run(room, { verb: 'closed', client, socket: socketOf(client), goingAway }, now)
  }

  leave(room: string, client: string, now: number): Promise<null> {
    return this.run(room, { verb: 'leave', client }, now)
  }

  remove(room: string, client: string, now: number): Promise<null> {
    return this.run(room, { verb: 'remove', client }, now)
  }

  sweep(now: number): Promise<void> {
    this.#now = now
    return this.#rooms.sweep()
  }

  list(cursor: string | null, limit: number): Promise<RoomPage> {
    return this.#rooms.list(cursor, limit)
  }

  closeRoom(room: string, reason: string): Promise<CloseOutcome> {
    return this.#rooms.closeRoom(room, reason)
  }

  run<C extends RoomCommand>(room: string, command: C, now: number): Promise<Outcomes[C['verb']]> {
    this.#now = now
    return this.#rooms.run(room, command)
  }

  /** Two members with sockets, as in a call. */
  async call(room: string, now = 0): Promise<void> {
    await this.join(room, 'a', false, now)
    await this.register(room, 'a', now)
    await this.join(room, 'b', false, now)
    await this.register(room, 'b', now)
  }
}

function socketOf(client: string): string {
  return `socket of ${client.toLowerCase()}`
}
