// Only as much of the record layer (RFC 6347 §4.1, §4.2.2) as telling datagrams apart takes; OpenSSL does the rest.
//
//   0      type (1)   version (2)   epoch (2)   sequence number (6)   length (2)      DTLSPlaintext
//  13      msg_type (1)   length (3)   message_seq (2)   fragment_offset (3)   fragment_length (3)      Handshake
//  25      client_version (2)   random (32)   …      ClientHello

const RECORD_HEADER = 13
const HANDSHAKE_HEADER = 12
const RANDOM = 27
const RANDOM_LENGTH = 32
const HANDSHAKE = 22
const CLIENT_HELLO = 1
/** We ask for no certificate, so a ClientHello and a ClientKeyExchange are all that a client says in the clear. */
const MAX_MESSAGE = 4096

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

/**
 * Whether a datagram may go to OpenSSL 3.0: whole records only, no encrypted one shorter than its cipher's own bytes, and
 * no handshake message longer than an honest one.
 *
 * A short record can only be forged, but OpenSSL ends the session over it instead of dropping it (RFC 6347 §4.1.2.7),
 * which would let anybody who knows the client's address and port cut it off. And for the first fragment of a message
 * OpenSSL sets aside as much memory as the message claims to need.
 */
export function isPlausible(bytes: Buffer, start: number, end: number, overhead: number): boolean {
  let at = start
  while (at + RECORD_HEADER <= end) {
    const length = bytes.readUInt16BE(at + 11)
    const encrypted = bytes.readUInt16BE(at + 3) !== 0
    if (at + RECORD_HEADER + length > end) return false
    if (encrypted ? length < overhead : isOversized(bytes, at, length)) return false
    at += RECORD_HEADER + length
  }
  return at === end
}

function isOversized(bytes: Buffer, at: number, length: number): boolean {
  return bytes[at] === HANDSHAKE && length >= HANDSHAKE_HEADER && bytes.readUIntBE(at + 14, 3) > MAX_MESSAGE
}

/** What a cipher, by its OpenSSL name, adds to every record at the least: nonce and tag, or the MAC. */
export function recordOverhead(cipher: string): number {
  if (/CHACHA20|CCM8/.test(cipher)) return 16
  if (/GCM|CCM/.test(cipher)) return 24
  if (cipher.endsWith('SHA384')) return 48
  return cipher.endsWith('SHA256') ? 32 : 20
}

/** Whether any record is encrypted. */
export function isEncrypted(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at + RECORD_HEADER <= end; at += RECORD_HEADER + bytes.readUInt16BE(at + 11))
    if (bytes.readUInt16BE(at + 3) !== 0) return true
  return false
}
