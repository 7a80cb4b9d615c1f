import type { Address } from '../stun/address.ts'
import { Attribute, ErrorCode, MessageClass, Method } from '../stun/constants.ts'
import { verifyFingerprint } from '../stun/integrity.ts'
import { StunMessage } from '../stun/message.ts'
import { allocate, allocated, cancelReservation, relayUnavailable, repeatsAllocate } from './allocate.ts'
import type { Allocation } from './allocation.ts'
import { AllocationTable } from './allocation-table.ts'
import { KNOWN_ATTRIBUTES, wrongSized } from './attributes.ts'
import { binding, classicBinding } from './binding.ts'
import { channelBind } from './channel-bind.ts'
import { Counters } from './counters.ts'
import { createPermission } from './create-permission.ts'
import type { Effects } from './effects.ts'
import type { FiveTuple } from './five-tuple.ts'
import type { TurnOptions } from './options.ts'
import { isTunnelled, type PeerPolicy } from './peer-policy.ts'
import { refresh } from './refresh.ts'
import { PacketRelay } from './relay.ts'
import type { Relay } from './relay-address.ts'
import { type Exchange, type Refused, type Reply, Responder, refuse, type SignedExchange } from './reply.ts'
import { TokenBucket } from './token-bucket.ts'

/** What RFC 8656 §3.2 calls the default lifetime; also the least that is granted. */
const DEFAULT_LIFETIME_SECONDS = 600

/**
 * A STUN and TURN server without sockets and clock: bytes and their 5-tuple go in, effects come out during the call.
 * `now` is monotonic milliseconds. Nothing that comes from the network makes it throw.
 */
export class TurnServer {
  readonly options: TurnOptions
  readonly counters = new Counters()
  readonly #effects: Effects
  readonly #allocations = new AllocationTable()
  readonly #relay: PacketRelay
  readonly #responder: Responder
  readonly #relayAddresses: { readonly 4: Address[]; readonly 6: Address[] }
  #draining = false

  constructor(options: TurnOptions, effects: Effects, world: { random(size: number): Buffer }) {
    this.options = options
    this.#effects = effects
    this.#relayAddresses = {
      4: options.relayAddresses.filter((ip) => ip.family === 4),
      6: options.relayAddresses.filter((ip) => ip.family === 6),
    }
    this.#relay = new PacketRelay(options, effects, this.counters, world.random)
    this.#responder = new Responder(options, effects, this.counters)
  }

  /** One whole datagram, or one whole frame of a stream (RFC 7983 tells by the first byte what it is). */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    if (end - start < 4) {
      this.counters.dropped.malformed++
      return
    }
    const first = bytes[start]!
    if (first >= 0x40 && first <= 0x7f) {
      const allocation = this.#allocations.live(client, now)
      if (allocation !== undefined) this.#relay.channelData(allocation, bytes, start, end, now)
      else this.counters.dropped['no-allocation']++
      return
    }
    if (first < 4) {
      this.#receiveStun(bytes, start, end, client, now)
      return
    }
    this.counters.dropped.malformed++
    if (client.isStream) this.#hangUp(client, now)
  }

  /** A datagram from a peer. HEADROOM bytes before `start` and TAILROOM behind `end` are ours to overwrite. */
  peerData(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, now: number): void {
    this.#relay.peerData(relay, peer, bytes, start, end, now)
  }

  /** The socket of `relay` is bound. Ignored when the allocation has ended meanwhile. */
  relayOpened(relay: Relay, now: number): void {
    if (relay.state !== 'opening') return
    relay.state = 'open'
    this.#settle(relay.allocation, now)
  }

  /** No socket: another program has the port, the process has no descriptor left, or the address cannot be bound. */
  relayFailed(relay: Relay, reason: 'in-use' | 'exhausted' | 'unavailable', now: number): void {
    if (relay.state !== 'opening') return
    relayUnavailable(relay, reason, this, now)
    this.#settle(relay.allocation, now)
  }

  /** The connection is gone, and its allocation with it (RFC 8656 §5). */
  clientClosed(client: FiveTuple, now: number): void {
    const allocation = this.#allocations.get(client)
    if (allocation !== undefined) this.release(allocation, now)
  }

  /** Whether credentials have been seen on this 5-tuple, so that a driver may be generous. */
  hasAllocation(client: FiveTuple): boolean {
    return this.#allocations.get(client) !== undefined
  }

  /** Once a second: removes what has expired. */
  sweep(now: number): void {
    this.#allocations.sweep(now, this.#expire)
    this.options.relayPorts.sweep(now, this.#reservationExpired)
  }

  /** Replaces the peer rules; traffic of existing permissions and channels follows them from the next packet on. */
  setPeerPolicy(policy: PeerPolicy): void {
    this.#relay.policy = policy
  }

  /** While on, new Allocates are refused with 403 and all else goes on. */
  drain(on: boolean): void {
    this.#draining = on
  }

  get draining(): boolean {
    return this.#draining
  }

  get allocations(): Iterable<Allocation> {
    return this.#allocations
  }

  get allocationCount(): number {
    return this.#allocations.size
  }

  /** Ends an allocation now: sockets, ports, quota, table entry. Also for an operator who disconnects somebody. */
  release(allocation: Allocation, now: number): void {
    if (allocation.state === 'ended') return
    if (allocation.state === 'open') this.counters.allocationsEnded++
    else cancelReservation(allocation, this)
    allocation.state = 'ended'
    for (const relay of allocation.relays) this.closeRelay(relay, now)
    this.options.quota.give(allocation.user.quotaName, allocation.quotaPlaces)
    this.#allocations.delete(allocation)
  }

  // What follows is for the methods' own files.

  openRelay(relay: Relay): void {
    this.#effects.openRelay(relay)
  }

  /** Closes one relayed address of an allocation and forgets what depends on it. */
  closeRelay(relay: Relay, now: number): void {
    relay.state = 'closed'
    relay.allocation.forget(relay)
    this.options.relayPorts.free(relay.local, now)
    this.#effects.closeRelay(relay)
  }

  /** Enters a new allocation; false when its 5-tuple cannot be kept. */
  enter(allocation: Allocation): boolean {
    return this.#allocations.add(allocation)
  }

  /** RFC 8656 §7.2: what was asked for, between the default and our maximum. */
  lifetimeSeconds(request: StunMessage): number {
    const asked = request.uint32(Attribute.LIFETIME) ?? DEFAULT_LIFETIME_SECONDS
    return Math.max(DEFAULT_LIFETIME_SECONDS, Math.min(asked, this.options.maxAllocateLifetimeSeconds))
  }

  /** Our relay addresses of one family, each time beginning with the next. */
  relayAddressesOf(family: 4 | 6): readonly Address[] {
    const addresses = this.#relayAddresses[family]
    const first = addresses.shift()
    if (first !== undefined) addresses.push(first)
    return addresses
  }

  /** What an allocation may relay, each way for itself. */
  limits(): { toPeer: TokenBucket; toClient: TokenBucket } {
    const { maxBytesPerSecond, maxPacketsPerSecond } = this.options
    return {
      toPeer: new TokenBucket(maxBytesPerSecond, maxPacketsPerSecond),
      toClient: new TokenBucket(maxBytesPerSecond, maxPacketsPerSecond),
    }
  }

  get peerPolicy(): PeerPolicy {
    return this.#relay.policy
  }

  /** Grows with each change of the peer rules. */
  get policyVersion(): number {
    return this.#relay.policyVersion
  }

  #receiveStun(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    const message = StunMessage.parse(bytes, start, end)
    if (message === null) {
      this.#receiveClassic(bytes, start, end, client)
      return
    }
    const fingerprint = verifyFingerprint(message)
    if (fingerprint === 'wrong') {
      this.counters.dropped.fingerprint++
      return
    }
    switch (message.messageClass) {
      case MessageClass.REQUEST:
        this.#request(message, client, fingerprint === 'right', now)
        break
      case MessageClass.INDICATION:
        this.#indication(message, client, fingerprint === 'right', now)
        break
      default:
        // Answering an answer would let two servers talk to each other for ever.
        this.counters.dropped.response++
    }
  }

  #receiveClassic(bytes: Buffer, start: number, end: number, client: FiveTuple): void {
    const message = this.options.rfc3489Compatibility ? StunMessage.parseClassic(bytes, start, end) : null
    if (message?.type !== Method.BINDING || this.options.stun !== 'open') {
      this.counters.dropped.malformed++
      return
    }
    this.counters.bindingRequests++
    const exchange = { method: Method.BINDING, transactionId: message, client, user: null, fingerprint: false }
    this.#responder.respond(exchange, classicBinding(client))
  }

  #indication(message: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    // A Binding indication only keeps a NAT's mapping alive (RFC 8489 §12).
    if (message.method === Method.BINDING) return
    if (message.method !== Method.SEND) {
      this.counters.dropped['unexpected-class']++
      return
    }
    const allocation = this.#allocations.live(client, now)
    if (allocation === undefined) {
      this.counters.dropped['no-allocation']++
      return
    }
    if (fingerprint) allocation.fingerprint = true
    this.#relay.send(message, allocation, now)
  }

  #request(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    const { method } = request
    if (method === Method.BINDING) this.#binding(request, client, fingerprint, now)
    else if (!REQUESTS.has(method)) this.counters.dropped['unknown-method']++
    else if (this.options.stunOnly) this.counters.dropped['turn-disabled']++
    else this.#turnRequest(request, client, fingerprint, now)
  }

  #binding(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    if (this.options.stun === 'off') {
      this.counters.dropped['stun-disabled']++
      return
    }
    this.counters.bindingRequests++
    const kept = this.#allocations.get(client)
    const exchange = this.#exchange(request, client, fingerprint || kept?.fingerprint === true)
    if (this.options.stun === 'open') {
      const reply = refuseAttributes(request) ?? binding(request, client, this.options)
      if ('error' in reply) this.#refuseStranger(exchange, reply, now)
      else this.#responder.respond(exchange, reply)
      return
    }
    const user = this.#authenticate(request, exchange, undefined, now)
    if (user === null) return
    const reply = refuseAttributes(request) ?? binding(request, client, this.options)
    this.#responder.respond({ ...exchange, user }, reply)
  }

  #turnRequest(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    this.counters.turnRequests++
    let allocation = this.#allocations.get(client)
    if (allocation !== undefined && allocation.expiresAt <= now) {
      this.#expire(allocation, now)
      allocation = undefined
    }
    const exchange = this.#exchange(request, client, fingerprint || allocation?.fingerprint === true)
    if (isTunnelled(client.client)) {
      this.#refuseStranger(exchange, refuse(ErrorCode.FORBIDDEN, '6to4 or Teredo source address'), now)
      return
    }
    if (allocation !== undefined && repeatsAllocate(request, allocation, this)) {
      this.#repeat(allocation, now)
      return
    }
    const user = this.#authenticate(request, exchange, allocation, now)
    if (user === null) return
    if (fingerprint && allocation !== undefined) allocation.fingerprint = true
    const reply = refuseAttributes(request) ?? this.#dispatch(request, { ...exchange, user }, allocation, now)
    if (reply !== null) this.#responder.respond({ ...exchange, user }, reply)
  }

  /** What every request needs (RFC 8656 §5): its allocation, and to be the owner's. Null: the answer comes later. */
  #dispatch(
    request: StunMessage,
    exchange: SignedExchange,
    allocation: Allocation | undefined,
    now: number,
  ): Reply | null {
    if (request.method === Method.ALLOCATE) {
      if (allocation !== undefined) return refuse(ErrorCode.ALLOCATION_MISMATCH, 'the 5-tuple has an allocation')
      return allocate(request, exchange, this, now)
    }
    if (request.method === Method.CONNECTION_BIND) return refuse(ErrorCode.BAD_REQUEST, 'no such connection')
    if (allocation === undefined || allocation.state !== 'open') {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'the 5-tuple has no allocation')
    }
    if (allocation.username !== exchange.user.username) {
      return refuse(ErrorCode.WRONG_CREDENTIALS, 'the allocation belongs to another user')
    }
    switch (request.method) {
      case Method.REFRESH:
        if (request.has(Attribute.MOBILITY_TICKET)) return refuse(ErrorCode.MOBILITY_FORBIDDEN, 'mobility is off')
        return refresh(request, allocation, this, now)
      case Method.CREATE_PERMISSION:
        return createPermission(request, allocation, this, now)
      case Method.CHANNEL_BIND:
        return channelBind(request, allocation, this, now)
      default:
        return refuse(ErrorCode.FORBIDDEN, 'Connect on a UDP allocation')
    }
  }

  /** Null: the request was answered, or met with silence. */
  #authenticate(
    request: StunMessage,
    exchange: Exchange,
    allocation: Allocation | undefined,
    now: number,
  ): SignedExchange['user'] | null {
    const { authenticator } = this.options
    const result = authenticator.authenticate(request, exchange.client, allocation?.user ?? null)
    if (result.ok) return result
    // Signed with the right key and refused all the same: the account is gone, and so is what it had. A forged request
    // does not get here, or anybody could end anybody's allocation.
    if (
      allocation !== undefined &&
      result.code === ErrorCode.UNAUTHENTICATED &&
      authenticator.isSignedBy(request, allocation.user)
    ) {
      this.release(allocation, now)
    }
    if (result.guess && !this.options.guessLimit.take(exchange.client.client, now)) {
      this.counters.dropped['guess-limit']++
      if (exchange.client.connection !== 0) this.#hangUp(exchange.client, now)
      return null
    }
    this.#refuseStranger(exchange, { error: result.code, ...result }, now)
    return null
  }

  /** Over UDP the source may be forged: whoever it belongs to must not be flooded with our answers. */
  #refuseStranger(exchange: Exchange, refused: Refused, now: number): void {
    if (exchange.client.transport === 'udp' && !this.options.challengeLimit.take(exchange.client.client, now)) {
      this.counters.dropped['challenge-limit']++
      return
    }
    this.#responder.respond(exchange, refused)
  }

  #exchange(request: StunMessage, client: FiveTuple, fingerprint: boolean): Exchange {
    return { method: request.method, transactionId: request, client, user: null, fingerprint }
  }

  // A client retransmits Allocate while its relay socket is still opening. The same transaction id means the reply is
  // on its way: stay silent, because 437 would make it move to another 5-tuple (RFC 8656 §7.4).
  #repeat(allocation: Allocation, now: number): void {
    if (allocation.state === 'open') this.#answerAllocate(allocation, allocated(allocation, now))
    else this.counters.dropped.opening++
  }

  /** Answers the Allocate once the last of its sockets has been heard of. */
  #settle(allocation: Allocation, now: number): void {
    if (allocation.state !== 'opening' || allocation.relays.some((relay) => relay.state === 'opening')) return
    if (allocation.relays.length > 0) {
      allocation.state = 'open'
      // The other place, if any, is the reservation's from now on.
      allocation.quotaPlaces = 1
      allocation.expiresAt = now + allocation.request.lifetimeSeconds * 1000
      this.counters.allocationsCreated++
      this.#answerAllocate(allocation, allocated(allocation, now))
      return
    }
    const reasons = allocation.request.addressErrors.map((error) => error.reason)
    this.release(allocation, now)
    this.#answerAllocate(allocation, refuse(ErrorCode.INSUFFICIENT_CAPACITY, reasons.join(', ')))
  }

  #answerAllocate(allocation: Allocation, reply: Reply): void {
    const { client, user, fingerprint } = allocation
    const { transactionId } = allocation.request
    this.#responder.respond({ method: Method.ALLOCATE, transactionId, client, user, fingerprint }, reply)
  }

  readonly #expire = (allocation: Allocation, now: number): void => {
    this.counters.allocationsExpired++
    this.release(allocation, now)
  }

  readonly #reservationExpired = (user: string): void => this.options.quota.give(user)

  #hangUp(client: FiveTuple, now: number): void {
    const allocation = this.#allocations.get(client)
    if (allocation !== undefined) this.release(allocation, now)
    this.#effects.closeClient(client)
  }
}

const REQUESTS: ReadonlySet<number> = new Set([
  Method.ALLOCATE,
  Method.REFRESH,
  Method.CREATE_PERMISSION,
  Method.CHANNEL_BIND,
  Method.CONNECT,
  Method.CONNECTION_BIND,
])

/** RFC 8489 §6.3.1, RFC 8656 §18: what is wrong with attributes whatever the method. */
function refuseAttributes(request: StunMessage): Refused | null {
  const unknownAttributes = request.unknownRequired(KNOWN_ATTRIBUTES)
  if (unknownAttributes.length > 0) {
    const names = unknownAttributes.map((type) => `0x${type.toString(16).padStart(4, '0')}`)
    return { error: ErrorCode.UNKNOWN_ATTRIBUTE, reason: `unknown ${names.join(', ')}`, unknownAttributes }
  }
  const attribute = wrongSized(request)
  if (attribute === null) return null
  return refuse(ErrorCode.BAD_REQUEST, `attribute 0x${attribute.toString(16).padStart(4, '0')} has a wrong length`)
}
