import { timingSafeEqual } from 'node:crypto'
import { BYE, type Claim, type Client, isBye, LOOPBACK_CLIENT_ID, newClient, type WaitingText } from './client.ts'
import type { RoomListing } from './listing.ts'
import type { RoomsOptions } from './options.ts'
import type { SourceShares } from './source-shares.ts'

/** What rooms ask of the world. Synchronous, never re-entrant. */
export interface RoomEffects {
  /** Sends one relayed text to a client that has a socket. */
  deliver(room: string, client: string, text: string): void
  /** The client lost its place: close its socket, if there is one. `reason`: what an operator says to it, who closed the room. */
  disconnect(room: string, client: string, reason?: string): void
  /** The place is gone by a bye, by DELETE or by time, once; by the last two Collider calls its room server. */
  forgotten(room: string, client: string): void
  /** Only where another Collider has the sockets: hands it a text of `sender`, as the original room server did. */
  forward?(room: string, sender: string, text: string): void
}

export type JoinOutcome =
  | { readonly result: 'SUCCESS'; readonly initiator: boolean; readonly messages: readonly string[] }
  | { readonly result: 'FULL' | 'DUPLICATE_CLIENT' }

export type MessageResult = 'SUCCESS' | 'ERROR' | 'UNKNOWN_ROOM' | 'UNKNOWN_CLIENT'

/** Collider's words for a refusal; null when all is well. */
export type Refusal =
  | 'Max room capacity reached'
  | 'Duplicated registration'
  | 'Too many messages queued for the client'
  | null

/** How long the place of the other one is kept, once one of a call is back after a restart of the server. */
const COMPANION_MS = 30_000

/** What V8 keeps beside each text: without it a megabyte of one-letter texts would be many. */
const KEPT_WITH_EACH = 256

/** What all rooms have in common. */
export interface RoomWorld {
  readonly options: RoomsOptions
  readonly effects: RoomEffects
  /** Memory for undelivered texts. */
  readonly waiting: SourceShares
  /** Until then who has a call here gets its place back, whoever came in since the server's start. */
  readonly restoresUntil: number
}

/** One room: who has a place, who can be reached, and what waits for whom. */
export class Room {
  readonly name: string
  /** Whose room it is: where the client that opened it came from. */
  readonly from: string
  readonly #options: RoomsOptions
  readonly #effects: RoomEffects
  readonly #waiting: SourceShares
  readonly #clients = new Map<string, Client>()
  readonly #restoresUntil: number
  /** Until when a place is kept for somebody who has a call here. */
  #keptUntil = Number.NEGATIVE_INFINITY
  readonly #openedAt: number
  #changedAt: number
  #waitingMessages = 0
  #waitingBytes = 0

  constructor(name: string, from: string, { options, effects, waiting, restoresUntil }: RoomWorld, now: number) {
    this.name = name
    this.from = from
    this.#restoresUntil = restoresUntil
    this.#options = options
    this.#effects = effects
    this.#waiting = waiting
    this.#openedAt = now
    this.#changedAt = now
  }

  get empty(): boolean {
    return this.#clients.size === 0
  }

  get members(): Client[] {
    return [...this.#clients.values()].filter((client) => client.standing === 'member')
  }

  hasPlace(id: string): boolean {
    return this.#clients.get(id)?.standing === 'member'
  }

  /** Where a client comes from; undefined for one that is not known here. */
  comesFrom(id: string): string | undefined {
    return this.#clients.get(id)?.from
  }

  /** Whether a newcomer would get no place. */
  isFull(now: number): boolean {
    return this.#fills(this.#holders(now), now < this.#keptUntil ? 1 : 0)
  }

  /** Gives `id` a place and, unless it is the first, everything the others have stored for it. */
  join(id: string, loopback: boolean, now: number, from = '', secret = ''): JoinOutcome {
    this.#makeWay(now)
    if (this.isFull(now)) return { result: 'FULL' }
    if (this.#clients.has(id)) return { result: 'DUPLICATE_CLIENT' }
    const members = this.members
    // Guests of our own rooms are clients that were evicted and don't know it: closed, they will join again.
    for (const client of this.#clients.values()) if (client.standing === 'guest') this.#forget(client)
    this.#changedAt = now
    // Of sockets that another Collider has we hear nothing, so their absence means nothing.
    const registerSeconds = this.#effects.forward ? 0 : this.#options.registerTimeoutSeconds
    const client = this.#add(id, 'member', now, after(now, registerSeconds), from)
    client.secret = secret
    client.initiator = members.length === 0
    if (client.initiator && loopback) this.#addLoopback(LOOPBACK_CLIENT_ID, now, from)
    const messages = members.flatMap((other) => this.#take(other, 'outbox'))
    return { result: 'SUCCESS', initiator: client.initiator, messages }
  }

  /** A text posted to the room server: stored for the next join while the sender is alone, else relayed. */
  message(id: string, text: string, now: number): MessageResult {
    if (this.members.length === 0) return 'UNKNOWN_ROOM'
    const sender = this.#clients.get(id)
    if (sender?.standing !== 'member') return 'UNKNOWN_CLIENT'
    return this.#relay(sender, text, now) === null ? 'SUCCESS' : 'ERROR'
  }

  /** A text posted to the Collider; `id` is the sender, who need not have a socket. */
  post(id: string, text: string, now: number, from = ''): Refusal {
    let sender = this.#find(id)
    if (!sender) {
      if (!this.#admitsGuest()) return 'Max room capacity reached'
      sender = this.#add(id, 'guest', now, after(now, this.#options.graceSeconds), from)
    }
    return this.#say(sender, text, now)
  }

  /** Whether this is what the join answer told this client alone. */
  proves(id: string, secret: string): boolean {
    const known = this.#clients.get(id)?.secret ?? ''
    return (
      known !== '' &&
      Buffer.byteLength(known) === Buffer.byteLength(secret) &&
      timingSafeEqual(Buffer.from(known), Buffer.from(secret))
    )
  }

  /** Binds a socket to `id` and hands over what waits for it. A member always has its place, whoever lingers. */
  register(id: string, now: number, from = '', claim: Claim | null = null): Refusal {
    let client = this.#find(id)
    if (client?.socket === 'open') return 'Duplicated registration'
    const hasCall = claim?.inCall === true && claim.secret !== ''
    const returns = hasCall && (client === undefined || client.standing === 'guest') && this.#makeWayBack(id, now)
    if (returns) client = this.#takeBack(id, claim.secret, now, from)
    if (!client) {
      // With a secret it is a page of ours whose place is gone: it has to join again, or it would wait for nothing.
      if (claim !== null || !this.#admitsGuest()) return 'Max room capacity reached'
      client = this.#add(id, 'guest', now, 0, from)
    }
    this.#changedAt = now
    client.socket = 'open'
    client.expiresAt = Number.POSITIVE_INFINITY
    for (const text of this.#take(client, 'inbox')) this.#effects.deliver(this.name, id, text)
    if (client.standing !== 'guest' && !returns) return null
    for (const other of this.#audience(client))
      for (const text of this.#take(other, 'outbox')) this.#effects.deliver(this.name, id, text)
    return null
  }

  /** A `send` frame of a registered socket. */
  send(id: string, text: string, now: number): Refusal {
    const sender = this.#find(id)
    return sender ? this.#say(sender, text, now) : null
  }

  /** The socket of `id` is gone. `goingAway` means that its page was closed or left. */
  closed(id: string, goingAway: boolean, now: number): void {
    const client = this.#find(id)
    if (!client) return
    client.socket = 'lost'
    if (client.standing === 'left') {
      this.#sayBye(client)
      this.#clients.delete(client.id)
    } else if (!client.loopback) {
      if (goingAway) client.socket = 'gone'
      client.expiresAt = after(now, this.#options.graceSeconds)
    }
  }

  /** Gives the place of a member free; one with a socket may still say bye. Anybody else changes nothing. */
  leave(id: string, now: number): void {
    const client = this.#clients.get(id)
    if (client?.standing !== 'member') return
    this.#changedAt = now
    this.#giveUpPlace(client)
    if (client.socket === 'open') return
    this.#sayBye(client)
    this.#clients.delete(id)
  }

  /** Collider's DELETE: forgets the client, its texts and its socket. */
  remove(id: string, now: number): void {
    const client = this.#find(id)
    if (!client) return
    this.#changedAt = now
    this.#forget(client)
  }

  /** Ends the room: says bye to each client, tells it `reason` and closes its socket. Returns how many there were. */
  close(reason: string): number {
    const clients = [...this.#clients.values()]
    for (const client of clients) {
      if (client.socket === 'open') {
        if (client.standing === 'member') this.#effects.deliver(this.name, client.id, BYE)
        this.#effects.disconnect(this.name, client.id, reason)
      }
      client.socket = 'gone'
      this.#drop(client)
      if (client.standing !== 'left') this.#effects.forgotten(this.name, client.id)
    }
    return clients.length
  }

  /** What an operator sees of it. */
  listing(now: number): RoomListing {
    const seconds = (since: number) => Math.max(0, Math.floor((now - since) / 1000))
    return {
      name: this.name,
      ageSeconds: seconds(this.#openedAt),
      idleSeconds: seconds(this.#changedAt),
      waitingMessages: this.#waitingMessages,
      waitingBytes: this.#waitingBytes,
      clients: Array.from(
        this.#clients.values(),
        ({ id, standing, socket, from, initiator, loopback, since, ...boxes }) => ({
          id,
          standing,
          socket,
          from,
          initiator,
          loopback,
          ageSeconds: seconds(since),
          waitingMessages: boxes.inbox.length,
        }),
      ),
    }
  }

  /** Removes what has run out of time; afterwards the room may be empty. */
  sweep(now: number): void {
    for (const client of this.#clients.values()) if (client.expiresAt <= now) this.#forget(client)
    if (after(this.#changedAt, this.#options.expirationSeconds) > now) return
    // A call may last for days without a word to us: sockets that answer pings keep their room.
    for (const client of this.#clients.values()) if (client.socket === 'open') return
    for (const client of [...this.#clients.values()]) this.#drop(client)
  }

  /**
   * Whether somebody whose call goes on, though we don't know it, can have its place. After a start of the server the room
   * does not remember who was there: whoever came in since was not, and makes way without a word to anybody, because nobody
   * of that call has ever heard of them.
   */
  #makeWayBack(id: string, now: number): boolean {
    for (const client of this.#clients.values())
      if (client.expiresAt <= now || (client.standing === 'guest' && client.id !== id)) this.#forget(client)
    if (now < this.#restoresUntil && this.#fills(this.members, this.members.some((client) => client.returned) ? 0 : 1))
      for (const client of this.members) if (!client.returned) this.#drop(client)
    return !this.#fills(this.members)
  }

  #takeBack(id: string, secret: string, now: number, from: string): Client {
    const guest = this.#clients.get(id)
    if (guest) this.#drop(guest)
    const members = this.members
    this.#keptUntil = now < this.#restoresUntil && members.length === 0 ? now + COMPANION_MS : Number.NEGATIVE_INFINITY
    const client = this.#add(id, 'member', now, Number.POSITIVE_INFINITY, from)
    client.secret = secret
    client.returned = now < this.#restoresUntil
    client.initiator = members.length === 0
    return client
  }

  /** Forgets whose time is up, and the members whose places a newcomer may have. */
  #makeWay(now: number): void {
    for (const client of this.#clients.values()) if (client.expiresAt <= now) this.#forget(client)
    const holders = new Set(this.#holders(now))
    for (const client of this.#clients.values())
      if (client.standing === 'member' && !holders.has(client)) this.#forget(client)
  }

  /**
   * The members who keep their places when somebody wants to join. Where all have lost the socket they once had there is no
   * call left to protect: their offer is stale, and whoever comes back is likely to be one of them. One who has had no
   * socket yet is still on its way, which is not gone: the room stays as it is, or two would be told to make the offer.
   */
  #holders(now: number): Client[] {
    const members = this.members.filter((client) => client.expiresAt > now)
    if (members.every(hasLostSocket)) return []
    return this.#fills(members) ? members.filter((client) => client.socket !== 'gone') : members
  }

  #fills(members: readonly Client[], kept = 0): boolean {
    return this.#options.capacity > 0 && members.length + kept >= this.#options.capacity
  }

  #find(id: string): Client | undefined {
    const known = this.#clients.get(id)
    if (known || id !== LOOPBACK_CLIENT_ID.toLowerCase()) return known
    // The web page's loopback socket writes in lower case what the room server calls LOOPBACK_CLIENT_ID.
    const pseudo = this.#clients.get(LOOPBACK_CLIENT_ID)
    if (!pseudo?.loopback || pseudo.socket === 'open') return undefined
    this.#clients.delete(LOOPBACK_CLIENT_ID)
    return this.#addLoopback(id, pseudo.since, pseudo.from, pseudo.inbox)
  }

  #addLoopback(id: string, since: number, from: string, inbox: WaitingText[] = []): Client {
    const pseudo = { ...newClient(id, 'member', since, Number.POSITIVE_INFINITY, from), loopback: true, inbox }
    this.#clients.set(id, pseudo)
    return pseudo
  }

  #add(id: string, standing: Client['standing'], now: number, expiresAt: number, from: string): Client {
    const client = newClient(id, standing, now, expiresAt, from)
    this.#clients.set(id, client)
    return client
  }

  /** Where the room server has given the places, nobody gets in by naming an id (Collider trusted every name). */
  #admitsGuest(): boolean {
    if (this.members.length > 0) return false
    const guests = [...this.#clients.values()].filter((client) => client.standing === 'guest')
    if (!this.#fills(guests)) return true
    // The room server has given a place to one we don't know, so it counts these no more.
    const gone = guests.every(hasLostSocket)
    if (gone) for (const client of guests) this.#forget(client)
    return gone
  }

  #audience(sender: Client): Client[] {
    return [...this.#clients.values()].filter((other) => {
      if (other === sender || other.standing === 'left') return false
      return sender.standing === 'left' ? sender.audience.has(other.id) : other.standing === sender.standing
    })
  }

  /** Relays what came through the Collider. Each client says bye only when it hangs up, so a bye is a leave. */
  #say(sender: Client, text: string, now: number): Refusal {
    if (!isBye(text)) return this.#relay(sender, text, now)
    if (sender.standing !== 'left') {
      this.#changedAt = now
      // Said before the bye is passed on: whoever hears it asks the room server for the next caller.
      if (sender.standing === 'guest') this.#effects.forgotten(this.name, sender.id)
      this.#giveUpPlace(sender)
    }
    this.#sayBye(sender, text)
    if (sender.socket !== 'open') this.#clients.delete(sender.id)
    return null
  }

  #relay(sender: Client, text: string, now: number): Refusal {
    const audience = this.#audience(sender)
    if (audience.length === 0) {
      if (sender.standing === 'left') return null
      this.#changedAt = now
      return this.#keep(sender, sender.outbox, text) ? null : 'Too many messages queued for the client'
    }
    if (this.#effects.forward) {
      this.#effects.forward(this.name, sender.id, text)
      return null
    }
    let kept = true
    for (const other of audience) {
      if (other.socket === 'open') this.#effects.deliver(this.name, other.id, text)
      else kept = this.#keep(sender, other.inbox, text) && kept
    }
    return kept ? null : 'Too many messages queued for the client'
  }

  #giveUpPlace(client: Client): void {
    client.audience = new Set(this.#audience(client).map((other) => other.id))
    client.standing = 'left'
    this.#take(client, 'inbox')
    this.#take(client, 'outbox')
    const remaining = this.members
    if (remaining.length === 1 && remaining[0]!.loopback) this.#forget(remaining[0]!)
    else if (remaining[0] && !remaining.some((other) => other.initiator)) remaining[0].initiator = true
  }

  /** Tells those whom a client left behind that it is gone, once. */
  #sayBye(client: Client, text: string = BYE): void {
    if (this.#effects.forward) return
    for (const other of this.#audience(client)) {
      // What it has said since was meant for the one who left; a newcomer must not get stale answers.
      this.#take(other, 'outbox')
      if (other.socket === 'open') this.#effects.deliver(this.name, other.id, text)
      else this.#keep(client, other.inbox, text)
    }
    client.audience = new Set()
  }

  #forget(client: Client): void {
    const hadPlace = client.standing !== 'left'
    if (client.standing === 'member') this.#giveUpPlace(client)
    // Guests' peers are told nothing, as by Collider: their room server does that.
    if (client.standing === 'left') this.#sayBye(client)
    this.#drop(client)
    if (hadPlace) this.#effects.forgotten(this.name, client.id)
  }

  #drop(client: Client): void {
    this.#take(client, 'inbox')
    this.#take(client, 'outbox')
    this.#clients.delete(client.id)
    if (client.socket === 'open') this.#effects.disconnect(this.name, client.id)
  }

  #keep({ from }: Client, box: WaitingText[], text: string): boolean {
    const bytes = Buffer.byteLength(text)
    const { maxMessages, maxBytes } = this.#options
    if (maxMessages > 0 && this.#waitingMessages >= maxMessages) return false
    if (maxBytes > 0 && this.#waitingBytes + bytes > maxBytes) return false
    if (!this.#waiting.take(from, bytes + KEPT_WITH_EACH)) return false
    this.#waitingMessages++
    this.#waitingBytes += bytes
    box.push({ text, bytes, from })
    return true
  }

  #take(client: Client, box: 'inbox' | 'outbox'): string[] {
    const texts = client[box]
    client[box] = []
    this.#waitingMessages -= texts.length
    for (const { bytes, from } of texts) {
      this.#waitingBytes -= bytes
      this.#waiting.give(from, bytes + KEPT_WITH_EACH)
    }
    return texts.map(({ text }) => text)
  }
}

/** Loopback's pseudo client comes and goes with the real one, whatever its socket does. */
function hasLostSocket({ loopback, socket }: Client): boolean {
  return loopback || socket === 'lost' || socket === 'gone'
}

function after(now: number, seconds: number): number {
  return seconds === 0 ? Number.POSITIVE_INFINITY : now + seconds * 1000
}
