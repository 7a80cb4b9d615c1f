export interface ClientHello {
  readonly random?: Buffer
  readonly cookie?: Buffer
  readonly messageSequence?: number
  readonly extensions?: Buffer
  readonly version?: number
  readonly suites?: readonly number[]
  /** How much of the message this record carries, from its beginning; all by default. */
  readonly fragment?: number
}

/** One record with a ClientHello (RFC 6347 §4.2.1) as a DTLS 1.2 client might send it; bytes written by hand. */
export function clientHello(hello: ClientHello = {}): Buffer {
  const suites = hello.suites ?? [0xc02b, 0xc02f, 0xc02c, 0xc030]
  const cookie = hello.cookie ?? Buffer.alloc(0)
  const extensions = hello.extensions ?? defaultExtensions
  const body = Buffer.concat([
    uint16(hello.version ?? 0xfefd),
    hello.random ?? Buffer.alloc(32, 7),
    Buffer.of(0),
    Buffer.of(cookie.length),
    cookie,
    uint16(suites.length * 2),
    ...suites.map(uint16),
    Buffer.of(1, 0),
    uint16(extensions.length),
    extensions,
  ])
  const sequence = hello.messageSequence ?? (cookie.length > 0 ? 1 : 0)
  const carried = hello.fragment ?? body.length
  const handshake = Buffer.concat([
    Buffer.of(1),
    uint24(body.length),
    uint16(sequence),
    uint24(0),
    uint24(carried),
    body.subarray(0, carried),
  ])
  return record(22, 0, sequence, handshake)
}

export function record(type: number, epoch: number, sequence: number, payload: Buffer): Buffer {
  return Buffer.concat([
    Buffer.of(type, 0xfe, 0xfd),
    uint16(epoch),
    uint16(0),
    uint32(sequence),
    uint16(payload.length),
    payload,
  ])
}

/** The records of one datagram, or null when it does not consist of whole records. */
export function records(datagram: Buffer): Buffer[] | null {
  const out: Buffer[] = []
  for (let at = 0; at < datagram.length; ) {
    if (at + 13 > datagram.length) return null
    const next = at + 13 + datagram.readUInt16BE(at + 11)
    if (next > datagram.length) return null
    out.push(datagram.subarray(at, next))
    at = next
  }
  return out
}

/** The cookie of a HelloVerifyRequest. */
export function cookieOf(datagram: Buffer): Buffer {
  if (datagram[0] !== 22 || datagram[13] !== 3) throw new Error('not a HelloVerifyRequest')
  return Buffer.from(datagram.subarray(28, 28 + datagram[27]!))
}

/** An extension of a ClientHello. */
export function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([uint16(type), uint16(body.length), body])
}

const uint16 = (value: number) => Buffer.of((value >> 8) & 255, value & 255)
const uint24 = (value: number) => Buffer.of((value >> 16) & 255, (value >> 8) & 255, value & 255)
const uint32 = (value: number) => Buffer.of(value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255)

// supported_groups x25519 and P-256, signature_algorithms, ec_point_formats.
const defaultExtensions = Buffer.concat([
  extension(10, Buffer.from('0004001d0017', 'hex')),
  extension(13, Buffer.from('00080403080404010201', 'hex')),
  extension(11, Buffer.from('0100', 'hex')),
])
