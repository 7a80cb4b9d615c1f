import type { Allocation, Move, MoveAway } from './allocation.ts'
import type { Counters } from './counters.ts'
import type { TurnEvents } from './events.ts'
import { type ClientTransport, type FiveTuple, FiveTupleMap } from './five-tuple.ts'

/** How long the first packet on a new path may take before the old one counts again. */
export const MOVE_MS = 30_000

/**
 * The allocations of one worker by 5-tuple (RFC 8656 §3.2). One whose client is moving has two (RFC 8016 §3.2): it is
 * served on the old one until the client is heard on the new one.
 */
export class AllocationTable implements Iterable<Allocation> {
  readonly #allocations = new FiveTupleMap<Allocation>()
  /** The same in the order in which they came, for whoever goes through them in pieces while they come, move and go. */
  readonly #inOrder = new Map<number, Allocation>()
  /** By the 5-tuple that the client is moving to. */
  readonly #moves = new FiveTupleMap<Move>()
  /** To 5-tuples that other servers have, by the ticket that the client was given there. */
  readonly #movesAway = new Map<string, MoveAway>()
  /** Those that are open, by the client's transport. */
  readonly open: Record<ClientTransport, number> = { udp: 0, dtls: 0, tcp: 0, tls: 0 }
  /** Of whichever came last. */
  lastSerial = 0
  readonly #counters: Counters
  readonly #events: TurnEvents

  constructor(counters: Counters, events: TurnEvents) {
    this.#counters = counters
    this.#events = events
  }

  get size(): number {
    return this.#inOrder.size
  }

  /** Moves that are neither completed nor abandoned. */
  get moves(): number {
    return this.#moves.size + this.#movesAway.size
  }

  has(client: FiveTuple): boolean {
    return this.#allocations.get(client) !== undefined || this.#moves.get(client) !== undefined
  }

  /** Whether anybody is here by this UDP socket of ours. */
  hasClients(listener: number): boolean {
    return this.#allocations.countOn(listener) + this.#moves.countOn(listener) > 0
  }

  /** Whatever occupies the 5-tuple, be it still opening, past its time or on its way here. */
  get(client: FiveTuple, now: number): Allocation | undefined {
    return this.#allocations.get(client) ?? this.#moveTo(client, now)?.allocation
  }

  /** The allocation that relays for this 5-tuple now; asking completes a move to it, so ask for packets of the client. */
  live(client: FiveTuple, now: number): Allocation | undefined {
    const allocation = this.#allocations.get(client) ?? this.arrive(client, now)
    return allocation !== undefined && allocation.state === 'open' && allocation.expiresAt > now
      ? allocation
      : undefined
  }

  /** False when the 5-tuple cannot be kept. */
  add(allocation: Allocation): boolean {
    if (!this.#moves.hasRoomFor(allocation.client) || !this.#allocations.add(allocation)) return false
    allocation.serial = ++this.lastSerial
    this.#inOrder.set(allocation.serial, allocation)
    return true
  }

  delete(allocation: Allocation): void {
    this.#forgetMove(allocation)
    this.#allocations.delete(allocation.client)
    this.#inOrder.delete(allocation.serial)
  }

  hasRoomFor(client: FiveTuple): boolean {
    return this.#allocations.hasRoomFor(client) && this.#moves.hasRoomFor(client)
  }

  /**
   * The client has shown that the allocation is its own and that it is at `client` now: at the old 5-tuple again, or at a
   * new one, which takes the place of any that it was moving to before.
   */
  move(allocation: Allocation, client: FiveTuple, now: number): void {
    if (this.arrive(client, now) !== undefined) return
    this.abandon(allocation)
    if (this.#allocations.get(client) === allocation) return
    const move = { client: client.kept(), allocation, expiresAt: now + MOVE_MS }
    this.#counters.moves.begun++
    this.#moves.add(move)
    allocation.move = move
    // With the old connection closed there is nothing to wait for.
    if (allocation.isClientGone) this.#complete(move)
  }

  /** The same for a client that another server has seen: where, that one knows. */
  moveAway(allocation: Allocation, ticket: string, now: number): void {
    this.abandon(allocation)
    const move = { client: null, ticket, allocation, expiresAt: now + MOVE_MS }
    this.#counters.moves.begun++
    this.#movesAway.set(ticket, move)
    allocation.move = move
  }

  /** The other server has heard the client: what it gets now. Undefined when the client has turned up elsewhere meanwhile. */
  outgoing(ticket: string, now: number): Allocation | undefined {
    const move = this.#movesAway.get(ticket)
    if (move === undefined || move.expiresAt <= now || move.allocation.expiresAt <= now) return undefined
    const { allocation } = move
    this.open[allocation.client.transport]--
    this.delete(allocation)
    this.#counters.moves.completed++
    return allocation
  }

  /** Enters one that has come from another server; false when its 5-tuple cannot be kept. */
  adopt(allocation: Allocation): boolean {
    this.open[allocation.client.transport]++
    return this.add(allocation)
  }

  /** Completes the move to this 5-tuple, if there is one. */
  arrive(client: FiveTuple, now: number): Allocation | undefined {
    const move = this.#moveTo(client, now)
    if (move === undefined) return undefined
    this.#complete(move)
    return move.allocation
  }

  /** One of its connections is closed: the other path, if there is one, is the only one. False when none is left. */
  leave(allocation: Allocation, client: FiveTuple): boolean {
    const { move } = allocation
    if (move === null || move.client === null) return false
    if (move.client.connection === client.connection) this.abandon(allocation)
    else this.#complete(move)
    return true
  }

  abandon(allocation: Allocation): void {
    if (this.#forgetMove(allocation)) this.#counters.moves.abandoned++
  }

  [Symbol.iterator](): Iterator<Allocation> {
    return this.#inOrder.values()
  }

  /** In the order in which they came, those that came after the one with this `serial`. */
  *after(serial: number): Iterable<Allocation> {
    for (const allocation of this.#inOrder.values()) if (allocation.serial > serial) yield allocation
  }

  /** Hands every allocation whose time is over to `end`, and lets the others drop what has expired inside them. */
  sweep(now: number, end: (allocation: Allocation, now: number) => void): void {
    for (const allocation of this.#inOrder.values()) {
      if (allocation.expiresAt <= now) end(allocation, now)
      else {
        if (allocation.move !== null && allocation.move.expiresAt <= now) this.abandon(allocation)
        allocation.sweep(now)
      }
    }
  }

  #moveTo(client: FiveTuple, now: number): Move | undefined {
    const move = this.#moves.get(client)
    if (move === undefined || move.expiresAt > now) return move
    this.abandon(move.allocation)
    return undefined
  }

  #complete({ allocation, client }: Move): void {
    this.#forgetMove(allocation)
    this.#allocations.delete(allocation.client)
    const from = allocation.client
    this.open[from.transport]--
    this.open[client.transport]++
    allocation.client = client
    allocation.isClientGone = false
    // There is room: as long as a move exists, no allocation is added that shares its key.
    this.#allocations.add(allocation)
    this.#counters.moves.completed++
    this.#events.allocationMoved(allocation, from)
  }

  #forgetMove(allocation: Allocation): boolean {
    const { move } = allocation
    if (move === null) return false
    if (move.client === null) this.#movesAway.delete(move.ticket)
    else this.#moves.delete(move.client)
    allocation.move = null
    return true
  }
}
