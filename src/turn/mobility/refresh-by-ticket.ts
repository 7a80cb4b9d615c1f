import { Attribute, ErrorCode } from '../../stun/constants.ts'
import { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import { isSameAccount } from '../auth/account.ts'
import { refresh } from '../methods/refresh.ts'
import { LATER, type Reply, refuse, type Settled, type SignedExchange } from '../reply.ts'
import type { IncomingMoves } from './incoming-moves.ts'
import type { Answer, Question } from './other-servers.ts'
import { TICKET_LENGTH } from './tickets.ts'

/**
 * A Refresh with a ticket (RFC 8016 §3.2): from another 5-tuple it begins a move of the allocation to there. `own` is what
 * its 5-tuple has already. The caller has authenticated the request. LATER: the answer follows when another server has
 * been asked.
 */
export function refreshByTicket(
  request: StunMessage,
  exchange: SignedExchange,
  own: Allocation | undefined,
  incomingMoves: IncomingMoves,
  allocations: Allocations,
  now: number,
): Reply {
  const { client, user } = exchange
  if (!allocations.options.mobility) return refuse(ErrorCode.MOBILITY_FORBIDDEN, 'mobility is off')
  if (request.value(Attribute.MOBILITY_TICKET)?.length === 0) {
    return refuse(ErrorCode.BAD_REQUEST, 'Refresh with an empty ticket')
  }
  if (
    own !== undefined &&
    isSameAccount(own.user.account, user.account) &&
    own.lastTicketRefresh?.transactionId.equals(request.transactionId())
  ) {
    return { lifetimeSeconds: own.lastTicketRefresh.lifetimeSeconds, mobilityTicket: own.ticket }
  }
  const allocation = allocations.tickets.holder(request)
  if (allocation === undefined || allocation.expiresAt <= now) {
    const isAsked =
      allocation === undefined && own === undefined && askOtherServers(request, exchange, incomingMoves, false, now)
    return isAsked ? LATER : refuse(ErrorCode.ALLOCATION_MISMATCH, 'unknown or used ticket')
  }
  if (!isSameAccount(allocation.user.account, user.account)) {
    return refuse(ErrorCode.WRONG_CREDENTIALS, 'the ticket belongs to another user')
  }
  if (own !== undefined && own !== allocation) {
    return refuse(ErrorCode.BAD_REQUEST, 'the 5-tuple has an allocation of its own')
  }
  if (own === undefined && !allocations.canMoveTo(client)) {
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'two IPv6 clients share a key')
  }
  const reply = useTicket(request, allocation, allocations, now)
  if (!('error' in reply) && allocation.state !== 'ended') allocations.move(allocation, client, now)
  return reply
}

/** Looks for a ticket that is unknown here; false when it is to be refused at once. */
export function askOtherServers(
  request: StunMessage,
  exchange: SignedExchange,
  incomingMoves: IncomingMoves,
  hasLapsed: boolean,
  now: number,
): boolean {
  const ticket = request.text(Attribute.MOBILITY_TICKET)
  // What cannot be a ticket of ours is not worth a question.
  return ticket?.length === TICKET_LENGTH && incomingMoves.ask(request, exchange, ticket, hasLapsed, now)
}

/** Another server has authenticated a Refresh with a ticket that leads here: does it, and begins the move to there. */
export function refreshForOtherServer(
  question: Question & { kind: 'ticket' },
  allocations: Allocations,
  now: number,
): Answer {
  const unknown = { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'unknown or used ticket' } as const
  const request = StunMessage.parse(Buffer.from(question.request))
  const allocation = request === null ? undefined : allocations.tickets.holder(request)
  if (request === null || allocation === undefined || allocation.expiresAt <= now) return unknown
  if (!isSameAccount(allocation.user.account, question.account)) {
    return { ...unknown, error: ErrorCode.WRONG_CREDENTIALS, reason: 'the ticket belongs to another user' }
  }
  // A temporary name lives on with the key that its allocation was made with.
  if (question.hasLapsed && !allocations.options.authenticator.isSignedBy(request, allocation.user)) return unknown
  const reply = useTicket(request, allocation, allocations, now)
  if ('error' in reply) return { kind: 'refused', error: reply.error, reason: reply.reason }
  const { lifetimeSeconds = 0 } = reply
  const { isClientGone, ticket } = allocation
  if (ticket === null) return { kind: 'granted', lifetimeSeconds, ticket, outgoing: null, isClientGone }
  allocations.moveAway(allocation, ticket, now)
  const holder = allocations.options.relayPorts.thread
  const outgoing = { holder, ticket, relay: allocation.relays[0]!.local.toString() }
  return { kind: 'granted', lifetimeSeconds, ticket, outgoing, isClientGone }
}

/** The Refresh itself, by a client that has shown whose it is; unless it is refused, or ends the allocation, a new ticket follows. */
function useTicket(request: StunMessage, allocation: Allocation, allocations: Allocations, now: number): Settled {
  const reply = refresh(request, allocation, allocations, now)
  if ('error' in reply || allocation.state === 'ended') return reply
  const { lifetimeSeconds = 0 } = reply
  allocation.lastTicketRefresh = { transactionId: Buffer.from(request.transactionId()), lifetimeSeconds }
  allocations.tickets.issue(allocation)
  return { lifetimeSeconds, mobilityTicket: allocation.ticket }
}
