import { Attribute } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { OtherServers } from './other-servers.ts'

/** Proofs that an allocation is one's own, to be shown from another 5-tuple; each works once (RFC 8016 §3). */
export class Tickets {
  readonly #random: (size: number) => Buffer
  readonly #others: OtherServers
  readonly #allocations = new Map<string, Allocation>()

  constructor(random: (size: number) => Buffer, others: OtherServers) {
    this.#random = random
    this.#others = others
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
    this.#others.ticketIssued(allocation.ticket)
  }

  revoke(allocation: Allocation): void {
    if (allocation.ticket !== null) this.#others.ticketRevoked(allocation.ticket)
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

// Text, and at most 32 characters, because coturn's client keeps a ticket as such a string.
const TICKET_BYTES = 18
export const TICKET_LENGTH = 24
