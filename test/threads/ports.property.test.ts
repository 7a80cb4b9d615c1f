import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { claimMemory } from '../../src/shared/port-claims.ts'
import { Address } from '../../src/stun/address.ts'
import { type PortMessage, SharedRelayPorts } from '../../src/threads/ports.ts'
import { RelayPorts } from '../../src/turn/relay-addresses/relay-ports.ts'

const IP = Address.parse('192.0.2.1')!
const SOURCE = Address.parse('198.51.100.7')!
const THREADS = 3
const LIMITLESS = { takeOver: (_user: string, _thread: number, begin: () => boolean) => begin() }

interface Reservation {
  readonly token: Buffer
  readonly port: number
  readonly user: string
  readonly thread: number
  readonly expiresAt: number
  /** Threads that have begun since and were not told. */
  readonly unknownTo: Set<number>
}

/** Threads that share the ports of one address, and beside them what ought to be the case. */
class Threads {
  readonly range: { readonly minPort: number; readonly maxPort: number }
  readonly #claims: ReadonlyMap<string, SharedArrayBuffer>
  readonly #threads: SharedRelayPorts[]
  readonly #owns: RelayPorts[]
  now = 0
  /** Who uses a port. */
  readonly used = new Map<number, number>()
  readonly reserved: Reservation[] = []
  /** Until when another program's port is left alone, and by whom. */
  readonly avoided = new Map<number, { readonly thread: number; readonly until: number }>()
  readonly tokens: Reservation[] = []
  /** Threads whose sockets hold a port, by that port. */
  readonly held = new Map<number, Set<number>>()

  constructor(minPort: number, size: number) {
    this.range = { minPort, maxPort: minPort + size - 1 }
    this.#claims = new Map([[IP.host, claimMemory()]])
    this.#owns = []
    this.#threads = []
    for (let thread = 0; thread < THREADS; thread++) this.#begin(thread)
  }

  #begin(thread: number): void {
    const own = new RelayPorts(this.range, randomBytes, { thread, claims: this.#claims })
    this.#owns[thread] = own
    const tell = (message: PortMessage) => this.#announce(thread, message)
    this.#threads[thread] = new SharedRelayPorts(own, LIMITLESS, tell, {
      share: ({ port }, descriptor) => {
        expect(this.held.get(port), `${port}, which is shared`).toContain(descriptor)
        this.hold(port, thread)
      },
      release: ({ port }) => this.held.get(port)?.delete(thread),
    })
  }

  #announce(from: number, message: PortMessage): void {
    for (const [i, other] of this.#threads.entries()) if (i !== from) other.told(message, this.now)
  }

  hold(port: number, thread: number): void {
    this.held.set(port, (this.held.get(port) ?? new Set()).add(thread))
  }

  isFree(port: number): boolean {
    return (
      port >= this.range.minPort &&
      port <= this.range.maxPort &&
      !this.used.has(port) &&
      !this.avoided.has(port) &&
      !this.reserved.some((reservation) => reservation.port === port)
    )
  }

  fits(port: number, wanted: 'any' | 'even' | 'pair'): boolean {
    if (wanted === 'any') return this.isFree(port)
    return port % 2 === 0 && this.isFree(port) && (wanted === 'even' || this.isFree(port + 1))
  }

  some(wanted: 'any' | 'even' | 'pair'): boolean {
    for (let port = this.range.minPort; port <= this.range.maxPort; port++) {
      if (this.fits(port, wanted)) return true
    }
    return false
  }

  take(thread: number, wanted: 'any' | 'even' | 'pair'): void {
    const user = `user ${thread % 2}`
    const ports = this.#threads[thread]!
    const pair = wanted === 'pair' ? ports.takePair(IP, { user, source: SOURCE }, this.now) : null
    const port = wanted === 'pair' ? (pair?.port ?? null) : ports.take(IP, wanted === 'even', this.now)
    if (port === null) {
      expect(this.some(wanted), `none for ${wanted}`).toBe(false)
      return
    }
    expect(this.fits(port, wanted), `${port} for ${wanted}`).toBe(true)
    this.used.set(port, thread)
    if (pair === null) return
    const reservation = {
      token: pair.token,
      port: port + 1,
      user,
      thread,
      expiresAt: this.now + 30_000,
      unknownTo: new Set<number>(),
    }
    // The thread's number stands for the descriptor of its socket.
    this.hold(port + 1, thread)
    this.#announce(thread, ports.announcement(pair.token, thread)!)
    this.reserved.push(reservation)
    this.tokens.push(reservation)
  }

  giveBack(thread: number, which: number, how: 'free' | 'skip'): void {
    const held = [...this.used].filter(([, holder]) => holder === thread).map(([port]) => port)
    if (held.length === 0) return
    const port = held[which % held.length]!
    this.#threads[thread]![how](IP.withPort(port), this.now)
    this.used.delete(port)
    if (how === 'skip') this.avoided.set(port, { thread, until: this.now + 60_000 })
    // Twice is once, and what another thread has is not ours to give.
    this.#threads[thread]!.free(IP.withPort(port), this.now)
    this.#threads[(thread + 1) % THREADS]!.free(IP.withPort(port), this.now)
  }

  bring(thread: number, which: number, isOwner: boolean): void {
    if (this.tokens.length === 0) return
    const { token, user, port } = this.tokens[which % this.tokens.length]!
    const at = this.reserved.findIndex((reservation) => reservation.token === token)
    const found = this.reserved[at]
    const isGood = found !== undefined && found.expiresAt > this.now && !found.unknownTo.has(thread)
    const local = this.#threads[thread]!.takeReserved(token, isOwner ? user : 'mallory', this.now)
    if (!isGood) expect(local).toBe('unknown')
    else if (!isOwner) expect(local).toBe('foreign')
    else {
      expect(local.toString()).toBe(IP.withPort(port).toString())
      // The one that serves it, and no other.
      expect([...(this.held.get(port) ?? [])]).toEqual([thread])
      this.held.delete(port)
      this.reserved.splice(at, 1)
      this.used.set(port, thread)
    }
  }

  pass(seconds: number): void {
    this.now += seconds * 1000
    const expired: string[] = []
    for (const [number, thread] of this.#threads.entries()) {
      thread.sweep(this.now, ({ port }, user) => {
        this.held.get(port)?.delete(number)
        if (user !== null) expired.push(user)
      })
    }
    const over = this.reserved.filter(({ expiresAt }) => expiresAt <= this.now)
    expect(expired.sort()).toEqual(over.map(({ user }) => user).sort())
    for (const reservation of over) this.reserved.splice(this.reserved.indexOf(reservation), 1)
    for (const [port, { until }] of this.avoided) if (until <= this.now) this.avoided.delete(port)
  }

  die(thread: number): void {
    this.#owns[(thread + 1) % THREADS]!.forgetThread(thread)
    for (const holders of this.held.values()) holders.delete(thread)
    for (const other of this.#threads) other.told({ kind: 'lost', thread }, this.now)
    for (const [port, holder] of this.used) if (holder === thread) this.used.delete(port)
    for (const [port, avoided] of this.avoided) if (avoided.thread === thread) this.avoided.delete(port)
    for (const reservation of this.reserved.filter((one) => one.thread === thread)) {
      this.reserved.splice(this.reserved.indexOf(reservation), 1)
    }
    for (const { unknownTo } of this.reserved) unknownTo.add(thread)
    this.#begin(thread)
  }

  /** Every port that is nobody's is there for whoever asks, and no other. */
  takeAll(thread: number): void {
    const held = [...this.held].filter(([, holders]) => holders.size > 0).map(([port]) => port)
    // A thread that was started anew knows what was reserved since.
    const known = this.reserved.filter(({ unknownTo }) => !unknownTo.has(thread))
    expect(this.#threads[thread]!.reservedBy(SOURCE)).toBe(known.length)
    expect(held.sort(), 'sockets of reserved ports').toEqual(this.reserved.map(({ port }) => port).sort())
    const free = []
    for (let port = this.range.minPort; port <= this.range.maxPort; port++) if (this.isFree(port)) free.push(port)
    const taken = free.map(() => this.#threads[thread]!.take(IP, false, this.now))
    expect(taken.sort()).toEqual(free.sort())
    expect(this.#threads[(thread + 1) % THREADS]!.take(IP, false, this.now)).toBeNull()
  }
}

const thread = fc.nat(THREADS - 1)
const which = fc.nat(100)
const step: fc.Arbitrary<(threads: Threads) => void> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(thread, fc.constantFrom('any', 'even', 'pair')).map(
      ([who, wanted]) =>
        (threads: Threads) =>
          threads.take(who, wanted),
    ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(thread, which, fc.constantFrom('free', 'free', 'skip')).map(
      ([who, port, how]) =>
        (threads: Threads) =>
          threads.giveBack(who, port, how),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(thread, which, fc.boolean()).map(
      ([who, token, isOwner]) =>
        (threads: Threads) =>
          threads.bring(who, token, isOwner),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 29, 30, 60).map((seconds) => (threads: Threads) => threads.pass(seconds)),
  },
  { weight: 1, arbitrary: thread.map((who) => (threads: Threads) => threads.die(who)) },
)

test('TURN-ALLOC-14 TURN-EVEN-04 SEC-28 threads give no port twice, always the last free one, and lose none', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 49_152, max: 49_190 }),
      fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 40 })),
      fc.array(step, { maxLength: 200 }),
      thread,
      (minPort, size, steps, last) => {
        const threads = new Threads(minPort, size)
        for (const run of steps) run(threads)
        threads.takeAll(last)
      },
    ),
    { numRuns: 400 },
  )
})
