import { StreamTraffic } from '../../shared/stream-traffic.ts'
import { Address } from '../../stun/address.ts'
import { Attribute, ErrorCode, MessageClass, Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import { StunWriter } from '../../stun/writer.ts'
import type { Allocation, Relay } from '../allocation.ts'
import { type AccountName, isSameAccount } from '../auth/account.ts'
import type { Counters, DropReason } from '../counters.ts'
import type { Effects } from '../effects.ts'
import type { TurnOptions } from '../options.ts'
import type { PeerPolicy } from '../peers/peer-policy.ts'
import type { Pending } from '../pending.ts'
import { LATER, type Reply, refuse, type SignedExchange } from '../reply.ts'
import type { ConnectionAnswer, ConnectionLenders, ConnectionQuestion } from './connection-lenders.ts'
import { PeerConnection } from './peer-connection.ts'

/** RFC 6062 §5.2–5.4: how long a client may take to bind a connection with a peer. */
const BIND_MS = 30_000

/** The streams of one allocation. */
interface Streams {
  readonly connections: Set<PeerConnection>
  readonly traffic: StreamTraffic
}

/**
 * The TCP connections with peers of one server's allocations, from Connect or their arrival to their end, and those of other
 * servers whose data connections are here (RFC 6062 §5).
 */
export class PeerConnections {
  readonly #options: TurnOptions
  readonly #effects: Effects
  readonly #counters: Counters
  readonly #pending: Pending
  readonly #lenders: ConnectionLenders
  readonly #random: (size: number) => Buffer
  readonly #clockOffsetMs: number
  readonly #byId = new Map<number, PeerConnection>()
  /** Of TCP allocations that have, or have had, a connection. */
  readonly #streams = new Map<Allocation, Streams>()
  readonly #writer = new StunWriter()
  /** The rules that let through the connections there are. */
  #allowedUnder: PeerPolicy

  constructor(
    options: TurnOptions,
    parts: {
      readonly effects: Effects
      readonly counters: Counters
      readonly pending: Pending
      readonly lenders: ConnectionLenders
      readonly clockOffsetMs: number
      random(size: number): Buffer
    },
  ) {
    this.#options = options
    this.#allowedUnder = options.peerPolicy
    this.#effects = parts.effects
    this.#counters = parts.counters
    this.#pending = parts.pending
    this.#lenders = parts.lenders
    this.#clockOffsetMs = parts.clockOffsetMs
    this.#random = parts.random
  }

  /** Those of this server's allocations, and those that were lent to it. */
  get size(): number {
    return this.#byId.size
  }

  /** Those of an allocation that are there or about to be. */
  of(allocation: Allocation): ReadonlySet<PeerConnection> {
    return this.#streams.get(allocation)?.connections ?? NONE
  }

  /** Whether an allocation has, or is about to have, a connection with this very peer. */
  has(allocation: Allocation, peer: Address): boolean {
    for (const connection of this.of(allocation)) if (connection.peer.equals(peer)) return true
    return false
  }

  isFull(allocation: Allocation): boolean {
    const { maxPeerConnections } = this.#options
    return maxPeerConnections > 0 && this.of(allocation).size >= maxPeerConnections
  }

  /** RFC 6062 §5.2, once the request has been looked at. Answered by `connected` or `failed`. */
  connect(request: StunMessage, exchange: SignedExchange, relay: Relay, peer: Address, now: number): Reply {
    const connection = this.#begin(relay, peer)
    const late = () => {
      connection.parkedAs = null
      this.#close(connection)
      return refuse(ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE, `no connection with peer ${peer} in time`)
    }
    connection.parkedAs = this.#pending.park(request, exchange, 'peer', late, now)
    if (connection.parkedAs === null) {
      this.#forget(connection)
      return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many connections with peers are being opened')
    }
    this.#effects.connectPeer(connection)
    return LATER
  }

  connected(connection: PeerConnection, now: number): void {
    if (connection.state !== 'connecting') return
    this.#counters.peerConnections.connected++
    this.#wait(connection, now)
    this.#settle(connection, { connectionId: connection.id })
  }

  /** `isExhausted`: for want of something that this server has used up. */
  failed(connection: PeerConnection, reason: string, isExhausted: boolean): void {
    if (connection.state !== 'connecting') return
    this.#counters.peerConnections.failed++
    this.#forget(connection)
    const code = isExhausted ? ErrorCode.INSUFFICIENT_CAPACITY : ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE
    this.#settle(connection, refuse(code, `peer ${connection.peer}: ${reason}`))
  }

  /** RFC 6062 §5.3: a peer has connected to a relayed address; null when it is to be closed at once. */
  arrived(relay: Relay, from: Address, now: number): PeerConnection | null {
    const { allocation } = relay
    const refusal = this.#refusal(relay, from, now)
    if (refusal !== null) {
      this.#counters.dropped[refusal]++
      return null
    }
    const connection = this.#begin(relay, from)
    this.#counters.peerConnections.accepted++
    this.#wait(connection, now)
    const writer = this.#writer
      .begin(Method.CONNECTION_ATTEMPT, MessageClass.INDICATION, this.#random(12))
      .uint32(Attribute.CONNECTION_ID, connection.id)
      .xorAddress(Attribute.XOR_PEER_ADDRESS, this.#options.externalIp.toPublic(from.copy()))
    if (allocation.fingerprint || this.#options.fingerprint) writer.fingerprint()
    this.#effects.sendToClient(allocation.client, writer.buffer, writer.start, writer.end())
    return connection
  }

  /** RFC 6062 §5.4: makes a data connection of the one that the request came by. LATER: another server has been asked. */
  bind(request: StunMessage, exchange: SignedExchange, id: number, now: number): Reply {
    const { client, user } = exchange
    const holder = id % this.#lenders.count
    if (holder !== this.#lenders.place) return this.#borrow(request, exchange, id, now)
    const connection = this.#bindable(id, user.account, now)
    if (connection === null) return UNKNOWN
    connection.state = 'bound'
    this.#counters.peerConnections.bound++
    this.#effects.joinPeer(client, connection)
    return {}
  }

  /** Another server has a data connection for one of ours. */
  lend({ connectionId, account }: ConnectionQuestion, now: number): ConnectionAnswer {
    const connection = this.#bindable(connectionId, account, now)
    if (connection === null) return { kind: 'refused', ...UNKNOWN }
    const descriptor = this.#lenders.detach(connection)
    if (descriptor < 0) {
      this.ended(connection)
      return { kind: 'refused', ...UNKNOWN }
    }
    connection.state = 'lent'
    const { peer, traffic } = connection
    const { bytesPerSecond, memory } = traffic
    return { kind: 'lent', connectionId, host: peer.host, port: peer.port, descriptor, bytesPerSecond, traffic: memory }
  }

  /** The answer to a question of ours (ConnectionLenders.ask); false when what it brings is not taken. */
  answered(id: number, answer: ConnectionAnswer): boolean {
    const parked = this.#pending.get(id)
    if (parked === null) return false
    const { client, exchange, isClientGone } = parked
    if (isClientGone || exchange.user === null) {
      this.#pending.drop(id)
      return false
    }
    if (answer.kind === 'refused') {
      this.#pending.answer(id, refuse(answer.error, answer.reason))
      return false
    }
    const { connectionId, descriptor } = answer
    const peer = Address.parse(answer.host, answer.port)!
    const traffic = new StreamTraffic(answer.bytesPerSecond, this.#clockOffsetMs, answer.traffic)
    const connection = new PeerConnection(connectionId, peer, null, exchange.user.account, traffic)
    if (!this.#lenders.attach(connection, descriptor)) {
      this.#pending.answer(id, refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'the connection with the peer cannot be served'))
      return false
    }
    connection.state = 'bound'
    this.#byId.set(connectionId, connection)
    this.#counters.peerConnections.bound++
    this.#pending.answer(id, {})
    this.#effects.joinPeer(client, connection)
    return true
  }

  /** One that was lent is over where it was, or has reached nobody. */
  returned(connectionId: number): void {
    const connection = this.#byId.get(connectionId)
    if (connection?.state === 'lent') this.ended(connection)
  }

  /** The allocation of one that was lent to this server is gone. */
  recalled(connectionId: number): void {
    const connection = this.#byId.get(connectionId)
    if (connection?.relay === null) this.#close(connection)
  }

  /** The driver has closed it: its peer or its client has, or it has failed. */
  ended(connection: PeerConnection): void {
    if (connection.state === 'closed') return
    this.#forget(connection)
    // The server whose allocation it is counts it.
    if (connection.relay === null) this.#lenders.giveBack(connection.id)
    else this.#counters.peerConnections.ended++
  }

  /** Counts bytes that a stream has passed; for how many milliseconds it is to pass no more of them. */
  passed({ traffic }: PeerConnection, direction: 'toPeer' | 'toClient', bytes: number, now: number): number {
    if (direction === 'toPeer') this.#counters.toPeerBytes += bytes
    else this.#counters.toClientBytes += bytes
    return traffic.pass(direction, bytes, now)
  }

  /** An allocation ends, or one of its relayed addresses, and all that it has with peers. */
  closeAll(allocation: Allocation, relay: Relay | null = null): void {
    const streams = this.#streams.get(allocation)
    if (streams === undefined) return
    for (const connection of streams.connections) {
      if (relay === null || connection.relay === relay) this.#close(connection)
    }
    settleTraffic(allocation, streams)
    if (relay === null) this.#streams.delete(allocation)
  }

  /** Once a second. */
  sweep(now: number): void {
    const { peerPolicy } = this.#options
    const hasOtherRules = this.#allowedUnder !== peerPolicy
    this.#allowedUnder = peerPolicy
    for (const [allocation, streams] of this.#streams) {
      settleTraffic(allocation, streams)
      for (const connection of streams.connections) {
        const isLate = connection.state === 'waiting' && connection.expiresAt <= now
        if (isLate) this.#counters.peerConnections.unbound++
        const isDenied = hasOtherRules && peerPolicy.refusal(connection.peer, allocation.peersAtBegin) !== null
        if (isLate || isDenied) this.#close(connection)
      }
    }
  }

  #refusal(relay: Relay, from: Address, now: number): DropReason | null {
    const { allocation } = relay
    const { serverRelay, peerPolicy } = this.#options
    if (relay.state !== 'open' || allocation.expiresAt <= now) return 'no-allocation'
    if (!serverRelay && allocation.permissionOf(from, now) === null) return 'no-permission'
    if (peerPolicy.refusal(from, allocation.peersAtBegin) !== null) return 'peer-denied'
    return this.isFull(allocation) ? 'over-limit' : null
  }

  #begin(relay: Relay, peer: Address): PeerConnection {
    const { allocation } = relay
    let streams = this.#streams.get(allocation)
    if (streams === undefined) {
      streams = {
        connections: new Set(),
        traffic: new StreamTraffic(allocation.bytesPerSecond, this.#clockOffsetMs),
      }
      this.#streams.set(allocation, streams)
    }
    const connection = new PeerConnection(this.#newId(), peer.copy(), relay, allocation.user.account, streams.traffic)
    streams.connections.add(connection)
    this.#byId.set(connection.id, connection)
    return connection
  }

  /** Nobody can guess it, and all servers together have it once. */
  #newId(): number {
    const { place, count } = this.#lenders
    for (;;) {
      const drawn = this.#random(4).readUInt32BE(0)
      const id = drawn - (drawn % count) + place
      if (id <= 0xffffffff && !this.#byId.has(id)) return id
    }
  }

  #wait(connection: PeerConnection, now: number): void {
    connection.state = 'waiting'
    connection.expiresAt = now + BIND_MS
  }

  #bindable(id: number, account: AccountName, now: number): PeerConnection | null {
    const connection = this.#byId.get(id)
    if (connection?.state !== 'waiting' || connection.expiresAt <= now) return null
    if (!isSameAccount(connection.account, account)) return null
    return connection.relay!.allocation.expiresAt > now ? connection : null
  }

  #borrow(request: StunMessage, exchange: SignedExchange, connectionId: number, now: number): Reply {
    const id = this.#pending.park(request, exchange, 'connection', () => NO_ANSWER, now)
    if (id === null) return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many connections are being looked for')
    if (!this.#lenders.ask(id, { connectionId, account: exchange.user.account })) {
      this.#pending.drop(id)
      return UNKNOWN
    }
    return LATER
  }

  #close(connection: PeerConnection): void {
    const { peerConnections } = this.#counters
    if (connection.state === 'connecting') peerConnections.failed++
    else if (connection.relay !== null) peerConnections.ended++
    if (connection.state === 'lent') this.#lenders.recall(connection.id)
    else this.#effects.closePeer(connection)
    this.#forget(connection)
    this.#settle(connection, refuse(ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE, 'the connection may be no longer'))
  }

  #settle(connection: PeerConnection, reply: Exclude<Reply, symbol>): void {
    const { parkedAs } = connection
    connection.parkedAs = null
    if (parkedAs !== null) this.#pending.answer(parkedAs, reply)
  }

  #forget(connection: PeerConnection): void {
    connection.state = 'closed'
    this.#byId.delete(connection.id)
    if (connection.relay !== null) this.#streams.get(connection.relay.allocation)?.connections.delete(connection)
  }
}

/** Other threads may have passed some of it. */
function settleTraffic(allocation: Allocation, { traffic }: Streams): void {
  allocation.toPeerBytes = traffic.bytes('toPeer')
  allocation.toClientBytes = traffic.bytes('toClient')
}

const NONE: ReadonlySet<PeerConnection> = new Set()
const NO_ANSWER = refuse(ErrorCode.SERVER_ERROR, 'no answer about the connection')
const UNKNOWN = refuse(ErrorCode.BAD_REQUEST, 'no connection of this user waits under the CONNECTION-ID')
