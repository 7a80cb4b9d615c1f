import { Address } from '../../stun/address.ts'
import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import { type Reply, refuse, type SignedExchange } from '../reply.ts'
import { refuseMapped, refusePeer } from './create-permission.ts'

/**
 * RFC 6062 §5.2. It needs no permission, and gives none. LATER: the answer follows when the peer has accepted, or after 30
 * seconds.
 */
export function connect(
  request: StunMessage,
  allocation: Allocation,
  { options, peerConnections }: Allocations,
  now: number,
  exchange: SignedExchange,
): Reply {
  if (allocation.request.transport !== 'tcp') return refuse(ErrorCode.FORBIDDEN, 'Connect on a UDP allocation')
  const peer = new Address()
  if (!request.xorAddress(Attribute.XOR_PEER_ADDRESS, peer)) {
    return refuse(ErrorCode.BAD_REQUEST, 'no valid XOR-PEER-ADDRESS')
  }
  if (peer.port === 0) return refuse(ErrorCode.BAD_REQUEST, 'peer port 0')
  const refused =
    refusePeer(peer, (address) => options.peerPolicy.refusal(address, allocation.peersAtBegin), allocation, options) ??
    refuseMapped(request, allocation, options)
  if (refused !== null) return refused
  if (peerConnections.has(allocation, peer)) {
    return refuse(ErrorCode.CONNECTION_ALREADY_EXISTS, `peer ${peer} is connected, or about to be`)
  }
  if (peerConnections.isFull(allocation)) return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many peer connections')
  return peerConnections.connect(request, exchange, allocation.relayOf(peer.family)!, peer, now)
}
