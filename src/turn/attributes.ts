import { Attribute, ErrorCode, Method } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import { type Refused, refuse } from './reply.ts'

/**
 * What we understand of the attributes that must be understood (RFC 8489 §14). One without meaning for a method is
 * ignored there. Of ICE's only PRIORITY is among them: agents send it with what they gather by; USE-CANDIDATE asks for what a
 * server that does not do ICE cannot give.
 */
export const KNOWN_ATTRIBUTES: ReadonlySet<number> = new Set([
  Attribute.MAPPED_ADDRESS,
  Attribute.CHANGE_REQUEST,
  Attribute.USERNAME,
  Attribute.MESSAGE_INTEGRITY,
  Attribute.ERROR_CODE,
  Attribute.UNKNOWN_ATTRIBUTES,
  Attribute.CHANNEL_NUMBER,
  Attribute.LIFETIME,
  Attribute.XOR_PEER_ADDRESS,
  Attribute.DATA,
  Attribute.REALM,
  Attribute.NONCE,
  Attribute.XOR_RELAYED_ADDRESS,
  Attribute.REQUESTED_ADDRESS_FAMILY,
  Attribute.EVEN_PORT,
  Attribute.REQUESTED_TRANSPORT,
  Attribute.DONT_FRAGMENT,
  Attribute.MESSAGE_INTEGRITY_SHA256,
  Attribute.PASSWORD_ALGORITHM,
  Attribute.USERHASH,
  Attribute.XOR_MAPPED_ADDRESS,
  Attribute.RESERVATION_TOKEN,
  Attribute.PRIORITY,
  Attribute.CONNECTION_ID,
])

/** What Binding understands besides (RFC 5780 §7). */
const BINDING_ATTRIBUTES: ReadonlySet<number> = new Set([
  ...KNOWN_ATTRIBUTES,
  Attribute.PADDING,
  Attribute.RESPONSE_PORT,
])

/** RFC 8489 §6.3.1, RFC 8656 §18: what is wrong with attributes whatever the method. */
export function refuseAttributes(request: StunMessage): Refused | null {
  const known = request.method === Method.BINDING ? BINDING_ATTRIBUTES : KNOWN_ATTRIBUTES
  const unknownAttributes = request.unknownRequired(known)
  if (unknownAttributes.length > 0) {
    const names = unknownAttributes.map((type) => `0x${type.toString(16).padStart(4, '0')}`)
    return { error: ErrorCode.UNKNOWN_ATTRIBUTE, reason: `unknown ${names.join(', ')}`, unknownAttributes }
  }
  const attribute = wrongSized(request)
  if (attribute === null) return null
  return refuse(ErrorCode.BAD_REQUEST, `attribute 0x${attribute.toString(16).padStart(4, '0')} has a wrong length`)
}

/** The first attribute that is not as long as its definition says; null when all are right. */
function wrongSized(request: StunMessage): number | null {
  for (const [attribute, length] of FIXED_LENGTHS) {
    const at = request.find(attribute)
    if (at >= 0 && request.lengthAt(at) !== length) return attribute
  }
  return null
}

const FIXED_LENGTHS: readonly (readonly [number, number])[] = [
  [Attribute.CHANNEL_NUMBER, 4],
  [Attribute.LIFETIME, 4],
  [Attribute.REQUESTED_TRANSPORT, 4],
  [Attribute.REQUESTED_ADDRESS_FAMILY, 4],
  [Attribute.ADDITIONAL_ADDRESS_FAMILY, 4],
  [Attribute.EVEN_PORT, 1],
  [Attribute.RESERVATION_TOKEN, 8],
  [Attribute.CONNECTION_ID, 4],
  [Attribute.DONT_FRAGMENT, 0],
  [Attribute.CHANGE_REQUEST, 4],
]
