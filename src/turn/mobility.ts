import { Attribute, ErrorCode } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import type { Allocation } from './allocation.ts'
import { refresh } from './refresh.ts'
import { type Reply, refuse, type SignedExchange } from './reply.ts'
import type { TurnServer } from './turn-server.ts'

/** Proofs that an allocation is one's own, to be shown from another 5-tuple; each works once (RFC 8016 §3). */
export class Tickets {
  readonly #random: (size: number) => Buffer
  readonly #allocations = new Map<string, Allocation>()

  constructor(random: (size: number) => Buffer) {
    this.#random = random
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
  }

  revoke(allocation: Allocation): void {
    if (allocation.ticket !== null) this.#allocations.delete(allocation.ticket)
    allocation.ticket = null
  }

  get size(): number {
    return this.#allocations.size
  }
}

/**
 * A Refresh with a ticket (RFC 8016 §3.2): from another 5-tuple it begins a move of the allocation to there. `own` is what
 * its 5-tuple has already. The caller has authenticated the request.
 */
export function refreshByTicket(
  request: StunMessage,
  exchange: SignedExchange,
  own: Allocation | undefined,
  turn: TurnServer,
  now: number,
): Reply {
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
    return refuse(ErrorCode.ALLOCATION_MISMATCH, 'unknown or used ticket')
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
  const reply = refresh(request, allocation, turn, now)
  if ('error' in reply || allocation.state === 'ended') return reply
  const { lifetimeSeconds = 0 } = reply
  allocation.lastTicketRefresh = { transactionId: Buffer.from(request.transactionId()), lifetimeSeconds }
  turn.tickets.issue(allocation)
  turn.move(allocation, client, now)
  return { lifetimeSeconds, mobilityTicket: allocation.ticket }
}

// Text, and at most 32 characters, because coturn's client keeps a ticket as such a string.
const TICKET_BYTES = 18
