import { Attribute, ErrorCode, MessageClass, Method } from '../stun/constants.ts'
import { verifyFingerprint } from '../stun/integrity.ts'
import { StunMessage } from '../stun/message.ts'
import type { Allocation } from './allocation.ts'
import type { AllocationTable } from './allocation-table.ts'
import { refuseAttributes } from './attributes.ts'
import type { Authenticated } from './auth/auth.ts'
import type { Counters } from './counters.ts'
import type { FiveTuple } from './five-tuple.ts'
import { allocate, allocated, repeatsAllocate } from './methods/allocate.ts'
import { binding, classicBinding } from './methods/binding.ts'
import { channelBind } from './methods/channel-bind.ts'
import { createPermission } from './methods/create-permission.ts'
import { refresh } from './methods/refresh.ts'
import type { Arrivals } from './mobility/arrivals.ts'
import { askElsewhere, refreshByTicket } from './mobility/mobility.ts'
import { isTunnelled } from './peer-policy.ts'
import type { PacketRelay } from './relay.ts'
import { type Exchange, type Refused, type Reply, type Responder, refuse, type SignedExchange } from './reply.ts'
import type { TurnServer } from './turn-server.ts'

/**
 * STUN messages of clients: authenticated, matched to their allocation and handed to their method's own file
 * (RFC 8489 §6.3, RFC 8656 §5).
 */
export class RequestLane {
  readonly #turn: TurnServer
  readonly #allocations: AllocationTable
  readonly #arrivals: Arrivals
  readonly #relay: PacketRelay
  readonly #responder: Responder
  readonly #counters: Counters

  constructor(
    turn: TurnServer,
    allocations: AllocationTable,
    arrivals: Arrivals,
    relay: PacketRelay,
    responder: Responder,
  ) {
    this.#turn = turn
    this.#allocations = allocations
    this.#arrivals = arrivals
    this.#relay = relay
    this.#responder = responder
    this.#counters = turn.counters
  }

  /** One datagram or frame whose first byte says that it is STUN. */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    const message = StunMessage.parse(bytes, start, end)
    if (message === null) {
      this.#receiveClassic(bytes, start, end, client)
      return
    }
    const fingerprint = verifyFingerprint(message)
    if (fingerprint === 'wrong') {
      this.#counters.dropped.fingerprint++
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
        this.#counters.dropped.response++
    }
  }

  #receiveClassic(bytes: Buffer, start: number, end: number, client: FiveTuple): void {
    const message = this.#turn.options.rfc3489Compatibility ? StunMessage.parseClassic(bytes, start, end) : null
    if (message?.type !== Method.BINDING || this.#turn.options.stun !== 'open') {
      this.#counters.dropped.malformed++
      return
    }
    this.#counters.bindingRequests++
    const exchange = { method: Method.BINDING, transactionId: message, client, user: null, fingerprint: false }
    this.#responder.respond(exchange, classicBinding(client))
  }

  #indication(message: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    // A Binding indication only keeps a NAT's mapping alive (RFC 8489 §12).
    if (message.method === Method.BINDING) return
    if (message.method !== Method.SEND) {
      this.#counters.dropped['unexpected-class']++
      return
    }
    const allocation = this.#allocations.live(client, now)
    if (allocation === undefined) {
      if (this.#arrivals.data(client, message.bytes, message.start, message.end, now)) return
      this.#counters.dropped['no-allocation']++
      return
    }
    if (fingerprint) allocation.fingerprint = true
    this.#relay.send(message, allocation, now)
  }

  #request(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    const { method } = request
    if (method === Method.BINDING) this.#binding(request, client, fingerprint, now)
    else if (!REQUESTS.has(method)) this.#counters.dropped['unknown-method']++
    else if (this.#turn.options.stunOnly) this.#counters.dropped['turn-disabled']++
    else this.#turnRequest(request, client, fingerprint, now)
  }

  #binding(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    if (this.#turn.options.stun === 'off') {
      this.#counters.dropped['stun-disabled']++
      return
    }
    this.#counters.bindingRequests++
    const kept = this.#allocations.get(client, now)
    const exchange = this.#exchange(request, client, fingerprint || kept?.fingerprint === true)
    if (this.#turn.options.stun === 'open') {
      const reply = refuseAttributes(request) ?? binding(request, client, this.#turn.options)
      if ('error' in reply) this.#refuseStranger(exchange, reply, now)
      else this.#responder.respond(exchange, reply)
      return
    }
    const user = this.#authenticate(request, exchange, undefined, now)
    if (user === null) return
    const reply = refuseAttributes(request) ?? binding(request, client, this.#turn.options)
    this.#responder.respond(signed(exchange, user), reply)
  }

  #turnRequest(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    this.#counters.turnRequests++
    let allocation = this.#allocations.get(client, now)
    if (allocation !== undefined && allocation.expiresAt <= now) {
      this.#turn.expire(allocation, now)
      allocation = undefined
    }
    const exchange = this.#exchange(request, client, fingerprint || allocation?.fingerprint === true)
    if (isTunnelled(client.client)) {
      this.#refuseStranger(exchange, refuse(ErrorCode.FORBIDDEN, '6to4 or Teredo source address'), now)
      return
    }
    if (allocation !== undefined && repeatsAllocate(request, allocation, this.#turn)) {
      this.#repeat(allocation, now)
      return
    }
    const arrival = allocation === undefined ? this.#arrivals.get(client, now) : undefined
    const claimed = allocation ?? (request.method === Method.REFRESH ? this.#turn.tickets.holder(request) : undefined)
    const user = this.#authenticate(request, exchange, claimed, now, arrival?.exchange.user)
    if (user === null) return
    if (fingerprint && allocation !== undefined) allocation.fingerprint = true
    const reply =
      arrival !== undefined
        ? this.#arrivals.request(request, signed(exchange, user), arrival)
        : (refuseAttributes(request) ?? this.#dispatch(request, signed(exchange, user), allocation, now))
    if (reply !== null) this.#responder.respond(signed(exchange, user), reply)
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
      return allocate(request, exchange, this.#turn, now)
    }
    if (request.method === Method.CONNECTION_BIND) return refuse(ErrorCode.BAD_REQUEST, 'no such connection')
    if (request.method === Method.REFRESH && request.has(Attribute.MOBILITY_TICKET)) {
      return refreshByTicket(request, exchange, allocation, this.#arrivals, this.#turn, now)
    }
    if (allocation === undefined || allocation.state !== 'open') {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'the 5-tuple has no allocation')
    }
    if (allocation.username !== exchange.user.username) {
      return refuse(ErrorCode.WRONG_CREDENTIALS, 'the allocation belongs to another user')
    }
    this.#allocations.arrive(exchange.client, now)
    switch (request.method) {
      case Method.REFRESH:
        return refresh(request, allocation, this.#turn, now)
      case Method.CREATE_PERMISSION:
        return createPermission(request, allocation, this.#turn, now)
      case Method.CHANNEL_BIND:
        return channelBind(request, allocation, this.#turn, now)
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
    known = allocation?.user,
  ): SignedExchange['user'] | null {
    const { authenticator } = this.#turn.options
    const result = authenticator.authenticate(request, exchange.client, known ?? null)
    if (result.ok) return result
    // Whether he has anything to keep, another server may know.
    if (
      result.lapsed !== undefined &&
      allocation === undefined &&
      this.#mayMove(request, exchange, result.lapsed, now)
    ) {
      return null
    }
    // Signed with the right key and refused all the same: the account is gone, and so is what it had. A forged request
    // does not get here, or anybody could end anybody's allocation.
    if (
      allocation !== undefined &&
      result.code === ErrorCode.UNAUTHENTICATED &&
      authenticator.isSignedBy(request, allocation.user)
    ) {
      this.#turn.release(allocation, now)
    }
    if (result.guess && !this.#turn.options.guessLimit.take(exchange.client.client, now)) {
      this.#counters.dropped['guess-limit']++
      if (exchange.client.connection !== 0) this.#turn.hangUp(exchange.client, now)
      return null
    }
    this.#refuseStranger(exchange, { error: result.code, ...result }, now)
    return null
  }

  #mayMove(request: StunMessage, exchange: Exchange, user: Authenticated, now: number): boolean {
    if (request.method !== Method.REFRESH || !this.#turn.options.mobility || this.#arrivals.has(exchange.client)) {
      return false
    }
    return (
      refuseAttributes(request) === null && askElsewhere(request, signed(exchange, user), this.#arrivals, true, now)
    )
  }

  /** Over UDP the source may be forged: whoever it belongs to must not be flooded with our answers. */
  #refuseStranger(exchange: Exchange, refused: Refused, now: number): void {
    if (exchange.client.transport === 'udp' && !this.#turn.options.challengeLimit.take(exchange.client.client, now)) {
      this.#counters.dropped['challenge-limit']++
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
    else this.#counters.dropped.opening++
  }

  /** Answers the Allocate once the last of its sockets has been heard of. */
  settle(allocation: Allocation, now: number): void {
    if (allocation.state !== 'opening' || allocation.relays.some((relay) => relay.state === 'opening')) return
    if (allocation.relays.length > 0) {
      allocation.state = 'open'
      this.#allocations.open[allocation.client.transport]++
      // The other place, if any, is the reservation's from now on.
      allocation.quotaPlaces = 1
      allocation.expiresAt = now + allocation.request.lifetimeSeconds * 1000
      this.#counters.allocationsCreated++
      if (allocation.request.isMobile) this.#turn.tickets.issue(allocation)
      this.#answerAllocate(allocation, allocated(allocation, now))
      return
    }
    const reason = allocation.request.addressErrors.map((error) => error.reason).join(', ')
    this.#turn.release(allocation, now)
    this.#answerAllocate(allocation, refuse(ErrorCode.INSUFFICIENT_CAPACITY, reason))
  }

  #answerAllocate(allocation: Allocation, reply: Reply): void {
    const { client, user, fingerprint } = allocation
    const { transactionId } = allocation.request
    this.#responder.respond({ method: Method.ALLOCATE, transactionId, client, user, fingerprint }, reply)
  }
}

function signed({ method, transactionId, client, fingerprint }: Exchange, user: Authenticated): SignedExchange {
  return { method, transactionId, client, user, fingerprint }
}

const REQUESTS: ReadonlySet<number> = new Set([
  Method.ALLOCATE,
  Method.REFRESH,
  Method.CREATE_PERMISSION,
  Method.CHANNEL_BIND,
  Method.CONNECT,
  Method.CONNECTION_BIND,
])
