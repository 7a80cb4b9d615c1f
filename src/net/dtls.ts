import { Address } from '../stun/address.ts'
import { FiveTuple } from '../turn/five-tuple.ts'
import { Cookies } from './dtls-cookie.ts'
import type { DtlsIdentity } from './dtls-identity.ts'
import { clientRandom, datagramEnd, hasClientRandom, isClientHello } from './dtls-record.ts'
import {
  CLOSED,
  COOKIE_LENGTH,
  DtlsCallbacks,
  type DtlsConnection,
  DtlsContext,
  FAILED,
  MAX_DATAGRAM,
  MAX_PLAINTEXT,
} from './openssl.ts'

export interface DtlsEndpointOptions extends DtlsIdentity {
  /** An OpenSSL cipher list for DTLS 1.2; OpenSSL's own by default. */
  readonly ciphers?: string | undefined
  /** A number for the connection of a FiveTuple: from 1, never the same twice, in one series with TCP and TLS. */
  readonly nextConnection: () => number
  readonly random: (size: number) => Buffer
  /** What differs from DTLS_LIMITS. */
  readonly limits?: Partial<DtlsLimits> | undefined
}

export interface DtlsLimits {
  readonly handshakeTimeoutMs: number
  /** Handshakes under way at one time, of all sources. */
  readonly maxHandshakes: number
  /** Sessions and handshakes of all sources. */
  readonly maxSessions: number
  /** Sessions and handshakes of one IPv4 address or one IPv6 /64. */
  readonly maxSessionsPerSource: number
  /** A session that `inUse` does not vouch for is closed after this long without a datagram from its client. */
  readonly maxIdleMs: number
  /** How long a cookie key makes cookies; it accepts them for as long again. */
  readonly cookieLifetimeMs: number
  /** The largest datagram of a handshake. Data leaves in the datagrams it came in, whatever their size. */
  readonly mtu: number
}

export const DTLS_LIMITS: DtlsLimits = {
  handshakeTimeoutMs: 10_000,
  maxHandshakes: 1_024,
  maxSessions: 16_384,
  maxSessionsPerSource: 1_024,
  maxIdleMs: 60_000,
  cookieLifetimeMs: 60_000,
  mtu: 1_200,
}

/**
 * What a DtlsEndpoint asks and tells, synchronously. Bytes are borrowed for the duration of the call. From within `opened` and
 * `data` the endpoint's `send` and `end` may be called; from within the others nothing.
 */
export interface DtlsEvents {
  opened(session: DtlsSession, now: number): void
  /** One datagram that the client sent. */
  data(session: DtlsSession, bytes: Buffer, start: number, end: number, now: number): void
  /** An opened session is over, and not because `end` or `close` was called. */
  closed(session: DtlsSession, reason: string, now: number): void
  /** A handshake came to nothing; for the log. */
  failed(client: Address, reason: string): void
  /** One datagram for the wire. */
  send(client: Address, server: Address, listener: number, bytes: Buffer, start: number, end: number): void
  /** Whether the session has an allocation. */
  inUse(session: DtlsSession): boolean
}

/** One client behind its own handshake. `client` is one instance for as long as the session lives. */
export class DtlsSession {
  readonly client: FiveTuple
  /** For DtlsEndpoint alone, like all that follows. */
  readonly connection: DtlsConnection
  readonly random: Buffer
  readonly startedAt: number
  heardAt: number
  isOpen = false
  isOver = false

  constructor(client: FiveTuple, connection: DtlsConnection, random: Buffer, now: number) {
    this.client = client
    this.connection = connection
    this.random = random
    this.startedAt = now
    this.heardAt = now
  }
}

/**
 * DTLS 1.2 on datagrams (RFC 6347; RFC 8489 §6.2.2 for STUN): one endpoint serves every UDP socket of a thread. A source
 * costs nothing until its ClientHello brings back our cookie. Throws DtlsIdentityError from the constructor and `reload`.
 */
export class DtlsEndpoint {
  readonly counters = {
    received: 0,
    /** Datagrams that belong to no session and are no ClientHello, or are malformed. */
    dropped: 0,
    cookiesSent: 0,
    /** ClientHellos ignored because a limit was reached. */
    refused: 0,
    handshakes: 0,
    handshakesFailed: 0,
    sessions: 0,
    opened: 0,
    closed: 0,
    sendFailed: 0,
  }
  readonly #limits: DtlsLimits
  readonly #ciphers: string
  readonly #nextConnection: () => number
  readonly #events: DtlsEvents
  readonly #cookies: Cookies
  readonly #callbacks: DtlsCallbacks
  readonly #bySource: Map<number, DtlsSession>[] = []
  readonly #byConnection = new Map<number, DtlsSession>()
  readonly #handshakes = new Set<DtlsSession>()
  readonly #perSource = new Map<number, number>()
  readonly #plain = Buffer.alloc(MAX_PLAINTEXT)
  readonly #wire = Buffer.alloc(64 * 1024)
  #context: DtlsContext
  /** Looks at ClientHellos; becomes the connection of the first one with a valid cookie, and is then replaced. */
  #doorkeeper: DtlsConnection | null = null
  /** Whom OpenSSL's questions about cookies are about. */
  #asking: Address = new Address()
  #reading: DtlsSession | null = null
  #closed = false

  constructor(options: DtlsEndpointOptions, events: DtlsEvents) {
    this.#limits = { ...DTLS_LIMITS, ...options.limits }
    this.#ciphers = options.ciphers ?? 'DEFAULT'
    this.#nextConnection = options.nextConnection
    this.#events = events
    this.#cookies = new Cookies(options.random, this.#limits.cookieLifetimeMs, COOKIE_LENGTH)
    this.#callbacks = new DtlsCallbacks({
      bake: () => this.#cookies.bake(this.#asking),
      accepts: (cookie) => this.#cookies.accepts(this.#asking, cookie),
    })
    try {
      this.#context = new DtlsContext(options, this.#ciphers, this.#callbacks)
    } catch (error) {
      this.#callbacks.close()
      throw error
    }
  }

  /** One datagram whose first byte says DTLS (NET-DEMUX-01 in the tests). Addresses are borrowed too. */
  receive(
    bytes: Buffer,
    start: number,
    end: number,
    client: Address,
    listener: number,
    server: Address,
    now: number,
  ): void {
    if (this.#closed) return
    this.counters.received++
    const session = this.#find(listener, client)
    if (isClientHello(bytes, start, end)) {
      const repeated = session !== undefined && hasClientRandom(bytes, start, session.random)
      // A client that lost its session begins anew from the same port. Its cookie proves that it is the same host (RFC 6347
      // §4.2.8); a late copy of the ClientHello that made the session must not end it, though.
      if (!repeated) {
        this.#greet(bytes, start, end, client, listener, server, now)
        return
      }
      if (session.isOpen) {
        this.counters.dropped++
        return
      }
    } else if (session === undefined || end - start > MAX_DATAGRAM) {
      this.counters.dropped++
      return
    }
    session.connection.feed(bytes, start, end)
    this.#advance(session, now)
  }

  /** Sends one datagram; false when the session is over or the datagram is larger than a record may be. */
  send(session: DtlsSession, bytes: Buffer, start: number, end: number): boolean {
    if (!session.isOpen || session.isOver || !session.connection.write(bytes, start, end)) {
      this.counters.sendFailed++
      return false
    }
    this.#flushTo(session)
    return true
  }

  /** The open session that a FiveTuple of ours belongs to. */
  find(client: FiveTuple): DtlsSession | undefined {
    return this.#byConnection.get(client.connection)
  }

  /** Says close_notify and forgets the session, without a `closed` event. */
  end(session: DtlsSession): void {
    if (session.isOver) return
    this.#forget(session)
    if (session.isOpen) session.connection.shutdown()
    this.#flushTo(session)
    // In the middle of a `data` event OpenSSL is still needed to leave the loop.
    if (session !== this.#reading) session.connection.free()
  }

  /** Once a second: repeats lost flights, ends slow handshakes and idle sessions, changes the cookie key. */
  sweep(now: number): void {
    if (this.#closed) return
    this.#cookies.rotate(now)
    for (const session of this.#handshakes) {
      if (now - session.startedAt >= this.#limits.handshakeTimeoutMs) this.#fail(session, 'timed out', now)
      else if (!session.connection.retransmit()) this.#fail(session, 'gave up repeating', now)
      else this.#flushTo(session)
    }
    for (const session of this.#byConnection.values()) {
      if (now - session.heardAt < this.#limits.maxIdleMs || this.#events.inUse(session)) continue
      this.end(session)
      this.#tellClosed(session, 'idle', now)
    }
  }

  /** New handshakes use the new certificate; sessions live on. On DtlsIdentityError the old one stays. */
  reload(cert: string, key: string, passphrase?: string): void {
    const context = new DtlsContext({ cert, key, passphrase }, this.#ciphers, this.#callbacks)
    this.#doorkeeper?.free()
    this.#doorkeeper = null
    this.#context.free()
    this.#context = context
  }

  /** Says close_notify to every client and frees everything; without `closed` events. */
  close(): void {
    if (this.#closed) return
    for (const session of [...this.#handshakes, ...this.#byConnection.values()]) this.end(session)
    this.#closed = true
    this.#doorkeeper?.free()
    this.#doorkeeper = null
    this.#context.free()
    this.#callbacks.close()
  }

  /** A ClientHello from a source without a session, or with another random than its session's. */
  #greet(
    bytes: Buffer,
    start: number,
    end: number,
    client: Address,
    listener: number,
    server: Address,
    now: number,
  ): void {
    const source = sourceKey(client)
    const former = this.#find(listener, client)
    // Two IPv6 addresses with one hash are so rare that refusing the second is right.
    const isTaken = former === undefined && this.#bySource[listener]?.has(client.key) === true
    if (isTaken || this.#isFull(source) || end - start > MAX_DATAGRAM) {
      this.counters.refused++
      return
    }
    this.#cookies.rotate(now)
    this.#asking = client
    this.#doorkeeper ??= this.#context.connection(this.#limits.mtu)
    const connection = this.#doorkeeper
    connection.feed(bytes, start, end)
    if (!connection.listen()) {
      if (this.#flush(connection, client, server, listener)) this.counters.cookiesSent++
      else this.counters.dropped++
      return
    }
    this.#doorkeeper = null
    // The client has begun anew: its old keys are gone, so nobody would understand a close_notify.
    if (former !== undefined) this.#fail(former, 'replaced by a new handshake', now)
    const tuple = new FiveTuple('dtls', client.copy(), server.copy(), listener, this.#nextConnection())
    const session = new DtlsSession(tuple, connection, clientRandom(bytes, start), now)
    this.#bySource[listener] ??= new Map()
    this.#bySource[listener].set(client.key, session)
    this.#perSource.set(source, (this.#perSource.get(source) ?? 0) + 1)
    this.#handshakes.add(session)
    this.counters.handshakes = this.#handshakes.size
    this.#advance(session, now)
  }

  /** Lets OpenSSL work on what was fed to it. */
  #advance(session: DtlsSession, now: number): void {
    const { connection } = session
    if (!session.isOpen) {
      this.#asking = session.client.client
      const progress = connection.handshake()
      this.#flushTo(session)
      if (progress === 'waiting') return
      if (progress !== 'done') {
        this.#fail(session, progress, now)
        return
      }
      this.#open(session, now)
    }
    let length = 0
    this.#reading = session
    while (!session.isOver) {
      length = connection.read(this.#plain)
      if (length <= 0) break
      session.heardAt = now
      this.#events.data(session, this.#plain, 0, length, now)
    }
    this.#reading = null
    if (session.isOver) {
      connection.free()
      return
    }
    // Besides data the records may have held a repeated Finished, which is answered, or an alert.
    this.#flushTo(session)
    if (length !== CLOSED && length !== FAILED) return
    if (length === CLOSED) this.end(session)
    else this.#discard(session)
    this.#tellClosed(session, length === CLOSED ? 'closed by the client' : 'alert or protocol error', now)
  }

  #open(session: DtlsSession, now: number): void {
    this.#handshakes.delete(session)
    this.#byConnection.set(session.client.connection, session)
    session.isOpen = true
    this.counters.handshakes = this.#handshakes.size
    this.counters.sessions = this.#byConnection.size
    this.counters.opened++
    // OpenSSL still holds what came behind the Finished, so an `end` during the event must not free it yet.
    this.#reading = session
    this.#events.opened(session, now)
    this.#reading = null
  }

  #fail(session: DtlsSession, reason: string, now: number): void {
    this.#discard(session)
    if (session.isOpen) this.#tellClosed(session, reason, now)
    else {
      this.counters.handshakesFailed++
      this.#events.failed(session.client.client, reason)
    }
  }

  #discard(session: DtlsSession): void {
    this.#forget(session)
    session.connection.free()
  }

  #tellClosed(session: DtlsSession, reason: string, now: number): void {
    this.counters.closed++
    this.#events.closed(session, reason, now)
  }

  #forget(session: DtlsSession): void {
    const { client, listener, connection } = session.client
    session.isOver = true
    this.#handshakes.delete(session)
    this.#byConnection.delete(connection)
    this.#bySource[listener]?.delete(client.key)
    const source = sourceKey(client)
    const others = this.#perSource.get(source)! - 1
    if (others > 0) this.#perSource.set(source, others)
    else this.#perSource.delete(source)
    this.counters.handshakes = this.#handshakes.size
    this.counters.sessions = this.#byConnection.size
  }

  #find(listener: number, client: Address): DtlsSession | undefined {
    const found = this.#bySource[listener]?.get(client.key)
    // An IPv6 key is a hash (see Address.key): make sure.
    return found?.client.client.equals(client) ? found : undefined
  }

  #isFull(source: number): boolean {
    return (
      this.#handshakes.size >= this.#limits.maxHandshakes ||
      this.#handshakes.size + this.#byConnection.size >= this.#limits.maxSessions ||
      (this.#perSource.get(source) ?? 0) >= this.#limits.maxSessionsPerSource
    )
  }

  #flushTo(session: DtlsSession): void {
    const { client, server, listener } = session.client
    this.#flush(session.connection, client, server, listener)
  }

  /** Sends what OpenSSL has written, in datagrams of whole records; false when there was nothing. */
  #flush(connection: DtlsConnection, client: Address, server: Address, listener: number): boolean {
    const wire = this.#wire
    const length = connection.take(wire)
    for (let start = 0, end = 0; start < length; start = end) {
      end = datagramEnd(wire, start, length, this.#limits.mtu)
      this.#events.send(client, server, listener, wire, start, end)
    }
    return length > 0
  }
}

/** Whose sessions are counted together: an IPv4 address, or an IPv6 /64, which one host has to itself. */
function sourceKey(client: Address): number {
  return client.family === 4 ? client.ipKey : Address.ipv6(client.w0, client.w1, 0, 0, 0).ipKey
}
