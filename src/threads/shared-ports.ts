import { Address } from '../stun/address.ts'
import type { Quota } from '../turn/limits/quota.ts'
import type { PortSource } from '../turn/options.ts'
import type { RelayPorts } from '../turn/relay-addresses/relay-ports.ts'

/** What the threads that relay tell each other about ports and reservations (RFC 8656 §7.2). */
export type PortMessage =
  | {
      readonly kind: 'reserved'
      readonly token: string
      /** Whose reservation it is. */
      readonly thread: number
      readonly host: string
      readonly port: number
      readonly user: string
      readonly milliseconds: number
    }
  | { readonly kind: 'unreserved'; readonly token: string }
  /** A thread has died with all that it had reserved. */
  | { readonly kind: 'lost'; readonly thread: number }
  | { readonly kind: 'taken'; readonly token: string }

const KINDS: ReadonlySet<string> = new Set(['reserved', 'unreserved', 'taken', 'lost'] satisfies PortMessage['kind'][])

export function isAboutPorts(message: { readonly kind: string }): message is PortMessage {
  return KINDS.has(message.kind)
}

const RESERVATION_MS = 30_000

/** One thread's relay ports, and the reservations of all: a token may come to any thread. */
export class SharedRelayPorts implements PortSource {
  readonly #own: RelayPorts
  readonly #quota: Pick<Quota, 'takeOver'>
  readonly #tell: (message: PortMessage) => void
  readonly #catchUp: () => void
  /** Reserved by other threads, by token, oldest first. */
  readonly #elsewhere = new Map<string, { thread: number; local: Address; user: string; expiresAt: number }>()

  /** `catchUp` hears at once what others have told and nobody has listened to yet. */
  constructor(
    own: RelayPorts,
    quota: Pick<Quota, 'takeOver'>,
    tell: (message: PortMessage) => void,
    catchUp: () => void = () => {},
  ) {
    this.#own = own
    this.#quota = quota
    this.#tell = tell
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

  takePair(ip: Address, user: string, now: number): { readonly port: number; readonly token: Buffer } | null {
    const pair = this.#own.takePair(ip, user, now)
    if (pair !== null) {
      const { thread } = this.#own
      const token = pair.token.toString('hex')
      const port = pair.port + 1
      this.#tell({ kind: 'reserved', token, thread, host: ip.host, port, user, milliseconds: RESERVATION_MS })
    }
    return pair
  }

  takeReserved(token: Buffer, user: string, now: number): Address | 'unknown' | 'foreign' {
    const key = token.toString('hex')
    const local = this.#own.takeReserved(token, user, now)
    if (typeof local !== 'string') this.#tell({ kind: 'unreserved', token: key })
    if (local !== 'unknown') return local
    // The client may be faster than what tells us of its token.
    if (!this.#elsewhere.has(key)) this.#catchUp()
    const known = this.#elsewhere.get(key)
    if (known === undefined) return 'unknown'
    if (known.expiresAt <= now) return 'unknown'
    if (known.user !== user) return 'foreign'
    this.#elsewhere.delete(key)
    // Its time may be over, or its thread at an end, and we have not heard of it.
    const begin = () => this.#own.adopt(known.local, known.thread)
    if (!this.#quota.takeOver(user, known.thread, begin)) return 'unknown'
    this.#tell({ kind: 'taken', token: key })
    return known.local
  }

  takeOver(local: Address, thread: number): boolean {
    return this.#own.takeOver(local, thread)
  }

  cancelReservation(token: Buffer): boolean {
    const wasHeld = this.#own.cancelReservation(token)
    this.#tell({ kind: 'unreserved', token: token.toString('hex') })
    return wasHeld
  }

  sweep(now: number, expired: (user: string) => void): void {
    this.#own.sweep(now, expired)
    for (const [token, { expiresAt }] of this.#elsewhere) if (expiresAt <= now) this.#elsewhere.delete(token)
  }

  free(local: Address, now: number): void {
    this.#own.free(local, now)
  }

  skip(local: Address, now: number): void {
    this.#own.skip(local, now)
  }

  /** What another thread has told. */
  hear(message: PortMessage, now: number): void {
    switch (message.kind) {
      case 'reserved': {
        const { token, thread, host, port, user, milliseconds } = message
        const local = Address.parse(host, port)!
        this.#elsewhere.set(token, { thread, local, user, expiresAt: now + milliseconds })
        break
      }
      case 'unreserved':
        this.#elsewhere.delete(message.token)
        break
      case 'taken':
        this.#own.forgetReservation(Buffer.from(message.token, 'hex'))
        this.#elsewhere.delete(message.token)
        break
      case 'lost':
        for (const [token, { thread }] of this.#elsewhere) if (thread === message.thread) this.#elsewhere.delete(token)
    }
  }
}
