import { randomBytes } from 'node:crypto'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass } from '../../src/stun/constants.ts'
import { longTermKey, verifyIntegrity } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'

export type Write = (writer: StunWriter) => unknown

export interface Login {
  readonly username: string
  readonly password: string
}

/** Asks an Allocate for a relayed address of each family (RFC 8656 §7.1). */
export const dual: Write = (writer) => writer.uint32(Attribute.ADDITIONAL_ADDRESS_FAMILY, 0x02000000)

/** What a request may have beside its attributes. */
export interface RequestOptions {
  readonly transactionId?: Buffer
  /** Overrides the client's own; null leaves the credentials out. */
  readonly login?: Login | null
  readonly realm?: string
  readonly nonce?: string
  readonly fingerprint?: boolean
  /** Attributes behind MESSAGE-INTEGRITY, where they must not count. */
  readonly behind?: Write
}

/** Builds what a client sends and reads what it gets: bytes only, no transport. */
export class TurnClient {
  login: Login | null
  realm: string | null = null
  nonce: string | null = null

  constructor(login: Login | null) {
    this.login = login
  }

  /** Signed as soon as a challenge has been seen. */
  request(method: number, write: Write = () => {}, options: RequestOptions = {}): Buffer {
    const writer = new StunWriter().begin(method, MessageClass.REQUEST, options.transactionId ?? randomBytes(12))
    write(writer)
    const login = options.login === undefined ? this.login : options.login
    const realm = options.realm ?? this.realm
    const nonce = options.nonce ?? this.nonce
    if (login !== null && realm !== null && nonce !== null) {
      writer.text(Attribute.USERNAME, login.username).text(Attribute.REALM, realm).text(Attribute.NONCE, nonce)
      writer.integrity(longTermKey(login.username, realm, login.password))
    }
    options.behind?.(writer)
    if (options.fingerprint) writer.fingerprint()
    return copyOf(writer)
  }

  indication(method: number, write: Write, options: { fingerprint?: boolean } = {}): Buffer {
    const writer = new StunWriter().begin(method, MessageClass.INDICATION, randomBytes(12))
    write(writer)
    if (options.fingerprint) writer.fingerprint()
    return copyOf(writer)
  }

  /** Learns realm and nonce from a 401 or 438. */
  learn(answer: Answer): void {
    this.realm = answer.message.text(Attribute.REALM) ?? this.realm
    this.nonce = answer.message.text(Attribute.NONCE) ?? this.nonce
  }

  /** Whether an answer carries the integrity that this client can verify. */
  isSigned(answer: Answer): boolean {
    if (this.login === null || this.realm === null) return false
    return verifyIntegrity(answer.message, longTermKey(this.login.username, this.realm, this.login.password))
  }
}

/** A response or indication from the server. */
export class Answer {
  readonly bytes: Buffer
  readonly message: StunMessage

  constructor(bytes: Buffer) {
    const message = StunMessage.parse(bytes)
    if (message === null) throw new Error(`not a STUN message: ${bytes.toString('hex')}`)
    this.bytes = bytes
    this.message = message
  }

  /** 200 for success, else the error code. */
  get code(): number {
    return this.message.messageClass === MessageClass.SUCCESS ? 200 : (this.message.errorCode() ?? 0)
  }

  get lifetime(): number | null {
    return this.message.uint32(Attribute.LIFETIME)
  }

  /** Every address in attributes of this type. */
  addresses(attribute: number): Address[] {
    const found: Address[] = []
    for (let at = this.message.find(attribute); at >= 0; at = this.message.findNext(attribute, at)) {
      const address = new Address()
      if (!this.message.xorAddressAt(at, address)) throw new Error('invalid address')
      found.push(address)
    }
    return found
  }

  address(attribute: number): Address | null {
    return this.addresses(attribute)[0] ?? null
  }

  /** The types of all attributes in order. */
  get attributes(): number[] {
    const types: number[] = []
    for (let at = 20; at < this.bytes.length; at += 4 + ((this.bytes.readUInt16BE(at + 2) + 3) & ~3)) {
      types.push(this.bytes.readUInt16BE(at))
    }
    return types
  }
}

/** ChannelData (RFC 8656 §12.4), with whatever is asked to follow it. */
export function channelData(number: number, data: Buffer, padding = 0): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt16BE(number, 0)
  header.writeUInt16BE(data.length, 2)
  return Buffer.concat([header, data, Buffer.alloc(padding)])
}

function copyOf(writer: StunWriter): Buffer {
  const end = writer.end()
  return Buffer.from(writer.buffer.subarray(writer.start, end))
}
