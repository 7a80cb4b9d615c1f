import { Attribute, ErrorCode } from '../../stun/constants.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { FiveTuple } from '../five-tuple.ts'
import type { TurnOptions } from '../options.ts'
import type { Settled } from '../reply.ts'

/** RFC 8489 §6.3.1.1, §12: where the request came from, and nothing that was not asked for. */
export function binding(request: StunMessage, client: FiveTuple, options: TurnOptions): Settled {
  // RFC 5780 §7.2: who asks for another source address must not be answered from this one.
  if (((request.uint32(Attribute.CHANGE_REQUEST) ?? 0) & 0x06) !== 0) {
    return {
      error: ErrorCode.UNKNOWN_ATTRIBUTE,
      reason: 'CHANGE-REQUEST without rfc5780',
      unknownAttributes: [Attribute.CHANGE_REQUEST],
    }
  }
  if (options.stunBackwardCompatibility) return { mapped: client.client, plainMapped: client.client }
  return { mapped: client.client }
}

/** RFC 8489 §11: a client of RFC 3489 knows only the plain address. `request` has 16 bytes of transaction id. */
export function classicBinding(client: FiveTuple): Settled {
  if (client.transport === 'dtls') return { error: ErrorCode.SERVER_ERROR, reason: 'RFC 3489 request over DTLS' }
  return { plainMapped: client.client }
}
