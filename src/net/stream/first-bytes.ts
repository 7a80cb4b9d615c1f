import { MAGIC_COOKIE } from '../../stun/constants.ts'

/** What a client speaks, told from the first bytes of its connection. `more` when they do not tell yet. */
export type FirstBytes = 'tls' | 'stun' | 'http' | 'unknown' | 'more'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'].map((method) =>
  Buffer.from(`${method} `),
)

/**
 * Some methods begin like ChannelData (`G` is 0x47), so this is for new connections only: they have no channel
 * (NET-DEMUX-04 in the tests).
 */
export function recogniseFirstBytes(bytes: Buffer): FirstBytes {
  if (bytes.length === 0) return 'more'
  const first = bytes[0]!
  if (first === 0x16) return followedBy(bytes, 1, [0x03], 'tls')
  if (first <= 0x01) return recogniseStun(bytes)
  return recogniseHttp(bytes)
}

function recogniseStun(bytes: Buffer): FirstBytes {
  return followedBy(bytes, 4, COOKIE, 'stun')
}

const COOKIE = [MAGIC_COOKIE >>> 24, (MAGIC_COOKIE >>> 16) & 255, (MAGIC_COOKIE >>> 8) & 255, MAGIC_COOKIE & 255]

function followedBy(bytes: Buffer, at: number, expected: readonly number[], found: FirstBytes): FirstBytes {
  for (let i = 0; i < expected.length; i++) {
    if (at + i >= bytes.length) return 'more'
    if (bytes[at + i] !== expected[i]) return 'unknown'
  }
  return found
}

function recogniseHttp(bytes: Buffer): FirstBytes {
  for (const method of METHODS) {
    const length = Math.min(method.length, bytes.length)
    if (bytes.subarray(0, length).equals(method.subarray(0, length))) return length === method.length ? 'http' : 'more'
  }
  return 'unknown'
}

/** How long the TLS record at the start is, header included; 0 when the bytes do not tell yet. */
export function tlsRecordLength(bytes: Buffer): number {
  return bytes.length < 5 ? 0 : 5 + bytes.readUInt16BE(3)
}
