import { Attribute, ErrorCode, MessageClass, Method } from '../stun/constants.ts'
import { verifyFingerprint } from '../stun/integrity.ts'
import { StunMessage } from '../stun/message.ts'
import type { Allocation } from './allocation.ts'
import type { AllocationTable } from './allocation-table.ts'
import type { Allocations } from './allocations.ts'
import { refuseAttributes } from './attributes.ts'
import { type AccountName, isSameAccount } from './auth/account.ts'
import type { Authenticated } from './auth/auth.ts'
import type { Counters } from './counters.ts'
import type { FiveTuple } from './five-tuple.ts'
import { allocated, repeatsAllocate } from './methods/allocate.ts'
import { binding, classicBinding, goesToOtherPort } from './methods/binding.ts'
import { METHODS } from './methods/table.ts'
import type { IncomingMoves } from './mobility/incoming-moves.ts'
import { askOtherServers, refreshByTicket } from './mobility/refresh-by-ticket.ts'
import { isTunnelled } from './peers/peer-policy.ts'
import type { PacketRelay } from './relay.ts'
import { type Exchange, type Refused, type Reply, type Responder, refuse, type SignedExchange } from './reply.ts'

/**
 * STUN messages of clients: authenticated, matched to their allocation and handed to their method's own file
 * (RFC 8489 §6.3, RFC 8656 §5).
 */
export class RequestLane {
  readonly #allocations: Allocations
  readonly #table: AllocationTable
  readonly #incomingMoves: IncomingMoves
  readonly #relay: PacketRelay
  readonly #responder: Responder
  readonly #closeClient: (client: FiveTuple, now: number) => void
  readonly #counters: Counters

  constructor(
    allocations: Allocations,
    table: AllocationTable,
    parts: {
      readonly incomingMoves: IncomingMoves
      readonly relay: PacketRelay
      readonly responder: Responder
      closeClient(client: FiveTuple, now: number): void
    },
  ) {
    this.#allocations = allocations
    this.#table = table
    this.#incomingMoves = parts.incomingMoves
    this.#relay = parts.relay
    this.#responder = parts.responder
    this.#closeClient = parts.closeClient
    this.#counters = allocations.counters
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
    const message = this.#allocations.options.rfc3489Compatibility ? StunMessage.parseClassic(bytes, start, end) : null
    if (message?.type !== Method.BINDING || this.#allocations.options.stun !== 'open') {
      this.#counters.dropped.malformed++
      return
    }
    this.#counters.bindingRequests++
    const exchange = { method: Method.BINDING, transactionId: message, client, user: null, fingerprint: false }
    this.#responder.respond(exchange, classicBinding(message, client, this.#allocations.options))
  }

  #indication(message: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    // A Binding indication only keeps a NAT's mapping alive (RFC 8489 §12).
    if (message.method === Method.BINDING) return
    if (message.method !== Method.SEND) {
      this.#counters.dropped['unexpected-class']++
      return
    }
    const allocation = this.#table.live(client, now)
    if (allocation === undefined) {
      if (this.#incomingMoves.data(client, message.bytes, message.start, message.end, now)) return
      this.#counters.dropped['no-allocation']++
      return
    }
    if (fingerprint) allocation.fingerprint = true
    if (allocation.request.transport === 'udp') this.#relay.send(message, allocation, now)
    else this.#counters.dropped['bad-indication']++
  }

  #request(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    const { method } = request
    if (method === Method.BINDING) this.#binding(request, client, fingerprint, now)
    else if (!METHODS.has(method)) this.#counters.dropped['unknown-method']++
    else if (this.#allocations.options.stunOnly) this.#counters.dropped['turn-disabled']++
    else this.#turnRequest(request, client, fingerprint, now)
  }

  #binding(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    if (this.#allocations.options.stun === 'off') {
      this.#counters.dropped['stun-disabled']++
      return
    }
    this.#counters.bindingRequests++
    const kept = this.#table.get(client, now)
    const exchange = this.#exchange(request, client, fingerprint || kept?.fingerprint === true)
    if (this.#allocations.options.stun === 'open') {
      const reply = refuseAttributes(request) ?? binding(request, client, this.#allocations.options)
      if ('error' in reply) this.#answerStranger(exchange, reply, now)
      else if (goesToOtherPort(reply, client)) this.#answerStranger(exchange, reply, now)
      else this.#responder.respond(exchange, reply)
      return
    }
    const user = this.#authenticate(request, exchange, undefined, now)
    if (user === null) return
    const reply = refuseAttributes(request) ?? binding(request, client, this.#allocations.options)
    this.#responder.respond(signed(exchange, user), reply)
  }

  #turnRequest(request: StunMessage, client: FiveTuple, fingerprint: boolean, now: number): void {
    this.#counters.turnRequests++
    let allocation = this.#table.get(client, now)
    if (allocation !== undefined && allocation.expiresAt <= now) {
      this.#allocations.expire(allocation, now)
      allocation = undefined
    }
    const exchange = this.#exchange(request, client, fingerprint || allocation?.fingerprint === true)
    if (isTunnelled(client.client)) {
      this.#answerStranger(exchange, refuse(ErrorCode.FORBIDDEN, '6to4 or Teredo source address'), now)
      return
    }
    // A client retransmits while its answer is being prepared: silence, because an answer now, such as 437, would make it
    // move to another 5-tuple (RFC 8656 §7.4).
    if (this.#allocations.pending.isRepeated(request, client)) {
      this.#counters.dropped.opening++
      return
    }
    if (allocation !== undefined && repeatsAllocate(request, allocation, this.#allocations.options)) {
      this.#responder.respond(signed(exchange, allocation.user), allocated(allocation, now))
      return
    }
    const { authenticatedRedirect } = this.#allocations.options
    const redirect = authenticatedRedirect ? null : this.#redirect(request, client, allocation)
    if (redirect !== null) {
      this.#answerStranger(exchange, redirect, now)
      return
    }
    const arriving = allocation === undefined ? this.#incomingMoves.userOf(client, now) : undefined
    const claimed =
      allocation ?? (request.method === Method.REFRESH ? this.#allocations.tickets.holder(request) : undefined)
    const user = this.#authenticate(request, exchange, claimed, now, arriving)
    if (user === null) return
    if (fingerprint && allocation !== undefined) allocation.fingerprint = true
    const asked = signed(exchange, user)
    const reply =
      (allocation === undefined ? this.#incomingMoves.request(request, asked, now) : null) ??
      refuseAttributes(request) ??
      (authenticatedRedirect ? this.#redirect(request, client, allocation) : null) ??
      this.#dispatch(request, asked, allocation, now)
    this.#responder.respond(asked, reply)
  }

  /** Where a new client is to go instead (RFC 8489 §10). */
  #redirect(request: StunMessage, client: FiveTuple, allocation: Allocation | undefined): Refused | null {
    if (request.method !== Method.ALLOCATE || allocation !== undefined) return null
    const { isDraining, options } = this.#allocations
    if (options.alternateServers.isEmpty) return null
    const ours = options.externalIp.toPublic(client.server.copy())
    const alternateServer = options.alternateServers.next(client, ours, isDraining)
    if (alternateServer === null) return null
    const reason = `redirected to ${alternateServer.address}`
    return { error: ErrorCode.TRY_ALTERNATE, reason, alternateServer }
  }

  /** What every request needs (RFC 8656 §5): its allocation, and to be the owner's. */
  #dispatch(request: StunMessage, exchange: SignedExchange, allocation: Allocation | undefined, now: number): Reply {
    const allocations = this.#allocations
    if (request.method === Method.REFRESH && request.has(Attribute.MOBILITY_TICKET)) {
      return refreshByTicket(request, exchange, allocation, this.#incomingMoves, allocations, now)
    }
    const method = METHODS.get(request.method)!
    if (method.needs !== 'its allocation') {
      if (method.needs === 'a fresh stream' && (allocation !== undefined || !exchange.client.isStream)) {
        return refuse(ErrorCode.BAD_REQUEST, 'a connection of its own is needed')
      }
      return allocation !== undefined
        ? refuse(ErrorCode.ALLOCATION_MISMATCH, 'the 5-tuple has an allocation')
        : method.handle(request, exchange, allocations, now)
    }
    if (allocation === undefined || allocation.state !== 'open') {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'the 5-tuple has no allocation')
    }
    if (!isSameAccount(allocation.user.account, exchange.user.account)) {
      return refuse(ErrorCode.WRONG_CREDENTIALS, 'the allocation belongs to another user')
    }
    this.#table.arrive(exchange.client, now)
    return method.handle(request, allocation, allocations, now, exchange)
  }

  /** Null: the request was answered, or met with silence. */
  #authenticate(
    request: StunMessage,
    exchange: Exchange,
    allocation: Allocation | undefined,
    now: number,
    arriving?: Authenticated,
  ): SignedExchange['user'] | null {
    const { authenticator } = this.#allocations.options
    const known = arriving ?? allocation?.user ?? null
    const result = authenticator.authenticate(request, exchange.client, known, now)
    if (result.ok) return result
    if (result.ask !== undefined && this.#askFor(result.ask, request, exchange, now)) return null
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
      !result.isWrongKey &&
      authenticator.isSignedBy(request, allocation.user)
    ) {
      this.#allocations.release(allocation, 'account-gone', now)
    }
    if (result.guess && !this.#allocations.options.guessLimit.take(exchange.client.client, now)) {
      this.#dropGuess(exchange.client, now)
      return null
    }
    this.#answerStranger(exchange, { error: result.code, ...result }, now)
    return null
  }

  #dropGuess(client: FiveTuple, now: number): void {
    this.#counters.dropped['guess-limit']++
    if (client.connection !== 0) this.#closeClient(client, now)
  }

  /** Has the store asked for an account, and the request wait; false when it is to be refused at once. */
  #askFor(account: AccountName, request: StunMessage, exchange: Exchange, now: number): boolean {
    const { pending, options } = this.#allocations
    const { client } = exchange
    // Whoever has guessed so often already does not reach the store.
    if (options.guessLimit.isSpent(client.client, now)) {
      this.#dropGuess(client, now)
      return true
    }
    const id = pending.park(request, exchange, 'account', () => STORE_IS_LATE, now)
    if (id === null) {
      if (client.isStream) return false
      // The client sends it again, and there may be room then.
      this.#counters.dropped['waiting-limit']++
      return true
    }
    if (options.stored?.ask(account, id, client.client, now)) return true
    pending.drop(id)
    return false
  }

  #mayMove(request: StunMessage, exchange: Exchange, user: Authenticated, now: number): boolean {
    if (
      request.method !== Method.REFRESH ||
      !this.#allocations.options.mobility ||
      this.#incomingMoves.has(exchange.client)
    ) {
      return false
    }
    return (
      refuseAttributes(request) === null &&
      askOtherServers(request, signed(exchange, user), this.#incomingMoves, true, now)
    )
  }

  /** Over UDP the source may be forged: whoever it belongs to must not be flooded with our answers. */
  #answerStranger(exchange: Exchange, reply: Reply, now: number): void {
    if (
      exchange.client.transport === 'udp' &&
      !this.#allocations.options.challengeLimit.take(exchange.client.client, now)
    ) {
      this.#counters.dropped['challenge-limit']++
      return
    }
    this.#responder.respond(exchange, reply)
  }

  #exchange(request: StunMessage, client: FiveTuple, fingerprint: boolean): Exchange {
    return { method: request.method, transactionId: request, client, user: null, fingerprint }
  }
}

const STORE_IS_LATE = refuse(ErrorCode.SERVER_ERROR, 'the account store does not answer in time')

function signed({ method, transactionId, client, fingerprint }: Exchange, user: Authenticated): SignedExchange {
  return { method, transactionId, client, user, fingerprint }
}
