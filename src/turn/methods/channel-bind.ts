import { Address } from '../../stun/address.ts'
import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import { type Allocation, Channel } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import type { TurnOptions } from '../options.ts'
import { refuse, type Settled } from '../reply.ts'
import { refuseMapped, refusePeer } from './create-permission.ts'

/** RFC 8656 §12.2. */
export function channelBind(
  request: StunMessage,
  allocation: Allocation,
  { options }: Allocations,
  now: number,
): Settled {
  // RFC 6062 passes streams as they are: there is nothing that a channel could frame.
  if (allocation.request.transport === 'tcp') return refuse(ErrorCode.FORBIDDEN, 'a channel on a TCP allocation')
  const field = request.uint32(Attribute.CHANNEL_NUMBER)
  const peer = new Address()
  if (field === null) return refuse(ErrorCode.BAD_REQUEST, 'no CHANNEL-NUMBER')
  if (!request.xorAddress(Attribute.XOR_PEER_ADDRESS, peer)) {
    return refuse(ErrorCode.BAD_REQUEST, 'no valid XOR-PEER-ADDRESS')
  }
  const number = field >>> 16
  // Deviation: RFC 8656 §12 reserves 0x5000-0x7FFF. Clients of RFC 5766 bind all of it, coturn's own the last one too.
  if (number < 0x4000 || number > (options.rfc8656ChannelNumbers ? 0x4fff : 0x7fff)) {
    return refuse(ErrorCode.BAD_REQUEST, `channel number 0x${number.toString(16)} is out of range`)
  }
  if (peer.port === 0) return refuse(ErrorCode.BAD_REQUEST, 'peer port 0')
  const refused =
    refusePeer(peer, (address) => options.peerPolicy.refusal(address, allocation.peersAtBegin), allocation, options) ??
    refuseMapped(request, allocation, options)
  if (refused !== null) return refused

  // Number and peer are free again the moment a binding expires, not when the sweep gets there.
  const byNumber = allocation.channels.get(number)
  if (byNumber !== undefined && byNumber.expiresAt <= now) allocation.unbind(byNumber)
  else if (byNumber !== undefined && !byNumber.peer.equals(peer)) {
    return refuse(ErrorCode.BAD_REQUEST, 'the channel is bound to another peer')
  }
  const bound = allocation.channelOf(peer, now)
  if (bound !== null && bound.number !== number) {
    return refuse(ErrorCode.BAD_REQUEST, 'the peer is bound to another channel')
  }

  const expiresAt = now + options.channelLifetimeSeconds * 1000
  if (bound === null) return bindAnew(number, peer, allocation, options, now, expiresAt)
  allocation.renew(bound, expiresAt, permissionEnd(options, now, expiresAt))
  bound.allowedUnder = options.peerPolicy
  return {}
}

function bindAnew(
  number: number,
  peer: Address,
  allocation: Allocation,
  options: TurnOptions,
  now: number,
  expiresAt: number,
): Settled {
  const { maxChannels, maxPermissions } = options
  allocation.sweep(now)
  if (allocation.channels.size >= maxChannels) return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many channels')
  if (allocation.permissionOf(peer, now) === null && allocation.permissionCount >= maxPermissions) {
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'too many permissions')
  }
  const relay = allocation.relayOf(peer.family)
  const permission = allocation.permit(peer, permissionEnd(options, now, expiresAt))
  if (
    relay === null ||
    permission === null ||
    !allocation.bind(new Channel(number, peer, relay, permission, expiresAt, options.peerPolicy))
  ) {
    return refuse(ErrorCode.INSUFFICIENT_CAPACITY, 'two IPv6 peers share a key')
  }
  return {}
}

// Deviation: RFC 8656 §12.2 gives the permission 300 s. Clients that renew nothing but their channel every 500 s would
// lose their inbound data between seconds 300 and 500.
function permissionEnd({ permissionLifetimeSeconds }: TurnOptions, now: number, channelEnd: number): number {
  return Math.max(channelEnd, now + permissionLifetimeSeconds * 1000)
}
