import type { Socket } from 'node:net'
import { Address } from '../../stun/address.ts'
import { FiveTuple } from '../../turn/five-tuple.ts'
import type { CloseReason, NetCounters } from '../counters.ts'
import type { SocketErrors } from '../socket-errors.ts'
import { keepPadded, lend } from '../udp/borrowed.ts'
import { recogniseFirstBytes, tlsRecordLength } from './first-bytes.ts'
import { FrameReader } from './frame-reader.ts'
import { answerHttp, type HttpOptions } from './http-answer.ts'
import type { StreamEndpoint, StreamLimits } from './options.ts'
import { parseProxyHeader } from './proxy-protocol.ts'
import { SendQueue } from './send-queue.ts'
import type { TlsContext } from './tls-context.ts'

/** Who has a connection after us. */
export interface HandOver {
  /** `early` are the bytes that were read already. */
  taken(socket: Socket, early: Buffer): void
  /** It has closed before. */
  gone(): void
}

/** What a connection needs of the one who accepted it. */
export interface StreamHost {
  readonly limits: StreamLimits
  readonly http: HttpOptions
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly clock: () => number
  /** The certificates of now; null: no TLS. */
  tls(): TlsContext | null
  /** Counts the connection as one from there, unless it is one too many. */
  admits(connection: StreamConnection, source: Address): boolean
  opened(connection: StreamConnection, client: FiveTuple): void
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void
  hasAllocation(client: FiveTuple): boolean
  /** A TLS handshake is to begin, by `beginTls`, when its turn has come; false when there are too many. */
  handshakeWaits(connection: StreamConnection, source: Address): boolean
  handshakeOver(connection: StreamConnection, source: Address): void
  /** Something was sent; `flush` has to follow. */
  pushed(connection: StreamConnection): void
  closed(connection: StreamConnection): void
  nextConnection(): number
}

/** From accepting a client to its end: PROXY header, first bytes, TLS, frames. The socket's `close` ends it, exactly once. */
export class StreamConnection {
  /** Null until the first bytes have said STUN: the core does not know the connection before. */
  client: FiveTuple | null = null
  /** Whose count this connection is in, and where its client is. */
  source: Address | null = null
  readonly #endpoint: StreamEndpoint
  readonly #host: StreamHost
  readonly #raw: Socket
  #closeReason: CloseReason = 'client'
  readonly #onData = (chunk: Buffer) => this.#receive(chunk)
  // A half-closed connection is closed (NET-TCP-07 in the tests).
  readonly #onEnd = () => this.close('client')
  #socket: Socket
  #queue: SendQueue
  #frames: FrameReader | null = null
  #stage: 'proxy-header' | 'first-bytes' | 'handshake' | 'frames' | 'handed-over' | 'ending'
  #isPaused = false
  #handOver: HandOver | null = null
  #stageSince: number
  readonly #connectedAt: number
  /** What the first bytes are looked for in. */
  #opening: Buffer | null = null
  #framesSeen = 0
  #lastFrameAt: number
  #halfwaySince = 0
  /** Since the connection is ending. */
  #bytesIgnored = 0

  constructor(raw: Socket, endpoint: StreamEndpoint, host: StreamHost) {
    const now = host.clock()
    this.#raw = raw
    this.#socket = raw
    this.#queue = new SendQueue(raw, now, true)
    this.#endpoint = endpoint
    this.#host = host
    this.#stage = endpoint.proxy ? 'proxy-header' : 'first-bytes'
    this.#stageSince = now
    this.#connectedAt = now
    this.#lastFrameAt = now
    raw.on('error', (error) => this.#fail('tcp', error))
    raw.once('close', () => this.#closed())
    host.counters.openConnections.tcp++
    host.counters.openedConnections.tcp++
    this.#listen(raw)
    if (!endpoint.proxy) this.#admit(Address.parse(raw.remoteAddress ?? '', raw.remotePort))
  }

  get isTls(): boolean {
    return this.#socket !== this.#raw
  }

  /** Borrows `bytes`; they leave with the next flush. A slow reader loses what peers send, and is closed if it does not even read its responses. */
  send(bytes: Buffer, start: number, end: number): void {
    if (this.#stage !== 'frames' || this.client === null) return
    const traffic = this.#host.counters.clients[this.client.transport]
    const { queueBytes } = this.#host.limits
    const waiting = this.#queue.cost
    if (waiting + end - start > queueBytes && isFromPeer(bytes, start)) {
      traffic.overflowPackets++
      return
    }
    // Only responses get past queueBytes, and only as many as the client has sent requests without reading.
    if (waiting > queueBytes + RESPONSES) {
      this.close('stalled')
      return
    }
    traffic.sentPackets++
    traffic.sentBytes += end - start
    this.#queue.push(keepPadded(bytes, start, end))
    this.#host.pushed(this)
  }

  /** Begins to write what was sent. */
  flush(): void {
    this.#queue.flush()
  }

  close(reason: CloseReason): void {
    if (this.#stage !== 'ending') this.#closeReason = reason
    this.#enter('ending')
    this.#socket.destroy()
  }

  /** Closes after what is already written, for the core: called from within it, so nothing happens before the next turn. */
  closeSoon(): void {
    if (this.#stage === 'ending') return
    this.#closeReason = 'server'
    this.flush()
    this.#enter('ending')
    this.#socket.destroySoon()
  }

  /** Hands no more frames on before `resume`. */
  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  /** Goes on with what was kept, once what is being done at the moment is over. */
  resume(): void {
    this.#isPaused = false
    process.nextTick(() => {
      if (this.#isReading) this.#readFrames(NOTHING)
      if (this.#isReading) this.#socket.resume()
    })
  }

  /**
   * Once what is being done at the moment is over and the answer to it is written, the socket and what comes by it is somebody else's; it
   * still counts here until it closes.
   */
  handOver(to: HandOver): void {
    this.#handOver = to
    this.#socket.pause()
    process.nextTick(() => {
      if (this.#handOver === null) return
      this.#handOver = null
      this.flush()
      this.#enter('handed-over')
      this.#socket.off('data', this.#onData)
      this.#socket.off('end', this.#onEnd)
      to.taken(this.#socket, this.#frames!.takeRest())
    })
  }

  /** Once a second: closes a connection that has taken too long over something. */
  sweep(now: number): void {
    const overdue = this.#overdue(now)
    if (overdue !== null) this.close(overdue)
  }

  #overdue(now: number): CloseReason | null {
    const { limits } = this.#host
    if (this.#stage === 'handed-over' || this.#isPaused) return null
    if (this.#stage === 'handshake') return now - this.#connectedAt >= limits.handshakeMs ? 'handshake' : null
    if (this.#stage !== 'frames') return now - this.#beganToWaitAt() >= limits.firstMessageMs ? 'silent' : null
    const quiet = now - this.#lastFrameAt
    if (this.#framesSeen === 0 && quiet >= limits.firstMessageMs) return 'silent'
    if (this.#frames?.isHalfway && now - this.#halfwaySince >= limits.halfMessageMs) return 'half-message'
    if (this.#queue.stalledFor(now) >= limits.stalledMs) return 'stalled'
    return quiet >= limits.idleMs && !this.#host.hasAllocation(this.client!) ? 'no-allocation' : null
  }

  /** Nothing that a client sends before its first message, a byte now and then for instance, gives it more time. */
  #beganToWaitAt(): number {
    return this.isTls || this.#stage === 'ending' ? this.#stageSince : this.#connectedAt
  }

  #listen(socket: Socket): void {
    socket.on('data', this.#onData)
    socket.once('end', this.#onEnd)
  }

  #enter(stage: 'first-bytes' | 'handshake' | 'frames' | 'handed-over' | 'ending'): void {
    this.#stage = stage
    this.#stageSince = this.#host.clock()
  }

  #fail(kind: 'tcp' | 'tls', error: Error): void {
    this.#host.errors.count(kind, error)
    this.close('error')
  }

  #receive(chunk: Buffer): void {
    if (this.#stage === 'frames') this.#readFrames(chunk)
    else if (this.#stage === 'proxy-header' || this.#stage === 'first-bytes') {
      this.#opening = this.#opening === null ? chunk : Buffer.concat([this.#opening, chunk])
      if (this.#stage === 'proxy-header') this.#readProxyHeader(this.#opening)
      else this.#recognise(this.#opening)
    } else if (this.#stage === 'ending') {
      this.#bytesIgnored += chunk.length
      if (this.#bytesIgnored > LINGER_BYTES) this.#socket.destroy()
    }
  }

  #readProxyHeader(bytes: Buffer): void {
    const header = parseProxyHeader(bytes)
    if (header === 'more') return
    if (header === 'bad') {
      this.close('bad-proxy-header')
      return
    }
    this.#admit(header.client ?? Address.parse(this.#raw.remoteAddress ?? '', this.#raw.remotePort))
    if (this.source === null) return
    this.#enter('first-bytes')
    this.#opening = bytes.subarray(header.length)
    this.#recognise(this.#opening)
  }

  #admit(source: Address | null): void {
    if (source === null) this.close('client')
    else if (!this.#host.admits(this, source)) this.close('too-many-from-source')
    else this.source = source
  }

  #recognise(bytes: Buffer): void {
    const kind = recogniseFirstBytes(bytes)
    if (kind === 'more') return
    if (kind === 'stun' && (this.isTls || this.#endpoint.plain)) this.#startFrames(bytes)
    else if (kind === 'tls' && !this.isTls && this.#endpoint.tls) this.#startTls(bytes)
    else if (kind === 'http') this.#answerHttp(bytes)
    else this.close('bad-first-bytes')
  }

  #startFrames(bytes: Buffer): void {
    // Behind a PROXY header only the client's address is taken from it: ours stays the one the connection came to.
    const server = Address.parse(this.#raw.localAddress ?? '', this.#raw.localPort)
    if (server === null || this.source === null) {
      this.close('client')
      return
    }
    const client = new FiveTuple(this.isTls ? 'tls' : 'tcp', this.source, server, 0, this.#host.nextConnection())
    const { counters, limits } = this.#host
    const traffic = counters.clients[client.transport]
    this.client = client
    this.#opening = null
    this.#lastFrameAt = this.#host.clock()
    this.#enter('frames')
    this.#host.opened(this, client)
    this.#frames = new FrameReader(
      (frame, start, end) => {
        traffic.receivedPackets++
        traffic.receivedBytes += end - start
        this.#framesSeen++
        this.#lastFrameAt = this.#host.clock()
        this.#host.receive(frame, start, end, client, this.#lastFrameAt)
        return this.#isReading
      },
      () => this.#host.hasAllocation(client),
      limits.shortFrameBytes,
    )
    this.#readFrames(bytes)
  }

  get #isReading(): boolean {
    return this.#stage === 'frames' && !this.#isPaused && this.#handOver === null
  }

  #readFrames(bytes: Buffer): void {
    const frames = this.#frames!
    const wasHalfway = frames.isHalfway
    const seen = this.#framesSeen
    // Each read has memory of its own, so what is sent on from it need not be copied.
    lend(bytes)
    const framing = frames.read(bytes)
    lend(null)
    if (framing !== 'ok') this.close(framing)
    if (!wasHalfway || this.#framesSeen !== seen) this.#halfwaySince = this.#host.clock()
  }

  #startTls(bytes: Buffer): void {
    if (this.#host.tls() === null) {
      this.close('bad-first-bytes')
      return
    }
    // The whole first record, because the ClientHello in it decides how the handshake is done.
    const length = tlsRecordLength(bytes)
    if (length > MAX_TLS_RECORD) {
      this.close('bad-first-bytes')
      return
    }
    if (length === 0 || bytes.length < length) return
    // Not to be read before the handshake may begin: whatever else is sent waits in the kernel.
    this.#raw.off('data', this.#onData)
    this.#raw.pause()
    this.#enter('handshake')
    if (!this.#host.handshakeWaits(this, this.source!)) this.close('too-many-handshakes')
  }

  /** Its turn has come: this costs a signature, once what is being done at the moment is over. */
  beginTls(): void {
    const tls = this.#host.tls()
    const hello = this.#opening
    if (tls === null || hello === null || this.#stage !== 'handshake') {
      this.close('handshake')
      return
    }
    const raw = this.#raw
    raw.unshift(hello)
    this.#opening = null
    tls.accept(raw, hello, {
      secured: (secure) => this.#secured(secure),
      failed: (error) => {
        this.#host.errors.count('tls', error)
        this.close('handshake')
      },
    })
  }

  /** The TLS handshake is done: go on with what is inside. */
  #secured(socket: Socket): void {
    if (this.#stage !== 'handshake') {
      socket.destroy()
      return
    }
    this.#host.handshakeOver(this, this.source!)
    this.#enter('first-bytes')
    this.#socket = socket
    // A record for each message: there are clients that look for no second one in it (coturn's).
    this.#queue = new SendQueue(socket, this.#stageSince, false)
    const { openConnections, openedConnections } = this.#host.counters
    openConnections.tcp--
    openConnections.tls++
    openedConnections.tls++
    socket.on('error', (error) => this.#fail('tls', error))
    this.#listen(socket)
  }

  #answerHttp(bytes: Buffer): void {
    const answer = answerHttp(bytes, this.isTls, this.#host.http)
    if (answer === 'more') return
    this.#opening = null
    if (answer === null) {
      this.close('http')
      return
    }
    // Ended, not destroyed, or what is unread would reset it (RFC 9112 §9.6): the client reads the answer and closes, or the
    // sweep does.
    this.#closeReason = 'http'
    this.#enter('ending')
    this.#socket.end(answer)
  }

  #closed(): void {
    const { counters, closed, handshakeOver } = this.#host
    counters.openConnections[this.isTls ? 'tls' : 'tcp']--
    counters.closedConnections[this.#closeReason]++
    this.#stage = 'ending'
    if (this.source !== null) handshakeOver(this, this.source)
    this.#handOver?.gone()
    this.#handOver = null
    closed(this)
  }
}

const NOTHING = Buffer.alloc(0)

// RFC 8446 §5.1, header included.
const MAX_TLS_RECORD = 5 + (1 << 14)

// Of a request that is answered already: a web client's header and a little of its body.
const LINGER_BYTES = 256 * 1024

// Room for responses beyond what datagrams may fill.
const RESPONSES = 64 * 1024

/** ChannelData or a Data indication; everything else is an answer that the client waits for. */
function isFromPeer(bytes: Buffer, start: number): boolean {
  return bytes[start]! >= 0x40 || (bytes[start] === 0x00 && bytes[start + 1] === 0x17)
}
