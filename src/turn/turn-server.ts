import { Address } from '../stun/address.ts'
import { ErrorCode } from '../stun/constants.ts'
import type { Allocation } from './allocation.ts'
import { AllocationTable } from './allocation-table.ts'
import { Counters } from './counters.ts'
import type { Effects } from './effects.ts'
import type { ClientTransport, FiveTuple } from './five-tuple.ts'
import type { SourceCount } from './limits/source-count.ts'
import { cancelReservation, relayUnavailable } from './methods/allocate.ts'
import { Arrivals } from './mobility/arrivals.ts'
import { type Answer, type Departure, type Elsewhere, NOWHERE_ELSE, type Question } from './mobility/elsewhere.ts'
import { refreshForElsewhere, Tickets } from './mobility/mobility.ts'
import { type MovedAllocation, packed, unpacked } from './mobility/moved-allocation.ts'
import type { TurnOptions, TurnSettings } from './options.ts'
import { type IcmpError, PeerErrors } from './peer-errors.ts'
import type { PeerPolicy } from './peer-policy.ts'
import { PacketRelay } from './relay.ts'
import type { Relay, RelayFailure } from './relay-address.ts'
import { RelayChoice } from './relay-addresses/relay-choice.ts'
import { Responder } from './reply.ts'
import { RequestLane } from './request-lane.ts'

/**
 * A STUN and TURN server without sockets and clock: bytes and their 5-tuple go in, effects come out during the call.
 * `now` is monotonic milliseconds. Nothing that comes from the network makes it throw.
 */
export class TurnServer {
  readonly options: TurnOptions
  readonly counters = new Counters()
  readonly relayChoice: RelayChoice
  readonly sources: SourceCount
  readonly tickets: Tickets
  readonly #effects: Effects
  readonly #elsewhere: Elsewhere
  readonly #arrivals: Arrivals
  readonly #allocations = new AllocationTable(this.counters)
  readonly #relay: PacketRelay
  readonly #peerErrors: PeerErrors
  readonly #requests: RequestLane
  #draining = false

  constructor(options: TurnOptions, effects: Effects, world: { random(size: number): Buffer; elsewhere?: Elsewhere }) {
    const { elsewhere = NOWHERE_ELSE } = world
    this.options = { ...options }
    this.#effects = effects
    this.#elsewhere = elsewhere
    this.sources = options.sources
    this.tickets = new Tickets(world.random, elsewhere)
    this.relayChoice = new RelayChoice(options.relayAddresses, options.relayWhereReached)
    this.#relay = new PacketRelay(this.options, effects, this.counters, world.random)
    this.#peerErrors = new PeerErrors(this.options, effects, world.random)
    const responder = new Responder(this.options, effects, this.counters)
    this.#arrivals = new Arrivals(this, elsewhere, responder)
    this.#requests = new RequestLane(this, this.#allocations, this.#arrivals, this.#relay, responder)
  }

  /** One whole datagram, or one whole frame of a stream (RFC 7983 tells by the first byte what it is). */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    if (end - start < 4) {
      this.counters.dropped.malformed++
      return
    }
    const first = bytes[start]!
    if (first >= 0x40 && first <= 0x7f) {
      const allocation = this.#allocations.live(client, now)
      if (allocation !== undefined) this.#relay.channelData(allocation, bytes, start, end, now)
      else if (!this.#arrivals.data(client, bytes, start, end, now)) this.counters.dropped['no-allocation']++
      return
    }
    if (first < 4) {
      this.#requests.receive(bytes, start, end, client, now)
      return
    }
    this.counters.dropped.malformed++
    if (client.isStream) this.hangUp(client, now)
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
    this.#requests.settle(relay.allocation, now)
  }

  /** No socket; the reason decides what is tried next and what the client is told. */
  relayFailed(relay: Relay, reason: RelayFailure, now: number): void {
    if (relay.state !== 'opening') return
    relayUnavailable(relay, reason, this, now)
    this.#requests.settle(relay.allocation, now)
  }

  /** The connection is gone, and its allocation with it (RFC 8656 §5), unless a ticket can take that to another. */
  clientClosed(client: FiveTuple, now: number): void {
    this.#arrivals.leave(client)
    const allocation = this.#allocations.get(client, now)
    if (allocation === undefined || this.#allocations.leave(allocation, client)) return
    if (allocation.ticket === null) this.release(allocation, now)
    else allocation.isClientGone = true
  }

  /** Whether credentials have been seen on this 5-tuple, so that a driver may be generous. */
  hasAllocation(client: FiveTuple): boolean {
    return this.#allocations.has(client) || this.#arrivals.has(client)
  }

  /** What another server of the same clients wants to know, or to have. */
  answer(question: Question, now: number): Answer {
    if (question.kind === 'ticket') return refreshForElsewhere(question, this, now)
    const allocation = this.#allocations.depart(question.departure.ticket, now)
    if (allocation === undefined) {
      return { kind: 'refused', error: ErrorCode.ALLOCATION_MISMATCH, reason: 'the client has moved elsewhere' }
    }
    return { kind: 'moved', allocation: this.#give(allocation, now) }
  }

  /** The answer to a question of ours (Elsewhere.ask). */
  answered(id: number, answer: Answer, now: number): void {
    this.#arrivals.answered(id, answer, now)
  }

  /** Once a second: removes what has expired. */
  sweep(now: number): void {
    this.#allocations.sweep(now, this.expire)
    this.#arrivals.sweep(now)
    this.options.relayPorts.sweep(now, this.#reservationExpired)
  }

  /** Other plain values from the next packet on; what was granted under the old ones stays. */
  reload(settings: Partial<TurnSettings>): void {
    Object.assign(this.options, settings)
  }

  /** Replaces the peer rules; traffic of existing permissions and channels follows them from the next packet on. */
  setPeerPolicy(policy: PeerPolicy): void {
    this.#relay.policy = policy
  }

  /** While on, new Allocates are refused with 403 and all else goes on. */
  drain(on: boolean): void {
    this.#draining = on
  }

  get draining(): boolean {
    return this.#draining
  }

  get allocations(): Iterable<Allocation> {
    return this.#allocations
  }

  /** Those that have been granted and not ended, by the client's transport. */
  get openAllocations(): Readonly<Record<ClientTransport, number>> {
    return this.#allocations.open
  }

  get allocationCount(): number {
    return this.#allocations.size
  }

  /** Clients whose allocations are still with another server. */
  get arrivalCount(): number {
    return this.#arrivals.size
  }

  /** Clients on their way from one 5-tuple to another. */
  get moveCount(): number {
    return this.#allocations.moves
  }

  /** Ends an allocation now: sockets, ports, quota, table entry. Also for an operator who disconnects somebody. */
  release(allocation: Allocation, now: number): void {
    if (allocation.state === 'ended') return
    if (allocation.state === 'open') {
      this.counters.allocationsEnded++
      this.#allocations.open[allocation.client.transport]--
    } else cancelReservation(allocation, this)
    allocation.state = 'ended'
    for (const relay of allocation.relays) this.closeRelay(relay, now)
    this.options.quota.give(allocation.user.quotaName, allocation.quotaPlaces)
    this.sources.remove(allocation.source)
    this.tickets.revoke(allocation)
    this.#allocations.delete(allocation)
  }

  // What follows is for the methods' own files.

  openRelay(relay: Relay): void {
    this.#effects.openRelay(relay)
  }

  /** Closes one relayed address of an allocation and forgets what depends on it. */
  closeRelay(relay: Relay, now: number): void {
    relay.state = 'closed'
    relay.allocation.forget(relay)
    this.#effects.closeRelay(relay)
    // Not before: where ports are short another thread takes it at once.
    this.options.relayPorts.free(relay.local, now)
  }

  /** Enters a new allocation; false when its 5-tuple cannot be kept. */
  enter(allocation: Allocation): boolean {
    if (!this.#allocations.add(allocation)) return false
    this.sources.add(allocation.source)
    return true
  }

  get peerPolicy(): PeerPolicy {
    return this.#relay.policy
  }

  /** Grows with each change of the peer rules. */
  get policyVersion(): number {
    return this.#relay.policyVersion
  }

  /** An arrow, so that the sweep can be given it as it is. */
  readonly expire = (allocation: Allocation, now: number): void => {
    if (allocation.state === 'open') this.counters.allocationsExpired++
    this.release(allocation, now)
  }

  /** Whether an allocation could be moved to this 5-tuple. */
  canMove(client: FiveTuple): boolean {
    return this.#allocations.hasRoomFor(client)
  }

  /** Begins the move of an allocation to where its owner has shown a ticket. */
  move(allocation: Allocation, client: FiveTuple, now: number): void {
    this.#allocations.move(allocation, client, now)
  }

  /** Begins the move of an allocation to a 5-tuple that another server has. */
  moveAway(allocation: Allocation, ticket: string, now: number): Departure {
    this.#allocations.moveAway(allocation, ticket, now)
    return { holder: this.options.relayPorts.thread, ticket, relay: allocation.relays[0]!.local.toString() }
  }

  /** Goes on serving an allocation that another server has given away. */
  adopt(moved: MovedAllocation, client: FiveTuple, isClientGone: boolean, now: number): void {
    const allocation = unpacked(moved, client, this, now)
    const { relayPorts, quota } = this.options
    const { holder } = moved
    allocation.isClientGone = isClientGone
    this.counters.handovers.in++
    this.sources.add(allocation.source)
    const isEntered = this.#allocations.adopt(allocation)
    this.tickets.adopt(allocation)
    const { relays } = allocation
    const isOurs = quota.takeOver(allocation.user.quotaName, holder, () =>
      relays.map(({ local }) => relayPorts.takeOver(local, holder)).every((isTaken) => isTaken),
    )
    if (!isOurs) allocation.quotaPlaces = 0
    // Each of them, whatever becomes of the others: nobody else will close it.
    const isServed = relays.map((relay, i) => this.#elsewhere.attach(relay, moved.relays[i]!.descriptor))
    if (!isEntered || !isOurs || isServed.includes(false)) this.release(allocation, now)
  }

  /** What was given away has been taken: its client's address counts there, and no longer here. */
  given({ source }: Pick<MovedAllocation, 'source'>): void {
    this.sources.remove(Address.parse(source)!)
  }

  /** Ends an allocation that was given away and has reached nobody; its sockets are closed. */
  discard({ relays, user, quotaPlaces, source }: MovedAllocation, now: number): void {
    const { relayPorts, quota } = this.options
    this.given({ source })
    const ours = relays
      .map(({ host, port }) => Address.parse(host, port)!)
      .filter((local) => relayPorts.takeOver(local, relayPorts.thread))
    if (ours.length === 0) return
    this.counters.handovers.in++
    this.counters.allocationsEnded++
    for (const local of ours) relayPorts.free(local, now)
    quota.give(user.quotaName, quotaPlaces)
  }

  /** Lets go of an allocation without ending it. What it counts for stays counted here until it is taken over. */
  #give(allocation: Allocation, now: number): MovedAllocation {
    const { relayPorts } = this.options
    const moved = packed(allocation, relayPorts.thread, (relay) => this.#elsewhere.detach(relay), now)
    this.counters.handovers.out++
    this.tickets.forget(allocation)
    for (const relay of allocation.relays) relay.state = 'closed'
    allocation.state = 'ended'
    return moved
  }

  /** Ends a connection that cannot go on. */
  hangUp(client: FiveTuple, now: number): void {
    this.clientClosed(client, now)
    this.#effects.closeClient(client)
  }

  readonly #reservationExpired = (user: string): void => this.options.quota.give(user)
}
