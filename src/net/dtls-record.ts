// Only as much of the record layer (RFC 6347 §4.1, §4.2.2) as telling datagrams apart takes; OpenSSL does the rest.
//
//   0      type (1)   version (2)   epoch (2)   sequence number (6)   length (2)      DTLSPlaintext
//  13      msg_type (1)   length (3)   message_seq (2)   fragment_offset (3)   fragment_length (3)      Handshake
//  25      client_version (2)   random (32)   …      ClientHello

const RECORD_HEADER = 13
const RANDOM = 27
const RANDOM_LENGTH = 32
const HANDSHAKE = 22
const CLIENT_HELLO = 1

/**
 * Whether the datagram begins with a whole, unencrypted ClientHello. A fragmented one is not: putting it together would
 * need memory for a source that has proved nothing.
 */
export function isClientHello(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= RANDOM + RANDOM_LENGTH &&
    bytes[start] === HANDSHAKE &&
    bytes.readUInt16BE(start + 3) === 0 &&
    bytes[start + 13] === CLIENT_HELLO &&
    bytes.readUIntBE(start + 19, 3) === 0 &&
    bytes.readUIntBE(start + 22, 3) === bytes.readUIntBE(start + 14, 3)
  )
}

/** The client's random of a ClientHello, which stays the same when the client repeats it or adds the cookie. */
export function clientRandom(bytes: Buffer, start: number): Buffer {
  return Buffer.from(bytes.subarray(start + RANDOM, start + RANDOM + RANDOM_LENGTH))
}

export function hasClientRandom(bytes: Buffer, start: number, random: Buffer): boolean {
  return bytes.compare(random, 0, RANDOM_LENGTH, start + RANDOM, start + RANDOM + RANDOM_LENGTH) === 0
}

/**
 * The end of the last whole record that fits into one datagram of `mtu` bytes from `start`; at least one record, however
 * long. OpenSSL writes a flight as one run of records, which may not leave as one datagram.
 */
export function datagramEnd(bytes: Buffer, start: number, end: number, mtu: number): number {
  let at = start
  while (at + RECORD_HEADER <= end) {
    const next = at + RECORD_HEADER + bytes.readUInt16BE(at + 11)
    if (next > end || (next - start > mtu && at > start)) break
    at = next
  }
  return at > start ? at : end
}
