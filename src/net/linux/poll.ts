import { EPOLL, EPOLLERR, EPOLLIN, EpollEvents, lastError, linux, SystemCallError } from './system-calls.ts'

/** Which of many descriptors have something to read (epoll, level-triggered). Tokens are the owner's numbers below 2^32. */
export class Poll {
  readonly fd: number
  readonly #native = linux()
  readonly #events = new EpollEvents(EVENTS)
  readonly #change = new EpollEvents(1)

  constructor() {
    this.fd = this.#native.epoll_create1(EPOLL.CLOEXEC)
    if (this.fd < 0) throw new SystemCallError('epoll_create1', lastError())
  }

  /** Until the descriptor is closed or removed. Throws SystemCallError. */
  add(fd: number, token: number): void {
    this.#change.set(0, EPOLLIN, token)
    if (this.#native.epoll_ctl(this.fd, EPOLL.CTL_ADD, fd, this.#change.words) < 0)
      throw new SystemCallError('epoll_ctl', lastError())
  }

  /** What has been found ready already is told all the same. */
  remove(fd: number): void {
    this.#native.epoll_ctl(this.fd, EPOLL.CTL_DEL, fd, this.#change.words)
  }

  /** How many are ready, at most 64; 0 after `timeoutMs` or when a signal came. */
  wait(timeoutMs: number): number {
    return Math.max(0, this.#native.epoll_wait(this.fd, this.#events.words, EVENTS, timeoutMs))
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
