import type { EffectOf, Outcomes, RegisterOutcome, RoomCommand, RoomEffect } from './command.ts'
import { type CloseOutcome, listing, type RoomListing, type RoomPage } from './listing.ts'
import type { RoomsOptions } from './options.ts'
import type { RoomEffects, RoomReadings, Rooms, RoomView } from './rooms.ts'
import { SourceShares } from './source-shares.ts'
import { dueAt, isFull, type RoomState } from './state.ts'
import { opens, step } from './step.ts'

/** How long after a start of the server calls that were there before it come back. */
const RESTORE_MS = 60_000

interface Entry {
  state: RoomState
  /** The how-manieth room it is, for pages of a list. */
  readonly number: number
}

/** Rooms of one process: each command is carried out before `run` returns. */
export class MemoryRooms implements Rooms {
  #options: RoomsOptions
  readonly #effects: RoomEffects
  readonly #now: () => number
  readonly #restoresUntil: number | null
  readonly #rooms = new Map<string, Entry>()
  readonly #shares: SourceShares
  readonly #waiting: SourceShares
  #opened = 0

  /** `now`: monotonic milliseconds. `startedAt`: when the server began; without it nobody comes back from before. */
  constructor(options: RoomsOptions, effects: RoomEffects, now: () => number, startedAt: number | null = null) {
    this.#options = options
    this.#effects = effects
    this.#now = now
    this.#restoresUntil = startedAt === null ? null : startedAt + RESTORE_MS
    this.#shares = new SourceShares(options.rooms)
    this.#waiting = new SourceShares(options.waitingBytes)
  }

  get readings(): RoomReadings {
    return {
      rooms: this.#rooms.size,
      waitingBytes: this.#waiting.taken,
      refused: { rooms: this.#shares.refused, texts: this.#waiting.refused },
    }
  }

  async run<C extends RoomCommand>(room: string, command: C): Promise<Outcomes[C['verb']]> {
    return this.#run(room, command)
  }

  async look(name: string, client: string): Promise<RoomView> {
    const room = this.#rooms.get(name)?.state
    const known = room?.clients.find(({ id }) => id === client)
    return {
      exists: room !== undefined,
      isFull: room !== undefined && isFull(room, this.#options.rules, this.#now()),
      client: known === undefined ? null : { from: known.from, hasPlace: known.standing === 'member' },
    }
  }

  async list(cursor: string | null, limit: number): Promise<RoomPage> {
    const now = this.#now()
    const after = Number(cursor ?? 0) || 0
    const rooms: RoomListing[] = []
    let last = after
    for (const [name, { state, number }] of this.#rooms) {
      if (number <= after) continue
      if (rooms.length >= limit) return { rooms, cursor: String(last) }
      rooms.push(listing(name, state, now))
      last = number
    }
    return { rooms, cursor: null }
  }

  closeRoom(room: string, reason: string): Promise<CloseOutcome> {
    return this.run(room, { verb: 'close', reason })
  }

  async sweep(): Promise<void> {
    const now = this.#now()
    for (const [name, { state }] of this.#rooms) {
      const due = dueAt(state, this.#options.rules)
      if (due !== null && due <= now) this.#run(name, { verb: 'sweep' })
    }
  }

  apply(options: RoomsOptions): void {
    this.#options = options
    this.#shares.apply(options.rooms)
    this.#waiting.apply(options.waitingBytes)
  }

  #run<C extends RoomCommand>(name: string, command: C): Outcomes[C['verb']] {
    const outcome = this.#step(name, command)
    if (command.verb !== 'register') return outcome
    // What the outcome of a register is, TypeScript does not see here.
    const { holder } = outcome as RegisterOutcome
    if (holder === '' || this.#effects.isLive(holder)) return outcome
    return this.#step(name, { ...command, over: holder })
  }

  #step<C extends RoomCommand>(name: string, command: C): Outcomes[C['verb']] {
    const entry = this.#rooms.get(name)
    const before = entry?.state ?? null
    const opener = before === null && opens(command) ? command.from : null
    const mayOpen = opener === null || this.#shares.take(opener, 1)
    const { room, outcome, effects, memoryTaken } = step(before, command, {
      now: this.#now(),
      rules: this.#options.rules,
      mayOpen,
      forwards: this.#effects.forward !== undefined,
      restoresUntil: this.#restoresUntil,
      waiting: this.#waiting.amountsOf(sourcesOf(before, command)),
    })
    for (const [source, amount] of memoryTaken) this.#waiting.give(source, -amount)
    if (room !== before) {
      if (room === null) this.#rooms.delete(name)
      else if (entry) entry.state = room
      else this.#rooms.set(name, { state: room, number: ++this.#opened })
    }
    const closed = before ?? (opener !== null && mayOpen ? { from: opener } : null)
    if (room === null && closed !== null) this.#shares.give(closed.from, 1)
    this.#carryOut(name, effects)
    return outcome
  }

  #carryOut(room: string, effects: readonly RoomEffect[]): void {
    const undelivered: EffectOf<'deliver'>[] = []
    for (const effect of effects) {
      if (effect.effect === 'deliver') {
        if (!this.#effects.deliver(room, effect)) undelivered.push(effect)
      } else if (effect.effect === 'disconnect') this.#effects.disconnect(room, effect)
      else if (effect.effect === 'forgotten') this.#effects.forgotten(room, effect.client)
      else if (effect.effect === 'forward') this.#effects.forward?.(room, effect.client, effect.text)
      else this.#waiting.refused[effect.why]++
    }
    for (const { client, socket, from, text } of undelivered)
      this.#step(room, { verb: 'undelivered', client, socket, from, text })
  }
}

/** Whose undelivered texts the command may add to. */
function sourcesOf(room: RoomState | null, command: RoomCommand): string[] {
  const sources = room === null ? [] : room.clients.map(({ from }) => from)
  if ('from' in command) sources.push(command.from)
  return sources
}
