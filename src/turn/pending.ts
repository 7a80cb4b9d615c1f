import { Method } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import type { Effects } from './effects.ts'
import { type FiveTuple, FiveTupleMap } from './five-tuple.ts'
import { SourceCount } from './limits/source-count.ts'
import type { Exchange, Refused, Reply, Responder } from './reply.ts'

/** What a request that is neither answered nor refused waits for. */
export type Awaited =
  /** Its allocation's sockets (RFC 8656 §7.2). */
  | 'relay'
  /** Its account, which a user store is being asked for. */
  | 'account'
  /** Another server, which may have the allocation that its ticket is for (RFC 8016). */
  | 'ticket'
  /** Its peer, which is being connected to (RFC 6062 §5.2). */
  | 'peer'
  /** Another server, which may have the connection with the peer that it is for (RFC 6062 §5.4). */
  | 'connection'

/** How many may wait at a time, in total and of one source, and for how long; beyond that a request is refused. */
const LIMITS: Readonly<
  Record<Awaited, { readonly total: number; readonly perSource: number | null; readonly patienceMs: number }>
> = {
  // Each of them has an allocation, which has limits of its own.
  relay: { total: 65_536, perSource: null, patienceMs: 10_000 },
  // Whoever is asked has that long: a client has given up before (RFC 8489 §6.2.1).
  account: { total: 4096, perSource: 64, patienceMs: 10_000 },
  // Each is work for another server, and whoever has an account may show any ticket.
  ticket: { total: 256, perSource: 64, patienceMs: 10_000 },
  // At least 30 seconds (RFC 6062 §5.2). Each has a descriptor.
  peer: { total: 4096, perSource: 256, patienceMs: 30_000 },
  connection: { total: 256, perSource: 64, patienceMs: 10_000 },
}
const LEAST_PATIENCE_MS = 10_000

/** Longer than any request that is worth keeping. */
const MOST_BYTES = 2048

/** A request whose answer follows. */
export interface Parked<E extends Exchange = Exchange> {
  readonly id: number
  /** A copy: client and transaction id outlive the packet. */
  readonly exchange: E & { readonly transactionId: Buffer }
  readonly client: FiveTuple
}

interface Waiting extends Parked {
  readonly awaits: Awaited
  /** The request as it came, when it is to be received again. */
  readonly bytes: Buffer | null
  readonly since: number
  /** What becomes of it when nobody answers. */
  readonly late: (now: number) => Reply
  /** Its connection is closed: nobody is there to hear the answer. */
  isClientGone: boolean
}

/** The requests of one 5-tuple that wait. */
interface Queue {
  readonly client: FiveTuple
  readonly waiting: Waiting[]
}

/**
 * Requests whose answer follows (LATER): each leaves by one of two ways, answered or received once more. Bounded in number,
 * in total and for each source, and in time.
 */
export class Pending {
  readonly #responder: Responder
  readonly #effects: Pick<Effects, 'pauseClient' | 'resumeClient'>
  readonly #receive: (bytes: Buffer, client: FiveTuple, now: number) => void
  readonly #byId = new Map<number, Waiting>()
  readonly #byClient = new FiveTupleMap<Queue>()
  readonly #counts: Record<Awaited, { total: number; readonly sources: SourceCount }> = {
    relay: { total: 0, sources: new SourceCount() },
    account: { total: 0, sources: new SourceCount() },
    ticket: { total: 0, sources: new SourceCount() },
    peer: { total: 0, sources: new SourceCount() },
    connection: { total: 0, sources: new SourceCount() },
  }
  #lastId = 0

  constructor(
    responder: Responder,
    effects: Pick<Effects, 'pauseClient' | 'resumeClient'>,
    receive: (bytes: Buffer, client: FiveTuple, now: number) => void,
  ) {
    this.#responder = responder
    this.#effects = effects
    this.#receive = receive
  }

  /** Requests that wait now. */
  count(awaits: Awaited): number {
    return this.#counts[awaits].total
  }

  /**
   * Keeps a request until `answer` or `replay` is called with its id; null when too many wait already. When patience has ended
   * without either it gets the answer of `late`.
   */
  park(
    request: StunMessage,
    exchange: Exchange,
    awaits: Awaited,
    late: (now: number) => Refused,
    now: number,
  ): number | null {
    const { total, perSource } = LIMITS[awaits]
    const count = this.#counts[awaits]
    const source = exchange.client.client
    const length = request.end - request.start
    const isKept = awaits === 'account'
    if (count.total >= total || (isKept && length > MOST_BYTES)) return null
    if (perSource !== null && count.sources.of(source) >= perSource) return null
    const client = exchange.client.kept()
    const { method, user, fingerprint } = exchange
    const queue = this.#byClient.get(client) ?? { client, waiting: [] }
    if (queue.waiting.length === 0 && !this.#byClient.add(queue)) return null
    const waiting: Waiting = {
      id: ++this.#lastId,
      // Written out: a spread costs more than all the rest of it.
      exchange: { method, transactionId: Buffer.from(request.transactionId()), client, user, fingerprint },
      client,
      awaits,
      bytes: isKept ? Buffer.from(request.bytes.subarray(request.start, request.end)) : null,
      since: now,
      late,
      isClientGone: false,
    }
    queue.waiting.push(waiting)
    this.#byId.set(waiting.id, waiting)
    if (holdsStream(waiting)) this.#effects.pauseClient(client)
    count.total++
    if (perSource !== null) count.sources.add(client.client)
    return waiting.id
  }

  /** Whether this is a request that waits already, sent once more. */
  isRepeated(request: StunMessage, client: FiveTuple): boolean {
    return this.#of(client).some(({ exchange }) => request.transactionId().equals(exchange.transactionId))
  }

  /** The first of a client's requests that waits for this. */
  find(client: FiveTuple, awaits: Awaited): Parked | undefined {
    return this.#of(client).find((waiting) => waiting.awaits === awaits)
  }

  /** Null when it waits no longer. */
  get(id: number): (Parked & { readonly isClientGone: boolean }) | null {
    return this.#byId.get(id) ?? null
  }

  /** One way out. */
  answer(id: number, reply: Reply): void {
    this.#respond(this.#take(id), reply)
  }

  /** The other way out: the request is received again, as if it came now. */
  replay(id: number, now: number): void {
    const waiting = this.#take(id)
    if (waiting?.bytes && !waiting.isClientGone) this.#receive(waiting.bytes, waiting.client, now)
  }

  /** Nothing follows: what was to be done is done otherwise. */
  drop(id: number): void {
    this.#take(id)
  }

  /** Its connection is closed. */
  leave(client: FiveTuple): void {
    const queue = this.#byId.size === 0 ? undefined : this.#byClient.get(client)
    if (queue === undefined) return
    for (const waiting of queue.waiting) waiting.isClientGone = true
    this.#byClient.delete(client)
  }

  /** Once a second. */
  sweep(now: number): void {
    // In the order in which they came.
    for (const { id, awaits, since, late } of this.#byId.values()) {
      if (now - since < LEAST_PATIENCE_MS) return
      if (now - since < LIMITS[awaits].patienceMs) continue
      const waiting = this.#take(id)
      this.#respond(waiting, late(now))
    }
  }

  #respond(waiting: Waiting | undefined, reply: Reply): void {
    if (waiting !== undefined && !waiting.isClientGone) this.#responder.respond(waiting.exchange, reply)
  }

  #of(client: FiveTuple): readonly Waiting[] {
    return this.#byId.size === 0 ? NONE : (this.#byClient.get(client)?.waiting ?? NONE)
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#byId.get(id)
    if (waiting === undefined) return undefined
    this.#byId.delete(id)
    const count = this.#counts[waiting.awaits]
    count.total--
    if (LIMITS[waiting.awaits].perSource !== null) count.sources.remove(waiting.client.client)
    if (waiting.isClientGone) return waiting
    if (holdsStream(waiting)) this.#effects.resumeClient(waiting.client)
    const queue = this.#byClient.get(waiting.client)
    if (queue === undefined) return waiting
    queue.waiting.splice(queue.waiting.indexOf(waiting), 1)
    if (queue.waiting.length === 0) this.#byClient.delete(waiting.client)
    return waiting
  }
}

/** What is behind a ConnectionBind is the peer's (RFC 6062 §5.4), or is not: that is known when it is answered. */
function holdsStream({ exchange, client }: Waiting): boolean {
  return exchange.method === Method.CONNECTION_BIND && client.isStream
}

const NONE: readonly Waiting[] = []
