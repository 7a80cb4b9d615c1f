import type { Log } from '../log.ts'
import type { Address } from '../stun/address.ts'
import type { Relay } from '../turn/allocation.ts'
import type { Effects, Refusal } from '../turn/effects.ts'
import type { TurnEvents } from '../turn/events.ts'
import { FiveTuple } from '../turn/five-tuple.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import { ClientDatagrams } from './client-datagrams.ts'
import { NetCounters } from './counters.ts'
import { isReserved } from './descriptor-reserve.ts'
import type { OpenDtls } from './dtls/endpoint.ts'
import {
  closeDescriptor,
  growBuffers,
  keepErrors,
  localAddress,
  mergeDatagrams,
  openUdpDescriptor,
  reportHeaders,
  setHopLimit,
} from './linux/descriptors.ts'
import { SystemCallError } from './linux/system-calls.ts'
import { SocketErrors } from './socket-errors.ts'
import type { StreamLimits } from './stream/connection.ts'
import type { StreamListener } from './stream/listeners.ts'
import { LoopStreams } from './stream/loop-streams.ts'
import type { StreamServerOptions } from './stream/stream.ts'
import type { TlsOptions } from './stream/tls-context.ts'
import { TurnLog } from './turn-log.ts'
import { HeldPorts } from './udp/held-ports.ts'
import { BatchSocket, UdpBatch } from './udp/udp-batch.ts'

export interface RelayLoopOptions {
  /** Made ready by whoever has a message for this thread. */
  readonly wakeUp: number
  readonly onWake: () => void
  readonly dtls: OpenDtls | null
  /** TCP and TLS; null for none. */
  readonly streams: RelayStreams | null
  /** For each relay socket. */
  readonly bufferSize: number
  /** Whether the core may be told that a relay is open: at once, or by calling `announced` later. `reserved` holds the port beside it. */
  readonly mayTell: (relay: Relay, reserved: number | null) => 'now' | 'later'
  /** Told of every descriptor that is opened and closed here, by its place; reserved ports have places below 0. */
  readonly onDescriptor: (place: number, fd: number | null) => void
  readonly log: Log
  readonly clock: () => number
}

/** What TCP and TLS clients are served with. */
type RelayStreams = Pick<StreamServerOptions, 'limits' | 'places' | 'handshakes' | 'http' | 'tls'> & {
  readonly listeners: readonly StreamListener[]
}

/** How long the thread sleeps when nothing arrives: then it looks after time and its event loop. */
const MAX_WAIT_MS = 50
/** How long it relays without a look at its event loop. */
const MAX_BUSY_MS = 50
const SWEEP_MS = 1000

/**
 * One TurnServer on a thread that does nothing else: waits for packets, feeds them to the core, sends what comes of it in
 * batches (epoll, recvmmsg, sendmmsg).
 */
export class RelayLoop implements Effects {
  readonly turn: TurnServer
  readonly counters = new NetCounters()
  readonly errors: SocketErrors
  readonly #options: RelayLoopOptions
  readonly #log: TurnLog
  readonly #clock: () => number
  readonly #batch: UdpBatch
  readonly #datagrams: ClientDatagrams
  readonly #streams: LoopStreams | null
  /** By FiveTuple.listener. */
  readonly #listeners: BatchSocket[] = []
  readonly #held: HeldPorts
  #opening: Relay[] = []
  #connections = 0
  #sweptAt: number
  /** There is handshake work that need not wait for packets. */
  #hasHandshakes = false

  constructor(options: RelayLoopOptions, makeTurn: (effects: Effects, events: TurnEvents) => TurnServer) {
    const { clock, log } = options
    this.#log = new TurnLog(log, clock)
    const turn = makeTurn(this, this.#log)
    this.turn = turn
    this.errors = new SocketErrors(log, clock)
    this.#options = options
    this.#clock = clock
    this.#sweptAt = clock()
    this.#batch = new UdpBatch({
      onPeerError: ({ relay }, error, now) => {
        this.counters.peerErrors++
        if (relay !== null) turn.peerError(relay, error.peer, error, now)
      },
      errors: this.errors,
      onExpired: () => this.counters.dropped['ttl-expired']++,
      clock,
      wakeUp: options.wakeUp,
      onWake: options.onWake,
      onDatagram: (socket, bytes, start, end, now) => {
        if (socket.client !== null) this.#datagrams.receive(bytes, start, end, socket.client, now)
        else turn.peerData(socket.relay!, socket.from, bytes, start, end, now)
      },
    })
    this.#held = new HeldPorts(options.onDescriptor)
    // The first place is the wake-up's, which is not ours to close.
    options.onDescriptor(0, this.#batch.descriptor)
    const nextConnection = () => ++this.#connections
    this.#datagrams = new ClientDatagrams(options.dtls, turn, this.counters, {
      clock,
      nextConnection,
      // Each look at the packets is followed by one at the handshakes.
      waiting: () => {},
      sendDatagram: (to, bytes, start, end) => this.#sendUdp(to, bytes, start, end),
    })
    this.#streams =
      options.streams &&
      new LoopStreams({
        ...options.streams,
        counters: this.counters,
        errors: this.errors,
        log,
        clock,
        nextConnection,
        hasAllocation: (client) => turn.hasAllocation(client),
        receive: (bytes, start, end, client, now) => turn.receive(bytes, start, end, client, now),
        limited: (reason, host) => this.#log.limited(reason, host),
        closed: (client) => turn.clientClosed(client, clock()),
        watch: (poller) => this.#batch.watch(poller, () => this.#streams!.wanted()),
      })
  }

  /** Relay sockets now open. */
  get openRelays(): number {
    return this.#batch.size - this.#listeners.length
  }

  /** Serves clients on a bound descriptor, which stays its owner's. */
  listen(fd: number): void {
    // Not for relayed addresses: a payload needs free room before it, which merged datagrams have not.
    mergeDatagrams(fd)
    const local = localAddress(fd)
    reportHeaders(fd, local.family)
    // A thread that served it before may have left another one.
    setHopLimit(fd, local.family, 0)
    const client = new FiveTuple('udp', local.copy(), local, this.#listeners.length, 0)
    const socket = new BatchSocket(fd, local, this.counters.clients.udp, client, null)
    this.#batch.add(socket)
    this.#listeners.push(socket)
  }

  /** Relays for a while, then comes back; at once when the event loop has something to do. To be called in each pass of that. */
  run(): void {
    const streams = this.#streams
    // What clients have sent by streams since.
    this.flush()
    const wait = streams === null ? MAX_WAIT_MS : streams.rest(MAX_WAIT_MS)
    const began = this.#clock()
    let now: number
    do {
      now = this.#batch.poll(this.#hasHandshakes ? 0 : wait)
      this.#openRelays()
      this.#handshake(now)
      streams?.flush()
      if (now - this.#sweptAt >= SWEEP_MS) this.#sweep(now)
    } while (now - began < MAX_BUSY_MS && wait > 0 && streams?.isWanted !== true)
  }

  /** Sends what an operator's command has led to. */
  flush(): void {
    this.#openRelays()
    this.#batch.flush()
    this.#streams?.flush()
  }

  /** Tells what `mayTell` has put off, unless it has been closed meanwhile. */
  announced(relay: Relay): void {
    this.turn.relayOpened(relay, this.#clock())
  }

  /** Holds the reserved port that another thread holds by `descriptor`, too. */
  share(local: Address, descriptor: number): void {
    this.#held.share(local, descriptor)
  }

  /** Other limits for the connections there are, and for new ones. */
  limitStreams(limits: StreamLimits): void {
    this.#streams?.limit(limits)
  }

  /** New TLS handshakes get these certificates; throws, and keeps the old, if they are bad. */
  reload(tls: TlsOptions | null): void {
    this.#streams?.reload(tls)
  }

  /** Closes everything that was opened here; says close_notify to clients. */
  async close(): Promise<void> {
    await this.#streams?.close()
    this.#datagrams.close()
    this.#batch.flush()
    this.#opening = []
    for (const allocation of this.turn.allocations) this.turn.allocations.release(allocation, 'stopped', this.#clock())
    this.#held.closeAll()
    for (const socket of this.#listeners) this.#batch.remove(socket)
    this.#options.onDescriptor(0, null)
    closeDescriptor(this.#batch.descriptor)
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    if (client.connection === 0) this.#sendUdp(client, bytes, start, end)
    else if (client.isStream) this.#streams?.send(client, bytes, start, end)
    else this.#datagrams.sendByDtls(client, bytes, start, end)
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    const socket = this.#batch.at(relay.handle)
    if (socket === null) this.counters.dropped['relay-gone']++
    else if (dontFragment) this.#batch.sendUnfragmented(socket, bytes, start, end, peer)
    else this.#batch.send(socket, bytes, start, end, peer)
  }

  openRelay(relay: Relay): void {
    this.#opening.push(relay)
  }

  closeRelay(relay: Relay): void {
    const socket = this.#batch.at(relay.handle)
    // Before it was opened what it would have taken is held still.
    if (socket === null) {
      this.#held.release(relay.local)
      return
    }
    this.#options.onDescriptor(relay.handle, null)
    this.#batch.remove(socket)
    closeDescriptor(socket.fd)
    relay.handle = -1
  }

  closeReserved(local: Address): void {
    this.#held.release(local)
  }

  /** Lets go of the socket of an open relay, for another thread to serve. */
  detach(relay: Relay): number {
    // The core gives away what is open, and nothing else.
    const socket = this.#batch.at(relay.handle)!
    this.#batch.detach(socket)
    this.#options.onDescriptor(relay.handle, null)
    relay.handle = -1
    return socket.fd
  }

  /** Serves what another thread has let go of; false, and it is closed, when that cannot be. */
  attach(relay: Relay, fd: number): boolean {
    try {
      // The thread before may have left another one.
      setHopLimit(fd, relay.local.family, 0)
      this.#serve(relay, fd)
      return true
    } catch (error) {
      closeDescriptor(fd)
      this.errors.count('relay', error)
      return false
    }
  }

  closeClient(client: FiveTuple): void {
    if (client.isStream) this.#streams?.closeClient(client)
    else this.#datagrams.closeClient(client)
  }

  refused(client: FiveTuple, refusal: Refusal): void {
    this.#log.refused(client, refusal)
  }

  #handshake(now: number): void {
    this.#hasHandshakes = false
    if (!this.#datagrams.isWaiting) return
    this.#hasHandshakes = this.#datagrams.work(now)
    this.flush()
  }

  #sweep(now: number): void {
    this.#sweptAt = now
    this.turn.sweep(now)
    this.#datagrams.sweep(now)
    this.#streams?.sweep(now)
    this.#batch.flush()
  }

  #sendUdp(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const socket = this.#listeners[client.listener]
    if (socket !== undefined) this.#batch.send(socket, bytes, start, end, client.client)
    else this.counters.dropped['client-gone']++
  }

  // After the core has returned: effects must not call back into it. One that failed may ask for the next port at once.
  #openRelays(): void {
    if (this.#opening.length === 0) return
    while (this.#opening.length > 0) {
      const relays = this.#opening
      this.#opening = []
      for (const relay of relays) if (relay.state === 'opening') this.#open(relay)
    }
    this.#batch.flush()
  }

  #open(relay: Relay): void {
    let fd = -1
    let reserved: number | null = null
    try {
      fd = this.#descriptorFor(relay.local)
      keepErrors(fd, relay.local.family)
      reportHeaders(fd, relay.local.family)
      if (relay.reserved !== null) reserved = this.#held.hold(relay.reserved)
      this.#serve(relay, fd)
    } catch (error) {
      if (fd >= 0) closeDescriptor(fd)
      if (reserved !== null) this.#held.release(relay.reserved!)
      this.turn.relayFailed(relay, this.errors.relayFailure(error), this.#clock())
      return
    }
    if (this.#options.mayTell(relay, reserved) === 'now') this.turn.relayOpened(relay, this.#clock())
  }

  /** What is held there since it was reserved, or a new one. Throws SystemCallError. */
  #descriptorFor(local: Address): number {
    const { bufferSize } = this.#options
    const held = this.#held.take(local)
    if (held !== null) {
      growBuffers(held, bufferSize)
      return held
    }
    const fd = openUdpDescriptor(local, { bufferSize, reusePort: false })
    if (!isReserved(fd)) return fd
    closeDescriptor(fd)
    throw new SystemCallError('socket', 'EMFILE')
  }

  #serve(relay: Relay, fd: number): void {
    const socket = new BatchSocket(fd, relay.local, this.counters.relay, null, relay)
    this.#batch.add(socket)
    relay.handle = socket.token
    this.#options.onDescriptor(relay.handle, fd)
  }
}
