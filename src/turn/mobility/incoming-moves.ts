import { ErrorCode, Method } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Relay } from '../allocation.ts'
import { MOVE_MS } from '../allocation-table.ts'
import type { Allocations } from '../allocations.ts'
import { isSameAccount } from '../auth/account.ts'
import type { Authenticated } from '../auth/auth.ts'
import { type FiveTuple, FiveTupleMap } from '../five-tuple.ts'
import { type Reply, refuse, SILENT, type SignedExchange, type Success } from '../reply.ts'
import { type MovedAllocation, unpacked } from './moved-allocation.ts'
import type { Answer, OtherServers, OutgoingMove } from './other-servers.ts'

/** What is kept of a client's first packets while its allocation is on its way. */
const MOST_HELD = 64
const MOST_HELD_BYTES = 65_536

/** A client that has shown a good ticket here, and whose allocation another server still has. */
interface IncomingMove {
  /** Of its Refresh, and of the question that fetches its allocation. */
  readonly id: number
  readonly client: FiveTuple
  readonly user: Authenticated
  /** Its Refresh with the ticket: the same again gets the same answer. */
  readonly transactionId: Buffer
  readonly granted: Success
  readonly outgoing: OutgoingMove
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
export class IncomingMoves {
  readonly #allocations: Allocations
  readonly #others: OtherServers
  readonly #receive: (bytes: Buffer, client: FiveTuple, now: number) => void
  readonly #byClient = new FiveTupleMap<IncomingMove>()
  readonly #byId = new Map<number, IncomingMove>()
  /** Of an allocation's new paths only the last one counts. */
  readonly #byRelay = new Map<string, IncomingMove>()

  /** `receive` is what a packet of a client goes to. */
  constructor(
    allocations: Allocations,
    others: OtherServers,
    receive: (bytes: Buffer, client: FiveTuple, now: number) => void,
  ) {
    this.#allocations = allocations
    this.#others = others
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

  /** Whether anybody is on the way to this UDP socket of ours. */
  hasClients(listener: number): boolean {
    return this.#byClient.countOn(listener) > 0
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
    const { account } = user
    if (this.#others.ask(id, { kind: 'ticket', ticket, account, hasLapsed, request: copy })) return true
    pending.drop(id)
    return false
  }

  /** What an authenticated request leads to on a 5-tuple that a client is moving to; null when nobody is. */
  request(request: StunMessage, { client, user }: SignedExchange, now: number): Reply | null {
    const mover = this.userOf(client, now)
    if (mover === undefined) return null
    if (!isSameAccount(mover.account, user.account)) {
      return refuse(ErrorCode.ALLOCATION_MISMATCH, 'another user is moving to the 5-tuple')
    }
    const move = this.#get(client, now)
    // One question at a time: whoever sends more of them waits for the answer.
    if (move === undefined) {
      this.#allocations.counters.dropped.opening++
      return SILENT
    }
    if (request.method === Method.REFRESH && request.transactionId().equals(move.transactionId)) {
      return move.granted
    }
    this.#hold(move, request.bytes, request.start, request.end)
    return SILENT
  }

  /** Takes a packet with data if its client is expected here. */
  data(client: FiveTuple, bytes: Buffer, start: number, end: number, now: number): boolean {
    const move = this.#get(client, now)
    if (move === undefined) return false
    this.#hold(move, bytes, start, end)
    return true
  }

  /** The answer to a question of ours. */
  answered(id: number, answer: Answer, now: number): void {
    const move = this.#byId.get(id)
    if (move === undefined) {
      this.#ticketAnswered(id, answer, now)
      return
    }
    const { client, isClientGone, held } = move
    this.#forget(move)
    if (answer.kind === 'moved') this.#adopt(answer.allocation, client, isClientGone, now)
    if (isClientGone) return
    // What the client has sent meanwhile has its turn.
    for (const bytes of held) this.#receive(bytes, client, now)
  }

  /** Its connection is closed. What is on its way to it arrives all the same. */
  leave(client: FiveTuple): void {
    const move = this.#byId.size === 0 ? undefined : this.#byClient.get(client)
    if (move === undefined) return
    if (move.isFetched) this.#byClient.delete(client)
    else this.#forget(move)
    move.isClientGone = true
  }

  sweep(now: number): void {
    for (const move of this.#byId.values()) if (move.expiresAt <= now) this.#forget(move)
  }

  #get(client: FiveTuple, now: number): IncomingMove | undefined {
    if (this.#byId.size === 0) return undefined
    const move = this.#byClient.get(client)
    if (move === undefined || move.expiresAt > now) return move
    this.#forget(move)
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
    const { lifetimeSeconds, ticket: mobilityTicket, outgoing } = answer
    const { client, exchange, isClientGone } = parked
    const granted = { lifetimeSeconds, mobilityTicket }
    pending.answer(id, granted)
    if (outgoing === null || isClientGone || exchange.user === null) return
    const { user, transactionId } = exchange
    const move = this.#expect({ id, client, user, transactionId, granted, outgoing }, now)
    if (answer.isClientGone && move !== null) this.#fetch(move)
  }

  #expect(
    expected: Pick<IncomingMove, 'id' | 'client' | 'user' | 'transactionId' | 'granted' | 'outgoing'>,
    now: number,
  ): IncomingMove | null {
    const { id, outgoing } = expected
    const before = this.#byRelay.get(outgoing.relay)
    if (before !== undefined) this.#forget(before)
    const move: IncomingMove = {
      ...expected,
      isFetched: false,
      expiresAt: now + MOVE_MS,
      isClientGone: false,
      held: [],
      heldBytes: 0,
    }
    if (!this.#byClient.add(move)) return null
    this.#byId.set(id, move)
    this.#byRelay.set(outgoing.relay, move)
    return move
  }

  /** Keeps a packet until there is an allocation for it; who was only expected is here now. */
  #hold(move: IncomingMove, bytes: Buffer, start: number, end: number): void {
    if (!move.isFetched) this.#fetch(move)
    if (move.held.length >= MOST_HELD || move.heldBytes + end - start > MOST_HELD_BYTES) {
      this.#allocations.counters.dropped.opening++
      return
    }
    move.held.push(Buffer.from(bytes.subarray(start, end)))
    move.heldBytes += end - start
  }

  #fetch(move: IncomingMove): void {
    const { id, outgoing } = move
    move.isFetched = true
    move.expiresAt = Infinity
    this.#byRelay.delete(outgoing.relay)
    if (!this.#others.ask(id, { kind: 'allocation', outgoing })) this.#forget(move)
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
    const serve = (relay: Relay, place: number) => this.#others.attach(relay, moved.relays[place]!.descriptor)
    this.#allocations.adopt(allocation, moved.holder, serve, now)
  }

  #forget(move: IncomingMove): void {
    this.#byId.delete(move.id)
    if (this.#byClient.get(move.client) === move) this.#byClient.delete(move.client)
    const { relay } = move.outgoing
    if (this.#byRelay.get(relay) === move) this.#byRelay.delete(relay)
  }
}

const NO_ANSWER = refuse(ErrorCode.SERVER_ERROR, 'no answer about the ticket')

/** What a ticket is refused with that is not one's own to show. */
const GUESSES: ReadonlySet<number> = new Set([ErrorCode.ALLOCATION_MISMATCH, ErrorCode.WRONG_CREDENTIALS])
