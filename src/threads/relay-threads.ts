import { randomBytes } from 'node:crypto'
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Worker,
  type WorkerOptions,
} from 'node:worker_threads'
import type { Log } from '../log.ts'
import { closeDescriptor } from '../net/linux/descriptors.ts'
import { openWakeUp, wake } from '../net/linux/wake-up.ts'
import type { BoundAddress } from '../net/listen/bound-address.ts'
import type { UdpEndpoint } from '../net/listen/interfaces.ts'
import { type ListenChange, together, type Wanted } from '../net/listen/listen-change.ts'
import { ReuseListeners } from '../net/listen/reuse-listeners.ts'
import type { SocketErrors } from '../net/socket-errors.ts'
import { StreamListeners } from '../net/stream/listeners.ts'
import type { StreamEndpoint, StreamLimits } from '../net/stream/options.ts'
import { type SharedPlaces, sharedPlaces, takeBackPlaces } from '../net/stream/places.ts'
import { TlsContext, type TlsOptions } from '../net/stream/tls-context.ts'
import type { Address } from '../stun/address.ts'
import { ACCOUNTS, type FindAccount } from './accounts.ts'
import { CLOSE, DRAIN, ERRORS, LEAVE, LISTEN, LISTEN_STREAM, LOG_LINES, READY, STOP_STREAM, TLS } from './control.ts'
import { ENDED_SESSIONS, type EndedSessions } from './ended-sessions.ts'
import { Handovers, MOVES } from './handovers.ts'
import { type Envelope, Line, lineMemory, type Subject } from './line.ts'
import { LineQueue } from './line-queue.ts'
import { LOANS, Loans } from './loans.ts'
import { PORTS, type PortMessage } from './ports.ts'
import type { RelayThreadData, StreamsPlan, ThreadStreams } from './relay-thread-data.ts'
import { SharedCounters, type TurnReadings } from './shared-counters.ts'
import { writeLines } from './thread-log.ts'

export interface RelayThreadsOptions<Plan = unknown> {
  readonly threads: number
  readonly endpoints: readonly UdpEndpoint[]
  /** TCP and TLS. */
  readonly streams: StreamsPlan & { readonly endpoints: readonly StreamEndpoint[] }
  readonly bufferSize: number
  /** What a thread that begins now is told. */
  readonly plan: () => Plan
  /** What its database says of an account; null without one. */
  readonly findAccount: FindAccount | null
  /** Frees what a thread that died had in memory that all share, and says what its allocations were relayed by. */
  readonly forgetThread: (thread: number) => readonly Address[]
  /** Of this thread; the others' are added. */
  readonly errors: SocketErrors
  /** What the threads tell of sessions that are over. */
  readonly ended: (news: EndedSessions, thread: number) => void
  /** A thread has died, and with it the allocations that were relayed by these addresses. */
  readonly died: (relays: readonly Address[], thread: number) => void
  readonly log: Log
  readonly clock: () => number
  readonly spawn: (options: WorkerOptions) => Worker
}

/** A worker that ends sooner than that is not started again at once. */
const SHORT_LIFE_MS = 5000
const RESTART_PAUSE_MS = 1000
const CLOSE_MS = 5000
/** How long a thread may take to answer an operator. */
const PATIENCE_MS = 5000
const SWEEP_MS = 1000
/** Descriptors by place that are closed for a worker that died; one needs more only with several relay addresses. */
const PLACES = 65_536

/**
 * The threads that relay, seen from the main thread: starts them, shares out listening descriptors, and knows what is common
 * to all (reservations, the number of connections). A packet never comes here. One that dies takes its own allocations with it
 * and is replaced.
 */
export class RelayThreads<Plan = unknown> {
  readonly deaths = { total: 0 }
  /** Of the threads' logs, for which this thread came too late. */
  readonly droppedLines = { total: 0 }
  readonly #options: RelayThreadsOptions<Plan>
  readonly #listeners: ReuseListeners
  readonly #streams: StreamListeners
  readonly #places: SharedPlaces
  readonly #members: Member[] = []
  readonly #handovers = new Handovers({
    tell: (thread, message) => this.#members[thread]?.line?.tell(MOVES, message) ?? false,
    ask: (thread, question, patienceMs, then) => this.#askThread(thread, MOVES, question, patienceMs, then),
    closeDescriptor,
  })
  readonly #loans: Loans
  #limits: StreamLimits
  #tls: TlsOptions | null
  #isDraining = false
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | null = null

  /** Throws when TLS cannot be served like that. */
  constructor(options: RelayThreadsOptions<Plan>) {
    this.#options = options
    this.#loans = new Loans({
      threads: options.threads,
      tell: (thread, message) => this.#members[thread]?.line?.tell(LOANS, message),
      ask: (thread, question, patienceMs, then) => this.#askThread(thread, LOANS, question, patienceMs, then),
      closeDescriptor,
    })
    this.#limits = options.streams.limits
    this.#tls = proven(options.streams)
    const users = {
      listen: (id: number, endpoint: StreamEndpoint, fds: readonly number[]) =>
        this.#tellEach(LISTEN_STREAM, (thread) => ({ id, endpoint, fd: fds[thread]! })),
      stop: (id: number, stopped: () => void) => this.#askUntil(STOP_STREAM, id, () => true, stopped),
    }
    this.#streams = new StreamListeners(options.threads, users, options.errors, options.log)
    this.#places = sharedPlaces(options.threads, randomBytes)
    this.#listeners = new ReuseListeners({
      threads: options.threads,
      bufferSize: options.bufferSize,
      errors: options.errors,
      log: options.log,
      users: {
        listen: (listener, fds) => this.#tellEach(LISTEN, (thread) => ({ listener, fd: fds[thread]! })),
        leave: (listener, left) => this.#askUntil(LEAVE, listener, (answer) => answer === 'left', left),
      },
    })
  }

  /** Opens every address and starts the threads; throws ListenError, and leaves nothing open, when one cannot be had. */
  async start(): Promise<void> {
    try {
      this.prepare(this.#options.endpoints, this.#options.streams.endpoints, 'all').commit()
      for (let thread = 0; thread < this.#options.threads; thread++) this.#members.push(this.#enlist(thread))
      await Promise.all(this.#members.map(({ ready }) => ready))
    } catch (error) {
      await this.close()
      throw error
    }
    this.#timer = setInterval(() => this.#sweepLines(), SWEEP_MS).unref()
  }

  /** Listens elsewhere than now. Throws ListenError, and changes nothing, for the first that cannot be had. */
  prepare(udp: readonly UdpEndpoint[], streams: readonly StreamEndpoint[], wanted: Wanted): ListenChange {
    const change = this.#listeners.prepare(udp, wanted)
    try {
      return together([change, this.#streams.prepare(streams, wanted)])
    } catch (error) {
      void change.abort()
      throw error
    }
  }

  /** UDP first. */
  get addresses(): BoundAddress[] {
    return [
      ...this.#listeners.addresses.map((address) => ({ transport: 'udp' as const, address })),
      ...this.#streams.addresses.map((address) => ({ transport: 'tcp' as const, address })),
    ]
  }

  get size(): number {
    return this.#members.length
  }

  /** What all threads together relay now and have counted, those too that are no more; added to `sum`. */
  addTo(sum: TurnReadings): void {
    for (const { counters, past } of this.#members) {
      past.addTo(sum)
      counters.addTo(sum)
    }
  }

  /** Asks every thread; those that have died, or do not answer in time, say nothing. */
  async ask<Question, Answer>(about: Subject<never, Question, Answer>, question: Question): Promise<Answer[]> {
    const answers = this.#lines.map(
      (line) => new Promise<Answer | 'late' | 'gone'>((resolve) => line.ask(about, question, PATIENCE_MS, resolve)),
    )
    return (await Promise.all(answers)).filter((answer) => answer !== 'late' && answer !== 'gone') as Answer[]
  }

  /** Asks one thread; `gone` when it has died, `late` when it does not answer in time. */
  askOne<Question, Answer>(
    thread: number,
    about: Subject<never, Question, Answer>,
    question: NoInfer<Question>,
  ): Promise<Answer | 'late' | 'gone'> {
    return new Promise((resolve) => this.#askThread<Question, Answer>(thread, about, question, PATIENCE_MS, resolve))
  }

  /** Tells every thread there is; one that begins later has it from its plan. */
  tell<Told>(about: Subject<Told>, message: Told): void {
    for (const line of this.#lines) line.tell(about, message)
  }

  drain(on: boolean): void {
    this.#isDraining = on
    this.tell(DRAIN, on)
  }

  /** Threads that begin later have these limits of connections. */
  limitStreams(limits: StreamLimits): void {
    this.#limits = limits
  }

  /** New TLS handshakes get these certificates; throws, and keeps the old, if they are bad. */
  reloadTls(tls: TlsOptions | null): void {
    this.#tls = proven({ ...this.#options.streams, tls })
    this.tell(TLS, tls)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #enlist(thread: number): Member {
    const member: Member = {
      thread,
      wakeUp: openWakeUp(),
      counters: new SharedCounters(),
      past: new SharedCounters(),
      lines: new LineQueue(),
      descriptors: new Int32Array(new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT)),
      worker: null,
      line: null,
      ready: Promise.resolve(),
    }
    this.#spawn(member)
    return member
  }

  #spawn(member: Member): void {
    const { plan, bufferSize, log, spawn, clock } = this.#options
    const { port1: control, port2 } = new MessageChannel()
    const memory = lineMemory()
    const data: RelayThreadData<Plan> = {
      plan: plan(),
      thread: member.thread,
      threads: this.#options.threads,
      listeners: this.#listeners.descriptorsOf(member.thread),
      streams: this.#streamsOf(member.thread),
      wakeUp: member.wakeUp,
      bufferSize,
      draining: this.#isDraining,
      logLevel: log.level,
      lines: member.lines.memory,
      counters: member.counters.memory,
      descriptors: member.descriptors.buffer as SharedArrayBuffer,
      control: port2,
      lineMemory: memory,
    }
    const startedAt = clock()
    const worker = spawn({ workerData: data, transferList: [port2], name: `relay ${member.thread}` })
    const line = this.#lineTo(member, control, memory)
    member.worker = worker
    member.line = line
    member.ready = new Promise((resolve, reject) => {
      line.on(READY, { told: () => resolve() })
      const early = `relay thread ${member.thread} ended before it was ready`
      worker.once('error', (cause) => reject(new Error(early, { cause })))
      worker.once('exit', () => reject(new Error(early)))
    })
    member.ready.catch(() => {})
    worker.on('error', (error) => log.error({ thread: member.thread, err: error }, 'relay thread failed'))
    worker.once('exit', () => {
      this.#ended(member, startedAt)
      control.close()
    })
  }

  #lineTo(member: Member, control: MessagePort, memory: SharedArrayBuffer): Line {
    const { thread } = member
    const arrived: Envelope[] = []
    const line = new Line({
      post: (envelope) => {
        control.postMessage(envelope)
        wake(member.wakeUp)
      },
      // Node may tell of a thread's end before the last of what it has said.
      next: () => arrived.shift() ?? (receiveMessageOnPort(control)?.message as Envelope | undefined),
      memory,
      end: 0,
      clock: this.#options.clock,
    })
    line.on(ERRORS, { told: (news) => this.#options.errors.add(news) })
    line.on(LOG_LINES, {})
    line.on(ENDED_SESSIONS, { told: (news) => this.#options.ended(news, thread) })
    line.on(PORTS, {
      told: (message) => this.#tellOthers(member, message),
      asked: (reserved, answer) => {
        this.#tellOthers(member, reserved)
        answer(true)
      },
    })
    line.on(ACCOUNTS, {
      asked: (account, answer) => {
        const { findAccount } = this.#options
        if (findAccount === null) answer('unavailable')
        else findAccount(account, answer)
      },
    })
    line.on(MOVES, {
      told: (message) => this.#handovers.told(thread, message),
      asked: (question, answer) => this.#handovers.asked(thread, question, answer),
      answeredLate: (answer) => this.#handovers.turnBack(answer),
    })
    line.on(LOANS, {
      told: (message) => this.#loans.told(thread, message),
      asked: (question, answer) => this.#loans.asked(thread, question, answer),
      answeredLate: (answer) => this.#loans.turnBack(answer),
    })
    control.on('message', (envelope: Envelope) => {
      this.#writeLines(member)
      arrived.push(envelope)
      line.take()
    })
    return line
  }

  #streamsOf(thread: number): ThreadStreams | null {
    const { http } = this.#options.streams
    const limits = this.#limits
    const listeners = this.#streams.of(thread)
    if (listeners.length === 0) return null
    return { limits, http, tls: this.#tls, listeners, places: this.#places }
  }

  get #lines(): Line[] {
    return this.#members.flatMap(({ line }) => line ?? [])
  }

  #askThread<Question, Answer>(
    thread: number,
    about: Subject<unknown, Question, Answer>,
    question: NoInfer<Question>,
    patienceMs: number,
    then: (answer: Answer | 'late' | 'gone') => void,
  ): void {
    const line = this.#members[thread]?.line ?? null
    if (line === null) then('gone')
    else line.ask(about, question, patienceMs, then)
  }

  #tellEach<Told>(about: Subject<Told>, message: (thread: number) => Told): void {
    for (const { line, thread } of this.#members) line?.tell(about, message(thread))
  }

  /**
   * Asks every thread, for as long as it takes: `then` is called once each has said what counts, or has died. Not at all when one of
   * them has said anything else.
   */
  #askUntil<Question, Answer>(
    about: Subject<never, Question, Answer>,
    question: Question,
    counts: (answer: Answer) => boolean,
    then: () => void,
  ): void {
    const lines = this.#lines
    let missing = lines.length
    if (missing === 0) then()
    for (const line of lines) {
      line.ask(about, question, Number.POSITIVE_INFINITY, (answer) => {
        // The line was full.
        if (answer === 'late') return
        if (answer !== 'gone' && !counts(answer)) return
        missing--
        if (missing === 0) then()
      })
    }
  }

  #sweepLines(): void {
    const now = this.#options.clock()
    for (const line of this.#lines) line.sweep(now)
  }

  #writeLines({ lines, thread }: Member): void {
    this.droppedLines.total += writeLines(lines, this.#options.log, thread)
  }

  #tellOthers(from: Member, message: PortMessage): void {
    for (const member of this.#members) if (member !== from) member.line?.tell(PORTS, message)
  }

  /** Its relay sockets, its places and its open questions are ours to clear away. */
  #ended(member: Member, startedAt: number): void {
    const { log, clock } = this.#options
    member.worker = null
    member.line?.close()
    member.line = null
    this.#writeLines(member)
    const { thread } = member
    const arriving = [...this.#handovers.arrivingAt(thread), ...this.#loans.arrivingAt(thread)]
    for (const fd of new Set([...descriptorsOf(member), ...arriving])) closeDescriptor(fd)
    member.descriptors.fill(0)
    this.#handovers.forget(thread)
    this.#loans.forget(thread)
    takeBackPlaces(this.#places, member.thread)
    // Not before its sockets are closed: another thread may bind the ports at once.
    const relays = this.#options.forgetThread(member.thread)
    if (this.#closing !== null) return
    this.#options.died(relays, member.thread)
    this.#tellOthers(member, { kind: 'lost', thread: member.thread })
    this.deaths.total++
    member.past.inherit(member.counters)
    member.counters = new SharedCounters()
    const pauseMs = clock() - startedAt < SHORT_LIFE_MS ? RESTART_PAUSE_MS : 0
    log.error({ thread: member.thread, pauseMs }, 'relay thread died: its allocations are lost, it is started again')
    setTimeout(() => {
      if (this.#closing === null) this.#spawn(member)
    }, pauseMs).unref()
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#members.map((member) => this.#dismiss(member)))
    for (const { wakeUp } of this.#members) closeDescriptor(wakeUp)
    this.#listeners.close()
    this.#streams.close()
  }

  async #dismiss(member: Member): Promise<void> {
    const { worker, line } = member
    if (worker === null) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    line?.tell(CLOSE, null)
    const late = setTimeout(() => void worker.terminate(), CLOSE_MS)
    await ended
    clearTimeout(late)
  }
}

/** Found out here, a bad certificate is a mistake that stops nothing which already runs. */
function proven({ tls, limits }: StreamsPlan): TlsOptions | null {
  if (tls !== null) new TlsContext(tls, limits.handshakeMs)
  return tls
}

/** One thread and what the main thread keeps for it, through all its lives. */
interface Member {
  readonly thread: number
  readonly wakeUp: number
  counters: SharedCounters
  /** Of its former lives. */
  readonly past: SharedCounters
  readonly descriptors: Int32Array
  /** What it logs. */
  readonly lines: LineQueue
  worker: Worker | null
  line: Line | null
  ready: Promise<void>
}

/** What it had open. */
function descriptorsOf({ descriptors }: Member): number[] {
  return Array.from(
    descriptors.filter((entry) => entry > 0),
    (entry) => entry - 1,
  )
}
