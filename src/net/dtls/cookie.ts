import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Address } from '../../stun/address.ts'

/** Short enough that a HelloVerifyRequest is smaller than any ClientHello. */
const COOKIE_LENGTH = 20

/** The stateless cookies of RFC 6347 §4.2.1: an HMAC over the client's address and port, under a key that is changed regularly. */
export class Cookies {
  readonly #random: (size: number) => Buffer
  readonly #lifetimeMs: number
  #key: Buffer
  #previousKey: Buffer
  #rotateAt = Number.NEGATIVE_INFINITY

  constructor(random: (size: number) => Buffer, lifetimeMs: number) {
    this.#random = random
    this.#lifetimeMs = lifetimeMs
    this.#key = random(KEY_LENGTH)
    this.#previousKey = this.#key
  }

  /** Changes the key when its time is over; cookies of the key before stay valid for as long again. */
  rotate(now: number): void {
    if (now < this.#rotateAt) return
    // After a long silence the last key is as old as that silence.
    const outlived = now >= this.#rotateAt + this.#lifetimeMs
    const fresh = this.#random(KEY_LENGTH)
    this.#previousKey = outlived ? fresh : this.#key
    this.#key = fresh
    this.#rotateAt = now + this.#lifetimeMs
  }

  bake(client: Address): Buffer {
    return this.#cookie(this.#key, client)
  }

  accepts(client: Address, cookie: Buffer): boolean {
    if (cookie.length !== COOKIE_LENGTH) return false
    const current = timingSafeEqual(cookie, this.#cookie(this.#key, client))
    const previous = timingSafeEqual(cookie, this.#cookie(this.#previousKey, client))
    return current || previous
  }

  #cookie(key: Buffer, client: Address): Buffer {
    subject.writeUInt16BE(client.family, 0)
    subject.writeUInt16BE(client.port, 2)
    subject.writeUInt32BE(client.w0, 4)
    subject.writeUInt32BE(client.w1, 8)
    subject.writeUInt32BE(client.w2, 12)
    subject.writeUInt32BE(client.w3, 16)
    return createHmac('sha256', key).update(subject).digest().subarray(0, COOKIE_LENGTH)
  }
}

const KEY_LENGTH = 32
const subject = Buffer.alloc(20)
