import { createServer, type Server } from 'node:net'
import { Address } from '../stun/address.ts'
import type { FiveTuple } from '../turn/five-tuple.ts'
import type { NetCounters } from './counters.ts'
import type { HttpOptions } from './http-answer.ts'
import type { SocketErrors } from './socket-errors.ts'
import { StreamConnection, type StreamEndpoint, type StreamHost, type StreamLimits } from './stream-connection.ts'
import { TlsContext, type TlsOptions } from './tls-context.ts'

export interface StreamServerOptions {
  readonly limits: StreamLimits
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
  readonly limited: (reason: 'too-many' | 'too-many-from-source', host: string) => void
  /** Exactly once for every client that `receive` may have been called for. */
  readonly closed: (client: FiveTuple) => void
}

/** TCP listeners and their connections: plain and TLS on the same ports, with or without a PROXY header. */
export class StreamServer {
  readonly #options: StreamServerOptions
  readonly #servers: Server[] = []
  readonly #connections = new Set<StreamConnection>()
  // Only those that the core knows, by FiveTuple.connection.
  readonly #clients = new Map<number, StreamConnection>()
  readonly #perSource = new Map<number, number>()
  readonly #host: StreamHost
  #tls: TlsContext | null = null
  #whenEmpty: (() => void) | null = null

  constructor(options: StreamServerOptions) {
    this.#options = options
    this.reload(options.tls)
    this.#host = {
      ...options,
      tls: () => this.#tls,
      admits: (source) => this.#admits(source),
      opened: (connection, client) => this.#clients.set(client.connection, connection),
      closed: (connection) => this.#closed(connection),
    }
  }

  /** Listens; answers with the address bound, which tells the port that was chosen for port 0. */
  listen(endpoint: StreamEndpoint): Promise<Address> {
    // A name would be looked up.
    if (Address.parse(endpoint.host) === null) {
      return Promise.reject(Object.assign(new Error('not a numeric address'), { code: 'EINVAL' }))
    }
    const server = createServer({ noDelay: true }, (socket) => {
      if (this.#connections.size >= this.#options.limits.total) {
        this.#options.counters.closedConnections['too-many']++
        this.#options.limited('too-many', socket.remoteAddress ?? 'unknown')
        socket.destroy()
        return
      }
      this.#connections.add(new StreamConnection(socket, endpoint, this.#host))
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(
        { host: endpoint.host, port: endpoint.port, ipv6Only: true, exclusive: true, backlog: 1024 },
        () => {
          server.off('error', reject)
          // Accepting fails now and then (no descriptors left); the listener goes on.
          server.on('error', (error) => this.#options.errors.count('listener', error))
          this.#servers.push(server)
          const { address, port } = server.address() as { address: string; port: number }
          resolve(Address.parse(address, port)!)
        },
      )
    })
  }

  /** New handshakes use the new certificates; live connections keep what they have. Throws and changes nothing if they are bad. */
  reload(tls: TlsOptions | null): void {
    this.#tls = tls && new TlsContext(tls, this.#options.limits.handshakeMs)
  }

  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const connection = this.#clients.get(client.connection)
    if (connection !== undefined) connection.send(bytes, start, end)
    else this.#options.counters.dropped['client-gone']++
  }

  /** Ends the connection after what is already written; `closed` follows later. */
  closeClient(client: FiveTuple): void {
    this.#clients.get(client.connection)?.closeSoon()
  }

  sweep(now: number): void {
    for (const connection of this.#connections) connection.sweep(now)
  }

  async close(): Promise<void> {
    const servers = this.#servers
      .splice(0)
      .map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    for (const connection of this.#connections) connection.close('shutdown')
    await Promise.all(servers)
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
  }

  #admits(source: Address): boolean {
    const key = sourceKey(source)
    const others = this.#perSource.get(key) ?? 0
    if (others >= this.#options.limits.perSource) {
      this.#options.limited('too-many-from-source', source.host)
      return false
    }
    this.#perSource.set(key, others + 1)
    return true
  }

  #closed(connection: StreamConnection): void {
    this.#connections.delete(connection)
    if (connection.source !== null) {
      const key = sourceKey(connection.source)
      const others = this.#perSource.get(key)! - 1
      if (others > 0) this.#perSource.set(key, others)
      else this.#perSource.delete(key)
    }
    if (connection.client !== null && this.#clients.delete(connection.client.connection)) {
      this.#options.closed(connection.client)
    }
    if (this.#connections.size === 0) this.#whenEmpty?.()
  }
}

/** Who shares a count: an IPv4 address, or an IPv6 /64, which one host has to itself. */
function sourceKey(source: Address): number {
  return source.family === 4 ? source.ipKey : Address.ipv6(source.w0, source.w1, 0, 0, 0).ipKey
}
