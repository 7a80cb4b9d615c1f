import { randomBytes } from 'node:crypto'

/**
 * A transport address in its native family: `::ffff:a.b.c.d` becomes IPv4 (STUN-ATTR-09 in the tests).
 *
 * IPv4 lives in `w3`; IPv6 in `w0`…`w3`, most significant word first. Drivers refill one instance for every packet, so
 * whoever keeps an address copies it.
 */
export class Address {
  family: 4 | 6 = 4
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0
  port = 0
  #host: string | null = null

  static ipv4(word: number, port: number): Address {
    return new Address().setIpv4(word, port)
  }

  static ipv6(w0: number, w1: number, w2: number, w3: number, port: number): Address {
    return new Address().setIpv6(w0, w1, w2, w3, port)
  }

  /** Reads a numeric host (`192.0.2.1`, `2001:db8::1`, `fe80::1%eth0`); null for anything else. Never resolves a name. */
  static parse(host: string, port = 0): Address | null {
    const address = new Address()
    return address.setHost(host, port) ? address : null
  }

  setIpv4(word: number, port: number): this {
    this.family = 4
    this.w0 = 0
    this.w1 = 0
    this.w2 = 0
    this.w3 = word >>> 0
    this.port = port
    this.#host = null
    return this
  }

  setIpv6(w0: number, w1: number, w2: number, w3: number, port: number): this {
    if (w0 === 0 && w1 === 0 && w2 === 0xffff) return this.setIpv4(w3, port)
    this.family = 6
    this.w0 = w0 >>> 0
    this.w1 = w1 >>> 0
    this.w2 = w2 >>> 0
    this.w3 = w3 >>> 0
    this.port = port
    this.#host = null
    return this
  }

  /** Refills this address from text; false (and unchanged) when `host` is not a numeric address. */
  setHost(host: string, port: number): boolean {
    const word = parseIpv4(host)
    if (word !== null) {
      this.setIpv4(word, port)
      return true
    }
    const words = parseIpv6(host)
    if (words === null) return false
    this.setIpv6(words[0]!, words[1]!, words[2]!, words[3]!, port)
    return true
  }

  set(other: Address): this {
    this.family = other.family
    this.w0 = other.w0
    this.w1 = other.w1
    this.w2 = other.w2
    this.w3 = other.w3
    this.port = other.port
    this.#host = other.#host
    return this
  }

  copy(): Address {
    return new Address().set(this)
  }

  withPort(port: number): Address {
    const address = this.copy()
    address.port = port
    return address
  }

  /**
   * A Map key for ip and port. Exact for IPv4 (below 2^48). For IPv6 a keyed 52-bit hash at 2^52 and above: equal keys
   * do not prove equal addresses, so a look-up that matters compares with `equals` afterwards.
   */
  get key(): number {
    return this.family === 4 ? this.w3 * 0x10000 + this.port : hashIpv6(this, this.port + 1)
  }

  /** The same for the ip alone, whatever the port. */
  get ipKey(): number {
    return this.family === 4 ? this.w3 : hashIpv6(this, 0)
  }

  equals(other: Address): boolean {
    return this.port === other.port && this.sameIp(other)
  }

  sameIp(other: Address): boolean {
    return (
      this.w3 === other.w3 &&
      this.w2 === other.w2 &&
      this.w1 === other.w1 &&
      this.w0 === other.w0 &&
      this.family === other.family
    )
  }

  get isLoopback(): boolean {
    if (this.family === 4) return this.w3 >>> 24 === 127
    return this.w0 === 0 && this.w1 === 0 && this.w2 === 0 && this.w3 === 1
  }

  /** The ip as text; IPv6 in its RFC 5952 form without brackets. */
  get host(): string {
    this.#host ??= this.family === 4 ? formatIpv4(this.w3) : formatIpv6(this)
    return this.#host
  }

  /** `192.0.2.1:3478` or `[2001:db8::1]:3478`. */
  toString(): string {
    return this.family === 4 ? `${this.host}:${this.port}` : `[${this.host}]:${this.port}`
  }
}

// Keyed, so that nobody outside can choose addresses that share a key. The keys never leave this thread.
const seed = new Int32Array(new Uint8Array(randomBytes(40)).buffer).map((word) => word | 1)

function hashIpv6(address: Address, port: number): number {
  let a = Math.imul(address.w0 ^ seed[0]!, seed[1]!)
  let b = Math.imul(address.w1 ^ seed[2]!, seed[3]!)
  a = Math.imul(a ^ (a >>> 15) ^ address.w2, seed[4]!)
  b = Math.imul(b ^ (b >>> 13) ^ address.w3, seed[5]!)
  a = Math.imul(a ^ (b >>> 16) ^ port, seed[6]!)
  b = Math.imul(b ^ (a >>> 14) ^ port, seed[7]!)
  a = Math.imul(a ^ (b >>> 15), seed[8]!)
  b = Math.imul(b ^ (a >>> 16), seed[9]!)
  return 0x10000000000000 + ((a ^ (a >>> 13)) >>> 6) * 0x4000000 + ((b ^ (b >>> 15)) >>> 6)
}

function parseIpv4(text: string): number | null {
  let word = 0
  let parts = 0
  let value = -1
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e
    if (code === 0x2e) {
      if (value < 0 || ++parts > 4) return null
      word = word * 256 + value
      value = -1
    } else {
      if (code < 0x30 || code > 0x39 || value === 0) return null
      value = (value < 0 ? 0 : value) * 10 + code - 0x30
      if (value > 255) return null
    }
  }
  return parts === 4 ? word : null
}

function parseIpv6(text: string): number[] | null {
  const zone = text.indexOf('%')
  const bare = zone < 0 ? text : text.slice(0, zone)
  if (bare.length > 45 || zone === text.length - 1 || !bare.includes(':')) return null
  const [head, tail, more] = bare.split('::')
  if (more !== undefined) return null
  const front = groups(head!, tail === undefined)
  const back = tail === undefined ? [] : groups(tail, true)
  if (front === null || back === null) return null
  const missing = 8 - front.length - back.length
  if (tail === undefined ? missing !== 0 : missing < 1) return null
  const all = [...front, ...new Array<number>(missing).fill(0), ...back]
  return [0, 2, 4, 6].map((i) => all[i]! * 0x10000 + all[i + 1]!)
}

/** Only the last groups of an address may be written as IPv4. */
function groups(text: string, last: boolean): number[] | null {
  if (text === '') return []
  const out: number[] = []
  const parts = text.split(':')
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    if (last && i === parts.length - 1 && part.includes('.')) {
      const word = parseIpv4(part)
      if (word === null) return null
      out.push(word >>> 16, word & 0xffff)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) out.push(Number.parseInt(part, 16))
    else return null
  }
  return out
}

function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

function formatIpv6({ w0, w1, w2, w3 }: Address): string {
  const parts = [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff])
  let best = -1
  let length = 1
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && parts[end] === 0) end++
    if (end - start > length) {
      best = start
      length = end - start
    }
  }
  const hex = (from: number, to: number) =>
    parts
      .slice(from, to)
      .map((part) => part.toString(16))
      .join(':')
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + length, 8)}`
}
