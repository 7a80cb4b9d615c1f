import type { WebSocket } from 'ws'
import type { SignalingOptions } from './options.ts'

/** How long a probed socket may take to answer before its id may be taken over. */
const PROBE_MS = 4000

/** One WebSocket: whose it is, whether it still answers, and how much it may still say. */
export class Connection {
  readonly socket: WebSocket
  /** What limits are counted by: an IPv4 address or an IPv6 /64. */
  readonly address: string
  readonly openedAt: number
  room: string | null = null
  client = ''
  /** No more frames are read: an error went out, or the hub let go of it. */
  finished = false
  /** Bytes that it had not read when somebody last looked. */
  unread = 0
  /** Frames that arrived while the hub was asking whether this client may open a room. */
  backlog: string[] | null = null
  readonly #options: SignalingOptions
  #unanswered = 0
  #pingedAt: number
  #tokens: number
  #refilledAt: number
  #resume: NodeJS.Timeout | undefined

  constructor(socket: WebSocket, address: string, options: SignalingOptions, now: number) {
    this.socket = socket
    this.address = address
    this.openedAt = now
    this.#options = options
    this.#pingedAt = now
    this.#tokens = options.messageBurst
    this.#refilledAt = now
  }

  send(frame: string): void {
    if (this.socket.readyState !== this.socket.OPEN) return
    this.socket.send(frame)
    if (this.#options.maxUnreadBytes > 0 && this.socket.bufferedAmount > this.#options.maxUnreadBytes)
      this.socket.terminate()
  }

  /** Something came from the other side. */
  heard(): void {
    this.#unanswered = 0
  }

  /** False when its id may be taken over. Asks the socket when it has not been asked lately. */
  isLive(now: number): boolean {
    if (this.socket.readyState !== this.socket.OPEN) return false
    if (this.#unanswered === 0) this.#ping(now)
    return now - this.#pingedAt < PROBE_MS
  }

  /** Keeps proxies from cutting an idle socket; one that has missed two pings is gone. */
  beat(now: number): void {
    if (this.#options.pingSeconds === 0 || now - this.#pingedAt < this.#options.pingSeconds * 1000) return
    if (this.#unanswered >= 2) this.socket.terminate()
    else this.#ping(now)
  }

  /** Counts one frame; a flooding socket is not read for a while, and loses nothing. */
  spend(now: number): void {
    const { messageBurst, messagesPerSecond } = this.#options
    if (messagesPerSecond === 0) return
    this.#tokens = Math.min(messageBurst, this.#tokens + ((now - this.#refilledAt) / 1000) * messagesPerSecond) - 1
    this.#refilledAt = now
    if (this.#tokens >= 0) return
    this.socket.pause()
    clearTimeout(this.#resume)
    this.#resume = setTimeout(() => this.socket.resume(), (-this.#tokens / messagesPerSecond) * 1000)
  }

  /** The socket is closed: no timer may outlive it. */
  dispose(): void {
    clearTimeout(this.#resume)
  }

  #ping(now: number): void {
    this.#pingedAt = now
    this.#unanswered++
    this.socket.ping()
  }
}
