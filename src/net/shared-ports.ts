import { Address } from '../stun/address.ts'
import type { PortSource } from '../turn/options.ts'
import type { RelayPortRange, RelayPorts } from '../turn/relay-ports.ts'

/** What the threads that relay tell each other about ports and reservations (RFC 8656 §7.2). */
export type PortMessage =
  | {
      readonly kind: 'reserved'
      readonly token: string
      readonly host: string
      readonly port: number
      readonly user: string
      readonly milliseconds: number
    }
  | { readonly kind: 'unreserved'; readonly token: string }
  | { readonly kind: 'taken'; readonly token: string; readonly user: string }
  | { readonly kind: 'freed'; readonly host: string; readonly port: number; readonly skip: boolean }

const KINDS: ReadonlySet<string> = new Set(['reserved', 'unreserved', 'taken', 'freed'] satisfies PortMessage['kind'][])

export function isAboutPorts(message: { readonly kind: string }): message is PortMessage {
  return KINDS.has(message.kind)
}

/** Fewer ports than that are not worth a thread. */
const LEAST_PORTS = 64
const RESERVATION_MS = 30_000

/** Cuts a port range into slices that begin with an even port, so that no pair is torn; fewer than asked when it is small. */
export function portSlices({ minPort, maxPort }: RelayPortRange, slices: number): RelayPortRange[] {
  const count = Math.max(1, Math.min(slices, Math.floor((maxPort - minPort + 1) / LEAST_PORTS)))
  const bound = (i: number) => (minPort + Math.floor(((maxPort - minPort + 1) * i) / count)) & ~1
  return Array.from({ length: count }, (_, i) => ({
    minPort: i === 0 ? minPort : bound(i),
    maxPort: i === count - 1 ? maxPort : bound(i + 1) - 1,
  }))
}

/** One thread's slice of the relay ports, and the reservations of all: a token may come to any thread. */
export class SharedRelayPorts implements PortSource {
  readonly #own: RelayPorts
  readonly #range: RelayPortRange
  readonly #tell: (message: PortMessage) => void
  readonly #catchUp: () => void
  /** Reserved by other threads, by token, oldest first. */
  readonly #elsewhere = new Map<string, { local: Address; user: string; expiresAt: number }>()

  /** `catchUp` hears at once what others have told and nobody has listened to yet. */
  constructor(
    own: RelayPorts,
    range: RelayPortRange,
    tell: (message: PortMessage) => void,
    catchUp: () => void = () => {},
  ) {
    this.#own = own
    this.#range = range
    this.#tell = tell
    this.#catchUp = catchUp
  }

  take(ip: Address, even: boolean, now: number): number | null {
    return this.#own.take(ip, even, now)
  }

  takePair(ip: Address, user: string, now: number): { readonly port: number; readonly token: Buffer } | null {
    const pair = this.#own.takePair(ip, user, now)
    if (pair !== null) {
      const token = pair.token.toString('hex')
      this.#tell({ kind: 'reserved', token, host: ip.host, port: pair.port + 1, user, milliseconds: RESERVATION_MS })
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
    this.#tell({ kind: 'taken', token: key, user })
    return known.local
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
    if (this.#isOurs(local.port)) this.#own.free(local, now)
    else this.#tell({ kind: 'freed', host: local.host, port: local.port, skip: false })
  }

  skip(local: Address, now: number): void {
    if (this.#isOurs(local.port)) this.#own.skip(local, now)
    else this.#tell({ kind: 'freed', host: local.host, port: local.port, skip: true })
  }

  /** What another thread has told. */
  hear(message: PortMessage, now: number): void {
    switch (message.kind) {
      case 'reserved': {
        const { token, host, port, user, milliseconds } = message
        const local = Address.parse(host, port)!
        this.#elsewhere.set(token, { local, user, expiresAt: now + milliseconds })
        break
      }
      case 'unreserved':
        this.#elsewhere.delete(message.token)
        break
      case 'taken':
        // Ours is then no longer reserved but in use, until it is freed; to all others the token is used up.
        this.#own.takeReserved(Buffer.from(message.token, 'hex'), message.user, now)
        this.#elsewhere.delete(message.token)
        break
      case 'freed': {
        if (!this.#isOurs(message.port)) break
        const local = Address.parse(message.host, message.port)!
        if (message.skip) this.#own.skip(local, now)
        else this.#own.free(local, now)
      }
    }
  }

  #isOurs(port: number): boolean {
    return port >= this.#range.minPort && port <= this.#range.maxPort
  }
}
