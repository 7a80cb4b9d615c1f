// Wire constants of STUN and TURN under the names that IANA's registries give them.

/** Makes a STUN header recognisable and is half of every XOR-ed address (RFC 8489 §5). */
export const MAGIC_COOKIE = 0x2112a442
export const HEADER_LENGTH = 20
export const ATTRIBUTE_HEADER_LENGTH = 4
/** The length field counts in 16 bits and in steps of 4, so this is the most that a message can be. */
export const MAX_MESSAGE_LENGTH = HEADER_LENGTH + 0xfffc
/** USERNAME, REALM, NONCE, SOFTWARE and reason phrases are read up to this many bytes (RFC 8489 §14.3, §14.8–14.10). */
export const MAX_TEXT_LENGTH = 763
/** How many types an UNKNOWN-ATTRIBUTES of ours lists, so that an answer cannot outgrow the question. */
export const MAX_UNKNOWN_ATTRIBUTES = 128

/** Where the two class bits lie in the message type (RFC 8489 §5). */
export const MessageClass = {
  REQUEST: 0x0000,
  INDICATION: 0x0010,
  SUCCESS: 0x0100,
  ERROR: 0x0110,
} as const

export const Method = {
  BINDING: 0x001,
  ALLOCATE: 0x003,
  REFRESH: 0x004,
  SEND: 0x006,
  DATA: 0x007,
  CREATE_PERMISSION: 0x008,
  CHANNEL_BIND: 0x009,
  CONNECT: 0x00a,
  CONNECTION_BIND: 0x00b,
  CONNECTION_ATTEMPT: 0x00c,
} as const

export const Attribute = {
  MAPPED_ADDRESS: 0x0001,
  CHANGE_REQUEST: 0x0003,
  USERNAME: 0x0006,
  MESSAGE_INTEGRITY: 0x0008,
  ERROR_CODE: 0x0009,
  UNKNOWN_ATTRIBUTES: 0x000a,
  CHANNEL_NUMBER: 0x000c,
  LIFETIME: 0x000d,
  XOR_PEER_ADDRESS: 0x0012,
  DATA: 0x0013,
  REALM: 0x0014,
  NONCE: 0x0015,
  XOR_RELAYED_ADDRESS: 0x0016,
  REQUESTED_ADDRESS_FAMILY: 0x0017,
  EVEN_PORT: 0x0018,
  REQUESTED_TRANSPORT: 0x0019,
  DONT_FRAGMENT: 0x001a,
  ACCESS_TOKEN: 0x001b,
  MESSAGE_INTEGRITY_SHA256: 0x001c,
  PASSWORD_ALGORITHM: 0x001d,
  USERHASH: 0x001e,
  XOR_MAPPED_ADDRESS: 0x0020,
  RESERVATION_TOKEN: 0x0022,
  PRIORITY: 0x0024,
  USE_CANDIDATE: 0x0025,
  PADDING: 0x0026,
  RESPONSE_PORT: 0x0027,
  CONNECTION_ID: 0x002a,
  ADDITIONAL_ADDRESS_FAMILY: 0x8000,
  ADDRESS_ERROR_CODE: 0x8001,
  PASSWORD_ALGORITHMS: 0x8002,
  ALTERNATE_DOMAIN: 0x8003,
  ICMP: 0x8004,
  /** coturn's own: asks for, and is told, the bytes per second of an allocation. */
  NEW_BANDWIDTH: 0x8010,
  SOFTWARE: 0x8022,
  ALTERNATE_SERVER: 0x8023,
  FINGERPRINT: 0x8028,
  ICE_CONTROLLED: 0x8029,
  ICE_CONTROLLING: 0x802a,
  RESPONSE_ORIGIN: 0x802b,
  OTHER_ADDRESS: 0x802c,
  THIRD_PARTY_AUTHORIZATION: 0x802e,
  /** From an expired draft; libwebrtc and coturn still know it. */
  ORIGIN: 0x802f,
  MOBILITY_TICKET: 0x8030,
} as const

/** What RFC 3489 had for RESPONSE-ORIGIN and OTHER-ADDRESS; reserved since. */
export const ClassicAttribute = {
  SOURCE_ADDRESS: 0x0004,
  CHANGED_ADDRESS: 0x0005,
} as const

export const ErrorCode = {
  TRY_ALTERNATE: 300,
  BAD_REQUEST: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  MOBILITY_FORBIDDEN: 405,
  UNKNOWN_ATTRIBUTE: 420,
  ALLOCATION_MISMATCH: 437,
  STALE_NONCE: 438,
  ADDRESS_FAMILY_NOT_SUPPORTED: 440,
  WRONG_CREDENTIALS: 441,
  UNSUPPORTED_TRANSPORT_PROTOCOL: 442,
  PEER_ADDRESS_FAMILY_MISMATCH: 443,
  CONNECTION_ALREADY_EXISTS: 446,
  CONNECTION_TIMEOUT_OR_FAILURE: 447,
  ALLOCATION_QUOTA_REACHED: 486,
  SERVER_ERROR: 500,
  INSUFFICIENT_CAPACITY: 508,
} as const

/** Family numbers of address attributes and of REQUESTED-ADDRESS-FAMILY (RFC 8489 §14.1, RFC 8656 §18.6). */
export const AddressFamily = {
  IPV4: 0x01,
  IPV6: 0x02,
} as const

/** Numbers in PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS (RFC 8489 §18.5). */
export const PasswordAlgorithm = {
  MD5: 0x0001,
  SHA_256: 0x0002,
} as const

/** Protocol numbers in REQUESTED-TRANSPORT (RFC 8656 §18.8). */
export const TransportProtocol = {
  TCP: 6,
  UDP: 17,
} as const

/** The phrase that IANA lists for an error code; empty for a code that it doesn't list. */
export function reasonPhrase(code: number): string {
  return PHRASES.get(code) ?? ''
}

const PHRASES: ReadonlyMap<number, string> = new Map([
  [ErrorCode.TRY_ALTERNATE, 'Try Alternate'],
  [ErrorCode.BAD_REQUEST, 'Bad Request'],
  [ErrorCode.UNAUTHENTICATED, 'Unauthenticated'],
  [ErrorCode.FORBIDDEN, 'Forbidden'],
  [ErrorCode.MOBILITY_FORBIDDEN, 'Mobility Forbidden'],
  [ErrorCode.UNKNOWN_ATTRIBUTE, 'Unknown Attribute'],
  [ErrorCode.ALLOCATION_MISMATCH, 'Allocation Mismatch'],
  [ErrorCode.STALE_NONCE, 'Stale Nonce'],
  [ErrorCode.ADDRESS_FAMILY_NOT_SUPPORTED, 'Address Family not Supported'],
  [ErrorCode.WRONG_CREDENTIALS, 'Wrong Credentials'],
  [ErrorCode.UNSUPPORTED_TRANSPORT_PROTOCOL, 'Unsupported Transport Protocol'],
  [ErrorCode.PEER_ADDRESS_FAMILY_MISMATCH, 'Peer Address Family Mismatch'],
  [ErrorCode.CONNECTION_ALREADY_EXISTS, 'Connection Already Exists'],
  [ErrorCode.CONNECTION_TIMEOUT_OR_FAILURE, 'Connection Timeout or Failure'],
  [ErrorCode.ALLOCATION_QUOTA_REACHED, 'Allocation Quota Reached'],
  [ErrorCode.SERVER_ERROR, 'Server Error'],
  [ErrorCode.INSUFFICIENT_CAPACITY, 'Insufficient Capacity'],
])
