import { createHmac } from 'node:crypto'
import { MAX_MESSAGE_LENGTH } from './constants.ts'

export type HmacHash = 'sha1' | 'sha256'

/** Authenticates what lies in `input`. Input and result are reused: the thread's next HMAC overwrites both. */
export interface Hmac {
  /** Holds the longest STUN message there is. */
  readonly input: Buffer
  /** The HMAC of the first `length` bytes of `input`. */
  digest(hash: HmacHash, key: Buffer, length: number): Buffer
}

/** What this thread makes its HMACs with. */
export let hmac: Hmac = {
  input: Buffer.alloc(MAX_MESSAGE_LENGTH),
  digest(hash, key, length) {
    return createHmac(hash, key).update(this.input.subarray(0, length)).digest()
  },
}

/** Makes them with `other` from now on, whose results are the same. */
export function replaceHmac(other: Hmac): void {
  hmac = other
}

/** Copies `bytes[start…end)` to the beginning of the input and returns how many they are. */
export function layOut(bytes: Buffer, start: number, end: number): number {
  const { input } = hmac
  // A call of Buffer.copy costs as much as a loop over several hundred bytes.
  for (let from = start, to = 0; from < end; from++, to++) input[to] = bytes[from]!
  return end - start
}
