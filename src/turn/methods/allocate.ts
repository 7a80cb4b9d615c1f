import type { Address } from '../../stun/address.ts'
import { AddressFamily, Attribute, ErrorCode, Method, TransportProtocol } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import { type Allocation, Relay, type RelayFailure } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import type { FiveTuple } from '../five-tuple.ts'
import type { TurnOptions } from '../options.ts'
import { LATER, type Refused, type Reply, refuse, type Settled, type SignedExchange } from '../reply.ts'

/** Also the least that is granted. */
const DEFAULT_LIFETIME_SECONDS = 600

/** How many ports that cannot be bound one Allocate gets past before it fails. */
const PORT_TRIES = 16

/**
 * RFC 8656 §7.2. The caller has authenticated the request and found its 5-tuple free. LATER: the answer follows when the
 * relay sockets are open, made by `allocated`.
 */
export function allocate(request: StunMessage, exchange: SignedExchange, allocations: Allocations, now: number): Reply {
  const ticket = request.value(Attribute.MOBILITY_TICKET)
  if (ticket !== null && !allocations.options.mobility) return refuse(ErrorCode.MOBILITY_FORBIDDEN, 'mobility is off')
  // An empty one asks for a ticket (RFC 8016 §3.1).
  if (ticket !== null && ticket.length > 0) return refuse(ErrorCode.BAD_REQUEST, 'a ticket in an Allocate')
  if (allocations.isDraining) return refuse(ErrorCode.FORBIDDEN, 'draining')
  const wish = readWish(request, exchange.client, allocations)
  if ('error' in wish) return wish

  const { quota } = allocations.options
  const { client, user, fingerprint } = exchange
  if (!hasRoomFor(wish, client, allocations.options)) {
    allocations.counters.refusedAllocations.address++
    return refuse(
      ErrorCode.ALLOCATION_QUOTA_REACHED,
      `${client.client.host} has as many allocations as one address may`,
    )
  }
  // A reserved port has its place in the quota since it was reserved.
  const places = wish.ports === 'pair' ? 2 : wish.ports === 'reserved' ? 0 : 1
  const verdict = quota.take(user.quotaName, places, user.account.limits.userQuota)
  // 508 has the client come again, which it may at once.
  if (verdict === 'held-up') return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'another thread holds up the quotas')
  if (verdict !== 'taken') {
    allocations.counters.refusedAllocations.quota++
    return refuse(ErrorCode.ALLOCATION_QUOTA_REACHED, `the ${verdict} quota is used up`)
  }

  const { maxBytesPerSecond } = allocations.options
  const bytesPerSecond = quota.bandwidth.take(user.account.limits.maxBytesPerSecond ?? maxBytesPerSecond)
  if (bytesPerSecond === null) {
    quota.give(user.quotaName, places)
    allocations.counters.refusedAllocations.quota++
    return refuse(ErrorCode.ALLOCATION_QUOTA_REACHED, 'bps-capacity is used up')
  }

  const kept = client.kept()
  const allocation = allocations.enter({
    id: allocations.newId(),
    client: kept,
    source: kept.client,
    user,
    request: {
      transactionId: Buffer.from(request.transactionId()),
      lifetimeSeconds: grantedLifetime(request, allocations.options),
      ports: wish.ports,
      transport: wish.transport,
      // RFC 8016 speaks of UDP alone: the data connections of a TCP allocation cannot move.
      isMobile: ticket !== null && wish.transport === 'udp',
      reservationToken: null,
      addressErrors: [],
      triesLeft: PORT_TRIES,
    },
    quotaPlaces: places,
    bytesPerSecond,
    fingerprint,
    peersAtBegin: allocations.options.peerPolicy.atBegin,
    createdAt: now,
  })
  if (allocation === null) {
    quota.give(user.quotaName, places)
    quota.bandwidth.give(bytesPerSecond)
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'two IPv6 clients share a key')
  }
  const refused = takePorts(wish, allocation, allocations, now)
  if (refused !== null) {
    allocations.release(allocation, 'no-relay', now)
    return refused
  }
  const late = (then: number) => {
    allocations.release(allocation, 'no-relay', then)
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'the relay sockets did not open in time')
  }
  allocation.parkedAs = allocations.pending.park(request, exchange, 'relay', late, now)
  if (allocation.parkedAs === null) return late(now)
  allocations.openRelays(allocation)
  return LATER
}

/** Whether its address may have so much more; a reserved port counts for it too until it is used or free again. */
function hasRoomFor(wish: Wish, { client }: FiveTuple, options: TurnOptions): boolean {
  const { maxAllocationsPerAddress, sources, relayPorts } = options
  if (maxAllocationsPerAddress === 0) return true
  const places = wish.ports === 'pair' ? 2 : 1
  // What it comes for it has already.
  const reserved = wish.ports === 'reserved' ? 0 : relayPorts.reservedBy(client)
  return sources.of(client) + reserved + places <= maxAllocationsPerAddress
}

/** Answers an Allocate once the last of its sockets has been heard of. */
export function settleAllocate(allocation: Allocation, allocations: Allocations, now: number): void {
  if (allocation.state !== 'opening' || allocation.relays.some((relay) => relay.state === 'opening')) return
  const { parkedAs, request, relays } = allocation
  allocation.parkedAs = null
  let reply: Settled
  if (relays.length > 0) {
    allocations.opened(allocation, now)
    reply = allocated(allocation, now)
  } else {
    allocations.release(allocation, 'no-relay', now)
    reply = refuse(ErrorCode.INSUFFICIENT_CAPACITY, request.addressErrors.map((error) => error.reason).join(', '))
  }
  if (parkedAs !== null) allocations.pending.answer(parkedAs, reply)
}

/** RFC 8656 §7.2: what was asked for, between the default and our maximum. */
export function grantedLifetime(request: StunMessage, { maxAllocateLifetimeSeconds }: TurnOptions): number {
  const asked = request.uint32(Attribute.LIFETIME) ?? DEFAULT_LIFETIME_SECONDS
  return Math.max(DEFAULT_LIFETIME_SECONDS, Math.min(asked, maxAllocateLifetimeSeconds))
}

/** The answer to an Allocate whose sockets are open, and to every repetition of it. */
export function allocated(allocation: Allocation, now: number): Settled {
  const { reservationToken, addressErrors } = allocation.request
  return {
    relayed: allocation.relays.map((relay) => relay.advertised),
    lifetimeSeconds: Math.ceil((allocation.expiresAt - now) / 1000),
    mapped: allocation.client.client,
    reservationToken,
    mobilityTicket: allocation.ticket,
    addressErrors,
  }
}

/**
 * Whether this is the request again that made `allocation`. Its nonce is not looked at: one that ran out between the
 * two copies must not turn a success into 438.
 */
export function repeatsAllocate(request: StunMessage, allocation: Allocation, { authenticator }: TurnOptions): boolean {
  return (
    allocation.state === 'open' &&
    request.method === Method.ALLOCATE &&
    request.transactionId().equals(allocation.request.transactionId) &&
    authenticator.isSignedBy(request, allocation.user)
  )
}

/** Tries the next port for a relay that could not be bound, or gives this family up. */
export function relayUnavailable(relay: Relay, reason: RelayFailure, allocations: Allocations, now: number): void {
  const { allocation, local } = relay
  const { request } = allocation
  const { relayPorts } = allocations.options
  relay.state = 'closed'
  allocation.forget(relay)
  // Other programs keep their ports for longer than our own allocations rest.
  if (reason === 'in-use') relayPorts.skip(local, now)
  else relayPorts.free(local, now)

  // What was reserved is that one port or none; for another pair than one that has lapsed there may be no quota.
  const mayHaveAnother = allocations.cancelReservation(allocation, now) && request.ports !== 'reserved'
  const others = allocations.relayChoice.besides(local)
  const addresses = { 'in-use': [local, ...others], unavailable: others, exhausted: [] }[reason]
  if (mayHaveAnother && request.triesLeft-- > 0) {
    const next = takePort(addresses, allocation, allocations, now)
    if (next !== null) {
      allocations.openRelay(next)
      return
    }
  }
  const text = { 'in-use': 'is in use', exhausted: 'has no descriptor left', unavailable: 'cannot be bound' }[reason]
  const code = ErrorCode.INSUFFICIENT_CAPACITY
  request.addressErrors.push({ family: local.family, code, reason: `relay ${local} ${text}` })
}

/** The family that an address family attribute names; 0 for one that does not exist, null without the attribute. */
export function requestedFamily(request: StunMessage, attribute: number): 4 | 6 | 0 | null {
  const field = request.uint32(attribute)
  if (field === null) return null
  const family = field >>> 24
  return family === AddressFamily.IPV4 ? 4 : family === AddressFamily.IPV6 ? 6 : 0
}

/** What an Allocate asks for, free of contradictions. */
interface Wish {
  readonly transport: 'udp' | 'tcp'
  readonly families: readonly (4 | 6)[]
  readonly ports: 'any' | 'even' | 'pair' | 'reserved'
  readonly token: Buffer | null
}

function readWish(request: StunMessage, client: FiveTuple, { options, relayChoice }: Allocations): Wish | Refused {
  const transport = readTransport(request, client, options)
  if (typeof transport !== 'string') return transport
  if (request.has(Attribute.DONT_FRAGMENT) && !options.dontFragment) {
    const unknownAttributes = [Attribute.DONT_FRAGMENT]
    return { error: ErrorCode.UNKNOWN_ATTRIBUTE, reason: 'DONT-FRAGMENT cannot be honoured', unknownAttributes }
  }

  const token = request.value(Attribute.RESERVATION_TOKEN)
  const evenPort = request.uint8(Attribute.EVEN_PORT)
  const requested = requestedFamily(request, Attribute.REQUESTED_ADDRESS_FAMILY)
  const additional = requestedFamily(request, Attribute.ADDITIONAL_ADDRESS_FAMILY)
  if (token !== null) {
    if (evenPort === null && requested === null && additional === null)
      return { transport, families: [], ports: 'reserved', token }
    return refuse(ErrorCode.BAD_REQUEST, 'RESERVATION-TOKEN with EVEN-PORT or an address family')
  }
  const ports = evenPort === null ? 'any' : (evenPort & 0x80) === 0 ? 'even' : 'pair'
  if (additional !== null) {
    if (requested !== null) return refuse(ErrorCode.BAD_REQUEST, 'two address family attributes')
    if (additional !== 6) return refuse(ErrorCode.BAD_REQUEST, 'ADDITIONAL-ADDRESS-FAMILY is not IPv6')
    if (ports === 'pair') return refuse(ErrorCode.BAD_REQUEST, 'a port pair with two families')
    return { transport, families: [4, 6], ports, token: null }
  }
  const family = requested ?? defaultFamily(client, options)
  if (family === 0 || !relayChoice.offers(family, client)) {
    return refuse(ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED, 'no relay address of the family asked for')
  }
  return { transport, families: [family], ports, token: null }
}

function readTransport(request: StunMessage, client: FiveTuple, options: TurnOptions): 'udp' | 'tcp' | Refused {
  const field = request.uint32(Attribute.REQUESTED_TRANSPORT)
  if (field === null) return refuse(ErrorCode.BAD_REQUEST, 'no REQUESTED-TRANSPORT')
  const protocol = field >>> 24
  if (protocol === TransportProtocol.UDP && !options.noUdpRelay) return 'udp'
  if (protocol !== TransportProtocol.TCP || !options.tcpRelay) {
    const fix = protocol === TransportProtocol.TCP ? ' (tcp-relay is off)' : ''
    return refuse(ErrorCode.UNSUPPORTED_TRANSPORT_PROTOCOL, `transport protocol ${protocol} is not offered${fix}`)
  }
  // RFC 6062 §5.1.
  if (!client.isStream) return refuse(ErrorCode.BAD_REQUEST, `a TCP allocation over ${client.transport}`)
  for (const [attribute, name] of FOR_UDP_ALONE) {
    if (request.has(attribute)) return refuse(ErrorCode.BAD_REQUEST, `a TCP allocation with ${name}`)
  }
  return 'tcp'
}

const FOR_UDP_ALONE = [
  [Attribute.EVEN_PORT, 'EVEN-PORT'],
  [Attribute.DONT_FRAGMENT, 'DONT-FRAGMENT'],
  [Attribute.RESERVATION_TOKEN, 'RESERVATION-TOKEN'],
] as const

function defaultFamily(client: FiveTuple, { allocationDefaultAddressFamily: choice }: TurnOptions): 4 | 6 {
  if (choice === 'keep') return client.client.family
  return choice === 'ipv6' ? 6 : 4
}

/** Sets aside what was wished for; refuses when there is not one port. */
function takePorts(wish: Wish, allocation: Allocation, allocations: Allocations, now: number): Refused | null {
  if (wish.token !== null) return takeReserved(wish.token, allocation, allocations, now)
  const { addressErrors } = allocation.request
  for (const family of wish.families) {
    const addresses = allocations.relayChoice.next(family, allocation.client)
    if (addresses.length === 0) {
      const reason = `no IPv${family} relay address`
      addressErrors.push({ family, code: ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED, reason })
    } else if (takePort(addresses, allocation, allocations, now) === null) {
      addressErrors.push({
        family,
        code: ErrorCode.INSUFFICIENT_CAPACITY,
        reason: `no IPv${family} relay port is free`,
      })
    }
  }
  if (allocation.relays.length > 0) return null
  return refuse(ErrorCode.INSUFFICIENT_CAPACITY, addressErrors.map((error) => error.reason).join(', '))
}

function takeReserved(token: Buffer, allocation: Allocation, allocations: Allocations, now: number): Refused | null {
  const local = allocations.options.relayPorts.takeReserved(token, allocation.user.quotaName, now)
  if (local === 'unknown') return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'unknown, used or expired RESERVATION-TOKEN')
  if (local === 'foreign') return refuse(ErrorCode.INSUFFICIENT_CAPACITY, "another user's RESERVATION-TOKEN")
  allocation.quotaPlaces = 1
  addRelay(allocation, local, allocations)
  return null
}

/** The first of `addresses` with a free port of the wished kind gives the allocation its relay of that family. */
function takePort(
  addresses: readonly Address[],
  allocation: Allocation,
  allocations: Allocations,
  now: number,
): Relay | null {
  const { request, user } = allocation
  const { relayPorts } = allocations.options
  for (const ip of addresses) {
    if (request.ports === 'pair') {
      const pair = relayPorts.takePair(ip, { user: user.quotaName, source: allocation.source }, now)
      if (pair === null) continue
      request.reservationToken = pair.token
      return addRelay(allocation, ip.withPort(pair.port), allocations, ip.withPort(pair.port + 1))
    }
    const port = relayPorts.take(ip, request.ports === 'even', now)
    if (port !== null) return addRelay(allocation, ip.withPort(port), allocations)
  }
  return null
}

function addRelay(
  allocation: Allocation,
  local: Address,
  { options: { externalIp } }: Allocations,
  reserved: Address | null = null,
): Relay {
  const relay = new Relay(allocation, local, externalIp.toPublic(local.copy()), reserved)
  if (local.family === 4) allocation.relay4 = relay
  else allocation.relay6 = relay
  return relay
}
