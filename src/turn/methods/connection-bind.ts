import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { Allocations } from '../allocations.ts'
import { type Reply, refuse, type SignedExchange } from '../reply.ts'

/** RFC 6062 §5.4. The caller has found its connection a stream without an allocation. LATER: another server has been asked. */
export function connectionBind(
  request: StunMessage,
  exchange: SignedExchange,
  { peerConnections }: Allocations,
  now: number,
): Reply {
  const id = request.uint32(Attribute.CONNECTION_ID)
  if (id === null) return refuse(ErrorCode.BAD_REQUEST, 'no CONNECTION-ID')
  return peerConnections.bind(request, exchange, id, now)
}
