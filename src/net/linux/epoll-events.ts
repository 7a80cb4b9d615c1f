/** An array of struct epoll_event: 0 events, and 8 bytes of the owner at its end, from 4 on where it is packed, else from 8 on. */
export class EpollEvents {
  readonly words: Uint32Array
  /** In words. */
  readonly #size: number

  constructor(count: number, arch: string = process.arch) {
    // The structure is packed on x86-64 alone.
    this.#size = arch === 'x64' ? 3 : 4
    this.words = new Uint32Array(count * this.#size)
  }

  events(at: number): number {
    return this.words[at * this.#size]!
  }

  /** The owner's number, below 2^32. */
  token(at: number): number {
    return this.words[(at + 1) * this.#size - 2]!
  }

  set(at: number, events: number, token: number): void {
    this.words[at * this.#size] = events
    this.words[(at + 1) * this.#size - 2] = token
  }
}
