import { ErrorCode, Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import { MOVE_MS } from '../allocation-table.ts'
import { type FiveTuple, FiveTupleMap } from '../five-tuple.ts'
import { type Reply, type Responder, refuse, type SignedExchange } from '../reply.ts'
import type { TurnServer } from '../turn-server.ts'
import type { Answer, Departure, Elsewhere } from './elsewhere.ts'

/** Tickets that are asked for at a time: each is work for another server, and whoever has an account may show any. */
const MOST_QUESTIONS = 64
/** What is kept of a client's first packets while its allocation is on its way. */
const MOST_HELD = 64
const MOST_HELD_BYTES = 65_536

/** A client whose allocation another server has. */
interface Arrival {
  readonly id: number
  readonly client: FiveTuple
  /** Its Refresh with the ticket. */
  readonly exchange: SignedExchange & { readonly transactionId: Buffer }
  /** Its ticket is being looked for; it has shown a good one; it has been heard, and what it has is on its way. */
  stage: 'asked' | 'expected' | 'fetched'
  granted: { readonly lifetimeSeconds: number; readonly mobilityTicket: string | null } | null
  departure: Departure | null
  /** Until when an expected one may be heard. */
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
  readonly #turn: TurnServer
  readonly #elsewhere: Elsewhere
  readonly #responder: Responder
  readonly #byClient = new FiveTupleMap<Arrival>()
  readonly #byId = new Map<number, Arrival>()
  /** Those that are expected: of an allocation's new paths only the last one counts. */
  readonly #byRelay = new Map<string, Arrival>()
  #lastId = 0
  #asked = 0

  constructor(turn: TurnServer, elsewhere: Elsewhere, responder: Responder) {
    this.#turn = turn
    this.#elsewhere = elsewhere
    this.#responder = responder
  }

  get size(): number {
    return this.#byId.size
  }

  has(client: FiveTuple): boolean {
    return this.#byId.size > 0 && this.#byClient.get(client) !== undefined
  }

  get(client: FiveTuple, now: number): Arrival | undefined {
    if (this.#byId.size === 0) return undefined
    const arrival = this.#byClient.get(client)
    if (arrival === undefined || arrival.expiresAt > now) return arrival
    this.#forget(arrival)
    return undefined
  }

  /** Asks for a ticket that is unknown here; false when there is nobody to ask, or nobody who may be asked now. */
  ask(request: StunMessage, exchange: SignedExchange, ticket: string, hasLapsed: boolean, now: number): boolean {
    const { client, user } = exchange
    if (this.#asked >= MOST_QUESTIONS || !this.#byClient.hasRoomFor(client) || !this.#turn.canMove(client)) return false
    if (this.#turn.options.guessLimit.isSpent(client.client, now)) return false
    const id = this.#lastId + 1
    const copy = Uint8Array.from(request.bytes.subarray(request.start, request.end))
    const { username } = user
    if (!this.#elsewhere.ask(id, { kind: 'ticket', ticket, username, hasLapsed, request: copy })) return false
    this.#lastId = id
    const kept = client.kept()
    const arrival: Arrival = {
      id,
      client: kept,
      exchange: { ...exchange, client: kept, transactionId: Buffer.from(request.transactionId()) },
      stage: 'asked',
      granted: null,
      departure: null,
      expiresAt: Infinity,
      isClientGone: false,
      held: [],
      heldBytes: 0,
    }
    this.#asked++
    this.#byId.set(id, arrival)
    this.#byClient.add(arrival)
    return true
  }

  /** What an authenticated request on the 5-tuple of an arrival leads to; null: nothing yet, or silence. */
  request(request: StunMessage, { user }: SignedExchange, arrival: Arrival): Reply | null {
    const { exchange, granted } = arrival
    if (exchange.user.username !== user.username) {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'another user is moving to the 5-tuple')
    }
    // One question at a time: whoever sends more of them, or the same again, waits for the answer.
    if (granted === null) {
      this.#turn.counters.dropped.opening++
      return null
    }
    if (request.method === Method.REFRESH && request.transactionId().equals(exchange.transactionId)) return granted
    this.#hold(arrival, request.bytes, request.start, request.end)
    return null
  }

  /** Takes a packet with data if its client is expected here. */
  data(client: FiveTuple, bytes: Buffer, start: number, end: number, now: number): boolean {
    const arrival = this.get(client, now)
    if (arrival === undefined || arrival.stage === 'asked') return false
    this.#hold(arrival, bytes, start, end)
    return true
  }

  /** The answer to a question of ours. */
  answered(id: number, answer: Answer, now: number): void {
    const arrival = this.#byId.get(id)
    if (arrival === undefined) return
    if (arrival.stage === 'asked') {
      this.#settle(arrival, answer, now)
      return
    }
    const { client, isClientGone, held } = arrival
    this.#forget(arrival)
    if (answer.kind === 'moved') this.#turn.adopt(answer.allocation, client, isClientGone, now)
    if (isClientGone) return
    // What the client has sent meanwhile has its turn.
    for (const bytes of held) this.#turn.receive(bytes, 0, bytes.length, client, now)
  }

  /** Its connection is closed. What is on its way to it arrives all the same. */
  leave(client: FiveTuple): void {
    const arrival = this.#byId.size === 0 ? undefined : this.#byClient.get(client)
    if (arrival === undefined) return
    if (arrival.stage === 'expected') this.#forget(arrival)
    else this.#byClient.delete(client)
    arrival.isClientGone = true
  }

  sweep(now: number): void {
    for (const arrival of this.#byId.values()) if (arrival.expiresAt <= now) this.#forget(arrival)
  }

  #settle(arrival: Arrival, answer: Answer, now: number): void {
    this.#asked--
    const { exchange, client, isClientGone } = arrival
    if (answer.kind !== 'granted') {
      this.#forget(arrival)
      const refused = answer.kind === 'refused' ? answer : { error: ErrorCode.SERVER_ERROR, reason: 'no answer' }
      if (GUESSES.has(refused.error)) this.#turn.options.guessLimit.take(client.client, now)
      if (!isClientGone) this.#responder.respond(exchange, refuse(refused.error, refused.reason))
      return
    }
    const { lifetimeSeconds, ticket: mobilityTicket, departure } = answer
    arrival.granted = { lifetimeSeconds, mobilityTicket }
    if (departure === null || isClientGone) this.#forget(arrival)
    else this.#expect(arrival, departure, now)
    if (isClientGone) return
    this.#responder.respond(exchange, arrival.granted)
    if (departure !== null && answer.isClientGone) this.#fetch(arrival, departure)
  }

  #expect(arrival: Arrival, departure: Departure, now: number): void {
    const before = this.#byRelay.get(departure.relay)
    if (before !== undefined) this.#forget(before)
    arrival.stage = 'expected'
    arrival.departure = departure
    arrival.expiresAt = now + MOVE_MS
    this.#byRelay.set(departure.relay, arrival)
  }

  /** Keeps a packet until there is an allocation for it; who was only expected is here now. */
  #hold(arrival: Arrival, bytes: Buffer, start: number, end: number): void {
    const { stage, departure } = arrival
    if (stage === 'expected' && departure !== null) this.#fetch(arrival, departure)
    if (arrival.held.length >= MOST_HELD || arrival.heldBytes + end - start > MOST_HELD_BYTES) {
      this.#turn.counters.dropped.opening++
      return
    }
    arrival.held.push(Buffer.from(bytes.subarray(start, end)))
    arrival.heldBytes += end - start
  }

  #fetch(arrival: Arrival, departure: Departure): void {
    arrival.stage = 'fetched'
    arrival.expiresAt = Infinity
    this.#byRelay.delete(departure.relay)
    if (!this.#elsewhere.ask(arrival.id, { kind: 'allocation', departure })) this.#forget(arrival)
  }

  #forget(arrival: Arrival): void {
    this.#byId.delete(arrival.id)
    if (this.#byClient.get(arrival.client) === arrival) this.#byClient.delete(arrival.client)
    const { departure } = arrival
    if (departure !== null && this.#byRelay.get(departure.relay) === arrival) this.#byRelay.delete(departure.relay)
  }
}

/** What a ticket is refused with that is not one's own to show. */
const GUESSES: ReadonlySet<number> = new Set([ErrorCode.ALLOCATION_MISMATCH, ErrorCode.WRONG_CREDENTIALS])
