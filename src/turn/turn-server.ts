import type { Address } from '../stun/address.ts'
import type { Relay, RelayFailure } from './allocation.ts'
import { AllocationTable } from './allocation-table.ts'
import { Allocations } from './allocations.ts'
import type { AccountName } from './auth/account.ts'
import type { StoreAnswer } from './auth/account-cache.ts'
import { Counters } from './counters.ts'
import type { Effects } from './effects.ts'
import { NO_EVENTS, type TurnEvents } from './events.ts'
import type { FiveTuple } from './five-tuple.ts'
import { relayUnavailable, settleAllocate } from './methods/allocate.ts'
import { Handover } from './mobility/handover.ts'
import { IncomingMoves } from './mobility/incoming-moves.ts'
import { NO_OTHER_SERVERS, type OtherServers } from './mobility/other-servers.ts'
import { Tickets } from './mobility/tickets.ts'
import type { TurnOptions } from './options.ts'
import { type IcmpError, PeerErrors } from './peers/peer-errors.ts'
import { Pending } from './pending.ts'
import { PacketRelay } from './relay.ts'
import { RelayChoice } from './relay-addresses/relay-choice.ts'
import { Responder } from './reply.ts'
import { RequestLane } from './request-lane.ts'
import { Sessions } from './sessions/sessions.ts'
import { type ConnectionLenders, NO_LENDERS } from './tcp/connection-lenders.ts'
import { PeerConnections } from './tcp/peer-connections.ts'

/** What a server has around it besides the network. */
export interface TurnSurroundings {
  random(size: number): Buffer
  /** Other servers of the same clients; none when absent. */
  readonly others?: OtherServers
  /** Other servers that the data connections of the same clients may come to; none when absent. */
  readonly lenders?: ConnectionLenders
  /** Turns `now` into a time that all those servers share. */
  readonly clockOffsetMs?: number
  /** Who is told of allocations and channels; nobody when absent. */
  readonly events?: TurnEvents
}

/**
 * A STUN and TURN server without sockets and clock: bytes and their 5-tuple go in, effects come out during the call.
 * `now` is monotonic milliseconds. Nothing that comes from the network makes it throw.
 */
export class TurnServer {
  readonly counters = new Counters()
  /** Those of now. */
  readonly allocations: Allocations
  /** The same for an operator. */
  readonly sessions: Sessions
  /** TCP connections with peers (RFC 6062). */
  readonly peerConnections: PeerConnections
  /** What passes between this and other servers of the same clients. */
  readonly handover: Handover
  readonly #options: TurnOptions
  readonly #effects: Effects
  readonly #table: AllocationTable
  readonly #pending: Pending
  readonly #incomingMoves: IncomingMoves
  readonly #relay: PacketRelay
  readonly #peerErrors: PeerErrors
  readonly #requests: RequestLane

  constructor(options: TurnOptions, effects: Effects, surroundings: TurnSurroundings) {
    const { random, others = NO_OTHER_SERVERS, lenders = NO_LENDERS, events = NO_EVENTS } = surroundings
    const { clockOffsetMs = 0 } = surroundings
    const { counters } = this
    const ours = { ...options }
    const again = (bytes: Buffer, client: FiveTuple, now: number) => this.receive(bytes, 0, bytes.length, client, now)
    const responder = new Responder(ours, effects, counters)
    const table = new AllocationTable(counters, events)
    const pending = new Pending(responder, effects, again)
    const tickets = new Tickets(random, others)
    const peerConnections = new PeerConnections(ours, { effects, counters, pending, lenders, clockOffsetMs, random })
    const allocations = new Allocations(ours, {
      table,
      tickets,
      pending,
      peerConnections,
      effects,
      events,
      counters,
      random,
    })
    const incomingMoves = new IncomingMoves(allocations, others, again)
    const relay = new PacketRelay(ours, effects, counters, random)
    this.allocations = allocations
    this.sessions = new Sessions(allocations)
    this.peerConnections = peerConnections
    this.handover = new Handover(allocations, others, incomingMoves)
    this.#options = ours
    this.#effects = effects
    this.#table = table
    this.#pending = pending
    this.#incomingMoves = incomingMoves
    this.#relay = relay
    this.#peerErrors = new PeerErrors(ours, effects, random)
    const closeClient = (client: FiveTuple, now: number) => this.#closeClient(client, now)
    this.#requests = new RequestLane(allocations, table, { incomingMoves, relay, responder, closeClient })
  }

  /** One whole datagram, or one whole frame of a stream (RFC 7983 tells by the first byte what it is). */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    if (end - start < 4) {
      this.counters.dropped.malformed++
      return
    }
    const first = bytes[start]!
    if (first >= 0x40 && first <= 0x7f) {
      const allocation = this.#table.live(client, now)
      if (allocation !== undefined) this.#relay.channelData(allocation, bytes, start, end, now)
      else if (!this.#incomingMoves.data(client, bytes, start, end, now)) this.counters.dropped['no-allocation']++
      return
    }
    if (first < 4) {
      this.#requests.receive(bytes, start, end, client, now)
      return
    }
    this.counters.dropped.malformed++
    if (client.isStream) this.#closeClient(client, now)
  }

  /** A datagram from a peer. HEADROOM bytes before `start` and TAILROOM behind `end` are ours to overwrite. */
  peerData(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, now: number): void {
    this.#relay.peerData(relay, peer, bytes, start, end, now)
  }

  /** An ICMP message about a datagram that was relayed to `peer` (RFC 8656 §11.5). */
  peerError(relay: Relay, peer: Address, error: IcmpError, now: number): void {
    this.#peerErrors.tell(relay, peer, error, now)
  }

  /** The socket of `relay` is bound. Ignored when the allocation has ended meanwhile. */
  relayOpened(relay: Relay, now: number): void {
    if (relay.state !== 'opening') return
    relay.state = 'open'
    settleAllocate(relay.allocation, this.allocations, now)
  }

  /** No socket; the reason decides what is tried next and what the client is told. */
  relayFailed(relay: Relay, reason: RelayFailure, now: number): void {
    if (relay.state !== 'opening') return
    relayUnavailable(relay, reason, this.allocations, now)
    settleAllocate(relay.allocation, this.allocations, now)
  }

  /** What a store says of an account that it was asked for (AccountCache.ask). Ignored when nobody waits for it any more. */
  accountFound(account: AccountName, answer: StoreAnswer, now: number): void {
    const { stored } = this.#options
    if (stored === null) return
    this.counters.accounts[answer === null ? 'unknown' : answer === 'unavailable' ? 'unavailable' : 'found']++
    const { waiting, gone } = stored.answered(account, answer, now)
    for (const allocation of gone) this.allocations.release(allocation, 'account-gone', now)
    for (const id of waiting) this.#pending.replay(id, now)
  }

  /** The connection is gone, and its allocation with it (RFC 8656 §5), unless a ticket can take that to another. */
  clientClosed(client: FiveTuple, now: number): void {
    this.#incomingMoves.leave(client)
    this.#pending.leave(client)
    const allocation = this.#table.get(client, now)
    if (allocation === undefined || this.#table.leave(allocation, client)) return
    if (allocation.ticket === null) this.allocations.release(allocation, 'client-gone', now)
    else allocation.isClientGone = true
  }

  /** Whether credentials have been seen on this 5-tuple, so that a driver may be generous. */
  hasAllocation(client: FiveTuple): boolean {
    return this.#table.has(client) || this.#incomingMoves.has(client)
  }

  /** Whether somebody who came by this UDP socket of ours (FiveTuple.listener) has an allocation, or is moving one there. */
  hasClients(listener: number): boolean {
    return this.#table.hasClients(listener) || this.#incomingMoves.hasClients(listener)
  }

  /** Once a second: removes what has expired. */
  sweep(now: number): void {
    this.#table.sweep(now, this.allocations.expire)
    this.#incomingMoves.sweep(now)
    this.#pending.sweep(now)
    this.#options.stored?.sweep(now)
    this.peerConnections.sweep(now)
    this.#options.relayPorts.sweep(now, this.#reservationExpired)
    this.#options.quota.sweep()
  }

  /** Other options from the next packet on; what was granted under the old ones stays, but for the peer rules. */
  apply(options: Partial<TurnOptions>): void {
    Object.assign(this.#options, options)
    const { relayAddresses, relayWhereReached } = options
    if (relayAddresses === undefined && relayWhereReached === undefined) return
    this.allocations.relayChoice = new RelayChoice(this.#options.relayAddresses, this.#options.relayWhereReached)
  }

  /** While on, new Allocates are refused with 403 and all else goes on. */
  drain(on: boolean): void {
    this.allocations.isDraining = on
  }

  /** Ends a connection that cannot go on. */
  #closeClient(client: FiveTuple, now: number): void {
    this.clientClosed(client, now)
    this.#effects.closeClient(client)
  }

  readonly #reservationExpired = (local: Address, user: string | null): void => {
    this.#effects.closeReserved(local)
    if (user !== null) this.#options.quota.give(user)
  }
}
