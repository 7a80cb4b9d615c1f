import type { Address } from '../stun/address.ts'

export interface RelayPortRange {
  readonly minPort: number
  /** Inclusive. */
  readonly maxPort: number
}

/** The odd port beside an even one, kept for whoever of the same user brings the token (RFC 8656 §7.2). */
interface Reservation {
  readonly local: Address
  readonly user: string
  readonly expiresAt: number
}

/** Which relay ports are free: at random, per local address, each step in constant time (RFC 8656 §7.2). */
export class RelayPorts {
  readonly #range: RelayPortRange
  readonly #random: (size: number) => Buffer
  readonly #pools = new Map<string, PortPool>()
  /** By token, oldest first. */
  readonly #reservations = new Map<string, Reservation>()

  constructor(range: RelayPortRange, random: (size: number) => Buffer) {
    this.#range = range
    this.#random = random
  }

  /** A free port on `ip`, even if so asked; null when there is none. */
  take(ip: Address, even: boolean, now: number): number | null {
    return this.#pool(ip).take(even ? 'even' : 'any', now)
  }

  /** An even port on `ip`, and a token for the odd one above it; null when no such pair is free. */
  takePair(ip: Address, user: string, now: number): { readonly port: number; readonly token: Buffer } | null {
    const port = this.#pool(ip).take('pair', now)
    if (port === null) return null
    const token = this.#random(TOKEN_LENGTH)
    const reservation = { local: ip.withPort(port + 1), user, expiresAt: now + RESERVATION_MS }
    this.#reservations.set(token.toString('hex'), reservation)
    return { port, token }
  }

  /** Where the reserved port is; taking it uses the token up, but not when it belongs to another user. */
  takeReserved(token: Buffer, user: string, now: number): Address | 'unknown' | 'foreign' {
    const key = token.toString('hex')
    const reservation = this.#reservations.get(key)
    if (reservation === undefined || reservation.expiresAt <= now) return 'unknown'
    if (reservation.user !== user) return 'foreign'
    this.#reservations.delete(key)
    return reservation.local
  }

  /** Undoes the reservation of a pair whose even port came to nothing. */
  cancelReservation(token: Buffer): void {
    const key = token.toString('hex')
    const reservation = this.#reservations.get(key)
    if (reservation === undefined) return
    this.#reservations.delete(key)
    this.#pool(reservation.local).release(reservation.local.port)
  }

  /** Frees reservations that nobody came for; `expired` hears of each user whose quota gets a place back. */
  sweep(now: number, expired: (user: string) => void): void {
    for (const [key, { local, user, expiresAt }] of this.#reservations) {
      if (expiresAt > now) return
      this.#reservations.delete(key)
      this.#pool(local).release(local.port)
      expired(user)
    }
  }

  /** Gives a port back. It rests for a while, so that late packets for its last owner find nobody. */
  free(local: Address, now: number): void {
    this.#pool(local).rest(local.port, now + REST_MS)
  }

  /** Gives back a port that another program holds; it is left alone for a minute. */
  skip(local: Address, now: number): void {
    this.#pool(local).avoid(local.port, now + AVOID_MS)
  }

  get reservations(): number {
    return this.#reservations.size
  }

  #pool(ip: Address): PortPool {
    let pool = this.#pools.get(ip.host)
    if (pool === undefined) {
      pool = new PortPool(this.#range, this.#random)
      this.#pools.set(ip.host, pool)
    }
    return pool
  }
}

const TOKEN_LENGTH = 8
const RESERVATION_MS = 30_000
const REST_MS = 30_000
const AVOID_MS = 60_000

/** The ports of one local address. */
class PortPool {
  readonly #minPort: number
  readonly #random: (size: number) => Buffer
  readonly #even: PortSet
  readonly #odd: PortSet
  /** Even ports that are free together with the one above. */
  readonly #pairs: PortSet
  readonly #resting: PortQueue
  readonly #avoided: PortQueue
  /** By offset, 1 for a port that somebody has: nothing else can be given back. */
  readonly #taken: Uint8Array

  constructor({ minPort, maxPort }: RelayPortRange, random: (size: number) => Buffer) {
    const size = maxPort - minPort + 1
    this.#minPort = minPort
    this.#random = random
    this.#even = new PortSet(size)
    this.#odd = new PortSet(size)
    this.#pairs = new PortSet(size)
    this.#resting = new PortQueue(size)
    this.#avoided = new PortQueue(size)
    this.#taken = new Uint8Array(size)
    for (let port = minPort; port <= maxPort; port++) this.#add(port)
  }

  take(wanted: 'any' | 'even' | 'pair', now: number): number | null {
    this.#wake(now)
    let port = this.#pick(wanted)
    // Better a port that has rested too little than none.
    while (port === null && this.#resting.length > 0) {
      this.#add(this.#resting.shift())
      port = this.#pick(wanted)
    }
    if (port === null) return null
    this.#claim(port)
    if (wanted === 'pair') this.#claim(port + 1)
    return port
  }

  release(port: number): void {
    if (this.#giveBack(port)) this.#add(port)
  }

  rest(port: number, until: number): void {
    if (this.#giveBack(port)) this.#resting.push(port, until)
  }

  avoid(port: number, until: number): void {
    if (this.#giveBack(port)) this.#avoided.push(port, until)
  }

  #giveBack(port: number): boolean {
    const offset = port - this.#minPort
    if (this.#taken[offset] !== 1) return false
    this.#taken[offset] = 0
    return true
  }

  #add(port: number): void {
    const offset = port - this.#minPort
    const [own, other] = port % 2 === 0 ? [this.#even, this.#odd] : [this.#odd, this.#even]
    own.add(offset)
    if (other.has(port % 2 === 0 ? offset + 1 : offset - 1)) this.#pairs.add(port % 2 === 0 ? offset : offset - 1)
  }

  #wake(now: number): void {
    for (const queue of [this.#resting, this.#avoided]) {
      while (queue.length > 0 && queue.firstUntil <= now) this.#add(queue.shift())
    }
  }

  #pick(wanted: 'any' | 'even' | 'pair'): number | null {
    const first = wanted === 'pair' ? this.#pairs : this.#even
    const second = wanted === 'any' ? this.#odd.length : 0
    const choices = first.length + second
    if (choices === 0) return null
    // 48 random bits, so that the remainder favours no port by more than 1 in 2^32.
    const choice = this.#random(6).readUIntBE(0, 6) % choices
    return this.#minPort + (choice < first.length ? first.at(choice) : this.#odd.at(choice - first.length))
  }

  #claim(port: number): void {
    const offset = port - this.#minPort
    const even = port % 2 === 0
    this.#taken[offset] = 1
    if (even) this.#even.delete(offset)
    else this.#odd.delete(offset)
    this.#pairs.delete(even ? offset : offset - 1)
  }
}

/** A set of small numbers from which any member can be picked by its place. */
class PortSet {
  readonly #members: Uint16Array
  readonly #places: Int32Array
  length = 0

  constructor(size: number) {
    this.#members = new Uint16Array(size)
    this.#places = new Int32Array(size).fill(-1)
  }

  has(offset: number): boolean {
    return (this.#places[offset] ?? -1) >= 0
  }

  at(place: number): number {
    return this.#members[place]!
  }

  add(offset: number): void {
    if (this.has(offset)) return
    this.#members[this.length] = offset
    this.#places[offset] = this.length++
  }

  delete(offset: number): void {
    if (!this.has(offset)) return
    const place = this.#places[offset]!
    const last = this.#members[--this.length]!
    this.#members[place] = last
    this.#places[last] = place
    this.#places[offset] = -1
  }
}

/** Ports in the order in which they may be used again; every port is in at most one place at a time. */
class PortQueue {
  readonly #ports: Uint16Array
  readonly #untils: Float64Array
  #first = 0
  length = 0

  constructor(size: number) {
    this.#ports = new Uint16Array(size)
    this.#untils = new Float64Array(size)
  }

  get firstUntil(): number {
    return this.#untils[this.#first]!
  }

  push(port: number, until: number): void {
    const at = (this.#first + this.length++) % this.#ports.length
    this.#ports[at] = port
    this.#untils[at] = until
  }

  shift(): number {
    const port = this.#ports[this.#first]!
    this.#first = (this.#first + 1) % this.#ports.length
    this.length--
    return port
  }
}
