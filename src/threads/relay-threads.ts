import { randomBytes } from 'node:crypto'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, type WorkerOptions } from 'node:worker_threads'
import { relayThread } from 'virtual:relay-thread'
import type { Log } from '../log.ts'
import type { BoundAddress } from '../net/driver.ts'
import { closeDescriptor } from '../net/linux/descriptors.ts'
import { openWakeUp, wake } from '../net/linux/wake-up.ts'
import { ReuseListeners } from '../net/reuse-listeners.ts'
import type { Session } from '../net/session.ts'
import type { SocketErrors } from '../net/socket-errors.ts'
import type { StreamEndpoint } from '../net/stream/connection.ts'
import { StreamListeners } from '../net/stream/listeners.ts'
import { type SharedPlaces, sharedPlaces, takeBackPlaces } from '../net/stream/places.ts'
import { TlsContext, type TlsOptions } from '../net/stream/tls-context.ts'
import type { UdpEndpoint } from '../net/udp/udp-listeners.ts'
import { Handovers } from './handovers.ts'
import { LineQueue } from './line-queue.ts'
import type { FromWorker, RelayWorkerData, StreamsPlan, ToWorker, WorkerStreams } from './relay-messages.ts'
import { SharedCounters, type TurnReadings } from './shared-counters.ts'
import type { PortMessage } from './shared-ports.ts'
import { writeLines } from './thread-log.ts'

export interface RelayWorkersOptions {
  readonly threads: number
  readonly endpoints: readonly UdpEndpoint[]
  /** TCP and TLS. */
  readonly streams: StreamsPlan & { readonly endpoints: readonly StreamEndpoint[] }
  readonly bufferSize: number
  /** Handed to the workers as they are: `TurnPlan` and `DtlsPlan`. */
  readonly plan: unknown
  readonly dtls: unknown
  /** Frees what a thread that died had in memory that all share. */
  readonly forgetThread: (thread: number) => void
  /** Of this thread; the others' are added. */
  readonly errors: SocketErrors
  readonly log: Log
  readonly clock: () => number
  readonly spawn: (options: WorkerOptions) => Worker
}

/**
 * The usual worker. From text that is part of the program, not from a file: one that takes another's place is of the same
 * build as the rest, even if somebody has built or installed another one meanwhile.
 */
export function spawnRelayWorker(options: WorkerOptions): Worker {
  return new Worker(`'use strict'; const programUrl = ${JSON.stringify(import.meta.url)}; ${relayThread}`, {
    ...options,
    eval: true,
  })
}

/** A worker that ends sooner than that is not started again at once. */
const SHORT_LIFE_MS = 5000
const RESTART_PAUSE_MS = 1000
const CLOSE_MS = 5000
const RESCAN_MS = 10_000
/** Descriptors by place that are closed for a worker that died; one needs more only with several relay addresses. */
const PLACES = 65_536

/**
 * The threads that relay, seen from the main thread: starts them, shares out listening descriptors, and knows what is common
 * to all (reservations, the number of connections). A packet never comes here. One that dies takes its own allocations with it
 * and is replaced.
 */
export class RelayWorkers {
  readonly deaths = { total: 0 }
  /** Of the threads' logs, for which this thread came too late. */
  readonly droppedLines = { total: 0 }
  readonly #options: RelayWorkersOptions
  readonly #listeners: ReuseListeners
  readonly #streams: StreamListeners
  readonly #places: SharedPlaces
  readonly #members: Member[] = []
  readonly #handovers = new Handovers({
    tell: (thread, message) => this.#tell(this.#members[thread]!, message),
    closeDescriptor,
  })
  #peers: ToWorker | null = null
  #dtls: unknown
  #tls: TlsOptions | null
  #isDraining = false
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | null = null
  #lastQuestion = 0

  /** Throws when TLS cannot be served like that. */
  constructor(options: RelayWorkersOptions) {
    this.#options = options
    this.#dtls = options.dtls
    this.#tls = proven(options.streams)
    this.#streams = new StreamListeners(options.threads)
    this.#places = sharedPlaces(options.threads, randomBytes)
    this.#listeners = new ReuseListeners({
      threads: options.threads,
      bufferSize: options.bufferSize,
      errors: options.errors,
    })
  }

  /** Opens every address and starts the threads; throws ListenError, and leaves nothing open, when one cannot be had. */
  async start(): Promise<void> {
    try {
      for (const endpoint of this.#options.endpoints) this.#listeners.listen(endpoint)
      for (const endpoint of this.#options.streams.endpoints) this.#streams.listen(endpoint)
      for (let thread = 0; thread < this.#options.threads; thread++) this.#members.push(this.#enlist(thread))
      await Promise.all(this.#members.map(({ ready }) => ready))
    } catch (error) {
      await this.close()
      throw error
    }
    this.#timer = setInterval(() => this.#rescan(), RESCAN_MS)
    this.#timer.unref()
    for (const { transport, address } of this.addresses) {
      this.#options.log.info({ transport, address: address.toString(), threads: this.size }, 'listening')
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

  async sessions(): Promise<Session[]> {
    // One that has died has none, and nobody there to answer.
    const living = this.#members.filter(({ control }) => control !== null)
    const answers = living.map(
      (member) =>
        new Promise<readonly Session[]>((resolve) => {
          const id = ++this.#lastQuestion
          member.questions.set(id, resolve)
          this.#tell(member, { kind: 'sessions', id })
        }),
    )
    return (await Promise.all(answers)).flat()
  }

  setPeerPolicy(peers: unknown): void {
    this.#peers = { kind: 'peers', peers }
    this.#tellAll(this.#peers)
  }

  drain(on: boolean): void {
    this.#isDraining = on
    this.#tellAll({ kind: 'drain', on })
  }

  /** New DTLS handshakes get this certificate; `dtls` is the plan that later threads begin with. */
  reloadDtls(identity: unknown, dtls: unknown): void {
    this.#dtls = dtls
    this.#tellAll({ kind: 'dtls', identity })
  }

  /** New TLS handshakes get these certificates; throws, and keeps the old, if they are bad. */
  reloadTls(tls: TlsOptions | null): void {
    this.#tls = proven({ ...this.#options.streams, tls })
    this.#tellAll({ kind: 'tls', tls })
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
      questions: new Map(),
      lines: new LineQueue(),
      descriptors: new Int32Array(new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT)),
      worker: null,
      control: null,
      ready: Promise.resolve(),
    }
    this.#spawn(member)
    return member
  }

  #spawn(member: Member): void {
    const { plan, bufferSize, log, spawn, clock } = this.#options
    const { port1: control, port2 } = new MessageChannel()
    const data: RelayWorkerData = {
      plan,
      dtls: this.#dtls,
      thread: member.thread,
      hasOthers: this.#options.threads > 1,
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
    }
    const startedAt = clock()
    const worker = spawn({ workerData: data, transferList: [port2], name: `relay ${member.thread}` })
    member.worker = worker
    member.control = control
    member.ready = new Promise((resolve, reject) => {
      control.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve()
        else this.#hear(member, message)
      })
      const early = `relay worker ${member.thread} ended before it was ready`
      worker.once('error', (cause) => reject(new Error(early, { cause })))
      worker.once('exit', () => reject(new Error(early)))
    })
    member.ready.catch(() => {})
    if (this.#peers !== null) this.#tell(member, this.#peers)
    worker.on('error', (error) => log.error({ thread: member.thread, err: error }, 'relay worker failed'))
    worker.once('exit', () => this.#ended(member, startedAt))
  }

  #streamsOf(thread: number): WorkerStreams | null {
    const { limits, http } = this.#options.streams
    const listeners = this.#streams.of(thread)
    if (listeners.length === 0) return null
    return { limits, http, tls: this.#tls, listeners, places: this.#places }
  }

  #hear(member: Member, message: FromWorker): void {
    this.#writeLines(member)
    switch (message.kind) {
      case 'errors':
        this.#options.errors.add(message.news)
        break
      case 'sessions':
        member.questions.get(message.id)?.(message.sessions)
        member.questions.delete(message.id)
        break
      case 'ready':
      case 'lines':
        break
      case 'ticket':
      case 'question':
      case 'answer':
      case 'adopted':
        this.#handovers.hear(member.thread, message)
        break
      default:
        this.#passOn(member, message)
    }
  }

  /** Node may tell of a thread's end before the last of what it has said. */
  #hearOut(member: Member): void {
    const { control } = member
    if (control === null) return
    for (let last = receiveMessageOnPort(control); last !== undefined; last = receiveMessageOnPort(control))
      this.#hear(member, last.message as FromWorker)
  }

  #writeLines({ lines, thread }: Member): void {
    this.droppedLines.total += writeLines(lines, this.#options.log, thread)
  }

  #passOn(from: Member, message: PortMessage): void {
    for (const member of this.#members) if (member !== from) this.#tell(member, message)
    if (message.kind === 'reserved') this.#tell(from, { kind: 'announced', token: message.token })
  }

  #tellAll(message: ToWorker): void {
    for (const member of this.#members) this.#tell(member, message)
  }

  /** False when nobody is there to hear it. */
  #tell({ control, wakeUp }: Member, message: ToWorker): boolean {
    if (control === null) return false
    control.postMessage(message)
    wake(wakeUp)
    return true
  }

  /** Its relay sockets, its places and its open questions are ours to clear away. */
  #ended(member: Member, startedAt: number): void {
    const { log, clock } = this.#options
    member.worker = null
    this.#hearOut(member)
    this.#writeLines(member)
    member.control?.close()
    member.control = null
    for (const fd of new Set([...descriptorsOf(member), ...this.#handovers.arrivingAt(member.thread)])) {
      closeDescriptor(fd)
    }
    member.descriptors.fill(0)
    this.#handovers.forget(member.thread)
    takeBackPlaces(this.#places, member.thread)
    for (const answer of member.questions.values()) answer([])
    member.questions.clear()
    // Not before its sockets are closed: another thread may bind the ports at once.
    this.#options.forgetThread(member.thread)
    if (this.#closing !== null) return
    this.#passOn(member, { kind: 'lost', thread: member.thread })
    this.deaths.total++
    member.past.inherit(member.counters)
    member.counters = new SharedCounters()
    const pauseMs = clock() - startedAt < SHORT_LIFE_MS ? RESTART_PAUSE_MS : 0
    log.error({ thread: member.thread, pauseMs }, 'relay worker died: its allocations are lost, it is started again')
    setTimeout(() => {
      if (this.#closing === null) this.#spawn(member)
    }, pauseMs).unref()
  }

  #rescan(): void {
    const added = this.#listeners.rescan()
    if (added === 0) return
    for (const member of this.#members) {
      for (const fd of this.#listeners.descriptorsOf(member.thread).slice(-added)) {
        this.#tell(member, { kind: 'listen', fd })
      }
    }
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#members.map((member) => this.#dismiss(member)))
    for (const { wakeUp } of this.#members) closeDescriptor(wakeUp)
    this.#listeners.close()
    this.#streams.close()
  }

  async #dismiss(member: Member): Promise<void> {
    const { worker } = member
    if (worker === null) return
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    this.#tell(member, { kind: 'close' })
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
  readonly questions: Map<number, (sessions: readonly Session[]) => void>
  readonly descriptors: Int32Array
  /** What it logs. */
  readonly lines: LineQueue
  worker: Worker | null
  control: MessagePort | null
  ready: Promise<void>
}

/** What it had open. */
function descriptorsOf({ descriptors }: Member): number[] {
  return Array.from(
    descriptors.filter((entry) => entry > 0),
    (entry) => entry - 1,
  )
}
