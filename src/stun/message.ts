import { isUtf8 } from 'node:buffer'
import type { Address } from './address.ts'
import {
  AddressFamily,
  ATTRIBUTE_HEADER_LENGTH,
  Attribute,
  HEADER_LENGTH,
  MAGIC_COOKIE,
  MAX_TEXT_LENGTH,
  MAX_UNKNOWN_ATTRIBUTES,
} from './constants.ts'

/**
 * A read-only view over one STUN message: valid only as long as `bytes` is, so copy what you keep.
 *
 * Of repeated attributes the first counts, and nothing behind MESSAGE-INTEGRITY counts but MESSAGE-INTEGRITY-SHA256 and
 * FINGERPRINT, behind MESSAGE-INTEGRITY-SHA256 only FINGERPRINT (RFC 8489 §14.5–14.6). Offsets are those in `bytes`.
 */
export class StunMessage {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** The whole type field; its two halves are `method` and `messageClass`. */
  readonly type: number
  /** Where the values of the three closing attributes begin, or -1. */
  readonly integrityAt: number
  readonly integritySha256At: number
  readonly fingerprintAt: number
  /** Where the attributes end that say something about the request. */
  readonly #bodyEnd: number

  private constructor(
    bytes: Buffer,
    start: number,
    end: number,
    integrityAt: number,
    integritySha256At: number,
    fingerprintAt: number,
  ) {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.type = uint16(bytes, start)
    this.integrityAt = integrityAt
    this.integritySha256At = integritySha256At
    this.fingerprintAt = fingerprintAt
    const closing = integrityAt >= 0 ? integrityAt : integritySha256At
    this.#bodyEnd = closing >= 0 ? closing - ATTRIBUTE_HEADER_LENGTH : end
  }

  /** Returns null for anything that is not exactly one whole, well-formed STUN message (RFC 8489 §5). Never throws. */
  static parse(bytes: Buffer, start = 0, end: number = bytes.length): StunMessage | null {
    if (end - start < HEADER_LENGTH || uint32(bytes, start + 4) !== MAGIC_COOKIE) return null
    return StunMessage.parseClassic(bytes, start, end)
  }

  /** The same without the magic cookie: the transaction id of an RFC 3489 client is 16 bytes long (RFC 8489 §11). */
  static parseClassic(bytes: Buffer, start = 0, end: number = bytes.length): StunMessage | null {
    if (end - start < HEADER_LENGTH || (bytes[start]! & 0xc0) !== 0) return null
    const length = uint16(bytes, start + 2)
    if ((length & 3) !== 0 || length !== end - start - HEADER_LENGTH) return null

    let integrityAt = -1
    let integritySha256At = -1
    let fingerprintAt = -1
    let at = start + HEADER_LENGTH
    while (at < end) {
      // What is left is a multiple of 4, so the attribute's own header is inside; its value need not be.
      const attribute = uint16(bytes, at)
      const value = at + ATTRIBUTE_HEADER_LENGTH
      at = value + padded(uint16(bytes, at + 2))
      if (attribute === Attribute.FINGERPRINT) {
        if (fingerprintAt < 0) fingerprintAt = value
      } else if (integritySha256At < 0) {
        if (attribute === Attribute.MESSAGE_INTEGRITY_SHA256) integritySha256At = value
        else if (attribute === Attribute.MESSAGE_INTEGRITY && integrityAt < 0) integrityAt = value
      }
    }
    return at === end ? new StunMessage(bytes, start, end, integrityAt, integritySha256At, fingerprintAt) : null
  }

  /** A value of Method, or any other 12-bit number. */
  get method(): number {
    return (this.type & 0x000f) | ((this.type & 0x00e0) >> 1) | ((this.type & 0x3e00) >> 2)
  }

  /** A value of MessageClass. */
  get messageClass(): number {
    return this.type & 0x0110
  }

  /** The 12 bytes behind the cookie, where they lie. */
  transactionId(): Buffer {
    return this.bytes.subarray(this.start + 8, this.start + HEADER_LENGTH)
  }

  /** Where the value of the first `attribute` begins, or -1. */
  find(attribute: number): number {
    if (attribute === Attribute.MESSAGE_INTEGRITY) return this.integrityAt
    if (attribute === Attribute.MESSAGE_INTEGRITY_SHA256) return this.integritySha256At
    if (attribute === Attribute.FINGERPRINT) return this.fingerprintAt
    return this.#search(attribute, this.start + HEADER_LENGTH)
  }

  /** The next `attribute` behind the value at `valueOffset`, for those that may be repeated; or -1. */
  findNext(attribute: number, valueOffset: number): number {
    return this.#search(attribute, valueOffset + padded(this.lengthAt(valueOffset)))
  }

  has(attribute: number): boolean {
    return this.find(attribute) >= 0
  }

  /** The length of the value at an offset that `find` returned; padding does not count. */
  lengthAt(valueOffset: number): number {
    return uint16(this.bytes, valueOffset - 2)
  }

  /** The only byte of a one-byte attribute; null when it is absent or of another size. */
  uint8(attribute: number): number | null {
    const at = this.#sized(attribute, 1)
    return at < 0 ? null : this.bytes[at]!
  }

  /**
   * A four-byte attribute; null when it is absent or of another size. CHANNEL-NUMBER and RESPONSE-PORT are its upper 16
   * bits, REQUESTED-TRANSPORT and the address families its upper 8; what is below is reserved.
   */
  uint32(attribute: number): number | null {
    const at = this.#sized(attribute, 4)
    return at < 0 ? null : uint32(this.bytes, at)
  }

  /** The value where it lies; null when the attribute is absent. */
  value(attribute: number): Buffer | null {
    const at = this.find(attribute)
    return at < 0 ? null : this.bytes.subarray(at, at + this.lengthAt(at))
  }

  /** The value as text; null when it is absent, longer than 763 bytes or not UTF-8. */
  text(attribute: number): string | null {
    const at = this.find(attribute)
    if (at < 0) return null
    const { bytes } = this
    const end = at + this.lengthAt(at)
    if (end - at > MAX_TEXT_LENGTH) return null
    if (isAscii(bytes, at, end)) return bytes.toString('latin1', at, end)
    const value = bytes.subarray(at, end)
    return isUtf8(value) ? value.toString() : null
  }

  /** Reads an XOR-…-ADDRESS (RFC 8489 §14.2); false, and `into` unchanged, when it is absent or invalid. */
  xorAddress(attribute: number, into: Address): boolean {
    const at = this.find(attribute)
    return at >= 0 && this.xorAddressAt(at, into)
  }

  xorAddressAt(valueOffset: number, into: Address): boolean {
    const { bytes, start } = this
    const port = uint16(bytes, valueOffset + 2) ^ (MAGIC_COOKIE >>> 16)
    const ip = valueOffset + 4
    switch (this.#familyAt(valueOffset)) {
      case AddressFamily.IPV4:
        into.setIpv4(uint32(bytes, ip) ^ MAGIC_COOKIE, port)
        return true
      case AddressFamily.IPV6:
        into.setIpv6(
          (uint32(bytes, ip) ^ MAGIC_COOKIE) >>> 0,
          (uint32(bytes, ip + 4) ^ uint32(bytes, start + 8)) >>> 0,
          (uint32(bytes, ip + 8) ^ uint32(bytes, start + 12)) >>> 0,
          (uint32(bytes, ip + 12) ^ uint32(bytes, start + 16)) >>> 0,
          port,
        )
        return true
      default:
        return false
    }
  }

  /** Whether the XOR address there was sent as IPv4-mapped IPv6, which `xorAddressAt` reads as the IPv4 it is. */
  isXorMappedAt(valueOffset: number): boolean {
    const { bytes, start } = this
    const ip = valueOffset + 4
    return (
      this.#familyAt(valueOffset) === AddressFamily.IPV6 &&
      uint32(bytes, ip) === MAGIC_COOKIE &&
      uint32(bytes, ip + 4) === uint32(bytes, start + 8) &&
      (uint32(bytes, ip + 8) ^ uint32(bytes, start + 12)) === 0xffff
    )
  }

  /** Reads a plain address such as MAPPED-ADDRESS or ALTERNATE-SERVER (RFC 8489 §14.1). */
  address(attribute: number, into: Address): boolean {
    const at = this.find(attribute)
    if (at < 0) return false
    const { bytes } = this
    const port = uint16(bytes, at + 2)
    const ip = at + 4
    switch (this.#familyAt(at)) {
      case AddressFamily.IPV4:
        into.setIpv4(uint32(bytes, ip), port)
        return true
      case AddressFamily.IPV6:
        into.setIpv6(uint32(bytes, ip), uint32(bytes, ip + 4), uint32(bytes, ip + 8), uint32(bytes, ip + 12), port)
        return true
      default:
        return false
    }
  }

  /** The number in ERROR-CODE (RFC 8489 §14.8); null when it is absent or out of range. */
  errorCode(): number | null {
    const at = this.find(Attribute.ERROR_CODE)
    if (at < 0 || this.lengthAt(at) < 4) return null
    const hundreds = this.bytes[at + 2]! & 0x07
    const number = this.bytes[at + 3]!
    return hundreds >= 3 && hundreds <= 6 && number <= 99 ? hundreds * 100 + number : null
  }

  /**
   * The types below 0x8000 that are not in `known`, in the order met and each once (RFC 8489 §6.3.1), but no more than
   * an UNKNOWN-ATTRIBUTES of ours lists. Integrity attributes are always known.
   */
  unknownRequired(known: ReadonlySet<number>): readonly number[] {
    let unknown = NONE
    let at = this.start + HEADER_LENGTH
    while (at < this.#bodyEnd && unknown.length < MAX_UNKNOWN_ATTRIBUTES) {
      const attribute = uint16(this.bytes, at)
      if (attribute < 0x8000 && !known.has(attribute) && !unknown.includes(attribute)) {
        if (unknown === NONE) unknown = [attribute]
        else unknown.push(attribute)
      }
      at += ATTRIBUTE_HEADER_LENGTH + padded(uint16(this.bytes, at + 2))
    }
    return unknown
  }

  #search(attribute: number, from: number): number {
    const { bytes } = this
    const end = this.#bodyEnd
    let at = from
    while (at < end) {
      if (uint16(bytes, at) === attribute) return at + ATTRIBUTE_HEADER_LENGTH
      at += ATTRIBUTE_HEADER_LENGTH + padded(uint16(bytes, at + 2))
    }
    return -1
  }

  #sized(attribute: number, length: number): number {
    const at = this.find(attribute)
    return at >= 0 && this.lengthAt(at) === length ? at : -1
  }

  /** The family of the address at `valueOffset`; 0 unless the value is as long as that family needs. */
  #familyAt(valueOffset: number): number {
    const length = this.lengthAt(valueOffset)
    if (length !== 8 && length !== 20) return 0
    const family = this.bytes[valueOffset + 1]!
    return family === (length === 8 ? AddressFamily.IPV4 : AddressFamily.IPV6) ? family : 0
  }
}

const NONE: number[] = []

function uint16(bytes: Buffer, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function uint32(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Nearly all text is. Without a view of it the check is several times as quick as node's. */
function isAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 0x7f) return false
  return true
}

function padded(length: number): number {
  return (length + 3) & ~3
}
