import type { Address } from './address.ts'
import {
  AddressFamily,
  ATTRIBUTE_HEADER_LENGTH,
  Attribute,
  HEADER_LENGTH,
  MAGIC_COOKIE,
  MAX_MESSAGE_LENGTH,
  MAX_UNKNOWN_ATTRIBUTES,
} from './constants.ts'
import { type HmacHash, hmac, layOut } from './hmac.ts'
import { fingerprintOf } from './integrity.ts'
import type { StunMessage } from './message.ts'

/**
 * Appends attributes to one reused buffer. Every byte of a message is written, reserved fields and padding as zero, so
 * nothing of an earlier message or of uninitialised memory leaves with it.
 *
 * The message is `buffer.subarray(start, end())`, valid until the next `begin`. The caller keeps it below
 * MAX_MESSAGE_LENGTH.
 */
export class StunWriter {
  buffer: Buffer
  start = 0
  readonly #own: Buffer
  #at = 0

  constructor(capacity: number = MAX_MESSAGE_LENGTH) {
    this.#own = Buffer.alloc(capacity)
    this.buffer = this.#own
  }

  /** Starts a message at `start` of the writer's own buffer; a response copies cookie and id of its request. */
  begin(method: number, messageClass: number, transactionId: StunMessage | Buffer, start = 0): this {
    return this.beginIn(this.#own, start, method, messageClass, transactionId)
  }

  /** The same in a buffer of the caller's, for a payload that already lies where `inPlace` will find it. */
  beginIn(
    buffer: Buffer,
    start: number,
    method: number,
    messageClass: number,
    transactionId: StunMessage | Buffer,
  ): this {
    this.buffer = buffer
    this.start = start
    this.#at = start + HEADER_LENGTH
    this.#put16(start, (method & 0x00f) | ((method & 0x070) << 1) | ((method & 0xf80) << 2) | messageClass)
    if (Buffer.isBuffer(transactionId)) {
      this.#put32(start + 4, MAGIC_COOKIE)
      for (let i = 0; i < 12; i++) buffer[start + 8 + i] = transactionId[i]!
    } else {
      const { bytes, start: from } = transactionId
      for (let i = 4; i < HEADER_LENGTH; i++) buffer[start + i] = bytes[from + i]!
    }
    return this
  }

  empty(attribute: number): this {
    this.#attribute(attribute, 0)
    return this
  }

  uint8(attribute: number, value: number): this {
    const at = this.#attribute(attribute, 1)
    this.buffer[at] = value
    return this
  }

  uint32(attribute: number, value: number): this {
    const at = this.#attribute(attribute, 4)
    this.#put32(at, value)
    return this
  }

  bytes(attribute: number, value: Buffer): this {
    const at = this.#attribute(attribute, value.length)
    value.copy(this.buffer, at)
    return this
  }

  /** Takes the `length` bytes behind the attribute's header as its value, as they lie there. */
  inPlace(attribute: number, length: number): this {
    this.#attribute(attribute, length)
    return this
  }

  text(attribute: number, value: string): this {
    if (!isAscii(value)) return this.bytes(attribute, Buffer.from(value))
    const at = this.#attribute(attribute, value.length)
    // Texts are short: two calls of Buffer cost more than this.
    for (let i = 0; i < value.length; i++) this.buffer[at + i] = value.charCodeAt(i)
    return this
  }

  /** RFC 8489 §14.2. */
  xorAddress(attribute: number, address: Address): this {
    const at = this.#addressHeader(attribute, address, MAGIC_COOKIE >>> 16)
    const { buffer, start } = this
    if (address.family === 4) this.#put32(at, address.w3 ^ MAGIC_COOKIE)
    else {
      this.#put32(at, address.w0 ^ MAGIC_COOKIE)
      this.#put32(at + 4, address.w1 ^ buffer.readInt32BE(start + 8))
      this.#put32(at + 8, address.w2 ^ buffer.readInt32BE(start + 12))
      this.#put32(at + 12, address.w3 ^ buffer.readInt32BE(start + 16))
    }
    return this
  }

  /** The plain form, for MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS (RFC 8489 §14.1). */
  address(attribute: number, address: Address): this {
    const at = this.#addressHeader(attribute, address, 0)
    if (address.family === 4) this.#put32(at, address.w3)
    else {
      this.#put32(at, address.w0)
      this.#put32(at + 4, address.w1)
      this.#put32(at + 8, address.w2)
      this.#put32(at + 12, address.w3)
    }
    return this
  }

  /** ERROR-CODE (RFC 8489 §14.8). */
  errorCode(code: number, phrase = ''): this {
    const at = this.#attribute(Attribute.ERROR_CODE, 4 + Buffer.byteLength(phrase))
    this.#putError(at, 0, code, phrase)
    return this
  }

  /** ADDRESS-ERROR-CODE: why a dual allocation lacks one of its families (RFC 8656 §18.12). */
  addressErrorCode(family: number, code: number, phrase = ''): this {
    const at = this.#attribute(Attribute.ADDRESS_ERROR_CODE, 4 + Buffer.byteLength(phrase))
    this.#putError(at, family, code, phrase)
    return this
  }

  /** UNKNOWN-ATTRIBUTES (RFC 8489 §14.13); lists at most the first 128. */
  unknownAttributes(types: readonly number[]): this {
    const count = Math.min(types.length, MAX_UNKNOWN_ATTRIBUTES)
    const at = this.#attribute(Attribute.UNKNOWN_ATTRIBUTES, count * 2)
    for (let i = 0; i < count; i++) this.#put16(at + i * 2, types[i]!)
    return this
  }

  /** MESSAGE-INTEGRITY over all that was written so far (RFC 8489 §14.5). */
  integrity(key: Buffer): this {
    return this.#integrity(Attribute.MESSAGE_INTEGRITY, 20, 'sha1', key)
  }

  /** MESSAGE-INTEGRITY-SHA256 at its full length (RFC 8489 §14.6). */
  integritySha256(key: Buffer): this {
    return this.#integrity(Attribute.MESSAGE_INTEGRITY_SHA256, 32, 'sha256', key)
  }

  /** FINGERPRINT; nothing may follow (RFC 8489 §14.7). */
  fingerprint(): this {
    const covered = this.#at
    const at = this.#attribute(Attribute.FINGERPRINT, 4)
    this.end()
    this.#put32(at, fingerprintOf(this.buffer, this.start, covered))
    return this
  }

  /** Completes the header and returns the offset behind the message. */
  end(): number {
    this.#put16(this.start + 2, this.length - HEADER_LENGTH)
    return this.#at
  }

  /** Bytes written so far, header included. */
  get length(): number {
    return this.#at - this.start
  }

  #integrity(attribute: number, length: number, hash: HmacHash, key: Buffer): this {
    const covered = this.#at
    const at = this.#attribute(attribute, length)
    this.end()
    const digest = hmac.digest(hash, key, layOut(this.buffer, this.start, covered))
    for (let i = 0; i < length; i++) this.buffer[at + i] = digest[i]!
    return this
  }

  /** Writes header and padding of an attribute and returns where its value belongs. */
  #attribute(attribute: number, length: number): number {
    const at = this.#at + ATTRIBUTE_HEADER_LENGTH
    this.#put16(this.#at, attribute)
    this.#put16(this.#at + 2, length)
    this.#at = at + ((length + 3) & ~3)
    for (let pad = at + length; pad < this.#at; pad++) this.buffer[pad] = 0
    return at
  }

  #addressHeader(attribute: number, address: Address, portMask: number): number {
    const at = this.#attribute(attribute, address.family === 4 ? 8 : 20)
    this.buffer[at] = 0
    this.buffer[at + 1] = address.family === 4 ? AddressFamily.IPV4 : AddressFamily.IPV6
    this.#put16(at + 2, address.port ^ portMask)
    return at + 4
  }

  #putError(at: number, first: number, code: number, phrase: string): void {
    this.buffer[at] = first
    this.buffer[at + 1] = 0
    this.buffer[at + 2] = Math.trunc(code / 100)
    this.buffer[at + 3] = code % 100
    this.buffer.write(phrase, at + 4)
  }

  #put16(at: number, value: number): void {
    this.buffer[at] = value >>> 8
    this.buffer[at + 1] = value
  }

  #put32(at: number, value: number): void {
    this.buffer[at] = value >>> 24
    this.buffer[at + 1] = value >>> 16
    this.buffer[at + 2] = value >>> 8
    this.buffer[at + 3] = value
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}
