/**
 * What may be said about one matter: what is told, what is asked, and what the answer is. The two ends of a line name it by
 * the same subject; a subject has a file of its own with these types.
 */
export interface Subject<Told, Question = never, Answer = never> {
  readonly name: string
  /** Never there: it ties the types to the name. */
  readonly types?: [Told, Question, Answer]
}

export function subject<Told, Question = never, Answer = never>(name: string): Subject<Told, Question, Answer> {
  return { name }
}

/** What one end does about a subject. */
export interface Listener<Told, Question, Answer> {
  told?(message: Told): void
  /** `answer` is called once, during the call or later. */
  asked?(question: Question, answer: (answer: Answer) => void): void
  /** An answer to a question of this end that has been told `late`: what it carries must not get lost. */
  answeredLate?(answer: Answer): void
}

/** What crosses from one thread to the other: values that structuredClone can copy. */
export interface Envelope {
  readonly subject: string
  readonly kind: 'tell' | 'ask' | 'answer'
  /** Of a question, chosen by who asks; 0 for what is told. */
  readonly id: number
  readonly body: unknown
}

export interface LineOptions {
  /** Carries an envelope to the other end, and wakes whoever sleeps there. */
  readonly post: (envelope: Envelope) => void
  /** The oldest envelope that has come and has not been taken yet. */
  readonly next: () => Envelope | undefined
  /** How many envelopes each end has taken: made by `lineMemory` for both ends, and `end` says which this one is. */
  readonly memory: SharedArrayBuffer
  readonly end: 0 | 1
  /** Monotonic milliseconds. */
  readonly clock: () => number
}

/** Envelopes that may be on their way to an end that does not listen. */
export const MOST_ON_THE_WAY = 16_384
/** Questions that may be without an answer. */
export const MOST_QUESTIONS = 4096

export function lineMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
}

/** Of a subject whose types the map does not know. */
type AnyListener = Omit<Listener<never, never, unknown>, 'answeredLate'> & { answeredLate?(answer: never): void }

interface Asked {
  readonly until: number
  readonly then: (answer: never) => void
}

/**
 * One end of the line between the main thread and a relay thread. Nobody waits here: an answer is a callback, which is called
 * once, with `late` when patience has ended and `gone` when the other end has died. What is on its way is bounded: an end that
 * is told more than it takes is `full`.
 */
export class Line {
  readonly #options: LineOptions
  readonly #taken: Int32Array
  readonly #listeners = new Map<string, AnyListener>()
  readonly #questions = new Map<number, Asked>()
  /** Taken from the channel while another subject was listened for. */
  readonly #postponed: Envelope[] = []
  #posted = 0
  #lastId = 0
  #isGone = false

  constructor(options: LineOptions) {
    this.#options = options
    this.#taken = new Int32Array(options.memory)
  }

  /** Says what this end does about a subject; each has one listener. */
  on<Told, Question, Answer>(
    { name }: Subject<Told, Question, Answer>,
    listener: Listener<Told, Question, Answer>,
  ): void {
    if (this.#listeners.has(name)) throw new Error(`${name} has a listener`)
    this.#listeners.set(name, listener as AnyListener)
  }

  /** Whether the other end takes nothing more at the moment: what it is told now is not carried. */
  get isFull(): boolean {
    const { end } = this.#options
    return ((this.#posted - Atomics.load(this.#taken, 1 - end)) | 0) >= MOST_ON_THE_WAY
  }

  /** False when nobody will hear it: the other end has died, or is full. */
  tell<Told>({ name }: Subject<Told, never, never> | Subject<Told, unknown, unknown>, message: Told): boolean {
    return this.#post({ subject: name, kind: 'tell', id: 0, body: message })
  }

  /** `then` is called once: during the call when nobody is there to ask, otherwise from `take`, `sweep` or `close`. */
  ask<Question, Answer>(
    { name }: Subject<unknown, Question, Answer>,
    question: Question,
    patienceMs: number,
    then: (answer: Answer | 'late' | 'gone') => void,
  ): void {
    if (this.#questions.size >= MOST_QUESTIONS) {
      then('late')
      return
    }
    const id = ++this.#lastId
    if (!this.#post({ subject: name, kind: 'ask', id, body: question })) {
      then(this.#isGone ? 'gone' : 'late')
      return
    }
    this.#questions.set(id, { until: this.#options.clock() + patienceMs, then })
  }

  /** Takes all that has come, in its order. */
  take(): void {
    for (let envelope = this.#next(); envelope !== undefined; envelope = this.#next()) this.#take(envelope)
  }

  /** Takes what has come about one subject, and keeps the rest for `take`: for who is in the midst of something else. */
  takeOnly({ name }: Subject<unknown, unknown, unknown> | Subject<unknown>): void {
    for (let envelope = this.#arrived(); envelope !== undefined; envelope = this.#arrived()) {
      if (envelope.subject === name) this.#take(envelope)
      else this.#postponed.push(envelope)
    }
  }

  /** Calls those whose patience has ended; once a second, or more often. */
  sweep(now: number): void {
    for (const [id, { until, then }] of this.#questions) {
      if (until > now) continue
      this.#questions.delete(id)
      then('late' as never)
    }
  }

  /** The other end has died: hears what it has said before, and tells everybody who waits. */
  close(): void {
    if (this.#isGone) return
    this.take()
    this.#isGone = true
    const questions = [...this.#questions.values()]
    this.#questions.clear()
    for (const { then } of questions) then('gone' as never)
  }

  #post(envelope: Envelope): boolean {
    if (this.#isGone || this.isFull) return false
    this.#posted = (this.#posted + 1) | 0
    this.#options.post(envelope)
    return true
  }

  #next(): Envelope | undefined {
    return this.#postponed.shift() ?? this.#arrived()
  }

  #arrived(): Envelope | undefined {
    const envelope = this.#options.next()
    if (envelope !== undefined) Atomics.add(this.#taken, this.#options.end, 1)
    return envelope
  }

  #take({ subject, kind, id, body }: Envelope): void {
    if (kind === 'answer') {
      const asked = this.#questions.get(id)
      if (asked === undefined) {
        this.#listeners.get(subject)?.answeredLate?.(body as never)
        return
      }
      this.#questions.delete(id)
      asked.then(body as never)
      return
    }
    const listener = this.#listeners.get(subject)
    if (kind === 'tell') listener?.told?.(body as never)
    else {
      listener?.asked?.(body as never, (answer) => {
        // An answer goes also to an end that is full: it asked, so that it is bounded by its questions.
        if (!this.#isGone) this.#options.post({ subject, kind: 'answer', id, body: answer })
        this.#posted = (this.#posted + 1) | 0
      })
    }
  }
}
