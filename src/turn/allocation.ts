import type { Address } from '../stun/address.ts'
import type { Authenticated } from './auth/auth.ts'
import type { DropReason } from './counters.ts'
import type { FiveTuple } from './five-tuple.ts'
import { TokenBucket } from './limits/token-bucket.ts'
import type { PeerPolicy, PeersAtBegin } from './peers/peer-policy.ts'

/** Lets one peer ip through, whatever its port (RFC 8656 §9). */
export class Permission {
  readonly peer: Address
  expiresAt: number
  /** This policy said yes to this port: asking again can wait until one of the two differs. */
  allowedPort = -1
  allowedUnder: PeerPolicy | null = null

  constructor(peer: Address, expiresAt: number) {
    this.peer = peer
    this.expiresAt = expiresAt
  }
}

/** Why a relay has no socket: another program has the port, the process has no descriptor left, or the address cannot be bound. */
export type RelayFailure = 'in-use' | 'exhausted' | 'unavailable'

/** One relayed transport address of an allocation, with a socket of its own, which for TCP listens. A dual allocation has two (RFC 8656 §7.2). */
export class Relay {
  readonly allocation: Allocation
  /** What the socket is bound to. */
  readonly local: Address
  /** What the client is told: `local` behind external-ip. */
  readonly advertised: Address
  /** The port beside it that is bound with it and kept for whoever brings the token (RFC 8656 §7.2); null for none. */
  readonly reserved: Address | null
  state: 'opening' | 'open' | 'closed' = 'opening'
  /** The driver's own index of the socket; meaningless to the core. */
  handle = -1

  constructor(allocation: Allocation, local: Address, advertised: Address, reserved: Address | null = null) {
    this.allocation = allocation
    this.local = local
    this.advertised = advertised
    this.reserved = reserved
  }
}

/** A number that stands for one peer ip and port (RFC 8656 §12). */
export class Channel {
  readonly number: number
  /** Where packets are sent: behind external-ip, our own relays by their local address. */
  readonly peer: Address
  readonly relay: Relay
  readonly permission: Permission
  expiresAt: number
  /** The policy that said yes to the peer; under another one its next packet asks again. */
  allowedUnder: PeerPolicy | null

  constructor(
    number: number,
    peer: Address,
    relay: Relay,
    permission: Permission,
    expiresAt: number,
    policy: PeerPolicy | null,
  ) {
    this.number = number
    this.peer = peer
    this.relay = relay
    this.permission = permission
    this.expiresAt = expiresAt
    this.allowedUnder = policy
  }
}

/** Packets by the reason why they were dropped. */
export type Drops = Partial<Record<DropReason, number>>

/** Who is told what becomes of channels; see TurnEvents. */
export interface ChannelEvents {
  /** Bound by a ChannelBind, or brought along from another server. */
  channelOpened(channel: Channel): void
  channelRenewed(channel: Channel): void
  /** It has expired, or its allocation or relayed address ends. */
  channelClosed(channel: Channel): void
}

/** A family of a dual allocation that could not be had (RFC 8656 §18.12). */
export interface AddressError {
  readonly family: 4 | 6
  readonly code: number
  readonly reason: string
}

/** What the Allocate request left behind that a repetition of it needs for the same answer (RFC 8656 §7.2). */
export interface AllocateRequest {
  readonly transactionId: Buffer
  readonly lifetimeSeconds: number
  readonly ports: 'any' | 'even' | 'pair' | 'reserved'
  /** Between us and peers (RFC 6062 §5.1). */
  readonly transport: 'udp' | 'tcp'
  readonly isMobile: boolean
  reservationToken: Buffer | null
  /** Families that could not be had, with the reason. */
  readonly addressErrors: AddressError[]
  /** Ports that may still be tried when another program holds the chosen one. */
  triesLeft: number
}

/** Where a client is moving to, and until when it may be heard there (RFC 8016 §3.2). */
export interface Move {
  readonly client: FiveTuple
  readonly allocation: Allocation
  readonly expiresAt: number
}

/** The client is moving to a 5-tuple that another server has. */
export interface MoveAway {
  readonly client: null
  readonly ticket: string
  readonly allocation: Allocation
  readonly expiresAt: number
}

/** What an allocation is made of. */
export interface AllocationOrigin {
  /** Unique among all allocations of all servers and runs: an operator names it by that. */
  readonly id: string
  readonly client: FiveTuple
  /** The address that asked for it, whose limit it counts against for as long as it lives. */
  readonly source: Address
  readonly user: Authenticated
  readonly request: AllocateRequest
  /** What it holds of its user's quota: itself, and while opening its reservation. */
  readonly quotaPlaces: number
  /** What it may use in each direction, and has reserved; 0 = no limit. */
  readonly bytesPerSecond: number
  /** The client has sent a FINGERPRINT, so it gets one (STUN-FP-04 in the tests). */
  readonly fingerprint: boolean
  readonly peersAtBegin: PeersAtBegin
  readonly createdAt: number
}

/**
 * What one client has on this server: relayed addresses, permissions, channels and their lifetimes (RFC 8656 §3.2).
 * Times are monotonic milliseconds; what has expired counts as absent at once and is removed by the sweep.
 */
export class Allocation {
  readonly id: string
  /** Its place in the order in which allocations came to this server; 0 before it is in the table. */
  serial = 0
  /** Where the client is; another after it has moved. */
  client: FiveTuple
  /** Its connection is closed, and its ticket is still good: it waits for the client to come back. */
  isClientGone = false
  move: Move | MoveAway | null = null
  /** What lets its owner move it; null without mobility. */
  ticket: string | null = null
  /** The Refresh that used the last ticket: the same again gets the same answer. */
  lastTicketRefresh: { readonly transactionId: Buffer; readonly lifetimeSeconds: number } | null = null
  readonly source: Address
  readonly user: Authenticated
  readonly request: AllocateRequest
  quotaPlaces: number
  /** Rules that begin by themselves, because this machine's addresses have changed, end no call. */
  readonly peersAtBegin: PeersAtBegin
  readonly createdAt: number
  readonly toPeerLimit: TokenBucket
  readonly toClientLimit: TokenBucket
  /** Its Allocate while that waits for the sockets: an id of Pending. */
  parkedAs: number | null = null
  /** `opening` until every relay socket has answered. */
  state: 'opening' | 'open' | 'ended' = 'opening'
  relay4: Relay | null = null
  relay6: Relay | null = null
  expiresAt: number
  fingerprint: boolean
  readonly channels = new Map<number, Channel>()
  readonly #permissions = new Map<number, Permission>()
  readonly #channelsByPeer = new Map<number, Channel>()
  readonly #events: ChannelEvents
  /** No permission and no channel ends sooner: until then a sweep finds nothing here. */
  #firstEnd = Infinity
  toPeerPackets = 0
  toPeerBytes = 0
  toClientPackets = 0
  toClientBytes = 0
  /** Packets that were dropped here; made with the first of them. */
  droppedToPeer: Drops | null = null
  droppedToClient: Drops | null = null

  constructor(
    {
      id,
      client,
      source,
      user,
      request,
      quotaPlaces,
      bytesPerSecond,
      fingerprint,
      peersAtBegin,
      createdAt,
    }: AllocationOrigin,
    packetsPerSecond: number,
    events: ChannelEvents,
  ) {
    this.id = id
    this.client = client
    this.source = source
    this.user = user
    this.request = request
    this.quotaPlaces = quotaPlaces
    this.peersAtBegin = peersAtBegin
    this.toPeerLimit = new TokenBucket(bytesPerSecond, packetsPerSecond)
    this.toClientLimit = new TokenBucket(bytesPerSecond, packetsPerSecond)
    this.fingerprint = fingerprint
    this.createdAt = createdAt
    this.expiresAt = createdAt + request.lifetimeSeconds * 1000
    this.#events = events
  }

  /** What it has reserved of `bps-capacity`. */
  get bytesPerSecond(): number {
    return this.toPeerLimit.bytesPerSecond
  }

  get username(): string {
    return this.user.account.name
  }

  get permissionCount(): number {
    return this.#permissions.size
  }

  get permissions(): Iterable<Permission> {
    return this.#permissions.values()
  }

  get relays(): Relay[] {
    return [this.relay4, this.relay6].filter((relay) => relay !== null)
  }

  relayOf(family: 4 | 6): Relay | null {
    return family === 4 ? this.relay4 : this.relay6
  }

  permissionOf(peer: Address, now: number): Permission | null {
    const permission = this.#permissions.get(peer.ipKey)
    // An IPv6 key is a hash (see Address.key): make sure.
    return permission !== undefined && permission.expiresAt > now && permission.peer.sameIp(peer) ? permission : null
  }

  /** Installs or refreshes; null when another IPv6 address holds the hash, so rare that refusing is right. */
  permit(peer: Address, expiresAt: number): Permission | null {
    const key = peer.ipKey
    const found = this.#permissions.get(key)
    if (expiresAt < this.#firstEnd) this.#firstEnd = expiresAt
    if (found?.peer.sameIp(peer)) {
      // Never shorter: a channel keeps its permission for as long as itself (TURN-CHAN-05 in the tests).
      if (found.expiresAt < expiresAt) found.expiresAt = expiresAt
      return found
    }
    if (found !== undefined) return null
    const permission = new Permission(peer.withPort(0), expiresAt)
    this.#permissions.set(key, permission)
    return permission
  }

  channelOf(peer: Address, now: number): Channel | null {
    const channel = this.#channelsByPeer.get(peer.key)
    return channel !== undefined && channel.expiresAt > now && channel.peer.equals(peer) ? channel : null
  }

  /** False when another IPv6 peer holds the hash. */
  bind(channel: Channel): boolean {
    const key = channel.peer.key
    if (this.#channelsByPeer.has(key)) return false
    if (channel.expiresAt < this.#firstEnd) this.#firstEnd = channel.expiresAt
    this.channels.set(channel.number, channel)
    this.#channelsByPeer.set(key, channel)
    this.#events.channelOpened(channel)
    return true
  }

  /** Gives a binding and its permission new ends; the permission never an earlier one. */
  renew(channel: Channel, expiresAt: number, permissionExpiresAt: number): void {
    channel.expiresAt = expiresAt
    if (expiresAt < this.#firstEnd) this.#firstEnd = expiresAt
    const { permission } = channel
    permission.expiresAt = Math.max(permission.expiresAt, permissionExpiresAt)
    this.#events.channelRenewed(channel)
  }

  unbind(channel: Channel): void {
    this.channels.delete(channel.number)
    this.#channelsByPeer.delete(channel.peer.key)
    this.#events.channelClosed(channel)
  }

  /** Forgets one relayed address with the permissions and channels that only it could serve. */
  forget(relay: Relay): void {
    if (relay === this.relay4) this.relay4 = null
    if (relay === this.relay6) this.relay6 = null
    for (const channel of this.channels.values()) if (channel.relay === relay) this.unbind(channel)
    for (const [key, { peer }] of this.#permissions)
      if (peer.family === relay.local.family) this.#permissions.delete(key)
  }

  /** Forgets all permissions and channels: it ends, or goes to another server. */
  clear(): void {
    for (const channel of this.channels.values()) this.unbind(channel)
    this.#permissions.clear()
  }

  /** A packet from its client to a peer is lost. */
  dropToPeer(reason: DropReason): void {
    this.droppedToPeer ??= {}
    this.droppedToPeer[reason] = (this.droppedToPeer[reason] ?? 0) + 1
  }

  /** A packet from a peer to its client is lost. */
  dropToClient(reason: DropReason): void {
    this.droppedToClient ??= {}
    this.droppedToClient[reason] = (this.droppedToClient[reason] ?? 0) + 1
  }

  /** Gives back the memory of what has expired. */
  sweep(now: number): void {
    if (this.#firstEnd > now) return
    this.#firstEnd = Infinity
    for (const channel of this.channels.values()) {
      if (channel.expiresAt <= now) this.unbind(channel)
      else this.#firstEnd = Math.min(this.#firstEnd, channel.expiresAt)
    }
    for (const [key, { expiresAt }] of this.#permissions) {
      if (expiresAt <= now) this.#permissions.delete(key)
      else this.#firstEnd = Math.min(this.#firstEnd, expiresAt)
    }
  }
}
