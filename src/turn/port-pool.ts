/** The relay ports of one local address: which are free, which rest, and a random one of them in constant time. */
export class PortPool {
  readonly #minPort: number
  readonly #random: (size: number) => Buffer
  readonly #even: PortSet
  readonly #odd: PortSet
  /** Even ports that are free together with the one above. */
  readonly #pairs: PortSet
  readonly #resting: PortQueue
  readonly #avoided: PortQueue
  /** By offset, 1 for a port that somebody has: nothing else can be given back. */
  readonly #taken: Uint8Array

  constructor(minPort: number, maxPort: number, random: (size: number) => Buffer) {
    const size = maxPort - minPort + 1
    this.#minPort = minPort
    this.#random = random
    this.#even = new PortSet(size)
    this.#odd = new PortSet(size)
    this.#pairs = new PortSet(size)
    this.#resting = new PortQueue(size)
    this.#avoided = new PortQueue(size)
    this.#taken = new Uint8Array(size)
    for (let port = minPort; port <= maxPort; port++) this.#add(port)
  }

  take(wanted: 'any' | 'even' | 'pair', now: number): number | null {
    this.#wake(now)
    let port = this.#pick(wanted)
    // Better a port that has rested too little than none.
    while (port === null && this.#resting.length > 0) {
      this.#add(this.#resting.shift())
      port = this.#pick(wanted)
    }
    if (port === null) return null
    this.#claim(port)
    if (wanted === 'pair') this.#claim(port + 1)
    return port
  }

  /** Gives a port back that nobody has used. */
  release(port: number): void {
    if (this.#giveBack(port)) this.#add(port)
  }

  /** Gives a port back that is better not used again before `until`. Calls come in the order of time. */
  rest(port: number, until: number): void {
    if (this.#giveBack(port)) this.#resting.push(port, until)
  }

  /** Gives a port back that can't be used before `until`. */
  avoid(port: number, until: number): void {
    if (this.#giveBack(port)) this.#avoided.push(port, until)
  }

  #giveBack(port: number): boolean {
    const offset = port - this.#minPort
    if (this.#taken[offset] !== 1) return false
    this.#taken[offset] = 0
    return true
  }

  #add(port: number): void {
    const offset = port - this.#minPort
    const [own, other] = port % 2 === 0 ? [this.#even, this.#odd] : [this.#odd, this.#even]
    own.add(offset)
    if (other.has(port % 2 === 0 ? offset + 1 : offset - 1)) this.#pairs.add(port % 2 === 0 ? offset : offset - 1)
  }

  #wake(now: number): void {
    for (const queue of [this.#resting, this.#avoided]) {
      while (queue.length > 0 && queue.firstUntil <= now) this.#add(queue.shift())
    }
  }

  #pick(wanted: 'any' | 'even' | 'pair'): number | null {
    const first = wanted === 'pair' ? this.#pairs : this.#even
    const second = wanted === 'any' ? this.#odd.length : 0
    const choices = first.length + second
    if (choices === 0) return null
    // 48 random bits, so that the remainder favours no port by more than 1 in 2^32.
    const choice = this.#random(6).readUIntBE(0, 6) % choices
    return this.#minPort + (choice < first.length ? first.at(choice) : this.#odd.at(choice - first.length))
  }

  #claim(port: number): void {
    const offset = port - this.#minPort
    const even = port % 2 === 0
    this.#taken[offset] = 1
    if (even) this.#even.delete(offset)
    else this.#odd.delete(offset)
    this.#pairs.delete(even ? offset : offset - 1)
  }
}

/** A set of small numbers from which any member can be picked by its place. */
class PortSet {
  readonly #members: Uint16Array
  readonly #places: Int32Array
  length = 0

  constructor(size: number) {
    this.#members = new Uint16Array(size)
    this.#places = new Int32Array(size).fill(-1)
  }

  has(offset: number): boolean {
    return (this.#places[offset] ?? -1) >= 0
  }

  at(place: number): number {
    return this.#members[place]!
  }

  add(offset: number): void {
    if (this.has(offset)) return
    this.#members[this.length] = offset
    this.#places[offset] = this.length++
  }

  delete(offset: number): void {
    if (!this.has(offset)) return
    const place = this.#places[offset]!
    const last = this.#members[--this.length]!
    this.#members[place] = last
    this.#places[last] = place
    this.#places[offset] = -1
  }
}

/** Ports in the order in which they may be used again; every port is in at most one place at a time. */
class PortQueue {
  readonly #ports: Uint16Array
  readonly #untils: Float64Array
  #first = 0
  length = 0

  constructor(size: number) {
    this.#ports = new Uint16Array(size)
    this.#untils = new Float64Array(size)
  }

  get firstUntil(): number {
    return this.#untils[this.#first]!
  }

  push(port: number, until: number): void {
    const at = (this.#first + this.length++) % this.#ports.length
    this.#ports[at] = port
    this.#untils[at] = until
  }

  shift(): number {
    const port = this.#ports[this.#first]!
    this.#first = (this.#first + 1) % this.#ports.length
    this.length--
    return port
  }
}
