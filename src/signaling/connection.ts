import type { WebSocket } from 'ws'
import { Mailbox } from './mailbox.ts'
import type { SignalingOptions } from './options.ts'

/** How long a probed socket may take to answer before its id may be taken over. */
const PROBE_MS = 4000

/** One WebSocket: whose it is, whether it still answers, and how much it may still say. */
export class Connection {
  /** By which rooms know its socket; no other has it, before or after. */
  readonly name: string
  readonly socket: WebSocket
  /** What limits are counted by: an IPv4 address or an IPv6 /64. */
  readonly address: string
  readonly openedAt: number
  room: string | null = null
  client = ''
  /** Nothing more is done for it: an error went out, or rooms let go of it. */
  finished = false
  /** When rooms were asked something for it that they have not answered; null when there is nothing. */
  askedAt: number | null = null
  readonly mailbox: Mailbox
  /** Bytes that it had not read when somebody last looked. */
  unread = 0
  readonly #options: SignalingOptions
  #unanswered = 0
  #pingedAt: number
  #tokens: number
  #refilledAt: number
  #resume: NodeJS.Timeout | undefined
  readonly #pausedFor = new Set<'rate' | 'mailbox'>()

  /** `work` is done for one frame after the other. */
  constructor(
    name: string,
    socket: WebSocket,
    address: string,
    options: SignalingOptions,
    now: number,
    work: (connection: Connection, frame: string) => Promise<void> | null,
  ) {
    this.name = name
    this.socket = socket
    this.address = address
    this.openedAt = now
    this.#options = options
    this.#pingedAt = now
    this.#tokens = options.messageBurst
    this.#refilledAt = now
    this.mailbox = new Mailbox(
      (frame) => work(this, frame),
      (isFull) => (isFull ? this.#pause('mailbox') : this.#unpause('mailbox')),
    )
  }

  /** False when it is not open any more. */
  send(frame: string): boolean {
    if (this.socket.readyState !== this.socket.OPEN) return false
    this.socket.send(frame)
    if (this.#options.maxUnreadBytes > 0 && this.socket.bufferedAmount > this.#options.maxUnreadBytes)
      this.socket.terminate()
    return true
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
    this.#pause('rate')
    clearTimeout(this.#resume)
    this.#resume = setTimeout(() => this.#unpause('rate'), (-this.#tokens / messagesPerSecond) * 1000)
  }

  /** Its frames are not read. */
  #pause(reason: 'rate' | 'mailbox'): void {
    this.#pausedFor.add(reason)
    this.socket.pause()
  }

  /** They are, unless there is another reason why not. */
  #unpause(reason: 'rate' | 'mailbox'): void {
    this.#pausedFor.delete(reason)
    if (this.#pausedFor.size === 0) this.socket.resume()
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
