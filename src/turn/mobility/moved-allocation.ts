import { Address } from '../../stun/address.ts'
import {
  type AllocateRequest,
  type Allocation,
  type AllocationOrigin,
  Channel,
  type Drops,
  Relay,
} from '../allocation.ts'
import type { Authenticated } from '../auth/auth.ts'
import type { ClientTransport, FiveTuple } from '../five-tuple.ts'
import type { Spent } from '../limits/token-bucket.ts'
import type { PeersAtBegin } from '../peers/peer-policy.ts'
import type { ExternalIp } from '../relay-addresses/external-ip.ts'

/**
 * An open allocation on its way to another server, in values that can be copied. Times are what is left or has passed:
 * each server's clock counts from its own start.
 */
export interface MovedAllocation {
  /** Who has its ports until they are taken over (RelayPorts.thread). */
  readonly holder: number
  readonly id: string
  readonly source: string
  readonly user: Omit<Authenticated, 'key'> & { readonly key: Uint8Array | null }
  readonly request: Omit<AllocateRequest, 'transactionId' | 'reservationToken'> & {
    readonly transactionId: Uint8Array
    readonly reservationToken: Uint8Array | null
  }
  /** Where the client was heard last before it moved. */
  readonly from: { readonly transport: ClientTransport; readonly host: string; readonly port: number }
  readonly quotaPlaces: number
  readonly bytesPerSecond: number
  readonly fingerprint: boolean
  readonly peersAtBegin: PeersAtBegin
  readonly ticket: string | null
  readonly lastTicketRefresh: { readonly transactionId: Uint8Array; readonly lifetimeSeconds: number } | null
  readonly ageMs: number
  readonly leftMs: number
  readonly relays: readonly { readonly host: string; readonly port: number; readonly descriptor: number }[]
  /** Permissions and channels: there may be thousands, and a thread between the two servers copies them. */
  readonly peers: Float64Array
  readonly toPeer: Traffic
  readonly toClient: Traffic
}

interface Traffic {
  readonly packets: number
  readonly bytes: number
  readonly limit: Spent
  readonly dropped: Drops | null
}

/** `detach` gives away the socket behind each relay. */
export function packed(
  allocation: Allocation,
  holder: number,
  detach: (relay: Relay) => number,
  now: number,
): MovedAllocation {
  const { id, user, request, quotaPlaces, bytesPerSecond, fingerprint, peersAtBegin, ticket, lastTicketRefresh } =
    allocation
  return {
    ...{
      holder,
      id,
      source: allocation.source.host,
      user,
      request,
      quotaPlaces,
      bytesPerSecond,
      fingerprint,
      peersAtBegin,
      ticket,
      lastTicketRefresh,
    },
    from: {
      transport: allocation.client.transport,
      host: allocation.client.client.host,
      port: allocation.client.client.port,
    },
    ageMs: now - allocation.createdAt,
    leftMs: allocation.expiresAt - now,
    relays: allocation.relays.map((relay) => ({
      host: relay.local.host,
      port: relay.local.port,
      descriptor: detach(relay),
    })),
    peers: packedPeers(allocation, now),
    toPeer: {
      packets: allocation.toPeerPackets,
      bytes: allocation.toPeerBytes,
      limit: allocation.toPeerLimit.spent(now),
      dropped: allocation.droppedToPeer,
    },
    toClient: {
      packets: allocation.toClientPackets,
      bytes: allocation.toClientBytes,
      limit: allocation.toClientLimit.spent(now),
      dropped: allocation.droppedToClient,
    },
  }
}

/** The same allocation here, for a client that is at `client` now; its relays have no sockets yet. */
export function unpacked(
  moved: MovedAllocation,
  client: FiveTuple,
  make: (origin: AllocationOrigin) => Allocation,
  externalIp: ExternalIp,
  now: number,
): Allocation {
  const { user, request, lastTicketRefresh, toPeer, toClient } = moved
  const allocation = make({
    id: moved.id,
    client,
    source: Address.parse(moved.source)!,
    user: { ...user, key: user.key && Buffer.from(user.key) },
    request: {
      ...request,
      transactionId: Buffer.from(request.transactionId),
      reservationToken: request.reservationToken && Buffer.from(request.reservationToken),
    },
    quotaPlaces: moved.quotaPlaces,
    bytesPerSecond: moved.bytesPerSecond,
    fingerprint: moved.fingerprint,
    peersAtBegin: moved.peersAtBegin,
    createdAt: now - moved.ageMs,
  })
  allocation.state = 'open'
  allocation.expiresAt = now + moved.leftMs
  allocation.ticket = moved.ticket
  allocation.lastTicketRefresh = lastTicketRefresh && {
    transactionId: Buffer.from(lastTicketRefresh.transactionId),
    lifetimeSeconds: lastTicketRefresh.lifetimeSeconds,
  }
  allocation.toPeerPackets = toPeer.packets
  allocation.toPeerBytes = toPeer.bytes
  allocation.toClientPackets = toClient.packets
  allocation.toClientBytes = toClient.bytes
  allocation.droppedToPeer = toPeer.dropped
  allocation.droppedToClient = toClient.dropped
  allocation.toPeerLimit.resume(toPeer.limit, now)
  allocation.toClientLimit.resume(toClient.limit, now)
  for (const { host, port } of moved.relays) {
    const local = Address.parse(host, port)!
    const relay = new Relay(allocation, local, externalIp.toPublic(local.copy()))
    if (local.family === 4) allocation.relay4 = relay
    else allocation.relay6 = relay
    relay.state = 'open'
  }
  unpackPeers(moved.peers, allocation, now)
  return allocation
}

/** Rows of: channel number, 0 for a permission; family, four words and port of the peer; milliseconds left. */
const ROW = 8

function packedPeers(allocation: Allocation, now: number): Float64Array {
  const rows = new Float64Array((allocation.permissionCount + allocation.channels.size) * ROW)
  let at = 0
  const add = (number: number, { family, w0, w1, w2, w3, port }: Address, expiresAt: number) => {
    rows.set([number, family, w0, w1, w2, w3, port, expiresAt - now], at)
    at += ROW
  }
  for (const { peer, expiresAt } of allocation.permissions) add(0, peer, expiresAt)
  for (const { number, peer, expiresAt } of allocation.channels.values()) add(number, peer, expiresAt)
  return rows
}

function unpackPeers(rows: Float64Array, allocation: Allocation, now: number): void {
  for (let at = 0; at < rows.length; at += ROW) {
    const [number, family, w0, w1, w2, w3, port, leftMs] = rows.subarray(at, at + ROW) as unknown as Row
    const peer = family === 4 ? Address.ipv4(w3, port) : Address.ipv6(w0, w1, w2, w3, port)
    const permission = allocation.permit(peer, now + leftMs)
    const relay = allocation.relayOf(peer.family)
    if (number === 0 || permission === null || relay === null) continue
    // The rules may have changed on the way: the first packet asks them.
    allocation.bind(new Channel(number, peer, relay, permission, now + leftMs, null))
  }
}

type Row = [number, number, number, number, number, number, number, number]
