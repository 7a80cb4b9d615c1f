import { randomBytes } from 'node:crypto'
import { Address } from '../stun/address.ts'
import {
  AddressFamily,
  Attribute,
  ErrorCode,
  HEADER_LENGTH,
  MessageClass,
  Method,
  reasonPhrase,
  TransportProtocol,
} from '../stun/constants.ts'
import { longTermKey } from '../stun/integrity.ts'
import { StunMessage } from '../stun/message.ts'
import { StunWriter } from '../stun/writer.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import { CHANNEL_DATA_HEADER } from '../turn/framing.ts'
import { type Link, type LinkOptions, openLink } from './link.ts'
import type { Wire } from './wire.ts'

/** The server has answered a request with an error. */
export class TurnRefusal extends Error {
  /** The request. */
  readonly what: string
  readonly code: number

  constructor(what: string, code: number) {
    super(`${what} was refused with ${code}${reasonPhrase(code) === '' ? '' : ` ${reasonPhrase(code)}`}`)
    this.name = 'TurnRefusal'
    this.what = what
    this.code = code
  }
}

/** The server has not answered a request at all. */
export class NoAnswer extends Error {
  constructor(what: string) {
    super(`no answer to ${what}`)
    this.name = 'NoAnswer'
  }
}

export interface TurnClientOptions extends Omit<LinkOptions, 'onMessage'> {
  /** Null where the server asks nobody to log in. */
  readonly login: Credentials | null
  /** What came in over the channel: the payload, borrowed. */
  readonly onData: (bytes: Buffer, start: number, end: number, now: number) => void
}

/** RFC 8489 §6.2.1: the first retransmission after this, the next ones after twice as long each. */
const FIRST_TIMEOUT_MS = 500
const TRIES = 4
const CHANNEL = 0x4000

const writer = new StunWriter(2048)

/** A TURN client with one allocation and one channel, as far as making load takes. */
export class TurnClient {
  /** The relayed transport address, once allocated. */
  readonly relayed = new Address()
  readonly #options: TurnClientOptions
  #link: Link | null = null
  #realm: string | null = null
  #nonce: string | null = null
  #key: Buffer | null = null
  /** The one request under way. */
  #pending: { readonly id: Buffer; readonly answer: (bytes: Buffer) => void } | null = null

  static async open(wire: Wire, options: TurnClientOptions): Promise<TurnClient> {
    const client = new TurnClient(options)
    client.#link = await openLink(wire, {
      ...options,
      onMessage: (bytes, start, end, now) => client.#receive(bytes, start, end, now),
    })
    return client
  }

  private constructor(options: TurnClientOptions) {
    this.#options = options
  }

  get localPort(): number {
    return this.#link!.localPort
  }

  /** Throws TurnRefusal or NoAnswer, as all requests do. */
  async allocate(family: 4 | 6): Promise<void> {
    const answer = await this.#request('Allocate', Method.ALLOCATE, (request) => {
      request.uint32(Attribute.REQUESTED_TRANSPORT, TransportProtocol.UDP * 0x1000000)
      if (family === 6) request.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, AddressFamily.IPV6 * 0x1000000)
    })
    answer.xorAddress(Attribute.XOR_RELAYED_ADDRESS, this.relayed)
  }

  /** Binds the channel, or binds it for longer; that permits the peer, too (RFC 8656 §12.2). */
  async bind(peer: Address): Promise<void> {
    await this.#request('ChannelBind', Method.CHANNEL_BIND, (request) =>
      request.uint32(Attribute.CHANNEL_NUMBER, CHANNEL * 0x10000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    )
  }

  async permit(peer: Address): Promise<void> {
    await this.#request('CreatePermission', Method.CREATE_PERMISSION, (request) =>
      request.xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    )
  }

  /** 0 ends the allocation. */
  async refresh(lifetimeSeconds: number): Promise<void> {
    await this.#request('Refresh', Method.REFRESH, (request) => request.uint32(Attribute.LIFETIME, lifetimeSeconds))
  }

  /** Sends `bytes[start…end)` over the channel; the 4 bytes before `start` are overwritten. */
  send(bytes: Buffer, start: number, end: number): void {
    const header = start - CHANNEL_DATA_HEADER
    bytes.writeUInt16BE(CHANNEL, header)
    bytes.writeUInt16BE(end - start, header + 2)
    this.#link!.send(bytes, header, end)
  }

  /** Goes without a word; `refresh(0)` is what tells the server. */
  async close(): Promise<void> {
    await this.#link!.close()
  }

  async #request(what: string, method: number, write: (request: StunWriter) => void): Promise<StunMessage> {
    // 401 tells realm and nonce, 438 a new nonce; a third time would be no accident.
    for (let round = 0; ; round++) {
      const answer = await this.#exchange(what, this.#signed(method, write))
      if (answer.messageClass === MessageClass.SUCCESS) return answer
      const code = answer.errorCode() ?? 0
      const isChallenge = code === ErrorCode.STALE_NONCE || (code === ErrorCode.UNAUTHENTICATED && this.#key === null)
      if (!isChallenge || round > 1 || !this.#learn(answer)) throw new TurnRefusal(what, code)
    }
  }

  #signed(method: number, write: (request: StunWriter) => void): Buffer {
    writer.begin(method, MessageClass.REQUEST, randomBytes(12))
    write(writer)
    const { login } = this.#options
    if (this.#key !== null && login !== null) {
      writer.text(Attribute.USERNAME, login.username)
      writer.text(Attribute.REALM, this.#realm!).text(Attribute.NONCE, this.#nonce!).integrity(this.#key)
    }
    const end = writer.end()
    return Buffer.from(writer.buffer.subarray(writer.start, end))
  }

  #learn(challenge: StunMessage): boolean {
    const { login } = this.#options
    const realm = challenge.text(Attribute.REALM)
    this.#nonce = challenge.text(Attribute.NONCE)
    if (login === null || realm === null || this.#nonce === null) return false
    this.#realm = realm
    this.#key = longTermKey(login.username, realm, login.password)
    return true
  }

  async #exchange(what: string, request: Buffer): Promise<StunMessage> {
    let tries = 0
    let timer: NodeJS.Timeout | undefined
    const bytes = await new Promise<Buffer | null>((resolve) => {
      this.#pending = { id: request.subarray(8, HEADER_LENGTH), answer: resolve }
      const attempt = () => {
        if (tries === TRIES) return resolve(null)
        // Streams lose nothing, they only take as long.
        if (tries === 0 || this.#link!.transport === 'udp') this.#link!.send(request, 0, request.length)
        timer = setTimeout(attempt, FIRST_TIMEOUT_MS * 2 ** tries++)
      }
      attempt()
    })
    clearTimeout(timer)
    this.#pending = null
    const answer = bytes === null ? null : StunMessage.parse(bytes)
    if (answer === null) throw new NoAnswer(what)
    return answer
  }

  #receive(bytes: Buffer, start: number, end: number, now: number): void {
    if (end - start < CHANNEL_DATA_HEADER) return
    if (bytes[start]! >= 0x40) {
      const length = bytes.readUInt16BE(start + 2)
      const from = start + CHANNEL_DATA_HEADER
      if (from + length <= end) this.#options.onData(bytes, from, from + length, now)
      return
    }
    if (this.#pending === null || end - start < HEADER_LENGTH) return
    const { id, answer } = this.#pending
    if (id.compare(bytes, start + 8, start + HEADER_LENGTH) === 0) answer(Buffer.from(bytes.subarray(start, end)))
  }
}
