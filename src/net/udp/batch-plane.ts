import type { Address } from '../../stun/address.ts'
import type { Relay } from '../../turn/allocation.ts'
import { FiveTuple } from '../../turn/five-tuple.ts'
import { isReserved } from '../descriptor-reserve.ts'
import {
  closeDescriptor,
  growBuffers,
  keepErrors,
  localAddress,
  mergeDatagrams,
  openUdpDescriptor,
  reportHeaders,
  setHopLimit,
} from '../linux/descriptors.ts'
import { SystemCallError } from '../linux/system-calls.ts'
import { HeldPorts } from './held-ports.ts'
import { BatchSocket, UdpBatch } from './udp-batch.ts'
import type { UdpPlane, UdpPlaneWorld } from './udp-plane.ts'

export interface BatchPlaneOptions {
  /** Made ready by whoever has a message for this thread. */
  readonly wakeUp: number
  readonly onWake: () => void
  /** For each relay socket. */
  readonly bufferSize: number
  /** Whether the core may be told that a relay is open: now, or by whoever put it off. `reserved` holds the port beside it. */
  readonly mayTell: (relay: Relay, reserved: number | null) => 'now' | 'later'
  /** Told of every descriptor that is opened and closed here, by its place; reserved ports have places below 0. */
  readonly onDescriptor: (place: number, fd: number | null) => void
}

interface Listening {
  readonly socket: BatchSocket
  /** Whom to tell that the last client has gone; null while new ones are taken. */
  left: (() => void) | null
}

/** The plane of a thread that does nothing else: epoll, recvmmsg, sendmmsg, and descriptors that may go to other threads. */
export class BatchPlane implements UdpPlane {
  readonly #options: BatchPlaneOptions
  readonly #world: UdpPlaneWorld
  readonly #batch: UdpBatch
  /** By FiveTuple.listener. */
  readonly #listeners: (Listening | null)[] = []
  readonly #held: HeldPorts
  #opening: Relay[] = []

  constructor(options: BatchPlaneOptions, world: UdpPlaneWorld) {
    const { clients, turn, counters, errors, clock } = world
    this.#options = options
    this.#world = world
    this.#batch = new UdpBatch({
      onPeerError: ({ relay }, error, now) => {
        counters.peerErrors++
        if (relay !== null) turn.peerError(relay, error.peer, error, now)
      },
      errors,
      onExpired: () => counters.dropped['ttl-expired']++,
      clock,
      wakeUp: options.wakeUp,
      onWake: options.onWake,
      onDatagram: (socket, bytes, start, end, now) => {
        if (socket.client !== null) clients.receive(bytes, start, end, socket.client, now)
        else if (socket.relay !== null) turn.peerData(socket.relay, socket.from, bytes, start, end, now)
        else clients.receiveKnown(bytes, start, end, socket.tuple!, now)
      },
    })
    this.#held = new HeldPorts(options.onDescriptor)
    // The first place is the wake-up's, which is not ours to close.
    options.onDescriptor(0, this.#batch.descriptor)
  }

  get openRelays(): number {
    return this.#batch.size - this.#serving.length
  }

  /** Serves clients on a bound descriptor, which stays its owner's, as this FiveTuple.listener; again, if it was to be left. */
  listen(listener: number, fd: number): void {
    const before = this.#listeners[listener]
    if (before) {
      before.socket.client = before.socket.tuple
      before.left = null
      return
    }
    // Not for relayed addresses: a payload needs free room before it, which merged datagrams have not.
    mergeDatagrams(fd)
    const local = localAddress(fd)
    reportHeaders(fd, local.family)
    // A thread that served it before may have left another one.
    setHopLimit(fd, local.family, 0)
    const client = new FiveTuple('udp', local.copy(), local, listener, 0)
    const socket = new BatchSocket(fd, local, this.#world.counters.clients.udp, client, null)
    this.#batch.add(socket)
    this.#listeners[listener] = { socket, left: null }
  }

  /** Takes no new clients there; `left` is called when the last one has gone, and the descriptor is not used any more. */
  leave(listener: number, left: () => void): void {
    const listening = this.#listeners[listener]
    if (!listening) {
      left()
      return
    }
    listening.socket.client = null
    listening.left = left
  }

  /** Calls `onReady` whenever `fd`, which is somebody else's, has something to read. Throws SystemCallError. */
  watch(fd: number, onReady: () => void): void {
    this.#batch.watch(fd, onReady)
  }

  /** Waits up to `timeoutMs` for datagrams, hands them on and sends what came of it. Returns when the waiting was over. */
  poll(timeoutMs: number): number {
    const now = this.#batch.poll(timeoutMs)
    this.#openRelays()
    return now
  }

  flush(): void {
    this.#openRelays()
    this.#batch.flush()
  }

  sweep(): void {
    // What the core's own sweep has led to.
    this.flush()
    this.#listeners.forEach((listening, i) => {
      if (!listening || listening.left === null || this.#world.clients.has(i)) return
      this.#listeners[i] = null
      this.#batch.detach(listening.socket)
      listening.left()
    })
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const listening = this.#listeners[client.listener]
    if (listening) this.#batch.send(listening.socket, bytes, start, end, client.client)
    else this.#world.counters.dropped['client-gone']++
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    const listening = this.#serving.find(({ socket }) => socket.local.equals(server))
    if (listening !== undefined) this.#batch.send(listening.socket, bytes, start, end, client)
    else this.#world.counters.dropped['client-gone']++
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    const socket = this.#batch.at(relay.handle)
    if (socket === null) this.#world.counters.dropped['relay-gone']++
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

  /** Holds the reserved port that another thread holds by `descriptor`, too. */
  share(local: Address, descriptor: number): void {
    this.#held.share(local, descriptor)
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
      this.#world.errors.count('relay', error)
      return false
    }
  }

  async stopListening(): Promise<void> {
    for (const { socket } of this.#serving) this.#batch.remove(socket)
    this.#listeners.length = 0
  }

  async close(): Promise<void> {
    this.#opening = []
    this.#held.closeAll()
    this.#options.onDescriptor(0, null)
    closeDescriptor(this.#batch.descriptor)
  }

  get #serving(): Listening[] {
    return this.#listeners.filter((listening) => !!listening)
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
    const { turn, errors, clock } = this.#world
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
      turn.relayFailed(relay, errors.relayFailure(error), clock())
      return
    }
    if (this.#options.mayTell(relay, reserved) === 'now') turn.relayOpened(relay, clock())
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
    const socket = new BatchSocket(fd, relay.local, this.#world.counters.relay, null, relay)
    this.#batch.add(socket)
    relay.handle = socket.token
    this.#options.onDescriptor(relay.handle, fd)
  }
}
