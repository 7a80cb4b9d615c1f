import { timingSafeEqual } from 'node:crypto'
import type { RoomRules } from './options.ts'

/**
 * One room: who has a place, who can be reached, and what waits for whom. Plain JSON, without a room's name: whoever stores it
 * has that. Times are those of the store's clock, in milliseconds; null never comes.
 */
export interface RoomState {
  /** Whose room it is: where the client that opened it came from. */
  readonly from: string
  readonly openedAt: number
  /** When somebody last came, left, or stored a text. */
  readonly changedAt: number
  /** Until when a place is kept for somebody who has a call here. */
  readonly keptUntil: number | null
  /** In the order in which they came; each id is there once. */
  readonly clients: readonly Client[]
}

/**
 * One client of a room. Having a place and having a socket are separate: after /leave a client is no member any more, but
 * its socket must stay usable, because its bye comes afterwards.
 */
export interface Client {
  readonly id: string
  /** What its join, register or POST was counted by: an IPv4 address or an IPv6 /64; the pseudo client's is the real one's. */
  readonly from: string
  /** When it became known here. */
  readonly since: number
  /** The pseudo client of a loopback room: it comes and goes with the real one. */
  readonly loopback: boolean
  /**
   * `member`: has a place, given by join. `left`: had one; only its socket is left. `guest`: known from `register` or a
   * Collider POST alone, as every client is when a foreign room server uses our hub.
   */
  readonly standing: 'member' | 'left' | 'guest'
  /** What its join answer said nobody else knows; '' for one that has not joined. */
  readonly secret: string
  /** Took its place back after a restart of the server. */
  readonly returned: boolean
  /** Came into an empty room, or is the one who remained. */
  readonly initiator: boolean
  /**
   * `awaited`: it has had none yet. `open`: it has one. `lost`: it had one, which broke. `gone`: the page behind it was
   * closed (1001), so nobody comes back for the place.
   */
  readonly socket: 'awaited' | 'open' | 'lost' | 'gone'
  /** The name of its latest socket, by which whoever registered it finds it. */
  readonly at: string
  /** When it loses its place unless a socket comes. */
  readonly expiresAt: number | null
  /** Texts for this client that wait for its socket. */
  readonly inbox: readonly WaitingText[]
  /** Texts of this client that wait for whoever comes next. */
  readonly outbox: readonly WaitingText[]
  /** Who still hears a client that has left: the members it left behind. A newcomer must not get its late bye. */
  readonly audience: readonly string[]
}

/** A text and whose share of the memory it is in: that of who said it. */
export interface WaitingText {
  readonly text: string
  /** As UTF-8. */
  readonly bytes: number
  readonly from: string
}

/** The pseudo client that fills a room joined with `debug=loopback`. */
export const LOOPBACK_CLIENT_ID = 'LOOPBACK_CLIENT_ID'

export function membersOf<C extends Client>(clients: Iterable<C>): C[] {
  return [...clients].filter(({ standing }) => standing === 'member')
}

/** Whether a newcomer would get no place. */
export function isFull(room: Pick<RoomState, 'keptUntil' | 'clients'>, rules: RoomRules, now: number): boolean {
  const kept = room.keptUntil !== null && now < room.keptUntil ? 1 : 0
  return fills(holdersOf(room.clients, rules, now), rules, kept)
}

/**
 * The members who keep their places when somebody wants to join. Where all have lost the socket they once had there is no
 * call left to protect: their offer is stale, and whoever comes back is likely to be one of them. One who has had no
 * socket yet is still on its way, which is not gone: the room stays as it is, or two would be told to make the offer.
 */
export function holdersOf(clients: Iterable<Client>, rules: RoomRules, now: number): Client[] {
  const members = membersOf(clients).filter((client) => !hasExpired(client, now))
  if (members.every(hasLostSocket)) return []
  return fills(members, rules) ? members.filter(({ socket }) => socket !== 'gone') : members
}

/** Whether so many clients, and places kept for others, are all that a room may have. */
export function fills(clients: readonly Client[], { capacity }: RoomRules, kept = 0): boolean {
  return capacity > 0 && clients.length + kept >= capacity
}

/** Loopback's pseudo client comes and goes with the real one, whatever its socket does. */
export function hasLostSocket({ loopback, socket }: Client): boolean {
  return loopback || socket === 'lost' || socket === 'gone'
}

export function hasExpired({ expiresAt }: Client, now: number): boolean {
  return expiresAt !== null && expiresAt <= now
}

/** Whether this is what the join answer told this client alone. */
export function proves(client: Client | undefined, secret: string): boolean {
  const known = client?.secret ?? ''
  return (
    known !== '' &&
    Buffer.byteLength(known) === Buffer.byteLength(secret) &&
    timingSafeEqual(Buffer.from(known), Buffer.from(secret))
  )
}

/** When the room next changes though nobody does anything; null is never. Before that a sweep of it is for nothing. */
export function dueAt(room: RoomState, { expirationSeconds }: RoomRules): number | null {
  let due: number | null = null
  let isReached = false
  for (const { expiresAt, socket } of room.clients) {
    if (expiresAt !== null && (due === null || expiresAt < due)) due = expiresAt
    if (socket === 'open') isReached = true
  }
  // A call may last for days without a word to us: sockets that answer pings keep their room.
  const expires = isReached ? null : after(room.changedAt, expirationSeconds)
  return expires === null || (due !== null && due < expires) ? due : expires
}

/** The time so many seconds after `now`; 0 seconds never end. */
export function after(now: number, seconds: number): number | null {
  return seconds === 0 ? null : now + seconds * 1000
}
