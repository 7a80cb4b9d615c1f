import { Attribute, ErrorCode } from '../../stun/constants.ts'
import { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import { refresh } from '../methods/refresh.ts'
import { type Reply, refuse, type SignedExchange } from '../reply.ts'
import type { TurnServer } from '../turn-server.ts'
import type { Arrivals } from './arrivals.ts'
import type { Answer, Elsewhere, Question } from './elsewhere.ts'

/** Proofs that an allocation is one's own, to be shown from another 5-tuple; each works once (RFC 8016 §3). */
export class Tickets {
  readonly #random: (size: number) => Buffer
  readonly #elsewhere: Elsewhere
  readonly #allocations = new Map<string, Allocation>()

  constructor(random: (size: number) => Buffer, elsewhere: Elsewhere) {
    this.#random = random
    this.#elsewhere = elsewhere
  }

  /** Whose ticket a request has; undefined without a ticket of ours that is still good. */
  holder(request: StunMessage): Allocation | undefined {
    const ticket = request.text(Attribute.MOBILITY_TICKET)
    return ticket === null ? undefined : this.#allocations.get(ticket)
  }

  /** Gives the allocation a new ticket; the one before stops working. */
  issue(allocation: Allocation): void {
    this.revoke(allocation)
    allocation.ticket = this.#random(TICKET_BYTES).toString('base64url')
    this.#allocations.set(allocation.ticket, allocation)
    this.#elsewhere.ticketIssued(allocation.ticket)
  }

  revoke(allocation: Allocation): void {
    if (allocation.ticket !== null) this.#elsewhere.ticketRevoked(allocation.ticket)
    this.forget(allocation)
    allocation.ticket = null
  }

  /** The ticket of an allocation that has come from another server is good here now. */
  adopt(allocation: Allocation): void {
    if (allocation.ticket !== null) this.#allocations.set(allocation.ticket, allocation)
  }

  /** It has gone to another server. */
  forget({ ticket }: Allocation): void {
    if (ticket !== null) this.#allocations.delete(ticket)
  }

  get size(): number {
    return this.#allocations.size
  }
}

/**
 * A Refresh with a ticket (RFC 8016 §3.2): from another 5-tuple it begins a move of the allocation to there. `own` is what
 * its 5-tuple has already. The caller has authenticated the request. Null: the answer follows when another server has
 * been asked.
 */
export function refreshByTicket(
  request: StunMessage,
  exchange: SignedExchange,
  own: Allocation | undefined,
  arrivals: Arrivals,
  turn: TurnServer,
  now: number,
): Reply | null {
  const { client, user } = exchange
  if (!turn.options.mobility) return refuse(ErrorCode.MOBILITY_FORBIDDEN, 'mobility is off')
  if (request.value(Attribute.MOBILITY_TICKET)?.length === 0) {
    return refuse(ErrorCode.BAD_REQUEST, 'Refresh with an empty ticket')
  }
  if (own?.username === user.username && own.lastTicketRefresh?.transactionId.equals(request.transactionId())) {
    return { lifetimeSeconds: own.lastTicketRefresh.lifetimeSeconds, mobilityTicket: own.ticket }
  }
  const allocation = turn.tickets.holder(request)
  if (allocation === undefined || allocation.expiresAt <= now) {
    const isAsked =
      allocation === undefined && own === undefined && askElsewhere(request, exchange, arrivals, false, now)
    return isAsked ? null : refuse(ErrorCode.ALLOCATION_MISMATCH, 'unknown or used ticket')
  }
  if (allocation.username !== user.username) {
    return refuse(ErrorCode.WRONG_CREDENTIALS, 'the ticket belongs to another user')
  }
  if (own !== undefined && own !== allocation) {
    return refuse(ErrorCode.BAD_REQUEST, 'the 5-tuple has an allocation of its own')
  }
  if (own === undefined && !turn.canMove(client)) {
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'two IPv6 clients share a key')
  }
  const reply = useTicket(request, allocation, turn, now)
  if (!('error' in reply) && allocation.state !== 'ended') turn.move(allocation, client, now)
  return reply
}

/** Looks for a ticket that is unknown here; false when it is to be refused at once. */
export function askElsewhere(
  request: StunMessage,
  exchange: SignedExchange,
  arrivals: Arrivals,
  hasLapsed: boolean,
  now: number,
): boolean {
  const ticket = request.text(Attribute.MOBILITY_TICKET)
  // What cannot be a ticket of ours is not worth a question.
  return ticket?.length === TICKET_LENGTH && arrivals.ask(request, exchange, ticket, hasLapsed, now)
}

/** Another server has authenticated a Refresh with a ticket that leads here: does it, and begins the move to there. */
export function refreshForElsewhere(question: Question & { kind: 'ticket' }, turn: TurnServer, now: number): Answer {
  const unknown = { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'unknown or used ticket' } as const
  const request = StunMessage.parse(Buffer.from(question.request))
  const allocation = request === null ? undefined : turn.tickets.holder(request)
  if (request === null || allocation === undefined || allocation.expiresAt <= now) return unknown
  if (allocation.username !== question.username) {
    return { ...unknown, error: ErrorCode.WRONG_CREDENTIALS, reason: 'the ticket belongs to another user' }
  }
  // A temporary name lives on with the key that its allocation was made with.
  if (question.hasLapsed && !turn.options.authenticator.isSignedBy(request, allocation.user)) return unknown
  const reply = useTicket(request, allocation, turn, now)
  if ('error' in reply) return { kind: 'refused', error: reply.error, reason: reply.reason }
  const { lifetimeSeconds = 0 } = reply
  const { isClientGone, ticket } = allocation
  const departure = ticket === null ? null : turn.moveAway(allocation, ticket, now)
  return { kind: 'granted', lifetimeSeconds, ticket, departure, isClientGone }
}

/** The Refresh itself, by a client that has shown whose it is; unless it is refused, or ends the allocation, a new ticket follows. */
function useTicket(request: StunMessage, allocation: Allocation, turn: TurnServer, now: number): Reply {
  const reply = refresh(request, allocation, turn, now)
  if ('error' in reply || allocation.state === 'ended') return reply
  const { lifetimeSeconds = 0 } = reply
  allocation.lastTicketRefresh = { transactionId: Buffer.from(request.transactionId()), lifetimeSeconds }
  turn.tickets.issue(allocation)
  return { lifetimeSeconds, mobilityTicket: allocation.ticket }
}

// Text, and at most 32 characters, because coturn's client keeps a ticket as such a string.
const TICKET_BYTES = 18
const TICKET_LENGTH = 24
