import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocation } from '../allocation.ts'
import type { Allocations } from '../allocations.ts'
import { refuse, type Settled } from '../reply.ts'
import { grantedLifetime, requestedFamily } from './allocate.ts'

/** RFC 8656 §8.2. The caller has authenticated the request and matched it to `allocation` (§5). */
export function refresh(request: StunMessage, allocation: Allocation, allocations: Allocations, now: number): Settled {
  const family = requestedFamily(request, Attribute.REQUESTED_ADDRESS_FAMILY)
  const half = family === null || family === 0 ? null : allocation.relayOf(family)
  if (family !== null && half === null) {
    return refuse(ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH, 'the allocation has no relayed address of that family')
  }
  if (request.uint32(Attribute.LIFETIME) === 0) {
    if (half !== null && allocation.relays.length > 1) allocations.closeRelay(half, now)
    else allocations.release(allocation, 'refreshed-to-0', now)
    return { lifetimeSeconds: 0 }
  }
  const lifetimeSeconds = grantedLifetime(request, allocations.options)
  allocation.expiresAt = now + lifetimeSeconds * 1000
  return { lifetimeSeconds, mobilityTicket: allocation.ticket }
}
