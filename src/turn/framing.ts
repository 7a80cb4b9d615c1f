import { HEADER_LENGTH, MAGIC_COOKIE } from '../stun/constants.ts'

/** Channel number and length (RFC 8656 §12.4). */
export const CHANNEL_DATA_HEADER = 4

/**
 * How many bytes the frame at `start` of a TCP or TLS stream takes, padding included (RFC 8656 §12.5); it may be more
 * than there are yet, so that the driver can refuse what it will not wait for. 0 when the bytes do not tell yet, -1 when
 * they are no frame: a stream that has lost its framing cannot be re-synchronised.
 */
export function frameLength(bytes: Buffer, start: number, end: number): number {
  if (start >= end) return 0
  const first = bytes[start]!
  if (first < 0x04) return stunFrameLength(bytes, start, end)
  // All that RFC 5766 had: whether anything is bound to the number is not the framing's business.
  if (first < 0x40 || first > 0x7f) return -1
  if (end - start < CHANNEL_DATA_HEADER) return 0
  const length = bytes.readUInt16BE(start + 2)
  // Rounded up as a number, not in 16 bits: 65 535 + 4 + padding does not wrap.
  return CHANNEL_DATA_HEADER + Math.ceil(length / 4) * 4
}

function stunFrameLength(bytes: Buffer, start: number, end: number): number {
  // Waiting for the cookie costs nothing, no STUN message is shorter; a length read before it could be anything.
  if (end - start < 8) return 0
  const length = bytes.readUInt16BE(start + 2)
  if (length % 4 !== 0 || bytes.readUInt32BE(start + 4) !== MAGIC_COOKIE) return -1
  return HEADER_LENGTH + length
}
