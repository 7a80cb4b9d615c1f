import type { Log } from '../../log.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import { duplicate } from '../linux/descriptors.ts'
import { EventLoop, pollerOf } from '../linux/event-loop.ts'
import type { HandOver } from './connection.ts'
import type { StreamListener } from './listeners.ts'
import type { StreamLimits } from './options.ts'
import { StreamServer, type StreamServerOptions } from './stream.ts'
import type { TlsOptions } from './tls-context.ts'

export interface LoopStreamsOptions extends Omit<StreamServerOptions, 'gathers' | 'waiting'> {
  /** What to accept from; the descriptors stay their owner's. */
  readonly listeners: readonly StreamListener[]
  /** Wakes the thread whenever the event loop's own descriptor, given here, is ready. */
  readonly watch: (poller: number) => void
  readonly log: Log
}

/** How long the thread may sleep when it cannot see that its event loop wants to run. */
const BLIND_WAIT_MS = 2

/** TCP and TLS on a thread that sleeps in an epoll of its own: they live in its event loop, which is given its turn in time. */
export class LoopStreams {
  readonly #options: LoopStreamsOptions
  readonly #server: StreamServer
  readonly #loop = new EventLoop()
  /** By StreamListener.id. */
  readonly #stops = new Map<number, () => void>()
  readonly #listening: number
  #isSearched = false
  #isSeen = false

  constructor(options: LoopStreamsOptions) {
    this.#options = options
    // Each pass of the event loop is followed by a look at them.
    this.#server = new StreamServer({ ...options, gathers: true, waiting: () => {} })
    // The server closes what it is given.
    const copies = options.listeners.map(({ fd, ...rest }) => ({ ...rest, fd: duplicate(fd) }))
    for (const { id, fd, endpoint } of copies) this.#stops.set(id, this.#server.serve(fd, endpoint))
    this.#listening = copies[0]!.fd
  }

  /** Accepts from there, too. */
  listen({ id, fd, endpoint }: StreamListener): void {
    this.#loop.touch()
    this.#stops.set(id, this.#server.serve(duplicate(fd), endpoint))
  }

  /** Accepts no more from there, and does not use the descriptor any more; connections stay. */
  stop(id: number): void {
    this.#loop.touch()
    this.#stops.get(id)?.()
    this.#stops.delete(id)
  }

  /** The event loop should have its turn now. */
  get isWanted(): boolean {
    return this.#loop.isWanted
  }

  /** The loop's descriptor was ready. */
  wanted(): void {
    this.#loop.isWanted = true
  }

  /** To be called once in each pass of the event loop: how long the thread may sleep then, at most `most`. */
  rest(most: number): number {
    if (this.#server.work(this.#options.clock())) this.#loop.touch()
    if (!this.#loop.pass()) return 0
    if (!this.#isSearched) this.#search()
    return this.#isSeen || this.#server.size === 0 ? most : Math.min(most, BLIND_WAIT_MS)
  }

  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    this.#loop.touch()
    this.#server.send(client, bytes, start, end)
  }

  /** Begins to write all that was sent since the last time. */
  flush(): void {
    this.#server.flush()
  }

  /** Something was begun, elsewhere in this thread, that only the event loop can bring to an end. */
  begun(): void {
    this.#loop.touch()
  }

  pauseClient(client: FiveTuple): void {
    this.#server.pauseClient(client)
  }

  resumeClient(client: FiveTuple): void {
    this.#loop.touch()
    this.#server.resumeClient(client)
  }

  handOver(client: FiveTuple, taken: HandOver['taken'], gone: HandOver['gone']): void {
    this.#loop.touch()
    this.#server.handOver(client, taken, gone)
  }

  closeClient(client: FiveTuple): void {
    this.#loop.touch()
    this.#server.closeClient(client)
  }

  limit(limits: StreamLimits): void {
    this.#server.limit(limits)
  }

  sweep(now: number): void {
    this.#loop.touch()
    this.#server.sweep(now)
  }

  /** New handshakes get these certificates. */
  reload(tls: TlsOptions | null): void {
    this.#server.reload(tls)
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  #search(): void {
    this.#isSearched = true
    const poller = pollerOf(this.#listening)
    if (poller === null) {
      this.#options.log.warn(
        {},
        'the event loop of a relay thread cannot be watched: TCP and TLS clients wait a little longer',
      )
      return
    }
    this.#options.watch(poller)
    this.#isSeen = true
  }
}
