import type { Log } from '../log.ts'
import type { Address } from '../stun/address.ts'
import type { Effects, Refusal } from '../turn/effects.ts'
import { FiveTuple } from '../turn/five-tuple.ts'
import type { Relay } from '../turn/relay-address.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import { ClientDatagrams } from './client-datagrams.ts'
import { NetCounters } from './counters.ts'
import type { OpenDtls } from './dtls-endpoint.ts'
import { closeDescriptor, keepErrors, localAddress, mergeDatagrams, openUdpDescriptor } from './linux/descriptors.ts'
import { SocketErrors } from './socket-errors.ts'
import { TurnLog } from './turn-log.ts'
import { BatchSocket, UdpBatch } from './udp-batch.ts'

export interface RelayLoopOptions {
  /** Made ready by whoever has a message for this thread. */
  readonly wakeUp: number
  readonly onWake: () => void
  readonly dtls: OpenDtls | null
  /** For each relay socket. */
  readonly bufferSize: number
  /** Whether a new relay may be opened: at once, or by calling `admit` later. */
  readonly mayOpen: (relay: Relay) => 'now' | 'later'
  /** The core closes a relay that has not been opened. */
  readonly abandoned: (relay: Relay) => void
  /** Told of every descriptor that is opened and closed here, by its place. */
  readonly onDescriptor: (place: number, fd: number | null) => void
  readonly log: Log
  readonly clock: () => number
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
  /** By FiveTuple.listener. */
  readonly #listeners: BatchSocket[] = []
  #opening: Relay[] = []
  #connections = 0
  #sweptAt: number

  constructor(options: RelayLoopOptions, makeTurn: (effects: Effects) => TurnServer) {
    const { clock, log } = options
    const turn = makeTurn(this)
    this.turn = turn
    this.errors = new SocketErrors(log, clock)
    this.#options = options
    this.#log = new TurnLog(log, clock)
    this.#clock = clock
    this.#sweptAt = clock()
    this.#batch = new UdpBatch({
      onPeerError: ({ relay }, error, now) => {
        this.counters.peerErrors++
        if (relay !== null) turn.peerError(relay, error.peer, error, now)
      },
      errors: this.errors,
      clock,
      wakeUp: options.wakeUp,
      onWake: options.onWake,
      onDatagram: (socket, bytes, start, end, now) => {
        if (socket.client !== null) this.#datagrams.receive(bytes, start, end, socket.client, now)
        else turn.peerData(socket.relay!, socket.from, bytes, start, end, now)
      },
    })
    // The first place is the wake-up's, which is not ours to close.
    options.onDescriptor(0, this.#batch.descriptor)
    this.#datagrams = new ClientDatagrams(options.dtls, turn, this.counters, {
      clock,
      nextConnection: () => ++this.#connections,
      sendDatagram: (to, bytes, start, end) => this.#sendUdp(to, bytes, start, end),
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
    const client = new FiveTuple('udp', local.copy(), local, this.#listeners.length, 0)
    const socket = new BatchSocket(fd, local, this.counters.clients.udp, client, null)
    this.#batch.add(socket)
    this.#listeners.push(socket)
  }

  /** Relays for a while, then comes back. */
  run(): void {
    const began = this.#clock()
    let now = began
    do {
      this.#batch.poll(MAX_WAIT_MS)
      this.#openRelays()
      now = this.#clock()
      if (now - this.#sweptAt >= SWEEP_MS) {
        this.#sweptAt = now
        this.turn.sweep(now)
        this.#datagrams.sweep(now)
        this.#batch.flush()
      }
    } while (now - began < MAX_BUSY_MS)
  }

  /** Sends what an operator's command has led to. */
  flush(): void {
    this.#openRelays()
    this.#batch.flush()
  }

  /** The answer to `mayOpen` that came later. */
  admit(relay: Relay): void {
    this.#opening.push(relay)
  }

  /** Closes everything that was opened here; says close_notify to DTLS clients. */
  close(): void {
    this.#datagrams.close()
    this.#batch.flush()
    this.#opening = []
    for (const allocation of this.turn.allocations) this.turn.release(allocation, this.#clock())
    for (const socket of this.#listeners) this.#batch.remove(socket)
    this.#options.onDescriptor(0, null)
    closeDescriptor(this.#batch.descriptor)
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    if (client.connection === 0) this.#sendUdp(client, bytes, start, end)
    else this.#datagrams.sendByDtls(client, bytes, start, end)
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    const socket = this.#batch.at(relay.handle)
    if (socket === null) this.counters.dropped['relay-gone']++
    else if (dontFragment) this.#batch.sendUnfragmented(socket, bytes, start, end, peer)
    else this.#batch.send(socket, bytes, start, end, peer)
  }

  openRelay(relay: Relay): void {
    if (this.#options.mayOpen(relay) === 'now') this.#opening.push(relay)
  }

  closeRelay(relay: Relay): void {
    const socket = this.#batch.at(relay.handle)
    if (socket === null) {
      this.#options.abandoned(relay)
      return
    }
    this.#log.closed(relay)
    this.#options.onDescriptor(relay.handle, null)
    this.#batch.remove(socket)
    closeDescriptor(socket.fd)
    relay.handle = -1
  }

  closeClient(client: FiveTuple): void {
    this.#datagrams.closeClient(client)
  }

  refused(client: FiveTuple, refusal: Refusal): void {
    this.#log.refused(client, refusal)
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
    try {
      fd = openUdpDescriptor(relay.local, { bufferSize: this.#options.bufferSize, reusePort: false })
      keepErrors(fd, relay.local.family)
      const socket = new BatchSocket(fd, relay.local, this.counters.relay, null, relay)
      this.#batch.add(socket)
      relay.handle = socket.token
      this.#options.onDescriptor(relay.handle, fd)
    } catch (error) {
      if (fd >= 0) closeDescriptor(fd)
      this.turn.relayFailed(relay, this.errors.relayFailure(error), this.#clock())
      return
    }
    this.#log.opened(relay)
    this.turn.relayOpened(relay, this.#clock())
  }
}
