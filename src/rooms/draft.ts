import { BYE } from './bye.ts'
import type { RoomEffect } from './command.ts'
import type { Conditions } from './conditions.ts'
import {
  type Client,
  fills,
  hasExpired,
  hasLostSocket,
  holdersOf,
  LOOPBACK_CLIENT_ID,
  membersOf,
  type RoomState,
} from './state.ts'
import { WaitingMemory } from './waiting.ts'

/** One step under way: a copy of the room that the rules change, and what they ask of the world. */
export class Draft {
  readonly conditions: Conditions
  readonly effects: RoomEffect[] = []
  changedAt: number
  keptUntil: number | null
  readonly #before: RoomState
  readonly #clients = new Map<string, Client>()
  /** Made when a text is kept, or given back. */
  #memory: WaitingMemory | null = null
  #isChanged = false

  /** `from`: who opens the room, where there is none yet. */
  constructor(room: RoomState | null, from: string, conditions: Conditions) {
    const { now } = conditions
    this.conditions = conditions
    this.#before = room ?? { from, openedAt: now, changedAt: now, keptUntil: null, clients: [] }
    this.changedAt = this.#before.changedAt
    this.keptUntil = this.#before.keptUntil
    for (const client of this.#before.clients) this.#clients.set(client.id, { ...client })
  }

  /** The room as it is now: null when nobody is in it, and what did not change is what it was before. */
  room(): RoomState | null {
    if (this.#clients.size === 0) return null
    const { from, openedAt, changedAt, keptUntil, clients } = this.#before
    const now = this.#isChanged ? sealed(this.#clients.values(), clients) : clients
    if (now === clients && this.changedAt === changedAt && this.keptUntil === keptUntil) return this.#before
    return { from, openedAt, changedAt: this.changedAt, keptUntil: this.keptUntil, clients: now }
  }

  /** What it has taken of the memory for undelivered texts, by source. */
  get memoryTaken(): WaitingMemory['taken'] {
    return this.#memory?.taken ?? NOTHING
  }

  /** In the order in which they came. One that is forgotten while somebody goes through them is passed over. */
  get clients(): Iterable<Client> {
    return this.#clients.values()
  }

  get members(): Client[] {
    return membersOf(this.#clients.values())
  }

  /** By the exact name. */
  client(id: string): Client | undefined {
    return this.#clients.get(id)
  }

  /** By the name that a socket or a POST to the Collider says. */
  find(id: string): Client | undefined {
    const known = this.#clients.get(id)
    if (known || id !== LOOPBACK_CLIENT_ID.toLowerCase()) return known
    // The web page's loopback socket writes in lower case what the room server calls LOOPBACK_CLIENT_ID.
    const pseudo = this.#clients.get(LOOPBACK_CLIENT_ID)
    if (!pseudo?.loopback || pseudo.socket === 'open') return undefined
    this.#clients.delete(LOOPBACK_CLIENT_ID)
    return this.add({ ...pseudo, id })
  }

  add(client: Pick<Client, 'id' | 'from' | 'standing'> & Partial<Client>): Client {
    const added: Client = {
      since: this.conditions.now,
      loopback: false,
      secret: '',
      returned: false,
      initiator: false,
      socket: 'awaited',
      at: '',
      expiresAt: null,
      inbox: [],
      outbox: [],
      audience: [],
      ...client,
    }
    this.#clients.set(added.id, added)
    this.#isChanged = true
    return added
  }

  /** The one way to change a client; whoever holds it sees the change. */
  change(client: Client, to: Partial<Client>): void {
    Object.assign(client, to)
    this.#isChanged = true
  }

  /** Whoever hears what `sender` says. */
  audienceOf(sender: Client): Client[] {
    const leftBehind = sender.standing === 'left' ? new Set(sender.audience) : null
    return [...this.#clients.values()].filter((other) => {
      if (other === sender || other.standing === 'left') return false
      return leftBehind === null ? other.standing === sender.standing : leftBehind.has(other.id)
    })
  }

  /** Where the room server has given the places, nobody gets in by naming an id (Collider trusted every name). */
  admitsGuest(): boolean {
    if (this.members.length > 0) return false
    const guests = [...this.#clients.values()].filter(({ standing }) => standing === 'guest')
    if (!fills(guests, this.conditions.rules)) return true
    // The room server has given a place to one we don't know, so it counts these no more.
    const areGone = guests.every(hasLostSocket)
    if (areGone) for (const client of guests) this.forget(client)
    return areGone
  }

  /** Forgets whose time is up. */
  expire(): void {
    for (const client of this.#clients.values()) if (hasExpired(client, this.conditions.now)) this.forget(client)
  }

  /** Forgets whose time is up, and the members whose places a newcomer may have. */
  makeWay(): void {
    this.expire()
    const holders = new Set<Client>(holdersOf(this.#clients.values(), this.conditions.rules, this.conditions.now))
    for (const client of this.#clients.values())
      if (client.standing === 'member' && !holders.has(client)) this.forget(client)
  }

  /** A member, or a guest, is one no more; it may still have a socket, and say bye. */
  giveUpPlace(client: Client): void {
    this.change(client, { audience: this.audienceOf(client).map(({ id }) => id), standing: 'left' })
    this.takeBox(client, 'inbox')
    this.takeBox(client, 'outbox')
    const remaining = this.members
    if (remaining.length === 1 && remaining[0]!.loopback) this.forget(remaining[0]!)
    else if (remaining[0] && !remaining.some((other) => other.initiator)) this.change(remaining[0], { initiator: true })
  }

  /** Tells those whom a client left behind that it is gone, once. */
  sayBye(client: Client, text: string = BYE): void {
    if (this.conditions.forwards) return
    for (const other of this.audienceOf(client)) {
      // What it has said since was meant for the one who left; a newcomer must not get stale answers.
      this.takeBox(other, 'outbox')
      if (other.socket === 'open') this.deliver(other, client.from, text)
      else this.keep(client, other, 'inbox', text)
    }
    this.change(client, { audience: [] })
  }

  /** Takes a client out, and tells everybody whom it concerns. */
  forget(client: Client): void {
    const hadPlace = client.standing !== 'left'
    if (client.standing === 'member') this.giveUpPlace(client)
    // Guests' peers are told nothing, as by Collider: their room server does that.
    if (client.standing === 'left') this.sayBye(client)
    this.drop(client)
    if (hadPlace) this.effects.push({ effect: 'forgotten', client: client.id })
  }

  /** Takes a client out without a word to anybody else. */
  drop(client: Client): void {
    this.takeBox(client, 'inbox')
    this.takeBox(client, 'outbox')
    this.#clients.delete(client.id)
    this.#isChanged = true
    if (client.socket === 'open') this.disconnect(client, 'forgotten')
  }

  deliver({ id, at }: Client, from: string, text: string): void {
    this.effects.push({ effect: 'deliver', client: id, socket: at, from, text })
  }

  disconnect({ id, at }: Client, why: 'forgotten' | 'replaced' | 'closed', notice = ''): void {
    this.effects.push({ effect: 'disconnect', client: id, socket: at, why, notice })
  }

  /** False when there is no memory for the text. */
  keep(sender: Pick<Client, 'from'>, keeper: Client, box: 'inbox' | 'outbox', text: string): boolean {
    const kept = this.#waiting().take(sender.from, text, this.clients)
    if (typeof kept === 'object') this.change(keeper, { [box]: [...keeper[box], kept] })
    else if (kept !== 'room') this.effects.push({ effect: 'refused', why: kept })
    return typeof kept === 'object'
  }

  /** Empties a box. */
  takeBox(client: Client, box: 'inbox' | 'outbox'): Client['inbox'] {
    const texts = client[box]
    if (texts.length === 0) return texts
    this.#waiting().give(texts)
    this.change(client, { [box]: [] })
    return texts
  }

  #waiting(): WaitingMemory {
    this.#memory ??= new WaitingMemory(this.conditions)
    return this.#memory
  }
}

const NOTHING: WaitingMemory['taken'] = []

/** The clients as they were before, where all are the same; else each that is the same. Who came since is at the end. */
function sealed(drafts: Iterable<Client>, before: readonly Client[]): readonly Client[] {
  const clients: Client[] = []
  let isSame = true
  let next = 0
  for (const draft of drafts) {
    while (next < before.length && before[next]!.id !== draft.id) next++
    const old = before[next++]
    const client = old !== undefined && isEqual(draft, old) ? old : draft
    if (client !== before[clients.length]) isSame = false
    clients.push(client)
  }
  return isSame && clients.length === before.length ? before : clients
}

function isEqual(a: Client, b: Client): boolean {
  for (const key in a) if (!isSame(a[key as keyof Client], b[key as keyof Client])) return false
  return true
}

/** Lists are the same with the same in them. */
function isSame(a: Client[keyof Client], b: Client[keyof Client]): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  return a.length === b.length && a.every((each, i) => each === b[i])
}
