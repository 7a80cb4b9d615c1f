import { EpollEvents } from './epoll-events.ts'
import { type Library, lastError, linux, SystemCallError } from './system-calls.ts'

const EPOLLIN = 1
const EPOLLERR = 8
const EPOLL_CTL_ADD = 1
const EPOLL_CLOEXEC = 0o2000000

/** Which of many descriptors have something to read (epoll, level-triggered). Tokens are the owner's numbers below 2^32. */
export class Poll {
  readonly fd: number
  readonly #linked: Library
  readonly #events = new EpollEvents(EVENTS)
  readonly #change = new EpollEvents(1)

  constructor() {
    this.#linked = linux()
    this.fd = this.#linked.native.epoll_create1(EPOLL_CLOEXEC)
    if (this.fd < 0) throw new SystemCallError('epoll_create1', lastError(this.#linked))
  }

  /** Until the descriptor is closed. Throws SystemCallError. */
  add(fd: number, token: number): void {
    this.#change.set(0, EPOLLIN, token)
    if (this.#linked.native.epoll_ctl(this.fd, EPOLL_CTL_ADD, fd, this.#change.words) < 0)
      throw new SystemCallError('epoll_ctl', lastError(this.#linked))
  }

  /** How many are ready, at most 64; 0 after `timeoutMs` or when a signal came. */
  wait(timeoutMs: number): number {
    return Math.max(0, this.#linked.native.epoll_wait(this.fd, this.#events.words, EVENTS, timeoutMs))
  }

  /** Its queue of errors holds something: see ErrorQueue. */
  hasErrors(event: number): boolean {
    return (this.#events.events(event) & EPOLLERR) !== 0
  }

  token(event: number): number {
    return this.#events.token(event)
  }
}

const EVENTS = 64
