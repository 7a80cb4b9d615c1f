import { Address } from '../../stun/address.ts'
import type { Relay } from '../../turn/allocation.ts'
import { HEADROOM, TAILROOM } from '../../turn/effects.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { Traffic } from '../counters.ts'
import { sendUnfragmented } from '../linux/descriptors.ts'
import { ErrorQueue } from '../linux/error-queue.ts'
import { SocketHopLimit } from '../linux/hop-limit.ts'
import { Poll } from '../linux/poll.ts'
import { ReceiveSlab } from '../linux/receive-slab.ts'
import { SendBatch } from '../linux/send-batch.ts'
import { SystemCallError } from '../linux/system-calls.ts'
import { calm } from '../linux/wake-up.ts'
import type { SocketErrors } from '../socket-errors.ts'
import { EXPIRED, OWN_HEADER, relayedHeader } from './relayed-header.ts'

/** One UDP descriptor among those that a thread polls: either clients talk to it, or it is a relayed address. */
export class BatchSocket {
  readonly fd: number
  readonly local: Address
  /** Refilled for every datagram of a client; null for a relayed address. */
  readonly tuple: FiveTuple | null
  /** The same, and null also where no new clients are taken. */
  client: FiveTuple | null
  readonly relay: Relay | null
  /** Refilled for every datagram: who sent it. */
  readonly from: Address
  readonly traffic: Traffic
  readonly hopLimit: SocketHopLimit
  /** Its place in UdpBatch, and -1 outside. */
  token = -1
  /** The chain of datagrams that wait to be sent. */
  first = -1
  last = -1
  /** The next of the sockets that have such a chain. */
  following: BatchSocket | null = null

  constructor(fd: number, local: Address, traffic: Traffic, client: FiveTuple | null, relay: Relay | null) {
    this.fd = fd
    this.local = local
    this.traffic = traffic
    this.hopLimit = new SocketHopLimit(fd, local.family)
    this.tuple = client
    this.client = client
    this.relay = relay
    this.from = client === null ? new Address() : client.client
  }
}

export interface UdpBatchOptions {
  readonly errors: SocketErrors
  readonly clock: () => number
  /**
   * Borrowed for the call. For a relayed address HEADROOM bytes before `start` and TAILROOM behind `end` are the receiver's;
   * beside a client's may lie others of its (`mergeDatagrams`).
   */
  readonly onDatagram: (socket: BatchSocket, bytes: Buffer, start: number, end: number, now: number) => void
  /** An ICMP message about a datagram from `socket`; only for sockets that `keepErrors` was called for. */
  readonly onPeerError?: (socket: BatchSocket, error: ErrorQueue, now: number) => void
  /** A datagram was to be relayed that must not go any further, and was dropped. */
  readonly onExpired?: () => void
  /** Somebody called `wake` on `wakeUp`. */
  readonly wakeUp: number
  readonly onWake: () => void
}

const SLOTS = 128
/** Datagrams taken from one socket before the others have their turn. */
const AT_ONCE = 64
/** A burst is not worth cutting in two for want of a few slots. */
const LEAST_ROOM = 16
const MAX_WAITING = 512
/** What Linux makes of an ICMP message (icmp_err_convert, icmpv6_err_convert); the message is in the queue of errors, too. */
const LEFT_BY_ICMP = new Set([
  'EACCES',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENONET',
  'ENOPROTOOPT',
  'EOPNOTSUPP',
  'EPROTO',
])
/** What it leaves behind is no failure to receive. */
const NOTHING_THERE = new Set([...LEFT_BY_ICMP, 'EAGAIN', 'EINTR', 'EMSGSIZE'])
/** ICMP messages taken from one socket before the others have their turn. */
const MOST_ERRORS = 16
const WAKE_UP = 0
/** No socket's place. */
const WATCHED = 0xffffffff

/** UDP sockets in batches: recvmmsg from whoever is ready, sendmmsg for all that one look at them has led to. */
export class UdpBatch {
  readonly #options: UdpBatchOptions
  readonly #poll = new Poll()
  readonly #slab = new ReceiveSlab(SLOTS, HEADROOM, TAILROOM)
  readonly #errors = new ErrorQueue()
  readonly #batch = new SendBatch(this.#slab, MAX_WAITING)
  readonly #next = new Int32Array(MAX_WAITING)
  /** By token; the wake-up descriptor has the first. */
  readonly #sockets: (BatchSocket | null)[] = [null]
  readonly #free: number[] = []
  /** The chain of sockets that have something to send. */
  #firstWaiting: BatchSocket | null = null
  #lastWaiting: BatchSocket | null = null
  #onWatched = () => {}
  /** While a datagram is handed out: where it came in, and the header that it is relayed with. */
  #source: BatchSocket | null = null
  #header = OWN_HEADER

  constructor(options: UdpBatchOptions) {
    this.#options = options
    this.#poll.add(options.wakeUp, WAKE_UP)
  }

  /** Whoever made this closes it, when no socket is left. */
  get descriptor(): number {
    return this.#poll.fd
  }

  get size(): number {
    return this.#sockets.length - 1 - this.#free.length
  }

  at(token: number): BatchSocket | null {
    return this.#sockets[token] ?? null
  }

  /** Throws SystemCallError. */
  add(socket: BatchSocket): void {
    const token = this.#free.pop() ?? this.#sockets.length
    try {
      this.#poll.add(socket.fd, token)
    } catch (error) {
      if (token < this.#sockets.length) this.#free.push(token)
      throw error
    }
    socket.token = token
    this.#sockets[token] = socket
  }

  /** Calls `onReady` whenever `fd`, which is somebody else's, has something to read. Throws SystemCallError. */
  watch(fd: number, onReady: () => void): void {
    this.#onWatched = onReady
    this.#poll.add(fd, WATCHED)
  }

  /** Sends what waits in it and forgets it; the caller closes the descriptor at once, which also ends the polling. */
  remove(socket: BatchSocket): void {
    if (socket.token < 0) return
    if (socket.first >= 0) this.#sendAll()
    this.#sockets[socket.token] = null
    this.#free.push(socket.token)
    socket.token = -1
  }

  /** Sends what waits in it and forgets it; its descriptor stays open, for somebody else to poll. */
  detach(socket: BatchSocket): void {
    this.remove(socket)
    this.#poll.remove(socket.fd)
  }

  /** Waits up to `timeoutMs` for datagrams, hands them on and sends what came of it. Returns when the waiting was over. */
  poll(timeoutMs: number): number {
    const ready = this.#poll.wait(timeoutMs)
    // One time for all that is ready: where each datagram wakes the thread alone, a look at the clock for each socket is felt.
    const now = this.#options.clock()
    for (let event = 0; event < ready; event++) {
      const token = this.#poll.token(event)
      if (token === WAKE_UP) {
        calm(this.#options.wakeUp)
        this.#options.onWake()
        continue
      }
      if (token === WATCHED) {
        this.#onWatched()
        continue
      }
      const socket = this.#sockets[token]
      if (!socket) continue
      if (this.#poll.hasErrors(event)) this.#takeErrors(socket, now)
      this.#receive(socket, now)
    }
    this.flush()
    return now
  }

  /** Lets one datagram wait for `flush`. What does not lie in the slab of received datagrams is copied. */
  send(socket: BatchSocket, bytes: Buffer, start: number, end: number, to: Address): void {
    // Nobody can be reached at port 0, and not through a socket of the other family.
    if (to.port === 0 || to.family !== socket.local.family) return
    if (!this.#batch.hasRoom(bytes, start, end)) this.#sendAll()
    const header = this.#headerThrough(socket)
    if (header === EXPIRED) return
    const i = this.#batch.add(bytes, start, end, to, header)
    socket.hopLimit.expect(header & 0xff)
    this.#next[i] = -1
    if (socket.first < 0) {
      socket.first = i
      this.#line(socket)
    } else this.#next[socket.last] = i
    socket.last = i
  }

  /** Sends one datagram with DF, behind what waits in the same socket. */
  sendUnfragmented(socket: BatchSocket, bytes: Buffer, start: number, end: number, to: Address): void {
    if (to.port === 0 || to.family !== socket.local.family) return
    const header = this.#headerThrough(socket)
    if (header === EXPIRED) return
    if (socket.first >= 0) this.#sendAll()
    socket.hopLimit.set(header & 0xff)
    const send = () => sendUnfragmented(socket.fd, bytes, start, end, to, header >> 8)
    let code = send()
    // As in SendBatch: an ICMP message about an earlier datagram is reported once, in place of sending this one.
    if (code !== null && LEFT_BY_ICMP.has(code)) code = send()
    if (code === null) {
      socket.traffic.sentPackets++
      socket.traffic.sentBytes += end - start
    } else if (code === 'EAGAIN' || code === 'ENOBUFS') socket.traffic.overflowPackets++
    else this.#failed(socket, 'sendto', code)
  }

  /** Sends all that waits and gives the slots of received datagrams free. */
  flush(): void {
    this.#sendAll()
    this.#slab.clear()
  }

  #receive(socket: BatchSocket, now: number): void {
    const slab = this.#slab
    if (slab.slots - slab.used < LEAST_ROOM) this.flush()
    let slot = slab.used
    const count = slab.receive(socket.fd, AT_ONCE)
    if (typeof count === 'string') {
      if (!NOTHING_THERE.has(count)) this.#failed(socket, 'recvmmsg', count)
      return
    }
    const { traffic, from } = socket
    const { onDatagram } = this.#options
    traffic.receivedPackets += count
    this.#source = socket
    // A relayed address may be closed by what one of its own datagrams leads to.
    for (const last = slot + count; slot < last; slot++) {
      const start = slab.start(slot)
      const end = start + slab.length(slot)
      slab.readControl(slot)
      const { segment } = slab
      this.#header = relayedHeader(slab.trafficClass, slab.hopLimit)
      slab.source(slot, from)
      traffic.receivedBytes += end - start
      if (from.port === 0) continue
      if (segment === 0) {
        if (socket.token >= 0) onDatagram(socket, slab.bytes, start, end, now)
        continue
      }
      for (let at = start; at < end; at += segment) {
        if (at > start) traffic.receivedPackets++
        if (socket.token >= 0) onDatagram(socket, slab.bytes, at, Math.min(at + segment, end), now)
      }
    }
    this.#source = null
  }

  /** From a client to a peer or back it is the datagram at hand that goes on; everything else is an answer of our own. */
  #headerThrough(socket: BatchSocket): number {
    const source = this.#source
    if (source === null || (source.relay === null) === (socket.relay === null)) return OWN_HEADER
    if (this.#header === EXPIRED) this.#options.onExpired?.()
    return this.#header
  }

  #takeErrors(socket: BatchSocket, now: number): void {
    const { onPeerError } = this.#options
    for (let i = 0; i < MOST_ERRORS; i++) {
      const taken = this.#errors.take(socket.fd)
      if (taken === false) return
      if (taken && socket.token >= 0) onPeerError?.(socket, this.#errors, now)
    }
  }

  #line(socket: BatchSocket): void {
    if (this.#lastWaiting === null) this.#firstWaiting = socket
    else this.#lastWaiting.following = socket
    this.#lastWaiting = socket
  }

  #sendAll(): void {
    let socket = this.#firstWaiting
    this.#firstWaiting = null
    this.#lastWaiting = null
    while (socket !== null) {
      const { fd, first, local, traffic, hopLimit, following }: BatchSocket = socket
      hopLimit.settle()
      const outcome = this.#batch.send(fd, first, this.#next, local.family, hopLimit.value)
      const { failed } = outcome
      socket.first = -1
      socket.last = -1
      traffic.sentPackets += outcome.sent
      traffic.sentBytes += outcome.sentBytes
      traffic.overflowPackets += outcome.refused
      if (failed.size > 0) {
        for (const [code, times] of failed) this.#failed(socket, 'sendmmsg', code, times)
      }
      socket.following = null
      socket = following
    }
    this.#batch.clear()
  }

  #failed(socket: BatchSocket, call: string, code: string, times = 1): void {
    this.#options.errors.count(socket.relay === null ? 'udp' : 'relay', new SystemCallError(call, code), times)
  }
}
