import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import {
  createServer as createTlsServer,
  Server as TlsServer,
  type ServerOptions as TlsServerOptions,
} from 'node:https'
import type { AddressInfo, BlockList, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { getRequestListener } from '@hono/node-server'
import { addressList, type Caller, callerOf, holds } from './caller/caller.ts'
import type { Environment } from './environment.ts'
import { isAnswering, linger, outliveAnswer } from './lingering-close.ts'
import type { ListenerOptions } from './options.ts'

export interface ListenerWorld {
  readonly options: ListenerOptions
  /** `trusted-proxy`: whose X-Forwarded-… headers count. */
  readonly trustedProxies: readonly string[]
  fetch(request: Request, env: Environment['Bindings']): Response | Promise<Response>
  /** Answers a WebSocket handshake at /ws; null where there is no hub. */
  readonly upgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller) => void) | null
  readonly connections: Pool
  /** TLS handshakes that are not done. */
  readonly handshakes: Pool
  /** A connection could not be accepted, for want of descriptors or memory; the port stays open. */
  acceptFailed(error: unknown): void
}

/** What strangers can fill, and each address has a share of. */
export interface Pool {
  /**
   * Null when there is a place for `socket`, or why there is none. `displace` ends another one for it; `from` is what the share is
   * counted by, null for who has none.
   */
  take(
    from: string | null,
    socket: Duplex,
    displace: (other: Duplex) => void,
  ): 'too-many' | 'too-many-from-source' | null
  /** It is over. */
  give(socket: Duplex): void
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
  /** Certificate and key; null for plain HTTP. */
  readonly tls: TlsServerOptions | null
}

/** One HTTP or HTTPS port. */
export class HttpListener {
  readonly server: Server
  #trusted: BlockList
  #handshakeMs = 0
  #left: Promise<void> | undefined
  #closed: Promise<void> | undefined

  private constructor(server: Server, trusted: BlockList) {
    this.server = server
    this.#trusted = trusted
  }

  /** Listens, or rejects with Node's error (`code`, `address`, `port`). */
  static async open(at: ListenAddress, world: ListenerWorld): Promise<HttpListener> {
    const { options } = world
    const settings = {
      headersTimeout: options.headersTimeoutSeconds * 1000,
      requestTimeout: options.requestTimeoutSeconds * 1000,
      // Longer than the proxies in front of us keep theirs, so that they never send into a socket we are closing.
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: 1000,
      insecureHTTPParser: false,
      ...(options.maxHeaderBytes > 0 ? { maxHeaderSize: options.maxHeaderBytes } : {}),
    }
    const server = at.tls ? createTlsServer({ ...at.tls, ...settings }) : createServer(settings)
    const listener = new HttpListener(server, addressList(world.trustedProxies))
    server.maxHeadersCount = options.maxHeaders
    listener.#serve(world)
    listener.#handshakeMs = options.handshakeTimeoutSeconds * 1000
    if (at.tls) listener.#boundHandshakes(world.handshakes)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: at.host, port: at.port }, () => {
        server.off('error', reject)
        server.on('error', (error) => world.acceptFailed(error))
        resolve()
      })
    })
    return listener
  }

  get address(): AddressInfo {
    // A server that listens on a TCP port has one; strings are for pipes.
    return this.server.address() as AddressInfo
  }

  /** Other times, limits and proxies for the requests that come; the bound of a header stays. */
  apply(options: ListenerOptions, trustedProxies: readonly string[]): void {
    this.#trusted = addressList(trustedProxies)
    this.#handshakeMs = options.handshakeTimeoutSeconds * 1000
    this.server.headersTimeout = options.headersTimeoutSeconds * 1000
    this.server.requestTimeout = options.requestTimeoutSeconds * 1000
    this.server.maxHeadersCount = options.maxHeaders
  }

  /** New handshakes get this certificate; live connections keep theirs. Throws when it is bad, and changes nothing. */
  renew(tls: SecureContextOptions): void {
    if (this.server instanceof TlsServer) this.server.setSecureContext(tls)
  }

  /** Takes no more connections; requests and WebSockets that are here go on. Resolves when the last one has gone. */
  leave(): Promise<void> {
    this.#left ??= new Promise((left) => this.server.close(() => left()))
    this.server.closeIdleConnections()
    return this.#left
  }

  /** Takes no more connections, lets answers that are on their way finish, then ends what is left. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const impatient = setTimeout(() => this.server.closeAllConnections(), 1000)
    await this.leave()
    clearTimeout(impatient)
  }

  /**
   * Gives each handshake a place and a time, counted from the connect: bytes that come now and then gain nothing. 0 is without end.
   */
  #boundHandshakes(handshakes: Pool): void {
    const under = new Map<string, () => void>()
    this.server.on('connection', (socket: Socket) => {
      if (socket.destroyed) return
      if (handshakes.take(sourceOf(socket), socket, destroy) !== null) {
        socket.destroy()
        return
      }
      const patienceMs = this.#handshakeMs
      const patience = patienceMs > 0 ? setTimeout(() => socket.destroy(), patienceMs) : undefined
      const name = endsOf(socket)
      const over = () => {
        clearTimeout(patience)
        handshakes.give(socket)
        under.delete(name)
      }
      under.set(name, over)
      socket.once('close', over)
    })
    this.server.on('secureConnection', (socket: Socket) => under.get(endsOf(socket))?.())
  }

  #serve(world: ListenerWorld): void {
    this.server.on('connection', (socket: Socket) => {
      const { connections } = world
      const address = sourceOf(socket)
      // A proxy of ours speaks for everybody.
      const from = holds(this.#trusted, address) ? null : address
      if (connections.take(from, socket, destroy) !== null) socket.destroy()
      else socket.once('close', () => connections.give(socket))
    })
    const answer = getRequestListener(
      async (request, { incoming, outgoing }) => {
        const caller = callerOf(incoming as IncomingMessage, this.#trusted)
        if (!caller) return new Response('Bad Host header\n', { status: 400 })
        const response = await world.fetch(request, { caller })
        // The rest of a body that is too large is nothing another request could follow.
        if (response.status === 413) (outgoing as ServerResponse).shouldKeepAlive = false
        return response
      },
      // Only so that a request without a Host gets a URL: links come from the caller's.
      { hostname: 'localhost' },
    )
    this.server.on('request', (incoming, outgoing) => {
      // About the server as a whole (RFC 9110 §9.3.7); routes begin with a slash.
      if (incoming.method === 'OPTIONS' && incoming.url === '*') incoming.url = '/'
      outliveAnswer(incoming, outgoing)
      void answer(incoming, outgoing)
    })
    this.server.on('clientError', refuseRequest)
    this.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // A peer that resets during the handshake must not take us with it.
      socket.on('error', () => socket.destroy())
      const caller = callerOf(request, this.#trusted)
      const path = (request.url ?? '').split('?')[0]!.replace(/\/{2,}/g, '/')
      if (caller && world.upgrade && path === '/ws') world.upgrade(request, socket, head, caller)
      else socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
  }
}

function sourceOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.replace(/^::ffff:/, '')
}

function destroy(socket: Duplex): void {
  socket.destroy()
}

/** What a connection and the TLS in it have in common. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** Answers what Node's parser or its timeouts refuse, with the status Node has for it. */
function refuseRequest(error: NodeJS.ErrnoException, stream: Duplex): void {
  // A server of TCP and TLS has sockets only; the type allows for others.
  const socket = stream as Socket
  // Comes again with all that follows from somebody who has been refused.
  if (socket.writableEnded) return
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering(socket)) {
    socket.destroy()
    return
  }
  const status = REFUSALS.get(error.code ?? '') ?? 400
  const answer = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
  if (status !== 408) {
    linger(socket, answer)
    return
  }
  // Has had its time.
  socket.write(answer)
  socket.destroySoon()
}

const REFUSALS: ReadonlyMap<string, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])
