import { Address } from '../stun/address.ts'
import { Allocation, type AllocationOrigin, type Relay } from './allocation.ts'
import type { AllocationTable } from './allocation-table.ts'
import type { Counters } from './counters.ts'
import type { Effects } from './effects.ts'
import type { EndReason } from './end-reason.ts'
import type { TurnEvents } from './events.ts'
import { type ClientTransport, FiveTuple } from './five-tuple.ts'
import { type MovedAllocation, unpacked } from './mobility/moved-allocation.ts'
import type { Tickets } from './mobility/tickets.ts'
import type { TurnOptions } from './options.ts'
import type { Pending } from './pending.ts'
import { RelayChoice } from './relay-addresses/relay-choice.ts'
import { type SessionsEnd, StandingEnds } from './sessions/standing-ends.ts'
import type { PeerConnections } from './tcp/peer-connections.ts'

/**
 * Begins, moves and ends allocations, with all that hangs on one: ports, places in quotas, ticket, sockets, channels
 * (RFC 8656 §3.2). What a method's file may do to an allocation, it does here.
 */
export class Allocations implements Iterable<Allocation> {
  readonly options: TurnOptions
  readonly counters: Counters
  readonly tickets: Tickets
  readonly pending: Pending
  readonly peerConnections: PeerConnections
  relayChoice: RelayChoice
  /** While on, new Allocates are refused and all else goes on. */
  isDraining = false
  /** What an operator has ended, for those that are still on their way here. */
  readonly standingEnds = new StandingEnds()
  /** Of this server in this run: no other allocation's id begins like that. */
  readonly idPrefix: string
  readonly #table: AllocationTable
  readonly #effects: Effects
  readonly #events: TurnEvents
  #made = 0

  constructor(
    options: TurnOptions,
    parts: {
      readonly table: AllocationTable
      readonly tickets: Tickets
      readonly pending: Pending
      readonly peerConnections: PeerConnections
      readonly effects: Effects
      readonly events: TurnEvents
      readonly counters: Counters
      random(size: number): Buffer
    },
  ) {
    this.options = options
    this.counters = parts.counters
    this.tickets = parts.tickets
    this.pending = parts.pending
    this.peerConnections = parts.peerConnections
    this.relayChoice = new RelayChoice(options.relayAddresses, options.relayWhereReached)
    this.#table = parts.table
    this.#effects = parts.effects
    this.#events = parts.events
    this.idPrefix = `${parts.random(ID_BYTES).toString('hex')}-`
  }

  get size(): number {
    return this.#table.size
  }

  /** Those that have been granted and not ended, by the client's transport. */
  get open(): Readonly<Record<ClientTransport, number>> {
    return this.#table.open
  }

  /** Clients on their way from one 5-tuple to another. */
  get moves(): number {
    return this.#table.moves
  }

  [Symbol.iterator](): Iterator<Allocation> {
    return this.#table[Symbol.iterator]()
  }

  /** Of whichever came last. */
  get lastSerial(): number {
    return this.#table.lastSerial
  }

  /** In the order in which they came here, those that came after the one with this `serial`. */
  after(serial: number): Iterable<Allocation> {
    return this.#table.after(serial)
  }

  /** For an allocation that is to be entered here. */
  newId(): string {
    this.#made++
    return this.idPrefix + this.#made.toString(36)
  }

  /** Enters a new allocation, whose relays are still to be opened; null when its 5-tuple cannot be kept. */
  enter(origin: AllocationOrigin): Allocation | null {
    const allocation = this.make(origin)
    if (!this.#table.add(allocation)) return null
    this.options.sources.add(allocation.source)
    return allocation
  }

  /** Asks for the sockets of an allocation that has been entered. */
  openRelays(allocation: Allocation): void {
    for (const relay of allocation.relays) this.openRelay(relay)
  }

  openRelay(relay: Relay): void {
    this.#effects.openRelay(relay)
  }

  /** Its relays are open: from now on it relays. */
  opened(allocation: Allocation, now: number): void {
    const { request } = allocation
    allocation.state = 'open'
    this.#table.open[allocation.client.transport]++
    // The other place, if any, is the reservation's from now on.
    allocation.quotaPlaces = 1
    allocation.expiresAt = now + request.lifetimeSeconds * 1000
    this.counters.allocationsCreated++
    this.#hold(allocation)
    if (request.isMobile) this.tickets.issue(allocation)
    this.#events.allocationOpened(allocation)
  }

  /** Closes one relayed address of an allocation, which goes on with its other one, and forgets what depends on it. */
  closeRelay(relay: Relay, now: number): void {
    this.peerConnections.closeAll(relay.allocation, relay)
    relay.allocation.forget(relay)
    this.#closeSocket(relay, now)
  }

  /** Ends an allocation now: sockets, ports, quota, table entry. `detail` is an operator's own word for the reason. */
  release(allocation: Allocation, reason: EndReason, now: number, detail: string | null = null): void {
    if (allocation.state === 'ended') return
    const wasOpen = allocation.state === 'open'
    if (wasOpen) {
      this.counters.allocationsEnded++
      this.#table.open[allocation.client.transport]--
      this.counters.endedBy[reason]++
    } else {
      this.cancelReservation(allocation, now)
      if (allocation.parkedAs !== null) this.pending.drop(allocation.parkedAs)
    }
    allocation.state = 'ended'
    allocation.clear()
    this.peerConnections.closeAll(allocation)
    for (const relay of allocation.relays) this.#closeSocket(relay, now)
    this.options.quota.give(allocation.user.quotaName, allocation.quotaPlaces)
    this.options.quota.bandwidth.give(allocation.bytesPerSecond)
    this.options.sources.remove(allocation.source)
    this.tickets.revoke(allocation)
    this.#letGo(allocation)
    this.#table.delete(allocation)
    if (wasOpen) this.#events.allocationEnded(allocation, reason, detail)
  }

  /** Ends an allocation for an operator, and the connection that it came by. */
  disconnect(allocation: Allocation, { reason, detail }: SessionsEnd, now: number): void {
    const { client, isClientGone } = allocation
    this.release(allocation, reason, now, detail)
    if (client.connection !== 0 && !isClientGone) this.#effects.closeClient(client)
  }

  /** An arrow, so that the sweep can be given it as it is. */
  readonly expire = (allocation: Allocation, now: number): void => this.release(allocation, 'expired', now)

  /** Gives back the upper port of a pair that nobody has been told of; false when its time was over before. */
  cancelReservation(allocation: Allocation, now: number): boolean {
    const { request } = allocation
    if (request.reservationToken === null) return true
    const { relayPorts } = this.options
    const local = relayPorts.endReservation(request.reservationToken)
    request.reservationToken = null
    // The end of a reservation has given its place in the quota back.
    if (local === null) {
      allocation.quotaPlaces--
      return false
    }
    this.#effects.closeReserved(local)
    relayPorts.free(local, now)
    return true
  }

  /** Whether an allocation could be moved to this 5-tuple. */
  canMoveTo(client: FiveTuple): boolean {
    return this.#table.hasRoomFor(client)
  }

  /** Begins the move of an allocation to where its owner has shown a ticket. */
  move(allocation: Allocation, client: FiveTuple, now: number): void {
    this.#table.move(allocation, client, now)
  }

  /** Begins the move of an allocation to a 5-tuple that another server has. */
  moveAway(allocation: Allocation, ticket: string, now: number): void {
    this.#table.moveAway(allocation, ticket, now)
  }

  /** The other server has heard the client: what it gets now. Undefined when the client has turned up elsewhere meanwhile. */
  outgoing(ticket: string, now: number): Allocation | undefined {
    return this.#table.outgoing(ticket, now)
  }

  /** As it is, without a place in the table: a new one, or what has come from another server. */
  make(origin: AllocationOrigin): Allocation {
    return new Allocation(origin, this.options.maxPacketsPerSecond, this.#events)
  }

  /** Lets go of an allocation without ending it, after its sockets are gone. What it counts for stays counted here. */
  leave(allocation: Allocation): void {
    this.counters.handovers.out++
    this.tickets.forget(allocation)
    this.#letGo(allocation)
    for (const relay of allocation.relays) relay.state = 'closed'
    allocation.clear()
    allocation.state = 'ended'
    this.#events.allocationEnded(allocation, 'moved', null)
  }

  /** Goes on serving an allocation that another server has given away; its relays are served when `serve` says so. */
  adopt(allocation: Allocation, holder: number, serve: (relay: Relay, place: number) => boolean, now: number): void {
    const { relayPorts, quota, sources } = this.options
    const { relays } = allocation
    this.counters.handovers.in++
    sources.add(allocation.source)
    const isEntered = this.#table.adopt(allocation)
    this.tickets.adopt(allocation)
    this.#hold(allocation)
    const isOurs = quota.takeOver(allocation.user.quotaName, holder, () =>
      relays.map(({ local }) => relayPorts.takeOver(local, holder)).every((isTaken) => isTaken),
    )
    if (!isOurs) allocation.quotaPlaces = 0
    quota.bandwidth.takeOver(allocation.bytesPerSecond, isOurs ? holder : null)
    // Each of them, whatever becomes of the others: nobody else will close it.
    const isServed = relays.map((relay, i) => serve(relay, i))
    this.#events.allocationMoved(allocation, null)
    const end = this.standingEnds.of(allocation, now)
    if (!isEntered || !isOurs || isServed.includes(false)) this.release(allocation, 'no-relay', now)
    else if (end !== undefined) this.disconnect(allocation, end, now)
  }

  /** What was given away has been taken: its client's address counts there, and no longer here. */
  given({ source }: Pick<MovedAllocation, 'source'>): void {
    this.options.sources.remove(Address.parse(source)!)
  }

  /** Ends an allocation that was given away and has reached nobody; its sockets are closed. */
  discard(moved: MovedAllocation, now: number): void {
    const { relays, user, quotaPlaces, bytesPerSecond, source, from } = moved
    const { relayPorts, quota, externalIp } = this.options
    this.given({ source })
    const ours = relays
      .map(({ host, port }) => Address.parse(host, port)!)
      .filter((local) => relayPorts.takeOver(local, relayPorts.thread))
    if (ours.length === 0) return
    this.counters.handovers.in++
    this.counters.allocationsEnded++
    this.counters.endedBy['no-relay']++
    for (const local of ours) relayPorts.free(local, now)
    quota.give(user.quotaName, quotaPlaces)
    quota.bandwidth.give(bytesPerSecond)
    // It has come back, and ends here: whoever keeps records hears of both.
    const client = new FiveTuple(from.transport, Address.parse(from.host, from.port)!, new Address(), 0, 0)
    const allocation = unpacked(moved, client, (origin) => this.make(origin), externalIp, now)
    this.#events.allocationMoved(allocation, null)
    allocation.clear()
    allocation.state = 'ended'
    this.#events.allocationEnded(allocation, 'no-relay', null)
  }

  /** As long as it lasts, its account is looked after. */
  #hold(allocation: Allocation): void {
    if (allocation.user.kind === 'stored') this.options.stored?.hold(allocation.user.account, allocation)
  }

  #letGo(allocation: Allocation): void {
    if (allocation.user.kind === 'stored') this.options.stored?.letGo(allocation.user.account, allocation)
  }

  #closeSocket(relay: Relay, now: number): void {
    relay.state = 'closed'
    this.#effects.closeRelay(relay)
    // Not before: where ports are short another thread takes it at once.
    this.options.relayPorts.free(relay.local, now)
  }
}

/** So many that no two runs and threads draw the same. */
const ID_BYTES = 6
