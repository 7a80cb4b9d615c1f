import { createHash, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { ATTRIBUTE_HEADER_LENGTH, HEADER_LENGTH } from './constants.ts'
import { type HmacHash, hmac, layOut } from './hmac.ts'
import type { StunMessage } from './message.ts'

/** Whether the message has a MESSAGE-INTEGRITY of 20 bytes that was made with `key` (RFC 8489 §14.5). */
export function verifyIntegrity(message: StunMessage, key: Buffer): boolean {
  return verify(message, message.integrityAt, 20, 'sha1', key)
}

/** The same for MESSAGE-INTEGRITY-SHA256; truncated values are refused, as TURN asks for all 32 bytes (RFC 8489 §14.6). */
export function verifyIntegritySha256(message: StunMessage, key: Buffer): boolean {
  return verify(message, message.integritySha256At, 32, 'sha256', key)
}

/** A FINGERPRINT that is not the last attribute is as wrong as one with another value (RFC 8489 §14.7). */
export function verifyFingerprint(message: StunMessage): 'absent' | 'right' | 'wrong' {
  const at = message.fingerprintAt
  if (at < 0) return 'absent'
  if (message.lengthAt(at) !== 4 || at + 4 !== message.end) return 'wrong'
  const covered = at - ATTRIBUTE_HEADER_LENGTH
  return message.bytes.readUInt32BE(at) === fingerprintOf(message.bytes, message.start, covered) ? 'right' : 'wrong'
}

/** The value of a FINGERPRINT behind `bytes.subarray(start, end)`, whose header already counts it. */
export function fingerprintOf(bytes: Buffer, start: number, end: number): number {
  return (crc32(bytes.subarray(start, end)) ^ FINGERPRINT_MASK) >>> 0
}

/** The key of a long-term credential with the algorithm MD5 (RFC 8489 §18.5.1.1). The password is as already prepared. */
export function longTermKey(username: string, realm: string, password: string): Buffer {
  return createHash('md5').update(`${username}:${realm}:${password}`).digest()
}

/** The key of a long-term credential with the algorithm SHA-256 (RFC 8489 §18.5.1.2). */
export function longTermKeySha256(username: string, realm: string, password: string): Buffer {
  return createHash('sha256').update(`${username}:${realm}:${password}`).digest()
}

/** What USERHASH holds in place of a username (RFC 8489 §14.4). */
export function userHash(username: string, realm: string): Buffer {
  return createHash('sha256').update(`${username}:${realm}`).digest()
}

/** "STUN" in ASCII: tells the CRC from those of other protocols that may share the port. */
const FINGERPRINT_MASK = 0x5354554e

function verify(message: StunMessage, at: number, length: number, hash: HmacHash, key: Buffer): boolean {
  if (at < 0 || message.lengthAt(at) !== length) return false
  const { bytes, start } = message
  const covered = layOut(bytes, start, at - ATTRIBUTE_HEADER_LENGTH)
  // The HMAC sees a header whose length ends with the integrity attribute.
  hmac.input.writeUInt16BE(at + length - start - HEADER_LENGTH, 2)
  return timingSafeEqual(hmac.digest(hash, key, covered), bytes.subarray(at, at + length))
}
