import { ErrorCode } from '../../stun/constants.ts'
import type { Allocations } from '../allocations.ts'
import type { Arrivals } from './arrivals.ts'
import type { Answer, Elsewhere, Question } from './elsewhere.ts'
import { type MovedAllocation, packed } from './moved-allocation.ts'
import { refreshForElsewhere } from './refresh-by-ticket.ts'

/** One server's part in what passes between the servers of the same clients when a client moves (RFC 8016 §3.2). */
export class Handover {
  readonly #allocations: Allocations
  readonly #elsewhere: Elsewhere
  readonly #arrivals: Arrivals

  constructor(allocations: Allocations, elsewhere: Elsewhere, arrivals: Arrivals) {
    this.#allocations = allocations
    this.#elsewhere = elsewhere
    this.#arrivals = arrivals
  }

  /** Clients whose allocations are still with another server. */
  get arriving(): number {
    return this.#arrivals.size
  }

  /** What another server wants to know, or to have. */
  answer(question: Question, now: number): Answer {
    if (question.kind === 'ticket') return refreshForElsewhere(question, this.#allocations, now)
    const allocation = this.#allocations.depart(question.departure.ticket, now)
    if (allocation === undefined) {
      return { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'the client has moved elsewhere' }
    }
    const { thread } = this.#allocations.options.relayPorts
    const moved = packed(allocation, thread, (relay) => this.#elsewhere.detach(relay), now)
    this.#allocations.leave(allocation)
    return { kind: 'moved', allocation: moved }
  }

  /** The answer to a question of ours (Elsewhere.ask). */
  answered(id: number, answer: Answer, now: number): void {
    this.#arrivals.answered(id, answer, now)
  }

  /** What was given away has been taken. */
  given(moved: Pick<MovedAllocation, 'source'>): void {
    this.#allocations.given(moved)
  }

  /** What was given away has reached nobody; its sockets are closed. */
  returned(moved: MovedAllocation, now: number): void {
    this.#allocations.discard(moved, now)
  }
}
