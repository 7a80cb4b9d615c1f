import { Address } from '../../stun/address.ts'

/** A PROXY protocol header, version 1 or 2: what a TCP proxy says about the client in front of it. */
export interface ProxyHeader {
  /** Bytes the header takes; what the client sent follows. */
  readonly length: number
  /** The client's address, or null when the connection is the proxy's own (health checks, `UNKNOWN`, `LOCAL`). */
  readonly client: Address | null
}

const SIGNATURE_V2 = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const SIGNATURE_V1 = Buffer.from('PROXY ')
const MAX_V1 = 107
const HEADER_V2 = 16
// Addresses take at most 216 bytes; the rest are TLVs (certificate names, ids), which nobody makes this long.
const MAX_V2 = HEADER_V2 + 4096

/** Reads the header at the start of a connection; `more` when it has not come whole yet, `bad` when there is none. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'bad' {
  if (startsLike(bytes, SIGNATURE_V2)) return bytes.length < HEADER_V2 ? 'more' : parseV2(bytes)
  if (startsLike(bytes, SIGNATURE_V1)) return parseV1(bytes)
  return 'bad'
}

function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.subarray(0, length).equals(signature.subarray(0, length))
}

function parseV1(bytes: Buffer): ProxyHeader | 'more' | 'bad' {
  const line = bytes.subarray(0, MAX_V1)
  const end = line.indexOf('\r\n')
  if (end < 0) return bytes.length < MAX_V1 ? 'more' : 'bad'
  const length = end + 2
  const words = line.toString('latin1', 0, end).split(' ')
  if (words[1] === 'UNKNOWN') return { length, client: null }
  const [, family, source, destination, sourcePort, destinationPort, extra] = words
  const client = endpoint(family, source, sourcePort)
  if (client === null || endpoint(family, destination, destinationPort) === null || extra !== undefined) return 'bad'
  return { length, client }
}

function endpoint(family: string | undefined, host = '', port = ''): Address | null {
  if (!/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 0xffff) return null
  if (family !== (host.includes(':') ? 'TCP6' : 'TCP4')) return null
  return Address.parse(host, Number(port))
}

function parseV2(bytes: Buffer): ProxyHeader | 'more' | 'bad' {
  const command = bytes[12]!
  const family = bytes[13]!
  const length = HEADER_V2 + bytes.readUInt16BE(14)
  // Version 2 in the high half; LOCAL is 0, PROXY is 1.
  if ((command !== 0x20 && command !== 0x21) || length > MAX_V2) return 'bad'
  if (bytes.length < length) return 'more'
  if (command === 0x20 || family === 0x00) return { length, client: null }
  if (family === 0x11 && length >= HEADER_V2 + 12) {
    return { length, client: Address.ipv4(bytes.readUInt32BE(16), bytes.readUInt16BE(24)) }
  }
  if (family === 0x21 && length >= HEADER_V2 + 36) {
    const word = (index: number) => bytes.readUInt32BE(16 + 4 * index)
    return { length, client: Address.ipv6(word(0), word(1), word(2), word(3), bytes.readUInt16BE(48)) }
  }
  return 'bad'
}
