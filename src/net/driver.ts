import { randomBytes } from 'node:crypto'
import type { Log } from '../log.ts'
import type { Address } from '../stun/address.ts'
import type { Relay } from '../turn/allocation.ts'
import type { Effects, Refusal } from '../turn/effects.ts'
import type { TurnEvents } from '../turn/events.ts'
import type { FiveTuple } from '../turn/five-tuple.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import { ClientDatagrams } from './client-datagrams.ts'
import { NetCounters } from './counters.ts'
import type { OpenDtls } from './dtls/endpoint.ts'
import type { Handshakes } from './limits/handshakes.ts'
import { standsForNothing } from './listen/interfaces.ts'
import { ListenError } from './listen/listen-error.ts'
import { SocketErrors } from './socket-errors.ts'
import type { StreamConnection, StreamEndpoint, StreamLimits } from './stream/connection.ts'
import type { HttpOptions } from './stream/http-answer.ts'
import { StreamPlaces, sharedPlaces } from './stream/places.ts'
import { StreamServer } from './stream/stream.ts'
import type { TlsOptions } from './stream/tls-context.ts'
import { TurnLog } from './turn-log.ts'
import { RelaySockets } from './udp/relay-sockets.ts'
import type { OpenUdpSocket } from './udp/udp.ts'
import { type UdpEndpoint, UdpListeners } from './udp/udp-listeners.ts'

/** What the driver needs of a TurnServer. */
export type TurnCore = Pick<
  TurnServer,
  'receive' | 'peerData' | 'relayOpened' | 'relayFailed' | 'clientClosed' | 'hasAllocation' | 'sweep'
>

export interface NetOptions {
  /** UDP, and DTLS on the same ports when there is `dtls`. */
  readonly udp: readonly UdpEndpoint[]
  /** TCP and TLS. */
  readonly streams: readonly StreamEndpoint[]
  readonly tls: TlsOptions | null
  readonly dtls: OpenDtls | null
  readonly http: HttpOptions
  readonly limits: StreamLimits
  /** Those of TLS. */
  readonly handshakes: Handshakes<StreamConnection>
  /** `sock-buf-size`, for each UDP socket. */
  readonly socketBufferBytes: number
  /** How UDP sockets are made. */
  readonly openUdp: OpenUdpSocket
  readonly sweepIntervalMs: number
  /** Monotonic milliseconds. */
  readonly clock: () => number
}

/** An address that is listened on, with the port that was chosen for port 0. */
export interface BoundAddress {
  readonly transport: 'udp' | 'tcp'
  readonly address: Address
}

const RESCAN_MS = 10_000

/** One TurnServer on this thread's event loop: carries out its effects, feeds it packets, closed connections and time. */
export class TurnDriver<T extends TurnCore = TurnServer> implements Effects {
  readonly turn: T
  readonly counters = new NetCounters()
  readonly errors: SocketErrors
  readonly #options: NetOptions
  readonly #log: Log
  readonly #clock: () => number
  readonly #udp: UdpListeners
  readonly #streams: StreamServer
  readonly #relays: RelaySockets
  readonly #datagrams: ClientDatagrams
  readonly #streamAddresses: Address[] = []
  readonly #turnLog: TurnLog
  #connections = 0
  #hasWork = false
  #timer: NodeJS.Timeout | undefined
  #opening: Promise<void> = Promise.resolve()
  #rescannedAt: number
  #closing: Promise<void> | null = null

  /** `makeTurn` is called at once: core and driver need each other. Throws when `tls` or `dtls` cannot be used. */
  constructor(options: NetOptions, makeTurn: (effects: Effects, events: TurnEvents) => T, log: Log) {
    const { clock, openUdp, socketBufferBytes: bufferSize } = options
    const counters = this.counters
    const errors = new SocketErrors(log, clock)
    const turnLog = new TurnLog(log, clock)
    const turn = makeTurn(this, turnLog)
    const nextConnection = () => ++this.#connections
    this.turn = turn
    this.errors = errors
    this.#options = options
    this.#log = log
    this.#turnLog = turnLog
    this.#clock = clock
    this.#rescannedAt = clock()
    this.#udp = new UdpListeners({
      openUdp,
      bufferSize,
      counters,
      errors,
      onDatagram: (bytes, start, end, client) => this.#datagrams.receive(bytes, start, end, client, clock()),
    })
    this.#relays = new RelaySockets({
      openUdp,
      bufferSize,
      counters,
      errors,
      onOpened: (relay) => this.#relayOpened(relay),
      onFailed: (relay, reason) => turn.relayFailed(relay, reason, clock()),
      onDatagram: (relay, peer, bytes, start, end) => turn.peerData(relay, peer, bytes, start, end, clock()),
    })
    // One object for all that go by them: `limitStreams` changes it.
    const limits = { ...options.limits }
    this.#streams = new StreamServer({
      limits,
      places: new StreamPlaces(limits, sharedPlaces(1, randomBytes), 0),
      handshakes: options.handshakes,
      waiting: () => this.#workSoon(),
      http: options.http,
      tls: options.tls,
      counters,
      errors,
      clock,
      nextConnection,
      gathers: false,
      hasAllocation: (client) => turn.hasAllocation(client),
      receive: (bytes, start, end, client, now) => turn.receive(bytes, start, end, client, now),
      limited: (reason, host) => this.#turnLog.limited(reason, host),
      closed: (client) => turn.clientClosed(client, clock()),
    })
    this.#datagrams = new ClientDatagrams(options.dtls, turn, counters, {
      clock,
      nextConnection,
      waiting: () => this.#workSoon(),
      sendDatagram: (to, bytes, start, end) => this.#udp.send(to, bytes, start, end),
    })
  }

  /** Opens everything or nothing; throws ListenError for the first address that cannot be had. */
  async start(): Promise<void> {
    this.#opening = this.#open()
    try {
      await this.#opening
    } catch (error) {
      await this.close()
      throw error
    }
    if (this.#closing !== null) return
    this.#timer = setInterval(() => this.sweep(), this.#options.sweepIntervalMs)
    this.#timer.unref()
    for (const { transport, address } of this.addresses) {
      this.#log.info({ transport, address: address.toString() }, 'listening')
    }
  }

  /** UDP first, in the order of FiveTuple.listener. */
  get addresses(): BoundAddress[] {
    return [
      ...this.#udp.addresses.map((address) => ({ transport: 'udp' as const, address })),
      ...this.#streamAddresses.map((address) => ({ transport: 'tcp' as const, address })),
    ]
  }

  /** Relay sockets now open. */
  get openRelays(): number {
    return this.#relays.size
  }

  /** Other limits for the connections there are, and for new ones. */
  limitStreams(limits: StreamLimits): void {
    this.#streams.limit(limits)
  }

  /** New TLS handshakes get these certificates; live connections notice nothing. Throws, and keeps the old, if they are bad. */
  reload(tls: TlsOptions | null): void {
    this.#streams.reload(tls)
  }

  /** What is due by time; called once a second by itself. */
  sweep(): void {
    const now = this.#clock()
    this.turn.sweep(now)
    this.#streams.sweep(now)
    this.#datagrams.sweep(now)
    this.#workSoon()
    if (now - this.#rescannedAt >= RESCAN_MS) {
      this.#rescannedAt = now
      this.#udp.rescan()
    }
  }

  /** Ends every connection and closes every socket. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    if (client.transport === 'udp') this.#udp.send(client, bytes, start, end)
    else if (client.transport === 'dtls') this.#datagrams.sendByDtls(client, bytes, start, end)
    else this.#streams.send(client, bytes, start, end)
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment = false): void {
    this.#relays.send(relay, peer, bytes, start, end, dontFragment)
  }

  openRelay(relay: Relay): void {
    this.#relays.open(relay)
  }

  closeRelay(relay: Relay): void {
    this.#relays.close(relay)
  }

  closeReserved(local: Address): void {
    this.#relays.closeReserved(local)
  }

  closeClient(client: FiveTuple): void {
    if (client.transport === 'dtls') this.#datagrams.closeClient(client)
    else this.#streams.closeClient(client)
  }

  refused(client: FiveTuple, refusal: Refusal): void {
    this.#turnLog.refused(client, refusal)
  }

  /** A bounded part of the handshake work that waits, once the event loop has had another look at the network. */
  #workSoon(): void {
    if (this.#hasWork || this.#closing !== null) return
    this.#hasWork = true
    setImmediate(() => {
      this.#hasWork = false
      const now = this.#clock()
      const hasMore = this.#datagrams.work(now)
      if (this.#streams.work(now) || hasMore) this.#workSoon()
    })
  }

  #relayOpened(relay: Relay): void {
    this.turn.relayOpened(relay, this.#clock())
  }

  async #open(): Promise<void> {
    for (const endpoint of this.#options.udp) await this.#udp.listen(endpoint)
    for (const endpoint of this.#options.streams) await this.#listenStream(endpoint)
  }

  async #listenStream(endpoint: StreamEndpoint): Promise<void> {
    try {
      this.#streamAddresses.push(await this.#streams.listen(endpoint))
    } catch (error) {
      if (!standsForNothing(endpoint.host, error)) throw new ListenError('tcp', endpoint.host, endpoint.port, error)
    }
  }

  // Clients first, so that nobody asks for another relay while the last ones are closed.
  async #close(): Promise<void> {
    // Its failure is told to whoever called start().
    await this.#opening.catch(() => {})
    clearInterval(this.#timer)
    await this.#streams.close()
    this.#datagrams.close()
    await this.#udp.close()
    await this.#relays.closeAll()
  }
}
