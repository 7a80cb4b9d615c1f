import { ErrorCode } from '../stun/constants.ts'
import type { Answer, Question } from '../turn/mobility/elsewhere.ts'
import type { MovedAllocation } from '../turn/mobility/moved-allocation.ts'

/** What a thread says about clients that move between threads (RFC 8016). */
export type FromMover =
  | { readonly kind: 'ticket'; readonly ticket: string; readonly isGood: boolean }
  | { readonly kind: 'question'; readonly id: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  /** The allocation that came with an answer is the thread's own now, or has ended there. */
  | { readonly kind: 'adopted'; readonly id: number }

/** What it is told. */
export type ToMover =
  | Extract<FromMover, { kind: 'question' | 'answer' }>
  /** What it has given away is another thread's. */
  | { readonly kind: 'given'; readonly source: string }
  /** What it has given away has reached nobody; its sockets are closed. */
  | { readonly kind: 'returned'; readonly allocation: MovedAllocation }

export interface HandoversOptions {
  /** False when the thread is no more. */
  readonly tell: (thread: number, message: ToMover) => boolean
  readonly closeDescriptor: (fd: number) => void
}

/** A question that is on its way to a thread. */
interface Asked {
  /** Null when it is no more. */
  asker: number | null
  readonly id: number
  readonly target: number
  readonly late: NodeJS.Timeout
}

const PATIENCE_MS = 5000
const UNKNOWN: Answer = { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'unknown or used ticket' }
const SILENCE: Answer = { kind: 'refused', error: ErrorCode.SERVER_ERROR, reason: 'its thread does not answer' }

/**
 * Which thread each mobility ticket leads to, and the way of questions and allocations between threads. Each question gets
 * one answer, whatever becomes of who is asked; the sockets of an allocation that nobody can have any more are closed.
 */
export class Handovers {
  readonly #options: HandoversOptions
  readonly #tickets = new Map<string, number>()
  readonly #asked = new Map<number, Asked>()
  /** What each thread has been sent and not confirmed, by the id of its question. */
  readonly #arriving = new Map<number, Map<number, MovedAllocation>>()
  #lastId = 0

  constructor(options: HandoversOptions) {
    this.#options = options
  }

  /** Tickets that are good somewhere. */
  get tickets(): number {
    return this.#tickets.size
  }

  hear(thread: number, message: FromMover): void {
    switch (message.kind) {
      case 'ticket':
        if (message.isGood) this.#tickets.set(message.ticket, thread)
        else if (this.#tickets.get(message.ticket) === thread) this.#tickets.delete(message.ticket)
        break
      case 'question': {
        const { id, question } = message
        if (this.#pass(thread, id, question)) break
        // The client may be faster than what tells us of its ticket. All that threads have said before is heard before an
        // immediate runs.
        setImmediate(() => {
          if (!this.#pass(thread, id, question)) this.#options.tell(thread, { kind: 'answer', id, answer: UNKNOWN })
        })
        break
      }
      case 'answer':
        this.#answer(message.id, message.answer)
        break
      case 'adopted':
        this.#adopted(thread, message.id)
    }
  }

  /** The sockets of allocations on their way to a thread, which nobody else has. */
  arrivingAt(thread: number): number[] {
    return Array.from(this.#arriving.get(thread)?.values() ?? [], descriptorsOf).flat()
  }

  /** A thread is no more, and what was on its way to it is closed already. */
  forget(thread: number): void {
    for (const [ticket, holder] of this.#tickets) if (holder === thread) this.#tickets.delete(ticket)
    for (const asked of this.#asked.values()) if (asked.asker === thread) asked.asker = null
    for (const [id, { target }] of this.#asked) if (target === thread) this.#answer(id, UNKNOWN)
    const lost = this.#arriving.get(thread)
    this.#arriving.delete(thread)
    for (const allocation of lost?.values() ?? []) this.#return(allocation)
  }

  #pass(asker: number, id: number, question: Question): boolean {
    const target = question.kind === 'ticket' ? this.#tickets.get(question.ticket) : question.departure.holder
    if (target === undefined || target === asker) return false
    const number = ++this.#lastId
    if (!this.#options.tell(target, { kind: 'question', id: number, question })) return false
    const late = setTimeout(() => this.#answer(number, SILENCE), PATIENCE_MS).unref()
    this.#asked.set(number, { asker, id, target, late })
    return true
  }

  #answer(number: number, answer: Answer): void {
    const asked = this.#asked.get(number)
    this.#asked.delete(number)
    clearTimeout(asked?.late)
    const asker = asked?.asker ?? null
    const isHeard = asked !== undefined && asker !== null && this.#deliver(asker, asked.id, answer)
    if (isHeard || answer.kind !== 'moved') return
    for (const fd of descriptorsOf(answer.allocation)) this.#options.closeDescriptor(fd)
    this.#return(answer.allocation)
  }

  #deliver(asker: number, id: number, answer: Answer): boolean {
    if (!this.#options.tell(asker, { kind: 'answer', id, answer })) return false
    if (answer.kind !== 'moved') return true
    const { allocation } = answer
    if (allocation.ticket !== null) this.#tickets.set(allocation.ticket, asker)
    const arriving = this.#arriving.get(asker) ?? new Map<number, MovedAllocation>()
    this.#arriving.set(asker, arriving.set(id, allocation))
    return true
  }

  #adopted(thread: number, id: number): void {
    const arriving = this.#arriving.get(thread)
    const allocation = arriving?.get(id)
    arriving?.delete(id)
    if (allocation === undefined) return
    this.#options.tell(allocation.holder, { kind: 'given', source: allocation.source })
  }

  /** Who has given it away has its ports and its place in the quota still. */
  #return(allocation: MovedAllocation): void {
    const { ticket, holder } = allocation
    if (ticket !== null) this.#tickets.delete(ticket)
    this.#options.tell(holder, { kind: 'returned', allocation })
  }
}

function descriptorsOf({ relays }: MovedAllocation): number[] {
  return relays.map(({ descriptor }) => descriptor)
}
