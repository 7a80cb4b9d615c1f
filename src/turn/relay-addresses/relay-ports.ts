import { claimMemory, PortClaims, type RelayPortRange } from '../../shared/port-claims.ts'
import { Address } from '../../stun/address.ts'
import { PortPool } from './port-pool.ts'
import { Reservations, type Reserver } from './reservations.ts'

/** What several threads have together, so that each may give out any port of the range. */
export interface PortShare {
  /** Counted from 0. */
  readonly thread: number
  readonly claims: PortMemory
}

/** Who has which port, by relay address; each made by `claimMemory`. */
export type PortMemory = ReadonlyMap<string, SharedArrayBuffer>

/** The odd port beside an even one, kept for whoever of the same user brings the token (RFC 8656 §7.2). */
interface Reservation extends Reserver {
  readonly local: Address
  readonly expiresAt: number
}

/** An even port, and the token for the odd one above it. */
export interface Pair {
  readonly port: number
  readonly token: Buffer
}

/** Which relay ports are free: at random, per local address, whichever thread has the others (RFC 8656 §7.2). */
export class RelayPorts {
  #range: RelayPortRange
  readonly #random: (size: number) => Buffer
  readonly #thread: number
  /** Null where there are no other threads. */
  #claims: PortMemory | null
  readonly #pools = new Map<string, PortPool>()
  readonly #reservations = new Reservations<Reservation>()

  /** Without a share every address has ports, which are this thread's alone. */
  constructor(range: RelayPortRange, random: (size: number) => Buffer, share: PortShare | null = null) {
    this.#range = range
    this.#random = random
    this.#thread = share?.thread ?? 0
    this.#claims = share?.claims ?? null
  }

  get thread(): number {
    return this.#thread
  }

  /**
   * Gives out other ports from now on, and those of other addresses. What is in use goes on, whatever the range; an address that
   * is not among `claims` any more has nothing in use.
   */
  apply(range: RelayPortRange, claims: PortMemory): void {
    this.#range = range
    this.#claims = claims
    for (const [host, pool] of this.#pools) {
      if (claims.has(host)) pool.range = range
      else this.#pools.delete(host)
    }
  }

  /** Whether some allocation, of whichever thread, has this relay address and port. */
  isInUse(local: Address): boolean {
    return this.#pool(local)?.isInUse(local.port) ?? false
  }

  /** A free port on `ip`, even if so asked; null when there is none. */
  take(ip: Address, even: boolean, now: number): number | null {
    return this.#pool(ip)?.take(even ? 'even' : 'any', now) ?? null
  }

  /** An even port on `ip`, and a token for the odd one above it; null when no such pair is free. */
  takePair(ip: Address, { user, source }: Reserver, now: number): Pair | null {
    const port = this.#pool(ip)?.take('pair', now) ?? null
    if (port === null) return null
    const token = this.#random(TOKEN_LENGTH)
    const reservation = { local: ip.withPort(port + 1), user, source, expiresAt: now + RESERVATION_MS }
    this.#reservations.add(token.toString('hex'), reservation)
    return { port, token }
  }

  /** Where the reserved port is; taking it uses the token up, but not when it belongs to another user. */
  takeReserved(token: Buffer, user: string, now: number): Address | 'unknown' | 'foreign' {
    const key = token.toString('hex')
    const reservation = this.#reservations.get(key)
    if (reservation === undefined || reservation.expiresAt <= now) return 'unknown'
    if (reservation.user !== user) return 'foreign'
    // Another thread may have been faster, and will say so.
    if (!this.adopt(reservation.local, this.#thread)) return 'unknown'
    this.#reservations.delete(key)
    return reservation.local
  }

  /** Takes a port that `thread` has reserved; false when that is over. */
  adopt(local: Address, thread: number): boolean {
    return this.#pool(local)?.adopt(local.port, thread) ?? false
  }

  /** Takes a port that `thread` uses, with its socket; false when that is over. */
  takeOver(local: Address, thread: number): boolean {
    return this.#pool(local)?.takeOver(local.port, thread) ?? false
  }

  /** What is reserved under a token of this thread. */
  reserved(token: Buffer): (Reserver & { readonly local: Address }) | undefined {
    return this.#reservations.get(token.toString('hex'))
  }

  /** Another thread has taken what was reserved here; where that is. */
  forgetReservation(token: Buffer): Address | null {
    return this.#reservations.delete(token.toString('hex'))?.local ?? null
  }

  /** Ends a reservation before its time: the port is the caller's, to give back. Null when there was none any more. */
  endReservation(token: Buffer): Address | null {
    const local = this.forgetReservation(token)
    return local !== null && this.adopt(local, this.#thread) ? local : null
  }

  /**
   * Frees what has rested enough, and reservations that nobody came for. `expired` hears of each before its port can be taken;
   * without a user when another thread has taken it and we have not heard.
   */
  sweep(now: number, expired: (local: Address, user: string | null) => void): void {
    for (const pool of this.#pools.values()) pool.wake(now)
    for (const [key, { local, user, expiresAt }] of this.#reservations) {
      if (expiresAt > now) return
      this.#reservations.delete(key)
      const isOurs = this.adopt(local, this.#thread)
      expired(local, isOurs ? user : null)
      if (isOurs) this.free(local, now)
    }
  }

  /** Gives a port back. It rests for a while, so that late packets for its last owner find nobody. */
  free(local: Address, now: number): void {
    this.#pool(local)?.rest(local.port, now + REST_MS)
  }

  /** Gives back a port that another program holds; it is left alone for a minute. */
  skip(local: Address, now: number): void {
    this.#pool(local)?.avoid(local.port, now + AVOID_MS)
  }

  /** Frees what a thread has had that is no more, once its sockets are closed, and says what its allocations were relayed by. */
  forgetThread(thread: number): Address[] {
    return [...(this.#claims ?? [])].flatMap(([host, memory]) => {
      return this.#claimsIn(memory)
        .forget(thread)
        .map((port) => Address.parse(host, port)!)
    })
  }

  get reservations(): number {
    return this.#reservations.size
  }

  /** Reservations of one source that nobody has come for. */
  reservedBy(source: Address): number {
    return this.#reservations.of(source)
  }

  /** Null for what is no relay address of ours: somebody else may have its ports. */
  #pool(ip: Address): PortPool | null {
    const known = this.#pools.get(ip.host)
    if (known !== undefined) return known
    const memory = this.#claims === null ? claimMemory() : this.#claims.get(ip.host)
    if (memory === undefined) return null
    const pool = new PortPool(this.#claimsIn(memory))
    this.#pools.set(ip.host, pool)
    return pool
  }

  #claimsIn(memory: SharedArrayBuffer): PortClaims {
    return new PortClaims(memory, this.#range, this.#thread, this.#random)
  }
}

const TOKEN_LENGTH = 8
const RESERVATION_MS = 30_000
const REST_MS = 30_000
const AVOID_MS = 60_000
