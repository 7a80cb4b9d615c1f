import { Attribute } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'

/**
 * What we understand of the attributes that must be understood (RFC 8489 §14). One without meaning for a method is
 * ignored there; ICE's own are missing, because a server that does not do ICE does not understand them.
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
  Attribute.CONNECTION_ID,
])

/** The first attribute that is not as long as its definition says (RFC 8656 §18); null when all are right. */
export function wrongSized(request: StunMessage): number | null {
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
