export interface RelayPortRange {
  readonly minPort: number
  /** Inclusive. */
  readonly maxPort: number
}

/** What has become of a port that somebody has; beside it stands who that is. */
const IN_USE = 0
/** Kept for whoever brings the token. */
const RESERVED = 0x4000
/** Not in use, and not yet to be used again. */
const IDLE = 0x8000
const NOBODY = 0
const HOLDER = 0x3fff

const EVEN = 0x55555555
/** Of 32 ports each. */
const WORDS = 0x10000 / 32

/**
 * Which ports of one local address are taken, and by which thread, in memory that all of them see. No locks: who sets a
 * port's bit has the port, and who makes its holder nobody gives it back, so that of several who try only one succeeds.
 * The memory is for all ports there are, so that each thread may take from another range than before.
 */
export class PortClaims {
  /** What is taken from; what has been taken before stays taken. */
  range: RelayPortRange
  readonly #random: (size: number) => Buffer
  /** This thread as a holder. */
  readonly #self: number
  readonly #taken: Int32Array
  /** Which of the taken ones are idle and could be used if need be: a hint, the holder decides. */
  readonly #resting: Int32Array
  readonly #holders: Uint16Array

  /** `memory` was made by `claimMemory`; `thread` counts from 0. */
  constructor(memory: SharedArrayBuffer, range: RelayPortRange, thread: number, random: (size: number) => Buffer) {
    this.range = range
    this.#random = random
    this.#self = thread + 1
    this.#taken = new Int32Array(memory, 0, WORDS)
    this.#resting = new Int32Array(memory, WORDS * 4, WORDS)
    this.#holders = new Uint16Array(memory, WORDS * 8, WORDS * 32)
  }

  /** A free port, each with the same probability; of a pair the even one, and the other is reserved. Null: none is free. */
  take(wanted: 'any' | 'even' | 'pair'): number | null {
    for (;;) {
      const port = this.#pick(wanted, false)
      if (port === null) return null
      if (!this.#claim(port, wanted === 'pair' ? 3 : 1)) continue
      Atomics.store(this.#holders, port, this.#self | IN_USE)
      if (wanted === 'pair') Atomics.store(this.#holders, port + 1, this.#self | RESERVED)
      return port
    }
  }

  /** Whether somebody uses it. */
  isInUse(port: number): boolean {
    const found = Atomics.load(this.#holders, port)
    return found !== NOBODY && (found & ~HOLDER) === IN_USE
  }

  /** Begins the use of a port that `thread` has reserved; false when that is over. */
  adopt(port: number, thread: number): boolean {
    return this.#pass(port, (thread + 1) | RESERVED, this.#self | IN_USE)
  }

  /** Goes on using a port that `thread` has used; false when it has no use of it any more. */
  takeOver(port: number, thread: number): boolean {
    return this.#pass(port, (thread + 1) | IN_USE, this.#self | IN_USE)
  }

  /** Ends our use of a port and keeps it; false when we have no use of it. */
  idle(port: number, mayBeWoken: boolean): boolean {
    if (!this.#pass(port, this.#self | IN_USE, this.#self | IDLE)) return false
    if (mayBeWoken) Atomics.or(this.#resting, port >>> 5, 1 << port)
    return true
  }

  /** Frees a port that we keep; false when it has gone to another, or is in use again. */
  wake(port: number): boolean {
    return this.#free(port, this.#self | IDLE)
  }

  /** Frees what a `take` of the same kind could then have, whichever thread keeps it; false when nothing is free or rests. */
  wakeAny(wanted: 'any' | 'even' | 'pair'): boolean {
    const port = this.#pick(wanted, true)
    if (port === null) return false
    this.#endRest(port)
    if (wanted === 'pair') this.#endRest(port + 1)
    return true
  }

  /** Frees whatever `thread`, which is no more, has had, and says which ports it has used. */
  forget(thread: number): number[] {
    const used: number[] = []
    this.#holders.forEach((found, port) => {
      if (found === ((thread + 1) | IN_USE)) used.push(port)
      if ((found & HOLDER) === thread + 1) this.#free(port, found)
    })
    return used
  }

  #claim(port: number, bits: number): boolean {
    const word = port >>> 5
    const wanted = bits << port
    let seen = Atomics.load(this.#taken, word)
    while ((seen & wanted) === 0) {
      const found = Atomics.compareExchange(this.#taken, word, seen, seen | wanted)
      if (found === seen) return true
      seen = found
    }
    return false
  }

  #pass(port: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#holders, port, from, to) === from
  }

  #free(port: number, from: number): boolean {
    if (!this.#pass(port, from, NOBODY)) return false
    const word = port >>> 5
    // The next who takes it must not find it resting.
    Atomics.and(this.#resting, word, ~(1 << port))
    Atomics.and(this.#taken, word, ~(1 << port))
    return true
  }

  #endRest(port: number): void {
    const word = port >>> 5
    if ((Atomics.load(this.#resting, word) & (1 << port)) === 0) return
    const found = Atomics.load(this.#holders, port)
    // A hint that does not hold must not be found again.
    if ((found & IDLE) === 0 || !this.#free(port, found)) Atomics.and(this.#resting, word, ~(1 << port))
  }

  /** The port where chance leads, mostly; when that would not do, one of the next 32 that would. */
  #pick(wanted: 'any' | 'even' | 'pair', resting: boolean): number | null {
    const { minPort, maxPort } = this.range
    const step = wanted === 'any' ? 1 : 2
    const first = wanted === 'any' ? minPort : minPort + (minPort & 1)
    const count = Math.floor((maxPort - first) / step) + 1
    if (count <= 0) return null
    // 48 random bits, so that neither remainder favours a port by more than 1 in 2^16.
    const chance = this.#random(6).readUIntBE(0, 6)
    const port = first + step * (chance % count)
    const [firstWord, lastWord] = [minPort >>> 5, maxPort >>> 5]
    let word = port >>> 5
    if ((this.#usable(word, wanted, resting) & (1 << port)) !== 0) return port
    for (let left = lastWord - firstWord + 1; left > 0; left--) {
      let usable = this.#usable(word, wanted, resting)
      if (usable !== 0) {
        for (let skip = Math.floor(chance / count) % bitCount(usable); skip > 0; skip--) usable &= usable - 1
        return word * 32 + (31 - Math.clz32(usable & -usable))
      }
      word = word === lastWord ? firstWord : word + 1
    }
    return null
  }

  /**
   * A bit for each port that would do. Read plainly, which is many times faster, as claiming shows what is true. A word
   * begins with an even port, so that it never parts a pair.
   */
  #usable(word: number, wanted: 'any' | 'even' | 'pair', resting: boolean): number {
    let usable = ~this.#taken[word]!
    if (resting) usable |= this.#resting[word]!
    const { minPort, maxPort } = this.range
    if (word === minPort >>> 5) usable &= -1 << minPort
    if (word === maxPort >>> 5) usable &= -1 >>> (31 - (maxPort & 31))
    if (wanted === 'any') return usable
    return wanted === 'even' ? usable & EVEN : usable & (usable >>> 1) & EVEN
  }
}

/** Room for the claims on the ports of one local address: all are free. */
export function claimMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * (4 + 4 + 32 * 2))
}

/** Whether nobody has any port of this memory, for whatever. */
export function isUnclaimed(memory: SharedArrayBuffer): boolean {
  return new Int32Array(memory, 0, WORDS).every((_, word, taken) => Atomics.load(taken, word) === 0)
}

function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555)
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
