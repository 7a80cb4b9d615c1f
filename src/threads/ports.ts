import { Address } from '../stun/address.ts'
import type { Quota } from '../turn/limits/quota.ts'
import type { PortSource } from '../turn/options.ts'
import type { Pair, RelayPorts } from '../turn/relay-addresses/relay-ports.ts'
import { Reservations, type Reserver } from '../turn/relay-addresses/reservations.ts'
import { subject } from './line.ts'

export interface Reserved {
  readonly kind: 'reserved'
  readonly token: string
  /** Whose reservation it is. */
  readonly thread: number
  readonly host: string
  readonly port: number
  readonly user: string
  /** The address that asked for it. */
  readonly source: string
  readonly milliseconds: number
  /** The socket that holds the port; it is the reserving thread's until that ends. */
  readonly descriptor: number
}

/** What the threads that relay tell each other about ports and reservations (RFC 8656 §7.2). */
export type PortMessage =
  | Reserved
  | { readonly kind: 'unreserved'; readonly token: string }
  /** A thread has died with all that it had reserved. */
  | { readonly kind: 'lost'; readonly thread: number }
  | { readonly kind: 'taken'; readonly token: string }

/**
 * A reservation is asked about: the answer comes when every other thread has been told of it. The rest is told, by one thread
 * to all others.
 */
export const PORTS = subject<PortMessage, Reserved, true>('ports')

const RESERVATION_MS = 30_000

/** The sockets by which a thread holds reserved ports. */
export interface HeldSockets {
  /** Holds what another thread holds by `descriptor`, too. */
  share(local: Address, descriptor: number): void
  release(local: Address): void
}

/** One thread's relay ports, and the reservations of all: a token may come to any thread. */
export class SharedRelayPorts implements PortSource {
  readonly #own: RelayPorts
  readonly #quota: Pick<Quota, 'takeOver'>
  readonly #tell: (message: PortMessage) => void
  readonly #held: HeldSockets
  readonly #catchUp: () => void
  /** Reserved by other threads, by token, oldest first. */
  readonly #ofOthers = new Reservations<ReservedByOther>()

  /** `catchUp` hears at once what others have told and nobody has listened to yet. */
  constructor(
    own: RelayPorts,
    quota: Pick<Quota, 'takeOver'>,
    tell: (message: PortMessage) => void,
    held: HeldSockets,
    catchUp: () => void = () => {},
  ) {
    this.#own = own
    this.#quota = quota
    this.#tell = tell
    this.#held = held
    this.#catchUp = catchUp
  }

  get thread(): number {
    return this.#own.thread
  }

  isInUse(local: Address): boolean {
    return this.#own.isInUse(local)
  }

  take(ip: Address, even: boolean, now: number): number | null {
    return this.#own.take(ip, even, now)
  }

  takePair(ip: Address, reserver: Reserver, now: number): Pair | null {
    return this.#own.takePair(ip, reserver, now)
  }

  reservedBy(source: Address): number {
    return this.#own.reservedBy(source) + this.#ofOthers.of(source)
  }

  /** What the others are to know of a reservation whose port is held by `descriptor`; null when it is over. */
  announcement(token: Buffer, descriptor: number): Reserved | null {
    const reservation = this.#own.reserved(token)
    if (reservation === undefined) return null
    const { host, port } = reservation.local
    return {
      kind: 'reserved',
      token: token.toString('hex'),
      thread: this.#own.thread,
      host,
      port,
      user: reservation.user,
      source: reservation.source.host,
      milliseconds: RESERVATION_MS,
      descriptor,
    }
  }

  takeReserved(token: Buffer, user: string, now: number): Address | 'unknown' | 'foreign' {
    const key = token.toString('hex')
    const local = this.#own.takeReserved(token, user, now)
    if (typeof local !== 'string') this.#tell({ kind: 'unreserved', token: key })
    if (local !== 'unknown') return local
    // The client may be faster than what tells us of its token.
    if (this.#ofOthers.get(key) === undefined) this.#catchUp()
    const known = this.#ofOthers.get(key)
    if (known === undefined) return 'unknown'
    if (known.expiresAt <= now) return 'unknown'
    if (known.user !== user) return 'foreign'
    this.#ofOthers.delete(key)
    // Its time may be over, or its thread at an end, and we have not heard of it.
    const begin = () => this.#own.adopt(known.local, known.thread)
    if (!this.#quota.takeOver(user, known.thread, begin)) return 'unknown'
    // Before its holder hears of it, who then lets go.
    this.#held.share(known.local, known.descriptor)
    this.#tell({ kind: 'taken', token: key })
    return known.local
  }

  takeOver(local: Address, thread: number): boolean {
    return this.#own.takeOver(local, thread)
  }

  endReservation(token: Buffer): Address | null {
    const local = this.#own.endReservation(token)
    this.#tell({ kind: 'unreserved', token: token.toString('hex') })
    return local
  }

  sweep(now: number, expired: (local: Address, user: string | null) => void): void {
    this.#own.sweep(now, expired)
    for (const [token, { expiresAt }] of this.#ofOthers) if (expiresAt <= now) this.#ofOthers.delete(token)
  }

  free(local: Address, now: number): void {
    this.#own.free(local, now)
  }

  skip(local: Address, now: number): void {
    this.#own.skip(local, now)
  }

  /** What another thread has told. */
  told(message: PortMessage, now: number): void {
    switch (message.kind) {
      case 'reserved': {
        const { token, thread, user, milliseconds, descriptor } = message
        const [local, source] = [Address.parse(message.host, message.port)!, Address.parse(message.source)!]
        this.#ofOthers.add(token, { thread, local, user, source, expiresAt: now + milliseconds, descriptor })
        break
      }
      case 'unreserved':
        this.#ofOthers.delete(message.token)
        break
      case 'taken': {
        const local = this.#own.forgetReservation(Buffer.from(message.token, 'hex'))
        if (local !== null) this.#held.release(local)
        this.#ofOthers.delete(message.token)
        break
      }
      case 'lost':
        for (const [token, { thread }] of this.#ofOthers) if (thread === message.thread) this.#ofOthers.delete(token)
    }
  }
}

interface ReservedByOther extends Reserver {
  readonly thread: number
  readonly local: Address
  readonly expiresAt: number
  readonly descriptor: number
}
