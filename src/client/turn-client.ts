import { randomBytes } from 'node:crypto'
import { Address } from '../stun/address.ts'
import {
  AddressFamily,
  Attribute,
  ErrorCode,
  MessageClass,
  Method,
  reasonPhrase,
  TransportProtocol,
} from '../stun/constants.ts'
import { longTermKey } from '../stun/integrity.ts'
import type { StunMessage } from '../stun/message.ts'
import { StunWriter } from '../stun/writer.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import { CHANNEL_DATA_HEADER } from '../turn/framing.ts'
import type { Link, LinkOptions } from './link.ts'
import { openLink } from './open-link.ts'
import { type Answer, isReliable, Transactions } from './transactions.ts'
import type { Wire } from './wire.ts'

/** The server has answered a request with an error. */
export class TurnRefusal extends Error {
  /** The request. */
  readonly what: string
  readonly code: number
  /** Where a 300 sends the client. */
  readonly alternate: Address | null

  constructor(what: string, code: number, alternate: Address | null = null) {
    super(`${what} was refused with ${code}${reasonPhrase(code) === '' ? '' : ` ${reasonPhrase(code)}`}`)
    this.name = 'TurnRefusal'
    this.what = what
    this.code = code
    this.alternate = alternate
  }
}

/** What came with an allocation beside its address. */
export interface Granted {
  /** Where the server sees the client. */
  readonly mapped: Address | null
  readonly software: string | null
  readonly roundTripMs: number
}

export interface TurnClientOptions extends Omit<LinkOptions, 'onMessage'> {
  /** Null where the server asks nobody to log in. */
  readonly login: Credentials | null
  /** What came in over the channel: the payload, borrowed. */
  readonly onData: (bytes: Buffer, start: number, end: number, now: number) => void
}

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
  readonly #transactions: Transactions

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
    const send = (bytes: Buffer) => this.#link!.send(bytes, 0, bytes.length)
    this.#transactions = new Transactions(send, isReliable(options.transport))
  }

  get localPort(): number {
    return this.#link!.localPort
  }

  /** What the server calls the place that it takes logins for; null until it has asked for one. */
  get realm(): string | null {
    return this.#realm
  }

  /** Throws TurnRefusal or NoAnswer, as all requests do. */
  async allocate(family: 4 | 6): Promise<Granted> {
    const { message: answer, roundTripMs } = await this.#request('Allocate', Method.ALLOCATE, (request) => {
      request.uint32(Attribute.REQUESTED_TRANSPORT, TransportProtocol.UDP * 0x1000000)
      if (family === 6) request.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, AddressFamily.IPV6 * 0x1000000)
    })
    answer.xorAddress(Attribute.XOR_RELAYED_ADDRESS, this.relayed)
    const mapped = new Address()
    const isMapped = answer.xorAddress(Attribute.XOR_MAPPED_ADDRESS, mapped)
    return { mapped: isMapped ? mapped : null, software: answer.text(Attribute.SOFTWARE), roundTripMs }
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

  async #request(what: string, method: number, write: (request: StunWriter) => void): Promise<Answer> {
    // 401 tells realm and nonce, 438 a new nonce; a third time would be no accident.
    for (let round = 0; ; round++) {
      const answered = await this.#transactions.request(what, this.#signed(method, write))
      const { message: answer } = answered
      if (answer.messageClass === MessageClass.SUCCESS) return answered
      const code = answer.errorCode() ?? 0
      const isChallenge = code === ErrorCode.STALE_NONCE || (code === ErrorCode.UNAUTHENTICATED && this.#key === null)
      if (!isChallenge || round > 1 || !this.#learn(answer)) throw refusal(what, code, answer)
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

  #receive(bytes: Buffer, start: number, end: number, now: number): void {
    if (end - start < CHANNEL_DATA_HEADER) return
    if (bytes[start]! >= 0x40) {
      const length = bytes.readUInt16BE(start + 2)
      const from = start + CHANNEL_DATA_HEADER
      if (from + length <= end) this.#options.onData(bytes, from, from + length, now)
      return
    }
    this.#transactions.receive(bytes, start, end, now)
  }
}

function refusal(what: string, code: number, answer: StunMessage): TurnRefusal {
  const alternate = new Address()
  return new TurnRefusal(what, code, answer.address(Attribute.ALTERNATE_SERVER, alternate) ? alternate : null)
}
