import { Address } from '../../stun/address.ts'
import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import type { TurnOptions } from '../options.ts'
import { type Refused, refuse, type Settled } from '../reply.ts'

/** RFC 8656 §10.2: all of the peers or none. */
export function createPermission(
  request: StunMessage,
  allocation: Allocation,
  { options }: Allocations,
  now: number,
): Settled {
  const peers = readPeers(request)
  if ('error' in peers) return peers
  for (const peer of peers) {
    const refused = refusePeer(
      peer,
      (ip) => options.peerPolicy.refusalOfIp(ip, allocation.peersAtBegin),
      allocation,
      options,
    )
    if (refused !== null) return refused
  }
  const refused = refuseMapped(request, allocation, options)
  if (refused !== null) return refused
  if (!hasRoom(peers, allocation, options, now)) return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many permissions')
  const expiresAt = now + options.permissionLifetimeSeconds * 1000
  for (const peer of peers) allocation.permit(peer, expiresAt)
  return {}
}

/**
 * What CreatePermission and ChannelBind ask of every peer: a family that is relayed, and rules that allow both the address
 * it is named by and the one behind `external-ip`, where packets go. `peer` is the latter from here on.
 */
export function refusePeer(
  peer: Address,
  refusalOf: (peer: Address) => string | null,
  allocation: Allocation,
  { externalIp }: TurnOptions,
): Refused | null {
  if (allocation.relayOf(peer.family) === null) {
    return refuse(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH, `no relayed address of the family of peer ${peer.host}`)
  }
  const denied = refusalOf(peer) ?? refusalOf(externalIp.toPrivate(peer))
  return denied === null ? null : refuse(ErrorCode.FORBIDDEN, denied)
}

/** The other half of that: the rules that speak of peers in IPv6 notation, for those that are IPv4 in it. */
export function refuseMapped(
  request: StunMessage,
  { peersAtBegin }: Allocation,
  { peerPolicy }: TurnOptions,
): Refused | null {
  const peer = new Address()
  let at = request.find(Attribute.XOR_PEER_ADDRESS)
  for (; at >= 0; at = request.findNext(Attribute.XOR_PEER_ADDRESS, at)) {
    if (!request.isXorMappedAt(at) || !request.xorAddressAt(at, peer)) continue
    const denied = peerPolicy.refusalOfMapped(peer, peersAtBegin)
    if (denied !== null) return refuse(ErrorCode.FORBIDDEN, denied)
  }
  return null
}

function readPeers(request: StunMessage): Address[] | Refused {
  const peers: Address[] = []
  let at = request.find(Attribute.XOR_PEER_ADDRESS)
  if (at < 0) return refuse(ErrorCode.BAD_REQUEST, 'no XOR-PEER-ADDRESS')
  for (; at >= 0; at = request.findNext(Attribute.XOR_PEER_ADDRESS, at)) {
    const peer = new Address()
    if (!request.xorAddressAt(at, peer)) return refuse(ErrorCode.BAD_REQUEST, 'invalid XOR-PEER-ADDRESS')
    peers.push(peer)
  }
  return peers
}

/** Whether all of `peers` fit beside the permissions there are; the same ip twice counts once. */
function hasRoom(peers: readonly Address[], allocation: Allocation, options: TurnOptions, now: number): boolean {
  const fresh = peers.filter((peer) => allocation.permissionOf(peer, now) === null)
  if (fresh.length === 0) return true
  allocation.sweep(now)
  const keys = new Set(fresh.map((peer) => peer.ipKey))
  return allocation.permissionCount + keys.size <= options.maxPermissions
}
