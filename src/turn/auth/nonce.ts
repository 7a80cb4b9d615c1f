import { createHash, timingSafeEqual } from 'node:crypto'
import type { Address } from '../../stun/address.ts'
import { hmac } from '../../stun/hmac.ts'

export interface NonceOptions {
  /** `stale-nonce`; 0 = nonces never go stale. */
  readonly lifetimeSeconds: number
  /** 32 bytes; the same on every worker and node that answers the same clients. */
  readonly key: Buffer
  /** RFC 8489's text counts security features from the top bit, its own sample (and libjuice) from the lowest one. */
  readonly bitOrder: 'msb' | 'lsb'
  readonly random: (size: number) => Buffer
}

/** STUN security features (RFC 8489 §18.1) that a nonce announces. */
export interface SecurityFeatures {
  readonly passwordAlgorithms: boolean
  readonly usernameAnonymity: boolean
}

/**
 * Nonces that need no memory (RFC 8489 §9.2): cookie and security features, the time of issue, a counter, and a MAC over
 * them and the client's address. `obMatJos2` + 4 + 32 characters, all of base64's alphabet.
 */
export class Nonces {
  readonly #options: NonceOptions
  #key: Buffer
  #oldKey: Buffer | null = null
  #oldKeyUntil = 0
  // Two nonces of one client in one millisecond differ by it (RFC 8489 §14.10 asks for a nonce of its own each time).
  #counter: number

  constructor(options: NonceOptions) {
    this.#options = options
    this.#key = options.key
    this.#counter = options.random(3).readUIntBE(0, 3)
  }

  issue(client: Address, wallMs: number, features: SecurityFeatures = NO_FEATURES): string {
    this.#counter = (this.#counter + 1) & 0xffffff
    return seal(this.#key, client, this.#bits(features), wallMs, this.#counter)
  }

  /** `stale` was ours but is too old; `foreign` is another client's, tampered with, or made with a key we don't have. */
  verify(nonce: string, client: Address, wallMs: number): 'valid' | 'stale' | 'foreign' {
    if (nonce.length !== NONCE_LENGTH) return 'foreign'
    if (fields.write(nonce.slice(COOKIE.length + 4), 'base64') !== fields.length) return 'foreign'
    const bits = nonce.slice(COOKIE.length, COOKIE.length + 4)
    const issuedAt = fields.readUIntBE(0, TIME_LENGTH)
    const counter = fields.readUIntBE(TIME_LENGTH, COUNTER_LENGTH)

    const matches = (key: Buffer) => equal(nonce, seal(key, client, bits, issuedAt, counter))
    if (this.#oldKey !== null && wallMs > this.#oldKeyUntil) this.#oldKey = null
    if (!matches(this.#key) && (this.#oldKey === null || !matches(this.#oldKey))) return 'foreign'
    // A nonce from the future comes from a node whose clock is ahead of ours; beyond a lifetime it is no such slip.
    const lifetimeMs = this.#options.lifetimeSeconds * 1000
    return lifetimeMs === 0 || Math.abs(wallMs - issuedAt) <= lifetimeMs ? 'valid' : 'stale'
  }

  /** Whether a nonce that `verify` found valid announced password algorithms. */
  announcesPasswordAlgorithms(nonce: string): boolean {
    const bits = Buffer.from(nonce.slice(COOKIE.length, COOKIE.length + 4), 'base64')
    return (bits.readUIntBE(0, 3) & FEATURE_BITS[this.#options.bitOrder].passwordAlgorithms) !== 0
  }

  /** Makes nonces with `key` from now on; those of the key before stay good for one lifetime. */
  rotate(key: Buffer, wallMs: number): void {
    const { lifetimeSeconds } = this.#options
    this.#oldKey = this.#key
    this.#oldKeyUntil = lifetimeSeconds === 0 ? Infinity : wallMs + lifetimeSeconds * 1000
    this.#key = key
  }

  #bits(features: SecurityFeatures): string {
    const { passwordAlgorithms, usernameAnonymity } = FEATURE_BITS[this.#options.bitOrder]
    const bits =
      (features.passwordAlgorithms ? passwordAlgorithms : 0) | (features.usernameAnonymity ? usernameAnonymity : 0)
    return Buffer.from([bits >>> 16, bits >>> 8, bits]).toString('base64')
  }
}

/** The key behind `stateless-nonce-secret`: what several servers share is a phrase, not 32 bytes. */
export function nonceKey(secret: string): Buffer {
  return createHash('sha256').update('webrtc-stack nonce key\0').update(secret).digest()
}

const COOKIE = 'obMatJos2'
const FEATURE_BITS = {
  msb: { passwordAlgorithms: 0x800000, usernameAnonymity: 0x400000 },
  lsb: { passwordAlgorithms: 0x000001, usernameAnonymity: 0x000002 },
}
const NO_FEATURES: SecurityFeatures = { passwordAlgorithms: false, usernameAnonymity: false }
const TIME_LENGTH = 6
const COUNTER_LENGTH = 3
const MAC_LENGTH = 15
const NONCE_LENGTH = COOKIE.length + 4 + ((TIME_LENGTH + COUNTER_LENGTH + MAC_LENGTH) / 3) * 4

// Used again for every nonce.
const fields = Buffer.alloc(TIME_LENGTH + COUNTER_LENGTH + MAC_LENGTH)
const given = Buffer.alloc(NONCE_LENGTH)
const expected = Buffer.alloc(NONCE_LENGTH)

function seal(key: Buffer, client: Address, bits: string, issuedAt: number, counter: number): string {
  fields.writeUIntBE(issuedAt, 0, TIME_LENGTH)
  fields.writeUIntBE(counter, TIME_LENGTH, COUNTER_LENGTH)
  const { input } = hmac
  input.write(bits, 0, 'latin1')
  for (let i = 0; i < TIME_LENGTH + COUNTER_LENGTH; i++) input[4 + i] = fields[i]!
  const { family, w0, w1, w2, w3, port } = client
  input[13] = family
  input.writeUInt32BE(w0, 14)
  input.writeUInt32BE(w1, 18)
  input.writeUInt32BE(w2, 22)
  input.writeUInt32BE(w3, 26)
  input.writeUInt16BE(port, 30)
  const mac = hmac.digest('sha256', key, 32)
  for (let i = 0; i < MAC_LENGTH; i++) fields[TIME_LENGTH + COUNTER_LENGTH + i] = mac[i]!
  return COOKIE + bits + fields.toString('base64')
}

// The whole text is compared, because base64 decoders take more than one spelling of the same bytes.
function equal(a: string, b: string): boolean {
  return fill(given, a) && fill(expected, b) && timingSafeEqual(given, expected)
}

/** False when `text` is not ASCII, or of another length. */
function fill(bytes: Buffer, text: string): boolean {
  if (text.length !== bytes.length) return false
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return false
    bytes[i] = code
  }
  return true
}
