import { createHmac } from 'node:crypto'
import { MAX_MESSAGE_LENGTH } from '../../stun/constants.ts'
import { type Hmac, type HmacHash, hmac } from '../../stun/hmac.ts'
import { type HmacNative, hmacFunctions } from './openssl.ts'

// Node makes an object of each HMAC, and that costs many times as much as the HMAC. The OpenSSL that it is built on, called by openssl.ts, does
// them all in one context.

/** HMACs by OpenSSL itself, for the calling thread; null where they cannot be had or differ from node's. */
export function opensslHmac(): Hmac | null {
  try {
    const native = hmacFunctions()
    const made = native === null ? null : new OpensslHmac(native)
    return made !== null && agree(made, hmac) ? made : null
  } catch {
    // This node does not export its OpenSSL: its own way is right, only slower.
    return null
  }
}

class OpensslHmac implements Hmac {
  readonly input = Buffer.alloc(MAX_MESSAGE_LENGTH)
  readonly #native: HmacNative
  readonly #context: number
  readonly #digests: Readonly<Record<HmacHash, number>>
  readonly #results = { sha1: Buffer.alloc(20), sha256: Buffer.alloc(32) }

  constructor(native: HmacNative) {
    this.#native = native
    const { EVP_MD_fetch, HMAC_CTX_new } = this.#native
    // Addresses come as big integers; as numbers they are quicker to pass, and none is above 2^53. Kept as long as the process.
    this.#context = Number(HMAC_CTX_new())
    this.#digests = {
      sha1: Number(EVP_MD_fetch(null, 'SHA1', null)),
      sha256: Number(EVP_MD_fetch(null, 'SHA256', null)),
    }
  }

  digest(hash: HmacHash, key: Buffer, length: number): Buffer {
    const { HMAC_Init_ex, HMAC_Update, HMAC_Final } = this.#native
    const result = this.#results[hash]
    const context = this.#context
    const isMade =
      // An empty buffer has no address, and without one OpenSSL would take the key that it had last.
      key.length > 0 &&
      HMAC_Init_ex(context, key, key.length, this.#digests[hash], null) === 1 &&
      HMAC_Update(context, this.input, length) === 1 &&
      HMAC_Final(context, result, null) === 1
    // Without memory it makes none, and an old result must not pass for a new one.
    return isMade ? result : createHmac(hash, key).update(this.input.subarray(0, length)).digest()
  }
}

function agree(one: Hmac, other: Hmac): boolean {
  const key = Buffer.from('any key')
  return (['sha1', 'sha256'] as const).every((hash) => {
    for (const { input } of [one, other]) input.write('any text')
    return one.digest(hash, key, 8).equals(other.digest(hash, key, 8))
  })
}
