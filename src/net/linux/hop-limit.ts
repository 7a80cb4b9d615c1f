import { setHopLimit } from './descriptors.ts'

/** Setting it costs as much as a few control messages: at most a fraction of that for each datagram. */
const IN_A_ROW = 32

/**
 * The hop limit (TTL) that a socket gives its datagrams by itself. Most sockets relay for one client or one network: what many
 * datagrams in a row have had becomes the socket's own, which saves a control message with each one.
 */
export class SocketHopLimit {
  /** 0 is the system's. */
  value = 0
  readonly #fd: number
  readonly #family: 4 | 6
  #latest = 0
  #times = 0
  #hasOwn = false

  constructor(fd: number, family: 4 | 6) {
    this.#fd = fd
    this.#family = family
  }

  /** A datagram waits that has to leave with this hop limit, 0 for the system's. */
  expect(hopLimit: number): void {
    if (hopLimit !== this.#latest) {
      this.#latest = hopLimit
      this.#times = 0
    }
    this.#times++
    if (hopLimit === 0) this.#hasOwn = true
  }

  /** All that waits is about to leave: the system's hop limit has no control message, any other one has. */
  settle(): void {
    if (this.#hasOwn) this.set(0)
    else if (this.#times >= IN_A_ROW) this.set(this.#latest)
    this.#hasOwn = false
  }

  set(hopLimit: number): void {
    if (hopLimit === this.value) return
    this.value = hopLimit
    setHopLimit(this.#fd, this.#family, hopLimit)
  }
}
