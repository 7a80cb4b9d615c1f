import { type AddressInfo, createServer, type Server } from 'node:net'
import { Address } from '../../stun/address.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { NetCounters } from '../counters.ts'
import { descriptorOf, isReserved } from '../descriptor-reserve.ts'
import { BySource } from '../limits/by-source.ts'
import type { Handshakes } from '../limits/handshakes.ts'
import { SystemCallError } from '../linux/system-calls.ts'
import type { SocketErrors } from '../socket-errors.ts'
import { type HandOver, StreamConnection, type StreamHost } from './connection.ts'
import type { HttpOptions } from './http-answer.ts'
import type { StreamEndpoint, StreamLimits } from './options.ts'
import type { StreamPlaces } from './places.ts'
import { TlsContext, type TlsOptions } from './tls-context.ts'

export interface StreamServerOptions {
  readonly limits: StreamLimits
  readonly places: StreamPlaces
  readonly handshakes: Handshakes<StreamConnection>
  /** There is something for `work` to do. */
  readonly waiting: () => void
  readonly http: HttpOptions
  /** Null: connections that begin with a TLS handshake are closed. */
  readonly tls: TlsOptions | null
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly clock: () => number
  readonly nextConnection: () => number
  readonly receive: (bytes: Buffer, start: number, end: number, client: FiveTuple, now: number) => void
  readonly hasAllocation: (client: FiveTuple) => boolean
  /** A connection was one too many; for the log. */
  readonly limited: (reason: 'too-many' | 'too-many-from-source' | 'too-many-handshakes', host: string) => void
  /** Whether frames wait for `flush`, so that several to one client leave in one piece. */
  readonly gathers: boolean
  /** Exactly once for every client that `receive` may have been called for. */
  readonly closed: (client: FiveTuple) => void
}

/** Connections that wait to be accepted, for each listening socket. */
export const BACKLOG = 1024

/** TCP listeners and their connections: plain and TLS on the same ports, with or without a PROXY header. */
export class StreamServer {
  readonly #options: StreamServerOptions
  /** What listens. */
  readonly #servers = new Set<Server>()
  readonly #connections = new Set<StreamConnection>()
  /** Of these, those that have not been seen with an allocation and whose source is known. */
  readonly #withoutAllocation = new BySource<StreamConnection>()
  // Only those that the core knows, by FiveTuple.connection.
  readonly #clients = new Map<number, StreamConnection>()
  readonly #host: StreamHost
  /** Frames were sent to them since the last flush. */
  readonly #pushed = new Set<StreamConnection>()
  #tls: TlsContext | null = null
  #whenEmpty: (() => void) | null = null

  constructor(options: StreamServerOptions) {
    this.#options = options
    this.reload(options.tls)
    this.#host = {
      ...options,
      tls: () => this.#tls,
      admits: (connection, source) => this.#admits(connection, source),
      handshakeWaits: (connection, source) => this.#handshakeWaits(connection, source),
      handshakeOver: (connection, source) => this.#handshakeOver(connection, source),
      opened: (connection, client) => this.#clients.set(client.connection, connection),
      pushed: options.gathers ? (connection) => this.#pushed.add(connection) : (connection) => connection.flush(),
      closed: (connection) => this.#closed(connection),
    }
  }

  /** Listens; answers with the address bound, which tells the port that was chosen for port 0, and with what ends it. */
  listen(endpoint: StreamEndpoint): Promise<{ readonly address: Address; readonly stop: () => void }> {
    // A name would be looked up.
    if (Address.parse(endpoint.host) === null) {
      return Promise.reject(Object.assign(new Error('not a numeric address'), { code: 'EINVAL' }))
    }
    const server = this.#server(endpoint)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      const { host, port } = endpoint
      server.listen({ host, port, ipv6Only: true, exclusive: true, backlog: BACKLOG }, () => {
        server.off('error', reject)
        const bound = server.address() as AddressInfo
        resolve({ address: Address.parse(bound.address, bound.port)!, stop: this.#goOn(server) })
      })
    })
  }

  /** Serves a bound descriptor, which is closed with the rest, or by what this returns. */
  serve(fd: number, endpoint: StreamEndpoint): () => void {
    const server = this.#server(endpoint)
    const stop = this.#goOn(server)
    // A descriptor among the options would have a backlog beside it ignored.
    server.listen({ fd }, BACKLOG)
    return stop
  }

  /** Connections now open. */
  get size(): number {
    return this.#connections.size
  }

  /** Other limits from now on, for the connections there are, too: each of them looks at the one object. */
  limit(limits: StreamLimits): void {
    Object.assign(this.#options.limits, limits)
  }

  /** New handshakes use the new certificates; live connections keep what they have. Throws and changes nothing if they are bad. */
  reload(tls: TlsOptions | null): void {
    this.#tls = tls && new TlsContext(tls, this.#options.limits.handshakeMs)
  }

  /** Begins one TLS handshake that waits, if there is one: to be called once in a turn of the event loop. True when it did. */
  work(now: number): boolean {
    const { handshakes } = this.#options
    const connection = handshakes.isWaiting ? handshakes.next(now) : null
    connection?.beginTls()
    return connection !== null
  }

  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const connection = this.#clients.get(client.connection)
    if (connection !== undefined) connection.send(bytes, start, end)
    else this.#options.counters.dropped['client-gone']++
  }

  /** Begins to write all that was sent since the last time. */
  flush(): void {
    if (this.#pushed.size === 0) return
    for (const connection of this.#pushed) connection.flush()
    this.#pushed.clear()
  }

  /** Ends the connection after what is already written; `closed` follows later. */
  closeClient(client: FiveTuple): void {
    this.#clients.get(client.connection)?.closeSoon()
  }

  /** Nothing more of what this client sends is received before `resumeClient`. */
  pauseClient(client: FiveTuple): void {
    this.#clients.get(client.connection)?.pause()
  }

  resumeClient(client: FiveTuple): void {
    this.#clients.get(client.connection)?.resume()
  }

  /** See StreamConnection.handOver; `gone` is also called when the connection is closed already. */
  handOver(client: FiveTuple, taken: HandOver['taken'], gone: HandOver['gone']): void {
    const connection = this.#clients.get(client.connection)
    if (connection === undefined) {
      gone()
      return
    }
    // Like one with an allocation, it gives way to nobody.
    this.#withoutAllocation.delete(connection.source!, connection)
    connection.handOver({ taken, gone })
  }

  sweep(now: number): void {
    for (const connection of this.#connections) connection.sweep(now)
  }

  async close(): Promise<void> {
    this.flush()
    const servers = Array.from(this.#servers, (server) => new Promise<void>((resolve) => server.close(() => resolve())))
    this.#servers.clear()
    for (const connection of this.#connections) connection.close('shutdown')
    await Promise.all(servers)
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
  }

  #server(endpoint: StreamEndpoint): Server {
    const { places, counters, limited, errors } = this.#options
    return createServer({ noDelay: true }, (socket) => {
      const hasDescriptor = !isReserved(descriptorOf(socket))
      // Behind a PROXY header it is not known yet where it comes from.
      const source = endpoint.proxy ? null : Address.parse(socket.remoteAddress ?? '')
      if (!hasDescriptor) {
        // For the next one: this one's descriptor is one of the last.
        this.#makeRoom(source)
        errors.count('listener', new SystemCallError('accept', 'EMFILE'))
        socket.destroy()
        return
      }
      if (places.take() || this.#takeOver(source)) {
        this.#connections.add(new StreamConnection(socket, endpoint, this.#host))
        return
      }
      counters.closedConnections['too-many']++
      limited('too-many', socket.remoteAddress ?? 'unknown')
      socket.destroy()
    })
  }

  /** Accepting fails now and then (no descriptors left); the listener goes on, until what this returns: then its connections do. */
  #goOn(server: Server): () => void {
    server.on('error', (error) => this.#options.errors.count('listener', error))
    this.#servers.add(server)
    return () => {
      if (this.#servers.delete(server)) server.close()
    }
  }

  /** Takes the place of a connection that has to make room. */
  #takeOver(source: Address | null): boolean {
    if (!this.#makeRoom(source)) return false
    this.#options.places.takeInAdvance()
    return true
  }

  /** Ends one connection without allocation, of the source that has the most of these, unless `newcomer` has as many. */
  #makeRoom(newcomer: Address | null): boolean {
    if (newcomer === null) return false
    const { places, hasAllocation } = this.#options
    // Whoever has had an allocation has credentials, and limits of his own.
    const oldest = this.#withoutAllocation.toGiveWay(
      places.of(newcomer),
      ({ client }) => client !== null && hasAllocation(client),
    )
    if (oldest === null) return false
    this.#withoutAllocation.delete(oldest.source!, oldest)
    oldest.close('displaced')
    return true
  }

  #handshakeWaits(connection: StreamConnection, source: Address): boolean {
    const { handshakes, counters, waiting, limited } = this.#options
    const displace = (other: StreamConnection) => {
      handshakes.end(other.source!, other)
      other.close('displaced')
    }
    if (!handshakes.begin(source, connection, displace)) {
      limited('too-many-handshakes', source.host)
      return false
    }
    counters.tls.handshakes = handshakes.size
    waiting()
    return true
  }

  #handshakeOver(connection: StreamConnection, source: Address): void {
    const { handshakes, counters } = this.#options
    handshakes.end(source, connection)
    counters.tls.handshakes = handshakes.size
  }

  #admits(connection: StreamConnection, source: Address): boolean {
    if (this.#options.places.takeOf(source)) {
      this.#withoutAllocation.add(source, connection)
      return true
    }
    this.#options.limited('too-many-from-source', source.host)
    return false
  }

  #closed(connection: StreamConnection): void {
    this.#connections.delete(connection)
    this.#pushed.delete(connection)
    if (connection.source !== null) this.#withoutAllocation.delete(connection.source, connection)
    this.#options.places.give(connection.source)
    if (connection.client !== null && this.#clients.delete(connection.client.connection)) {
      this.#options.closed(connection.client)
    }
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }
}
