import { ErrorCode, Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Relay } from '../allocation.ts'
import { MOVE_MS } from '../allocation-table.ts'
import type { Allocations } from '../allocations.ts'
import type { Authenticated } from '../auth/auth.ts'
import { type FiveTuple, FiveTupleMap } from '../five-tuple.ts'
import { type Reply, refuse, SILENT, type SignedExchange, type Success } from '../reply.ts'
import type { Answer, Departure, Elsewhere } from './elsewhere.ts'
import { type MovedAllocation, unpacked } from './moved-allocation.ts'

/** What is kept of a client's first packets while its allocation is on its way. */
const MOST_HELD = 64
const MOST_HELD_BYTES = 65_536

/** A client that has shown a good ticket here, and whose allocation another server still has. */
interface Arrival {
  /** Of its Refresh, and of the question that fetches its allocation. */
  readonly id: number
  readonly client: FiveTuple
  readonly user: Authenticated
  /** Its Refresh with the ticket: the same again gets the same answer. */
  readonly transactionId: Buffer
  readonly granted: Success
  readonly departure: Departure
  /** It has been heard, and what it has is on its way. */
  isFetched: boolean
  /** Until when one that has not been heard may be. */
  expiresAt: number
  /** Its connection has closed before its allocation was here. */
  isClientGone: boolean
  readonly held: Buffer[]
  heldBytes: number
}

/**
 * Clients that are moving here while another server has their allocation (RFC 8016 §3.2): that one keeps serving them on
 * the old path, and hands the allocation over when they are heard on the new one.
 */
export class Arrivals {
  readonly #allocations: Allocations
  readonly #elsewhere: Elsewhere
  readonly #receive: (bytes: Buffer, client: FiveTuple, now: number) => void
  readonly #byClient = new FiveTupleMap<Arrival>()
  readonly #byId = new Map<number, Arrival>()
  /** Of an allocation's new paths only the last one counts. */
  readonly #byRelay = new Map<string, Arrival>()

  /** `receive` is what a packet of a client goes to. */
  constructor(
    allocations: Allocations,
    elsewhere: Elsewhere,
    receive: (bytes: Buffer, client: FiveTuple, now: number) => void,
  ) {
    this.#allocations = allocations
    this.#elsewhere = elsewhere
    this.#receive = receive
  }

  /** Clients that are on their way, and tickets that are being asked for. */
  get size(): number {
    return this.#byId.size + this.#allocations.pending.count('ticket')
  }

  has(client: FiveTuple): boolean {
    return (
      (this.#byId.size > 0 && this.#byClient.get(client) !== undefined) ||
      this.#allocations.pending.find(client, 'ticket') !== undefined
    )
  }

  /** Who is moving to this 5-tuple. */
  userOf(client: FiveTuple, now: number): Authenticated | undefined {
    return this.#get(client, now)?.user ?? this.#allocations.pending.find(client, 'ticket')?.exchange.user ?? undefined
  }

  /** Asks for a ticket that is unknown here; false when there is nobody to ask, or nobody who may be asked now. */
  ask(request: StunMessage, exchange: SignedExchange, ticket: string, hasLapsed: boolean, now: number): boolean {
    const { client, user } = exchange
    const { pending, options } = this.#allocations
    if (!this.#byClient.hasRoomFor(client) || !this.#allocations.canMoveTo(client)) return false
    if (options.guessLimit.isSpent(client.client, now)) return false
    const id = pending.park(request, exchange, 'ticket', () => NO_ANSWER, now)
    if (id === null) return false
    const copy = Uint8Array.from(request.bytes.subarray(request.start, request.end))
    const { username } = user
    if (this.#elsewhere.ask(id, { kind: 'ticket', ticket, username, hasLapsed, request: copy })) return true
    pending.drop(id)
    return false
  }

  /** What an authenticated request leads to on a 5-tuple that a client is moving to; null when nobody is. */
  request(request: StunMessage, { client, user }: SignedExchange, now: number): Reply | null {
    const arriving = this.userOf(client, now)
    if (arriving === undefined) return null
    if (arriving.username !== user.username) {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'another user is moving to the 5-tuple')
    }
    const arrival = this.#get(client, now)
    // One question at a time: whoever sends more of them waits for the answer.
    if (arrival === undefined) {
      this.#allocations.counters.dropped.opening++
      return SILENT
    }
    if (request.method === Method.REFRESH && request.transactionId().equals(arrival.transactionId)) {
      return arrival.granted
    }
    this.#hold(arrival, request.bytes, request.start, request.end)
    return SILENT
  }

  /** Takes a packet with data if its client is expected here. */
  data(client: FiveTuple, bytes: Buffer, start: number, end: number, now: number): boolean {
    const arrival = this.#get(client, now)
    if (arrival === undefined) return false
    this.#hold(arrival, bytes, start, end)
    return true
  }

  /** The answer to a question of ours. */
  answered(id: number, answer: Answer, now: number): void {
    const arrival = this.#byId.get(id)
    if (arrival === undefined) {
      this.#ticketAnswered(id, answer, now)
      return
    }
    const { client, isClientGone, held } = arrival
    this.#forget(arrival)
    if (answer.kind === 'moved') this.#adopt(answer.allocation, client, isClientGone, now)
    if (isClientGone) return
    // What the client has sent meanwhile has its turn.
    for (const bytes of held) this.#receive(bytes, client, now)
  }

  /** Its connection is closed. What is on its way to it arrives all the same. */
  leave(client: FiveTuple): void {
    const arrival = this.#byId.size === 0 ? undefined : this.#byClient.get(client)
    if (arrival === undefined) return
    if (arrival.isFetched) this.#byClient.delete(client)
    else this.#forget(arrival)
    arrival.isClientGone = true
  }

  sweep(now: number): void {
    for (const arrival of this.#byId.values()) if (arrival.expiresAt <= now) this.#forget(arrival)
  }

  #get(client: FiveTuple, now: number): Arrival | undefined {
    if (this.#byId.size === 0) return undefined
    const arrival = this.#byClient.get(client)
    if (arrival === undefined || arrival.expiresAt > now) return arrival
    this.#forget(arrival)
    return undefined
  }

  #ticketAnswered(id: number, answer: Answer, now: number): void {
    const { pending, options } = this.#allocations
    const parked = pending.get(id)
    // Nobody waits for it any more: the other server finds out by the time that a move may take.
    if (parked === null) return
    if (answer.kind !== 'granted') {
      const refused = answer.kind === 'refused' ? answer : NO_ANSWER
      if (GUESSES.has(refused.error)) options.guessLimit.take(parked.client.client, now)
      pending.answer(id, refuse(refused.error, refused.reason))
      return
    }
    const { lifetimeSeconds, ticket: mobilityTicket, departure } = answer
    const { client, exchange, isClientGone } = parked
    const granted = { lifetimeSeconds, mobilityTicket }
    pending.answer(id, granted)
    if (departure === null || isClientGone || exchange.user === null) return
    const { user, transactionId } = exchange
    const arrival = this.#expect({ id, client, user, transactionId, granted, departure }, now)
    if (answer.isClientGone && arrival !== null) this.#fetch(arrival)
  }

  #expect(
    expected: Pick<Arrival, 'id' | 'client' | 'user' | 'transactionId' | 'granted' | 'departure'>,
    now: number,
  ): Arrival | null {
    const { id, departure } = expected
    const before = this.#byRelay.get(departure.relay)
    if (before !== undefined) this.#forget(before)
    const arrival: Arrival = {
      ...expected,
      isFetched: false,
      expiresAt: now + MOVE_MS,
      isClientGone: false,
      held: [],
      heldBytes: 0,
    }
    if (!this.#byClient.add(arrival)) return null
    this.#byId.set(id, arrival)
    this.#byRelay.set(departure.relay, arrival)
    return arrival
  }

  /** Keeps a packet until there is an allocation for it; who was only expected is here now. */
  #hold(arrival: Arrival, bytes: Buffer, start: number, end: number): void {
    if (!arrival.isFetched) this.#fetch(arrival)
    if (arrival.held.length >= MOST_HELD || arrival.heldBytes + end - start > MOST_HELD_BYTES) {
      this.#allocations.counters.dropped.opening++
      return
    }
    arrival.held.push(Buffer.from(bytes.subarray(start, end)))
    arrival.heldBytes += end - start
  }

  #fetch(arrival: Arrival): void {
    const { id, departure } = arrival
    arrival.isFetched = true
    arrival.expiresAt = Infinity
    this.#byRelay.delete(departure.relay)
    if (!this.#elsewhere.ask(id, { kind: 'allocation', departure })) this.#forget(arrival)
  }

  #adopt(moved: MovedAllocation, client: FiveTuple, isClientGone: boolean, now: number): void {
    const allocation = unpacked(
      moved,
      client,
      (origin) => this.#allocations.make(origin),
      this.#allocations.options.externalIp,
      now,
    )
    allocation.isClientGone = isClientGone
    const serve = (relay: Relay, place: number) => this.#elsewhere.attach(relay, moved.relays[place]!.descriptor)
    this.#allocations.adopt(allocation, moved.holder, serve, now)
  }

  #forget(arrival: Arrival): void {
    this.#byId.delete(arrival.id)
    if (this.#byClient.get(arrival.client) === arrival) this.#byClient.delete(arrival.client)
    const { relay } = arrival.departure
    if (this.#byRelay.get(relay) === arrival) this.#byRelay.delete(relay)
  }
}

const NO_ANSWER = refuse(ErrorCode.SERVER_ERROR, 'no answer about the ticket')

/** What a ticket is refused with that is not one's own to show. */
const GUESSES: ReadonlySet<number> = new Set([ErrorCode.ALLOCATION_MISMATCH, ErrorCode.WRONG_CREDENTIALS])
