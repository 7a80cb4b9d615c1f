import { ErrorCode } from '../stun/constants.ts'
import type { ConnectionAnswer, ConnectionQuestion } from '../turn/tcp/connection-lenders.ts'
import { subject } from './line.ts'

/** What is told about connections with peers that one thread has lent another, for a data connection that came there (RFC 6062). */
export type LoanMessage =
  /** By the borrower: it serves what came with an answer, or does not and leaves the descriptor open. */
  | { readonly kind: 'taken' | 'declined'; readonly id: number }
  /** By the borrower: the connection is over. */
  | { readonly kind: 'over'; readonly id: number }
  /** By the lender, and to the borrower: the allocation is gone. */
  | { readonly kind: 'recalled'; readonly id: number }
  /** To the lender: the connection is over, or has reached nobody. */
  | { readonly kind: 'returned'; readonly id: number }

export const LOANS = subject<LoanMessage, ConnectionQuestion, ConnectionAnswer>('loans')

/** How long a thread may take to answer another one. */
const PATIENCE_MS = 5000

const UNKNOWN: ConnectionAnswer = { kind: 'refused', error: ErrorCode.BAD_REQUEST, reason: 'no such connection' }
const SILENCE: ConnectionAnswer = {
  kind: 'refused',
  error: ErrorCode.SERVER_ERROR,
  reason: 'its thread does not answer',
}

export interface LoansOptions {
  readonly threads: number
  readonly tell: (thread: number, message: LoanMessage) => void
  readonly ask: (
    thread: number,
    question: ConnectionQuestion,
    patienceMs: number,
    then: (answer: ConnectionAnswer | 'late' | 'gone') => void,
  ) => void
  readonly closeDescriptor: (fd: number) => void
}

interface Loan {
  readonly lender: number
  readonly borrower: number
  /** Null when the borrower serves it. */
  descriptor: number | null
  isRecalled: boolean
}

/**
 * Connections with peers on their way to the threads that have their data connections, and there. A descriptor that nobody can have
 * any more is closed, and lender and borrower each hear of the end that the other one makes.
 */
export class Loans {
  readonly #options: LoansOptions
  readonly #loans = new Map<number, Loan>()
  /** How many lives each thread has had: an answer is not for the successor of who asked. */
  readonly #lives = new Map<number, number>()

  constructor(options: LoansOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#loans.size
  }

  asked(borrower: number, question: ConnectionQuestion, answer: (answer: ConnectionAnswer) => void): void {
    const { threads, ask } = this.#options
    const lender = question.connectionId % threads
    const life = this.#lives.get(borrower)
    if (lender === borrower) {
      answer(UNKNOWN)
      return
    }
    ask(lender, question, PATIENCE_MS, (given) => {
      const settled = given === 'gone' ? UNKNOWN : given === 'late' ? SILENCE : given
      if (this.#lives.get(borrower) !== life) {
        this.turnBack(settled)
        return
      }
      if (settled.kind === 'lent') {
        const { connectionId, descriptor } = settled
        this.#loans.set(connectionId, { lender, borrower, descriptor, isRecalled: false })
      }
      answer(settled)
    })
  }

  /** Nobody is there to have what this answer brings. */
  turnBack(answer: ConnectionAnswer): void {
    if (answer.kind !== 'lent') return
    const { closeDescriptor, tell, threads } = this.#options
    closeDescriptor(answer.descriptor)
    tell(answer.connectionId % threads, { kind: 'returned', id: answer.connectionId })
  }

  told(thread: number, { kind, id }: LoanMessage): void {
    const loan = this.#loans.get(id)
    if (loan === undefined) return
    if (kind === 'recalled' && loan.lender === thread) this.#recall(id, loan)
    if (loan.borrower !== thread) return
    if (kind === 'taken') this.#taken(id, loan)
    else if (kind === 'declined' || kind === 'over') this.#return(id, loan)
  }

  /** The descriptors on their way to a thread, which nobody else has. */
  arrivingAt(thread: number): number[] {
    return Array.from(this.#loans.values()).flatMap(({ borrower, descriptor }) =>
      borrower === thread && descriptor !== null ? [descriptor] : [],
    )
  }

  /** A thread is no more, and what was on its way to it is closed already. */
  forget(thread: number): void {
    this.#lives.set(thread, (this.#lives.get(thread) ?? 0) + 1)
    for (const [id, loan] of this.#loans) {
      if (loan.borrower === thread) {
        loan.descriptor = null
        this.#return(id, loan)
      } else if (loan.lender === thread) this.#recall(id, loan)
    }
  }

  #taken(id: number, loan: Loan): void {
    loan.descriptor = null
    if (loan.isRecalled) this.#loans.delete(id)
  }

  #recall(id: number, loan: Loan): void {
    this.#options.tell(loan.borrower, { kind: 'recalled', id })
    loan.isRecalled = true
    if (loan.descriptor === null) this.#loans.delete(id)
  }

  #return(id: number, { lender, descriptor }: Loan): void {
    this.#loans.delete(id)
    if (descriptor !== null) this.#options.closeDescriptor(descriptor)
    this.#options.tell(lender, { kind: 'returned', id })
  }
}
