import { Address } from '../../stun/address.ts'
import { FiveTuple } from '../../turn/five-tuple.ts'
import type { SourceCount } from '../../turn/limits/source-count.ts'
import type { DtlsCounters } from '../counters.ts'
import type { Handshakes } from '../limits/handshakes.ts'
import { DEFAULT_GROUPS, NO_STATIC_RSA } from '../openssl/key-exchange.ts'
import {
  CLOSED,
  DtlsCallbacks,
  type DtlsConnection,
  DtlsContext,
  type DtlsRules,
  FAILED,
  MAX_DATAGRAM,
  MAX_PLAINTEXT,
} from './connection.ts'
import { Cookies } from './cookie.ts'
import type { DtlsEndpoint, DtlsWorld } from './endpoint.ts'
import type { DtlsIdentity } from './identity.ts'
import { datagramEnd, isClientHello } from './record.ts'
import { DtlsSession } from './session.ts'
import { DtlsSessions } from './sessions.ts'

export interface DtlsOptions {
  readonly identity: DtlsIdentity
  /** An OpenSSL cipher list for DTLS 1.2; by default OpenSSL's own without static RSA. */
  readonly ciphers?: string | undefined
  /** Groups for the key exchange; DEFAULT_GROUPS by default. */
  readonly groups?: string | undefined
  readonly random: (size: number) => Buffer
  /** Those of this thread. */
  readonly handshakes: Handshakes<DtlsSession>
  /** Sessions and handshakes. */
  readonly sources: SourceCount
  /** What differs from DTLS_LIMITS. */
  readonly limits?: Partial<DtlsLimits>
  /** Told of every handshake that came to nothing, for the log; strangers decide how often. */
  readonly handshakeFailed?: (client: Address, reason: string) => void
}

export interface DtlsLimits {
  readonly handshakeTimeoutMs: number
  /** Sessions and handshakes of all sources in this thread. */
  readonly maxSessions: number
  /** Sessions and handshakes of one IPv4 address or one IPv6 /64 in all threads. */
  readonly maxSessionsPerSource: number
  /** A session without allocation is closed after this long without a datagram from its client. */
  readonly maxIdleMs: number
  /** How long a cookie key makes cookies; it accepts them for as long again. */
  readonly cookieLifetimeMs: number
  /** The largest datagram of a handshake. Data leaves in the datagrams it came in, whatever their size. */
  readonly mtu: number
}

export const DTLS_LIMITS: DtlsLimits = {
  handshakeTimeoutMs: 10_000,
  maxSessions: 16_384,
  maxSessionsPerSource: 1_024,
  maxIdleMs: 60_000,
  cookieLifetimeMs: 60_000,
  mtu: 1_200,
}

/** What a client may choose from. */
export function dtlsRules({ ciphers, groups }: Pick<DtlsOptions, 'ciphers' | 'groups'>): DtlsRules {
  return { ciphers: ciphers ?? `DEFAULT${NO_STATIC_RSA}`, groups: groups ?? DEFAULT_GROUPS }
}

/** About what a handshake with an ECDSA key costs. One with RSA takes longer, and then is the only one. */
const SLICE_MS = 0.5

/**
 * DTLS 1.2 on datagrams (RFC 6347; RFC 8489 §6.2.2 for STUN): one serves all UDP sockets of a thread. A source costs
 * nothing until its ClientHello brings back our cookie. The constructor and `reload` throw DtlsIdentityError, and the
 * constructor throws where `dtlsSupport()` says no.
 */
export class DtlsServer implements DtlsEndpoint {
  readonly #world: DtlsWorld
  /** One object for all that go by it. */
  readonly #limits: DtlsLimits
  readonly #handshakeFailed: ((client: Address, reason: string) => void) | undefined
  readonly #cookies: Cookies
  readonly #callbacks: DtlsCallbacks
  readonly #sessions: DtlsSessions
  readonly #plain = Buffer.alloc(MAX_PLAINTEXT)
  readonly #wire = Buffer.alloc(64 * 1024)
  #context: DtlsContext
  /** Looks at ClientHellos; becomes the connection of the first one with a valid cookie, and is then replaced. */
  #doorkeeper: DtlsConnection | null = null
  /** Whom OpenSSL's questions about cookies are about. */
  #asking = new Address()
  #reading: DtlsSession | null = null
  #closed = false

  constructor(options: DtlsOptions, world: DtlsWorld) {
    this.#world = world
    this.#limits = { ...DTLS_LIMITS, ...options.limits }
    this.#handshakeFailed = options.handshakeFailed
    this.#sessions = new DtlsSessions(options.handshakes, options.sources, this.#limits, world)
    this.#cookies = new Cookies(options.random, this.#limits.cookieLifetimeMs)
    this.#callbacks = new DtlsCallbacks({
      bake: () => this.#cookies.bake(this.#asking),
      accepts: (cookie) => this.#cookies.accepts(this.#asking, cookie),
    })
    try {
      this.#context = new DtlsContext(options.identity, dtlsRules(options), this.#callbacks)
    } catch (error) {
      this.#callbacks.close()
      throw error
    }
  }

  get counters(): DtlsCounters {
    return this.#world.counters
  }

  receive(bytes: Buffer, start: number, end: number, source: FiveTuple, now: number): void {
    if (this.#closed) return
    this.counters.received++
    const session = this.#sessions.find(source)
    if (isClientHello(bytes, start, end)) {
      // A client that lost its session begins anew from the same port. Its cookie proves that it is the same host (RFC 6347
      // §4.2.8); a late copy of the ClientHello that made the session must not end it, though.
      if (!session?.beganWith(bytes, start)) {
        this.#greet(bytes, start, end, source, now)
        return
      }
      if (session.isOpen) {
        this.counters.dropped++
        return
      }
    }
    if (session === undefined || end - start > MAX_DATAGRAM || !session.admits(bytes, start, end)) {
      this.counters.dropped++
      return
    }
    if (session.isOpen) {
      session.connection.feed(bytes, start, end)
      this.#advance(session, now)
    } else if (session.postpone(bytes, start, end)) this.#wait(session)
    else this.counters.dropped++
  }

  has(source: FiveTuple): boolean {
    return this.#sessions.find(source) !== undefined
  }

  hasClients(listener: number): boolean {
    return this.#sessions.hasClients(listener)
  }

  get isWaiting(): boolean {
    return this.#sessions.handshakes.isWaiting
  }

  /** One handshake, or as many as fit into the time of a cheap one. */
  work(now: number): boolean {
    if (!this.isWaiting || this.#closed) return false
    const until = this.#world.clock() + SLICE_MS
    do {
      const session = this.#sessions.handshakes.next(now)
      if (session === null) return false
      this.#step(session, now)
    } while (this.isWaiting && this.#world.clock() < until)
    return this.isWaiting
  }

  /** One record, hence one datagram, of at most 16 384 bytes; what cannot be sent is counted. */
  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const session = this.#sessions.open(client)
    if (session?.connection.write(bytes, start, end)) this.#flush(session.connection, session.client)
    else this.counters.sendFailed++
  }

  closeClient(client: FiveTuple): void {
    const session = this.#sessions.open(client)
    if (session === undefined) return
    this.#end(session)
    queueMicrotask(() => this.#tellClosed(session, this.#world.clock()))
  }

  /** Repeats lost flights, ends slow handshakes and idle sessions, changes the cookie key. */
  sweep(now: number): void {
    if (this.#closed) return
    this.#cookies.rotate(now)
    for (const session of this.#sessions.handshakes) {
      if (now - session.startedAt >= this.#limits.handshakeTimeoutMs) this.#fail(session, 'timed out', now)
      else if (!session.connection.retransmit()) this.#fail(session, 'gave up repeating', now)
      else this.#flush(session.connection, session.client)
    }
    for (const session of this.#sessions.opened) {
      if (now - session.heardAt < this.#limits.maxIdleMs || this.#world.hasAllocation(session.client)) continue
      this.#end(session)
      this.#tellClosed(session, now)
    }
  }

  /** New handshakes use the new certificate and rules; sessions live on. On an error the old ones stay. */
  apply(options: Pick<DtlsOptions, 'identity' | 'ciphers' | 'groups' | 'limits'>): void {
    const context = new DtlsContext(options.identity, dtlsRules(options), this.#callbacks)
    Object.assign(this.#limits, DTLS_LIMITS, options.limits)
    this.#doorkeeper?.free()
    this.#doorkeeper = null
    this.#context.free()
    this.#context = context
  }

  /** Says close_notify to every client and frees everything. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const now = this.#world.clock()
    for (const session of this.#sessions.handshakes) this.#discard(session)
    for (const session of this.#sessions.opened) {
      this.#end(session)
      this.#tellClosed(session, now)
    }
    this.#doorkeeper?.free()
    this.#doorkeeper = null
    this.#context.free()
    this.#callbacks.close()
  }

  /** A ClientHello from a source without a session, or not the one that its session began with. */
  #greet(bytes: Buffer, start: number, end: number, source: FiveTuple, now: number): void {
    const former = this.#sessions.find(source)
    if (!this.#sessions.mayBegin(source) || end - start > MAX_DATAGRAM) {
      this.counters.refused++
      return
    }
    this.#cookies.rotate(now)
    this.#asking = source.client
    this.#doorkeeper ??= this.#context.connection(this.#limits.mtu)
    const connection = this.#doorkeeper
    connection.feed(bytes, start, end)
    if (!connection.listen()) {
      if (this.#flush(connection, source)) this.counters.cookiesSent++
      else this.counters.dropped++
      return
    }
    this.#doorkeeper = null
    // The client has begun anew: its old keys are gone, so nobody would understand a close_notify.
    if (former !== undefined) this.#fail(former, 'replaced by a new handshake', now)
    const { client, server, listener } = source
    const tuple = new FiveTuple('dtls', client.copy(), server.copy(), listener, this.#world.nextConnection())
    const session = new DtlsSession(tuple, connection, bytes, start, now)
    const displace = (other: DtlsSession) => this.#fail(other, 'displaced by a newer one', now)
    if (this.#makeRoom(client, now) && this.#sessions.begin(session, displace)) {
      this.#wait(session)
      return
    }
    this.counters.refused++
    connection.free()
  }

  #wait(session: DtlsSession): void {
    if (session.hasBegun) this.#sessions.handshakes.goOn(session.client.client, session)
    this.#world.waiting()
  }

  /** The ClientHello lies in OpenSSL since it brought its cookie; what the client has said later is fed to it datagram by datagram. */
  #step(session: DtlsSession, now: number): void {
    if (session.hasBegun) this.#feedPostponed(session)
    session.hasBegun = true
    this.#advance(session, now)
    while (session.isOpen && !session.isOver && session.postponed.length > 0) {
      this.#feedPostponed(session)
      this.#advance(session, now)
    }
    if (!session.isOver && session.postponed.length > 0) this.#wait(session)
  }

  #feedPostponed({ postponed, connection }: DtlsSession): void {
    const bytes = postponed.shift()
    if (bytes !== undefined) connection.feed(bytes, 0, bytes.length)
  }

  /** Lets OpenSSL work on what was fed to it. */
  #advance(session: DtlsSession, now: number): void {
    const { connection, client } = session
    if (!session.isOpen) {
      this.#asking = client.client
      const progress = connection.handshake()
      this.#flush(connection, client)
      if (progress === 'waiting') return
      if (progress !== 'done') {
        this.#fail(session, progress, now)
        return
      }
      this.#sessions.opens(session)
    }
    let length = 0
    this.#reading = session
    while (!session.isOver) {
      length = connection.read(this.#plain)
      if (length <= 0) break
      session.heardAt = now
      this.#world.receive(this.#plain, 0, length, client, now)
    }
    this.#reading = null
    if (session.isOver) {
      connection.free()
      return
    }
    // Besides data the records may have held a repeated Finished, which is answered, or an alert.
    this.#flush(connection, client)
    if (length === CLOSED) {
      this.#end(session)
      this.#tellClosed(session, now)
    } else if (length === FAILED) this.#fail(session, 'alert or protocol error', now)
  }

  /** Says close_notify and forgets the session. */
  #end(session: DtlsSession): void {
    this.#sessions.forget(session)
    session.connection.shutdown()
    this.#flush(session.connection, session.client)
    // While its datagrams are being read OpenSSL is still needed to leave the loop.
    if (session !== this.#reading) session.connection.free()
  }

  #fail(session: DtlsSession, reason: string, now: number): void {
    this.#discard(session)
    if (session.isOpen) this.#tellClosed(session, now)
    else {
      this.counters.handshakesFailed++
      this.#handshakeFailed?.(session.client.client, reason)
    }
  }

  #discard(session: DtlsSession): void {
    this.#sessions.forget(session)
    session.connection.free()
  }

  #tellClosed(session: DtlsSession, now: number): void {
    this.counters.closed++
    this.#world.closed(session.client, now)
  }

  /** False when there are too many, and none that would have to make room for one from `newcomer`. */
  #makeRoom(newcomer: Address, now: number): boolean {
    if (!this.#sessions.isFull) return true
    const oldest = this.#sessions.toGiveWay(newcomer)
    if (oldest === null) return false
    this.#end(oldest)
    this.#tellClosed(oldest, now)
    return true
  }

  /** Sends what OpenSSL has written, in datagrams of whole records; false when there was nothing. */
  #flush(connection: DtlsConnection, to: FiveTuple): boolean {
    const wire = this.#wire
    const length = connection.take(wire)
    for (let start = 0, end = 0; start < length; start = end) {
      end = datagramEnd(wire, start, length, this.#limits.mtu)
      this.#world.sendDatagram(to, wire, start, end)
    }
    return length > 0
  }
}
