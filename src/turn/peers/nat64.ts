import type { Address } from '../../stun/address.ts'

/** Under which a translator makes IPv6 addresses of IPv4 ones (RFC 6052 §2.2); what `prefix` has beyond its length is ignored. */
export interface Nat64Prefix {
  readonly prefix: Address
  /** 32, 40, 48, 56, 64 or 96. */
  readonly bits: number
}

/** The IPv4 address that `ip` stands for; null when it is not under the prefix. */
export function translatedIpv4(ip: Address, { prefix, bits }: Nat64Prefix): number | null {
  const length = bits / 8
  for (let i = 0; i < length; i++) if (byteOf(ip, i) !== byteOf(prefix, i)) return null
  let word = 0
  for (let at = length, left = 4; left > 0; at++) {
    // Bits 64 to 71 belong to no address.
    if (at === 8) continue
    word = (word << 8) | byteOf(ip, at)
    left--
  }
  return word >>> 0
}

function byteOf({ w0, w1, w2, w3 }: Address, i: number): number {
  const word = i < 4 ? w0 : i < 8 ? w1 : i < 12 ? w2 : w3
  return (word >>> (24 - 8 * (i & 3))) & 0xff
}
