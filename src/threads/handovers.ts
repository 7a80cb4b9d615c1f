import { ErrorCode } from '../stun/constants.ts'
import type { MovedAllocation } from '../turn/mobility/moved-allocation.ts'
import type { Answer, Question } from '../turn/mobility/other-servers.ts'
import { subject } from './line.ts'

/** What is told about clients that move between threads (RFC 8016). */
export type MoveMessage =
  /** By a thread: a ticket leads to it now, or nowhere any more. */
  | { readonly kind: 'ticket'; readonly ticket: string; readonly isGood: boolean }
  /** By a thread: this allocation, which came with an answer, is its own now, or has ended there. */
  | { readonly kind: 'adopted'; readonly id: string }
  /** By a thread: it waits no longer for this allocation, and does not take it. */
  | { readonly kind: 'declined'; readonly id: string }
  /** To a thread: what it has given away is another thread's. */
  | { readonly kind: 'given'; readonly source: string }
  /** To a thread: what it has given away has reached nobody; its sockets are closed. */
  | { readonly kind: 'returned'; readonly allocation: MovedAllocation }

export const MOVES = subject<MoveMessage, Question, Answer>('moves')

/** How long a thread may take to answer another one. */
const PATIENCE_MS = 5000
/** How long who asks waits for the main thread, which answers sooner. */
export const ASKER_PATIENCE_MS = 30_000

const UNKNOWN: Answer = { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'unknown or used ticket' }
const SILENCE: Answer = { kind: 'refused', error: ErrorCode.SERVER_ERROR, reason: 'its thread does not answer' }

export interface HandoversOptions {
  /** False when the thread is no more. */
  readonly tell: (thread: number, message: MoveMessage) => boolean
  readonly ask: (
    thread: number,
    question: Question,
    patienceMs: number,
    then: (answer: Answer | 'late' | 'gone') => void,
  ) => void
  readonly closeDescriptor: (fd: number) => void
}

/**
 * Which thread each mobility ticket leads to, and the way of questions and allocations between threads. Each question gets
 * one answer, whatever becomes of who is asked; the sockets of an allocation that nobody can have any more are closed.
 */
export class Handovers {
  readonly #options: HandoversOptions
  readonly #tickets = new Map<string, number>()
  /** How many lives each thread has had: an answer is not for the successor of who asked. */
  readonly #lives = new Map<number, number>()
  /** What each thread has been sent and not confirmed, by id. */
  readonly #arriving = new Map<number, Map<string, MovedAllocation>>()

  constructor(options: HandoversOptions) {
    this.#options = options
  }

  /** Tickets that are good somewhere. */
  get tickets(): number {
    return this.#tickets.size
  }

  told(thread: number, message: MoveMessage): void {
    switch (message.kind) {
      case 'ticket':
        if (message.isGood) this.#tickets.set(message.ticket, thread)
        else if (this.#tickets.get(message.ticket) === thread) this.#tickets.delete(message.ticket)
        break
      case 'adopted':
        this.#adopted(thread, message.id)
        break
      case 'declined':
        this.#declined(thread, message.id)
    }
  }

  asked(thread: number, question: Question, answer: (answer: Answer) => void): void {
    const life = this.#lives.get(thread)
    const deliver = (given: Answer) => {
      if (this.#lives.get(thread) === life) this.#deliver(thread, given, answer)
      else this.turnBack(given)
    }
    if (this.#pass(thread, question, deliver)) return
    // The client may be faster than what tells us of its ticket. All that threads have said before is heard before an
    // immediate runs.
    setImmediate(() => {
      if (!this.#pass(thread, question, deliver)) deliver(UNKNOWN)
    })
  }

  /** The sockets of allocations on their way to a thread, which nobody else has. */
  arrivingAt(thread: number): number[] {
    return Array.from(this.#arriving.get(thread)?.values() ?? [], descriptorsOf).flat()
  }

  /** A thread is no more, and what was on its way to it is closed already. */
  forget(thread: number): void {
    this.#lives.set(thread, (this.#lives.get(thread) ?? 0) + 1)
    for (const [ticket, holder] of this.#tickets) if (holder === thread) this.#tickets.delete(ticket)
    const lost = this.#arriving.get(thread)
    this.#arriving.delete(thread)
    for (const allocation of lost?.values() ?? []) this.#return(allocation)
  }

  #pass(asker: number, question: Question, deliver: (answer: Answer) => void): boolean {
    const target = question.kind === 'ticket' ? this.#tickets.get(question.ticket) : question.outgoing.holder
    if (target === undefined || target === asker) return false
    this.#options.ask(target, question, PATIENCE_MS, (answer) => {
      deliver(answer === 'gone' ? UNKNOWN : answer === 'late' ? SILENCE : answer)
    })
    return true
  }

  #deliver(asker: number, answer: Answer, send: (answer: Answer) => void): void {
    if (answer.kind === 'moved') {
      const { allocation } = answer
      if (allocation.ticket !== null) this.#tickets.set(allocation.ticket, asker)
      const arriving = this.#arriving.get(asker) ?? new Map<string, MovedAllocation>()
      this.#arriving.set(asker, arriving.set(allocation.id, allocation))
    }
    send(answer)
  }

  /** Nobody is there to have what this answer brings. */
  turnBack(answer: Answer): void {
    if (answer.kind !== 'moved') return
    for (const fd of descriptorsOf(answer.allocation)) this.#options.closeDescriptor(fd)
    this.#return(answer.allocation)
  }

  #adopted(thread: number, id: string): void {
    const allocation = this.#arrived(thread, id)
    if (allocation !== undefined) this.#options.tell(allocation.holder, { kind: 'given', source: allocation.source })
  }

  #declined(thread: number, id: string): void {
    const allocation = this.#arrived(thread, id)
    if (allocation !== undefined) this.turnBack({ kind: 'moved', allocation })
  }

  #arrived(thread: number, id: string): MovedAllocation | undefined {
    const arriving = this.#arriving.get(thread)
    const allocation = arriving?.get(id)
    arriving?.delete(id)
    return allocation
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
