import type { IceParameters } from '../link/ice-configuration.ts'
import { type Message, parseMessage } from './message.ts'

/** The part of a join answer the page uses (AppRTC's names). */
export interface JoinParameters extends IceParameters {
  readonly room_id: string
  readonly client_id: string
  readonly is_initiator: string | boolean
  readonly messages: readonly string[]
  readonly wss_url: string
  readonly wss_post_url: string
  /** Proves to our own hub that a further WebSocket is this client's; other servers give none. */
  readonly client_secret?: string
  readonly error_messages?: readonly string[]
  /** How long the place is kept while we have no WebSocket; AppRTC and older servers do not say it. */
  readonly room_grace_seconds?: number
}

export type JoinOutcome =
  | { readonly kind: 'joined'; readonly parameters: JoinParameters }
  | { readonly kind: 'full' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable' }

export interface MembershipEvents {
  /** A message of the other side. */
  message(message: Message): void
  /** The WebSocket is registered, or lost (and being reopened). `outageMs` is how long it was gone. */
  online(online: boolean, outageMs: number): void
  /** Whether a call goes on that must not lose its place, whatever the server has forgotten. */
  inCall(): boolean
  /** The server no longer knows us: our place went to somebody else or ran out. */
  evicted(): void
  /** An operator has ended the room; `notice` says so, with the reason. */
  closed(notice: string): void
}

/** What the client needs of a browser, so that tests can stand in for it. */
export interface Browser {
  fetch(url: string, init: RequestInit): Promise<Response>
  openSocket(url: string): WebSocket
  sendBeacon(url: string): boolean
  setTimeout(callback: () => void, ms: number): unknown
  now(): number
}

const thisBrowser: Browser = {
  fetch: (url, init) => fetch(url, init),
  openSocket: (url) => new WebSocket(url),
  sendBeacon: (url) => navigator.sendBeacon(url),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  now: () => performance.now(),
}

const requestTimeoutMs = 10_000
/** Soon for more than a minute, for a server that restarts: a call has its picture again within 5 s. Not all pages at once. */
const retryDelaysMs = [500, 750, 1000, 1000, 1000, 1500, ...Array<number>(30).fill(2000), 5000]
/** Two descriptions and their candidates, many times over. */
const mostUnsent = 100
/** A WebSocket that has not opened by now is on its way through a network that is gone. */
const openMs = 5000
/** One that has been opening, or is open, for less than this needs no second one beside it. */
const freshMs = 1500

/** One stay in one room, in AppRTC's and Collider's protocol. Starts with join(), is over after leave(). */
export class Membership {
  initiator = false
  readonly #room: string
  readonly #search: string
  readonly #events: MembershipEvents
  readonly #browser: Browser
  #parameters: JoinParameters | null = null
  /** The one that is registered. */
  #socket: WebSocket | null = null
  /** The one that opens, perhaps beside one that is dead and does not know it. */
  #next: WebSocket | null = null
  #openedAt = Number.NEGATIVE_INFINITY
  #attempts = 0
  #lostAt: number | null = null
  #retry = 0
  /** Has registered before, so that a further registration needs the proof. */
  #registered = false
  #left = false
  /** Candidates must not overtake their offer, but need not wait for each other. */
  #offerPosted: Promise<unknown> = Promise.resolve()
  /** What waits for the WebSocket. */
  readonly #unsent: string[] = []

  constructor(room: string, search: string, events: MembershipEvents, browser: Browser = thisBrowser) {
    this.#room = room
    this.#search = search
    this.#events = events
    this.#browser = browser
  }

  /** POST /join: takes a place in the room. */
  async join(): Promise<JoinOutcome> {
    const response = await this.#post(`/join/${this.#room}${this.#search}`)
    if (response === null) return { kind: 'unreachable' }
    if (!response.ok) return { kind: 'refused', reason: `HTTP ${response.status}` }
    const answer = await jsonOf<{ result?: string; params?: JoinParameters }>(response)
    if (answer?.result === 'FULL') return { kind: 'full' }
    if (answer?.result !== 'SUCCESS' || answer.params === undefined)
      return { kind: 'refused', reason: answer?.result ?? 'no JSON' }
    const parameters = answer.params
    if (this.#left) {
      // Hung up while the answer was on its way: give the place back.
      await this.#post(`/leave/${this.#room}/${parameters.client_id}`)
      return { kind: 'refused', reason: 'left' }
    }
    this.#parameters = parameters
    this.initiator = String(parameters.is_initiator) === 'true'
    return { kind: 'joined', parameters }
  }

  /** Opens the WebSocket and registers; reopens it for as long as we stay. Resolves with whether the first try worked. */
  connect(): Promise<boolean> {
    return new Promise((resolve) => this.#open(resolve))
  }

  /**
   * The network may have changed under the WebSocket, which notices it only after minutes: opens another one beside it. Where
   * the server gave no proof that the new one is ours, the old one has to be closed for it.
   */
  renew(): void {
    if (this.#left || this.#parameters === null || this.#browser.now() - this.#openedAt < freshMs) return
    this.#next?.close()
    this.#next = null
    if (this.#parameters.client_secret === undefined) this.#socket?.close()
    this.#open(() => {})
  }

  /**
   * To the other side: the initiator through the room server, which keeps what is said to an empty room; the other one, and
   * whoever is in a call, through the WebSocket.
   */
  async send(message: Message): Promise<void> {
    const text = JSON.stringify(message)
    if (!this.initiator || this.#events.inCall()) return this.#relay(message, text)
    const posted = this.#offerPosted.then(() => this.#postMessage(text))
    if (message.type === 'offer') this.#offerPosted = posted
    await posted
  }

  /**
   * Hang up. Leave goes before bye: the other side answers bye with a new offer, which must find our place empty. Quietly there
   * is no bye.
   */
  async leave(how: 'aloud' | 'quietly' = 'aloud'): Promise<void> {
    this.#left = true
    const parameters = this.#parameters
    if (parameters === null) return
    await this.#post(`/leave/${this.#room}/${parameters.client_id}`)
    if (how === 'aloud') this.#bye()
    else this.#close()
    await this.#request(`${parameters.wss_post_url}/${this.#room}/${parameters.client_id}`, { method: 'DELETE' })
  }

  /** Leave from a page that is going away, where nothing can be awaited. */
  leaveAtOnce(): void {
    if (this.#left) return
    this.#left = true
    if (this.#parameters === null) return
    this.#browser.sendBeacon(`/leave/${this.#room}/${this.#parameters.client_id}`)
    this.#bye()
  }

  /** The server has forgotten us: nobody is told, and nothing more is heard. */
  abandon(): void {
    this.#left = true
    this.#close()
  }

  #closed(notice: string): void {
    this.abandon()
    this.#events.closed(notice)
  }

  #bye(): void {
    if (this.#socket?.readyState === 1) {
      this.#sendFrame(this.#socket, JSON.stringify({ type: 'bye' }))
    }
    this.#close()
  }

  #close(): void {
    this.#socket?.close()
    this.#next?.close()
    this.#socket = null
    this.#next = null
  }

  #open(first: (worked: boolean) => void): void {
    this.#openedAt = this.#browser.now()
    let socket: WebSocket
    try {
      socket = this.#browser.openSocket(this.#parameters!.wss_url)
    } catch {
      // The browser refuses the address itself (ws:// from an https page): trying again cannot help.
      first(false)
      return
    }
    this.#next = socket
    this.#browser.setTimeout(() => {
      if (this.#next === socket) socket.close()
    }, openMs)
    socket.onopen = () => {
      if (this.#next !== socket) return socket.close()
      this.#register(socket)
      first(true)
    }
    socket.onmessage = ({ data }) => {
      if (this.#left || typeof data !== 'string') return
      const { message, error } = frame(data)
      if (message !== null) this.#events.message(message)
      if (error === 'Max room capacity reached') this.#events.evicted()
      if (error.startsWith('Room closed: ')) this.#closed(error)
    }
    socket.onclose = () => {
      if (this.#left) return
      first(false)
      if (this.#next === socket) this.#next = null
      else if (this.#socket === socket) this.#socket = null
      else return
      if (this.#socket !== null) return
      this.#lostAt ??= this.#browser.now()
      this.#events.online(false, 0)
      if (this.#next === null) this.#openLater()
    }
  }

  #register(socket: WebSocket): void {
    const { client_id, client_secret } = this.#parameters!
    const old = this.#socket
    this.#socket = socket
    this.#next = null
    this.#attempts = 0
    const proof =
      this.#registered && client_secret !== undefined ? { secret: client_secret, incall: this.#events.inCall() } : {}
    socket.send(JSON.stringify({ cmd: 'register', roomid: this.#room, clientid: client_id, ...proof }))
    this.#registered = true
    for (const text of this.#unsent.splice(0)) this.#sendFrame(socket, text)
    old?.close()
    const outageMs = this.#lostAt === null ? 0 : this.#browser.now() - this.#lostAt
    this.#lostAt = null
    this.#events.online(true, outageMs)
  }

  #openLater(): void {
    const retry = ++this.#retry
    const delay = retryDelaysMs[Math.min(this.#attempts++, retryDelaysMs.length - 1)]!
    this.#browser.setTimeout(
      () => {
        if (!this.#left && this.#retry === retry && this.#socket === null && this.#next === null) this.#open(() => {})
      },
      delay * (0.75 + Math.random() / 2),
    )
  }

  async #relay(message: Message, text: string): Promise<void> {
    if (this.#socket?.readyState === 1) return this.#sendFrame(this.#socket, text)
    const parameters = this.#parameters!
    // A server that gives us our place back gets it from our register; a POST before that would be a stranger's.
    if (this.#registered && parameters.client_secret !== undefined) {
      // A later description, or a request for one, makes what waits pointless.
      if (message.type !== 'candidate') this.#unsent.length = 0
      if (this.#unsent.length < mostUnsent) this.#unsent.push(text)
      return
    }
    await this.#post(`${parameters.wss_post_url}/${this.#room}/${parameters.client_id}`, text)
  }

  #sendFrame(socket: WebSocket, text: string): void {
    socket.send(JSON.stringify({ cmd: 'send', msg: text }))
  }

  async #postMessage(text: string): Promise<void> {
    const path = `/message/${this.#room}/${this.#parameters!.client_id}${this.#search}`
    for (const delay of [500, 1500, null]) {
      if (this.#left) return
      const response = await this.#post(path, text)
      if (response?.ok) {
        const answer = await jsonOf<{ result?: string }>(response)
        const unknown = answer?.result === 'UNKNOWN_ROOM' || answer?.result === 'UNKNOWN_CLIENT'
        if (unknown && !this.#left) this.#events.evicted()
        return
      }
      if (delay !== null) await new Promise<void>((resolve) => this.#browser.setTimeout(resolve, delay))
    }
  }

  #post(url: string, body?: string): Promise<Response | null> {
    return this.#request(url, body === undefined ? { method: 'POST' } : { method: 'POST', body })
  }

  /** Null when there was no answer at all: to the callers, offline and a dead server are the same. */
  async #request(url: string, init: RequestInit): Promise<Response | null> {
    const timeout = new AbortController()
    this.#browser.setTimeout(() => timeout.abort(), requestTimeoutMs)
    try {
      return await this.#browser.fetch(url, { ...init, cache: 'no-store', signal: timeout.signal })
    } catch {
      return null
    }
  }
}

/** Collider's frame: `{"msg":TEXT,"error":TEXT}`. Most errors are followed by a close, which is what we act on. */
function frame(text: string): { readonly message: Message | null; readonly error: string } {
  try {
    const { msg, error } = JSON.parse(text) as { msg?: unknown; error?: unknown }
    return {
      message: typeof msg === 'string' && msg !== '' ? parseMessage(msg) : null,
      error: typeof error === 'string' ? error : '',
    }
  } catch {
    return { message: null, error: '' }
  }
}

async function jsonOf<T>(response: Response): Promise<T | null> {
  try {
    return (await response.json()) as T
  } catch {
    return null
  }
}
