import { ErrorCode } from '../../stun/constants.ts'
import type { Allocations } from '../allocations.ts'
import type { IncomingMoves } from './incoming-moves.ts'
import { type MovedAllocation, packed } from './moved-allocation.ts'
import type { Answer, OtherServers, Question } from './other-servers.ts'
import { refreshForOtherServer } from './refresh-by-ticket.ts'

/** One server's part in what passes between the servers of the same clients when a client moves (RFC 8016 §3.2). */
export class Handover {
  readonly #allocations: Allocations
  readonly #others: OtherServers
  readonly #incomingMoves: IncomingMoves

  constructor(allocations: Allocations, others: OtherServers, incomingMoves: IncomingMoves) {
    this.#allocations = allocations
    this.#others = others
    this.#incomingMoves = incomingMoves
  }

  /** Clients whose allocations are still with another server. */
  get arriving(): number {
    return this.#incomingMoves.size
  }

  /** What another server wants to know, or to have. */
  answer(question: Question, now: number): Answer {
    if (question.kind === 'ticket') return refreshForOtherServer(question, this.#allocations, now)
    const allocation = this.#allocations.outgoing(question.outgoing.ticket, now)
    if (allocation === undefined) {
      return { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'the client has moved elsewhere' }
    }
    const { thread } = this.#allocations.options.relayPorts
    const moved = packed(allocation, thread, (relay) => this.#others.detach(relay), now)
    this.#allocations.leave(allocation)
    return { kind: 'moved', allocation: moved }
  }

  /** The answer to a question of ours (OtherServers.ask). */
  answered(id: number, answer: Answer, now: number): void {
    this.#incomingMoves.answered(id, answer, now)
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
