import { randomBytes } from 'node:crypto'
import type { Log } from '../log.ts'
import type { Address } from '../stun/address.ts'
import type { Effects } from '../turn/effects.ts'
import type { TurnEvents } from '../turn/events.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import type { OpenDtls } from './dtls/endpoint.ts'
import type { Handshakes } from './limits/handshakes.ts'
import type { BoundAddress } from './listen/bound-address.ts'
import { overlap, standsForNothing, type UdpEndpoint } from './listen/interfaces.ts'
import { compare, type ListenChange, together, type Wanted } from './listen/listen-change.ts'
import { ListenError } from './listen/listen-error.ts'
import type { StreamConnection } from './stream/connection.ts'
import type { HttpOptions } from './stream/http-answer.ts'
import { keyed } from './stream/listeners.ts'
import type { StreamEndpoint, StreamLimits } from './stream/options.ts'
import { StreamPlaces, sharedPlaces } from './stream/places.ts'
import { StreamServer } from './stream/stream.ts'
import type { TlsOptions } from './stream/tls-context.ts'
import { openPortablePort } from './tcp-relay/portable-port.ts'
import { type TurnCore, TurnDriver } from './turn-driver.ts'
import { DgramPlane } from './udp/dgram-plane.ts'
import type { OpenUdpSocket } from './udp/udp.ts'

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

/** A TCP address that is accepted from. */
interface OpenStream {
  readonly key: string
  readonly endpoint: StreamEndpoint
  readonly address: Address
  readonly stop: () => void
}

/** Runs a TurnDriver on this thread's event loop, over Node's own sockets. */
export class PortableTurn<T extends TurnCore = TurnServer> {
  readonly driver: TurnDriver<T, DgramPlane, StreamServer>
  readonly #options: NetOptions
  readonly #log: Log
  #streams: readonly OpenStream[] = []
  #hasWork = false
  #timer: NodeJS.Timeout | undefined
  #opening: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  /** `makeTurn` is called at once. Throws when `tls` or `dtls` cannot be used. */
  constructor(options: NetOptions, makeTurn: (effects: Effects, events: TurnEvents) => T, log: Log) {
    const { clock, openUdp, socketBufferBytes: bufferSize, handshakes, http, tls } = options
    // One object for all that go by them: `limitStreams` changes it.
    const limits = { ...options.limits }
    const places = new StreamPlaces(limits, sharedPlaces(1, randomBytes), 0)
    const waiting = () => this.#workSoon()
    this.#options = options
    this.#log = log
    this.driver = new TurnDriver(
      {
        ...{ log, clock, waiting, dtls: options.dtls, openPort: openPortablePort },
        // It is in the event loop already.
        begun: () => {},
        makePlane: (world) => new DgramPlane({ openUdp, bufferSize }, world),
        makeStreams: (world) =>
          new StreamServer({ ...world, limits, places, handshakes, waiting, http, tls, gathers: false }),
      },
      makeTurn,
    )
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
  }

  /**
   * Listens elsewhere than now. Throws ListenError, and changes nothing, for the first that cannot be had. Where a TCP listener takes
   * another one's place, nobody accepts for a moment.
   */
  async prepare({ udp, streams }: Pick<NetOptions, 'udp' | 'streams'>, wanted: Wanted): Promise<ListenChange> {
    const change = await this.driver.plane.prepare(udp, wanted)
    try {
      return together([change, await this.#prepareStreams(streams, wanted)])
    } catch (error) {
      await change.abort()
      throw error
    }
  }

  /** UDP first. */
  get addresses(): BoundAddress[] {
    return [
      ...this.driver.plane.addresses.map((address) => ({ transport: 'udp' as const, address })),
      ...this.#streams.map(({ address }) => ({ transport: 'tcp' as const, address })),
    ]
  }

  /** What is due by time; called once a second by itself. */
  sweep(): void {
    this.driver.sweep(this.#options.clock())
    this.#workSoon()
  }

  /** Ends every connection and closes every socket. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** A bounded part of the handshake work that waits, once the event loop has had another look at the network. */
  #workSoon(): void {
    if (this.#hasWork || this.#closing !== null) return
    this.#hasWork = true
    setImmediate(() => {
      this.#hasWork = false
      const now = this.#options.clock()
      const hasMore = this.driver.work(now)
      if (this.driver.streams.work(now) || hasMore) this.#workSoon()
    })
  }

  async #open(): Promise<void> {
    const change = await this.prepare(this.#options, 'all')
    change.commit()
  }

  async #prepareStreams(endpoints: readonly StreamEndpoint[], wanted: Wanted): Promise<ListenChange> {
    const { kept, missing, spare } = compare(endpoints.map(keyed), this.#streams)
    const inTheWay = spare.filter(({ endpoint }) => missing.some((other) => overlap(endpoint, other)))
    const opened: OpenStream[] = []
    const abort = async () => {
      for (const { stop } of opened) stop()
      const again = await Promise.all(
        inTheWay.map(({ endpoint }) => this.#listenStream(keyed(endpoint), 'what can be had')),
      )
      this.#streams = [...this.#streams.filter((stream) => !inTheWay.includes(stream)), ...again.flat()]
    }
    for (const { stop } of inTheWay) stop()
    try {
      for (const endpoint of missing) opened.push(...(await this.#listenStream(endpoint, wanted)))
    } catch (error) {
      await abort()
      throw error
    }
    return {
      commit: () => {
        this.#streams = [...kept, ...opened]
        for (const stream of opened) this.#say(stream, 'listening')
        for (const stream of spare) {
          stream.stop()
          this.#say(stream, 'accepts no more connections; those that are here stay')
        }
      },
      abort,
    }
  }

  async #listenStream({ key, ...endpoint }: ReturnType<typeof keyed>, wanted: Wanted): Promise<OpenStream[]> {
    try {
      return [{ key, endpoint, ...(await this.driver.streams.listen(endpoint)) }]
    } catch (error) {
      if (standsForNothing(endpoint.host, error)) return []
      if (wanted === 'all') throw new ListenError('tcp', endpoint.host, endpoint.port, error)
      this.driver.errors.count('listener', error)
      return []
    }
  }

  #say({ address }: OpenStream, what: string): void {
    this.#log.info({ transport: 'tcp', address: address.toString() }, what)
  }

  async #close(): Promise<void> {
    // Its failure is told to whoever called start().
    await this.#opening.catch(() => {})
    clearInterval(this.#timer)
    await this.driver.close()
  }
}
