import type { PortClaims, RelayPortRange } from '../../shared/port-claims.ts'

/** The relay ports of one local address as one thread has them: in use, at rest, or left to another program for a while. */
export class PortPool {
  readonly #claims: PortClaims
  readonly #resting = new PortQueue()
  readonly #avoided = new PortQueue()

  constructor(claims: PortClaims) {
    this.#claims = claims
  }

  /** What is given out from now on. */
  set range(range: RelayPortRange) {
    this.#claims.range = range
  }

  take(wanted: 'any' | 'even' | 'pair', now: number): number | null {
    this.wake(now)
    let port = this.#claims.take(wanted)
    // Better a port that has rested too little than none: ours that has rested longest, then one of another thread.
    while (port === null && (this.#wakeOldest() || this.#claims.wakeAny(wanted))) port = this.#claims.take(wanted)
    return port
  }

  /** Whether some thread uses it. */
  isInUse(port: number): boolean {
    return this.#claims.isInUse(port)
  }

  /** Begins the use of what `thread` has reserved; false when it is no longer reserved. */
  adopt(port: number, thread: number): boolean {
    return this.#claims.adopt(port, thread)
  }

  /** Goes on using what `thread` has used; false when it has no use of it any more. */
  takeOver(port: number, thread: number): boolean {
    return this.#claims.takeOver(port, thread)
  }

  /** Gives a port back that is better not used again before `until`. Calls come in the order of time. */
  rest(port: number, until: number): void {
    if (this.#claims.idle(port, true)) this.#resting.push(port, until)
  }

  /** Gives a port back that can't be used before `until`. */
  avoid(port: number, until: number): void {
    if (this.#claims.idle(port, false)) this.#avoided.push(port, until)
  }

  /** Frees what has been kept for long enough: threads that take no port of their own may wait for it. */
  wake(now: number): void {
    for (const queue of [this.#resting, this.#avoided]) {
      while (queue.length > 0 && queue.firstUntil <= now) this.#claims.wake(queue.shift())
    }
  }

  #wakeOldest(): boolean {
    while (this.#resting.length > 0) if (this.#claims.wake(this.#resting.shift())) return true
    return false
  }
}

/** Ports in the order in which they may be used again. */
class PortQueue {
  #ports = new Uint16Array(64)
  #untils = new Float64Array(64)
  #first = 0
  length = 0

  get firstUntil(): number {
    return this.#untils[this.#first]!
  }

  push(port: number, until: number): void {
    if (this.length === this.#ports.length) this.#grow()
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

  #grow(): void {
    const [ports, untils] = [this.#ports, this.#untils]
    this.#ports = new Uint16Array(ports.length * 2)
    this.#untils = new Float64Array(ports.length * 2)
    for (let i = 0; i < this.length; i++) {
      this.#ports[i] = ports[(this.#first + i) % ports.length]!
      this.#untils[i] = untils[(this.#first + i) % ports.length]!
    }
    this.#first = 0
  }
}
