import { Address } from '../stun/address.ts'
import { AddressFamily, Attribute, ClassicAttribute, MessageClass, Method, reasonPhrase } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import { StunWriter } from '../stun/writer.ts'
import type { AddressError } from './allocation.ts'
import type { Authenticated, Challenge } from './auth/auth.ts'
import type { Counters } from './counters.ts'
import type { Effects } from './effects.ts'
import type { FiveTuple } from './five-tuple.ts'
import type { TurnOptions } from './options.ts'

/** The answer follows: the request waits in Pending. */
export const LATER = Symbol('later')
/** There is no answer, for a reason that has been counted. */
export const SILENT = Symbol('silent')

/** What a method's handler makes of a request; one place turns it into bytes. */
export type Reply = Settled | typeof LATER | typeof SILENT

export type Settled = Success | Refused

export interface Success {
  readonly relayed?: readonly Address[]
  readonly lifetimeSeconds?: number
  readonly mapped?: Address
  /** The form without XOR, for clients from before RFC 5389. */
  readonly plainMapped?: Address
  /** Where the answer leaves from, and where else it could (RFC 5780 §7.3, §7.4); by RFC 3489's names the two below. */
  readonly responseOrigin?: Address
  readonly otherAddress?: Address
  readonly sourceAddress?: Address
  readonly changedAddress?: Address
  /** PADDING until the answer has this many bytes (RFC 5780 §7.6). */
  readonly padTo?: number
  /** The answer leaves from another UDP socket of ours, or goes to another port (RFC 5780 §7.2, §7.5). */
  readonly path?: { readonly server: Address; readonly client: Address }
  readonly reservationToken?: Buffer | null
  readonly mobilityTicket?: string | null
  readonly addressErrors?: readonly AddressError[]
  /** RFC 6062 §6.2.1. */
  readonly connectionId?: number
}

export interface Refused {
  readonly error: number
  /** For the operator's log, never for the client. */
  readonly reason: string
  readonly unknownAttributes?: readonly number[]
  readonly challenge?: Challenge | null
  /** With 300 (RFC 8489 §14.15). */
  readonly alternateServer?: { readonly address: Address; readonly domain: string | null }
  /** Whom the request claimed to be from, when nobody has been authenticated. */
  readonly username?: string | undefined
  readonly realm?: string | undefined
}

export function refuse(error: number, reason: string): Refused {
  return { error, reason }
}

/** Where an answer goes, and how it is signed. */
export interface Exchange {
  readonly method: number
  readonly transactionId: StunMessage | Buffer
  readonly client: FiveTuple
  /** Null when the request was not authenticated: nothing to sign with. */
  readonly user: Authenticated | null
  readonly fingerprint: boolean
}

/** An authenticated request's. */
export interface SignedExchange extends Exchange {
  readonly user: Authenticated
}

/** Writes responses and sends them (RFC 8489 §6.3.1). */
export class Responder {
  readonly #options: TurnOptions
  readonly #effects: Effects
  readonly #counters: Counters
  readonly #writer = new StunWriter()
  readonly #mapped = new Address()

  constructor(options: TurnOptions, effects: Effects, counters: Counters) {
    this.#options = options
    this.#effects = effects
    this.#counters = counters
  }

  respond(exchange: Exchange, reply: Reply): void {
    if (reply === LATER || reply === SILENT) return
    const { method, client } = exchange
    if ('error' in reply) this.#refuse(exchange, reply)
    else this.#succeed(exchange, reply)

    const writer = this.#writer
    const { software } = this.#options
    if (software !== null && (method === Method.ALLOCATE || method === Method.REFRESH)) {
      writer.text(Attribute.SOFTWARE, software)
    }
    if (exchange.user?.key) {
      if (exchange.user.integrity === 'sha256') writer.integritySha256(exchange.user.key)
      else writer.integrity(exchange.user.key)
    }
    if (exchange.fingerprint || this.#options.fingerprint) writer.fingerprint()
    const path = 'error' in reply ? undefined : reply.path
    if (path === undefined) this.#effects.sendToClient(client, writer.buffer, writer.start, writer.end())
    else this.#effects.answerFrom(path.server, path.client, writer.buffer, writer.start, writer.end())
    if ('error' in reply) this.#report(exchange, reply)
  }

  #succeed({ method, transactionId }: Exchange, reply: Success): void {
    if (method === Method.BINDING) this.#counters.bindingSuccesses++
    else this.#counters.turnSuccesses++
    const writer = this.#writer.begin(method, MessageClass.SUCCESS, transactionId)
    for (const relayed of reply.relayed ?? []) writer.xorAddress(Attribute.XOR_RELAYED_ADDRESS, relayed)
    if (reply.lifetimeSeconds !== undefined) writer.uint32(Attribute.LIFETIME, reply.lifetimeSeconds)
    if (reply.mapped) writer.xorAddress(Attribute.XOR_MAPPED_ADDRESS, this.#outside(reply.mapped))
    if (reply.plainMapped) writer.address(Attribute.MAPPED_ADDRESS, this.#outside(reply.plainMapped))
    if (reply.responseOrigin) writer.address(Attribute.RESPONSE_ORIGIN, this.#outside(reply.responseOrigin))
    if (reply.otherAddress) writer.address(Attribute.OTHER_ADDRESS, this.#outside(reply.otherAddress))
    if (reply.sourceAddress) writer.address(ClassicAttribute.SOURCE_ADDRESS, this.#outside(reply.sourceAddress))
    if (reply.changedAddress) writer.address(ClassicAttribute.CHANGED_ADDRESS, this.#outside(reply.changedAddress))
    if (reply.padTo !== undefined) this.#pad(reply.padTo)
    if (reply.reservationToken) writer.bytes(Attribute.RESERVATION_TOKEN, reply.reservationToken)
    if (reply.mobilityTicket) writer.text(Attribute.MOBILITY_TICKET, reply.mobilityTicket)
    if (reply.connectionId !== undefined) writer.uint32(Attribute.CONNECTION_ID, reply.connectionId)
    for (const { family, code } of reply.addressErrors ?? []) {
      writer.addressErrorCode(family === 4 ? AddressFamily.IPV4 : AddressFamily.IPV6, code, this.#phrase(code))
    }
  }

  #refuse(
    { method, transactionId, client }: Exchange,
    { error, unknownAttributes, challenge, alternateServer }: Refused,
  ): void {
    const writer = this.#writer.begin(method, MessageClass.ERROR, transactionId)
    writer.errorCode(error, this.#phrase(error))
    if (unknownAttributes) writer.unknownAttributes(unknownAttributes)
    if (alternateServer) {
      const { address, domain } = alternateServer
      writer.address(Attribute.ALTERNATE_SERVER, address)
      // Nobody else looks at a certificate.
      if (domain !== null && client.isSecure) writer.text(Attribute.ALTERNATE_DOMAIN, domain)
    }
    if (!challenge) return
    writer.text(Attribute.REALM, challenge.realm).text(Attribute.NONCE, challenge.nonce)
    if (challenge.passwordAlgorithms) writer.bytes(Attribute.PASSWORD_ALGORITHMS, challenge.passwordAlgorithms)
  }

  /** Only after the answer is out: whoever logs must not delay it, nor lose it by failing. */
  #report({ method, client, user }: Exchange, { error, reason, username, realm }: Refused): void {
    this.#counters.errors.set(error, (this.#counters.errors.get(error) ?? 0) + 1)
    this.#effects.refused(client, { method, code: error, reason, username: user?.account.name ?? username, realm })
  }

  /** A client on our own host, or behind a front of ours, is seen from outside where we are. */
  #outside(address: Address): Address {
    return this.#options.externalIp.toPublic(this.#mapped.set(address))
  }

  /** With nothing behind it but, perhaps, FINGERPRINT and an integrity, which are not padded away. */
  #pad(to: number): void {
    const room = (to - this.#writer.length - PADDING_HEADER - BEHIND_PADDING) & ~3
    if (room > 0) this.#writer.bytes(Attribute.PADDING, Buffer.alloc(room))
  }

  #phrase(code: number): string {
    return this.#options.includeReasonString ? reasonPhrase(code) : ''
  }
}

const PADDING_HEADER = 4
/** MESSAGE-INTEGRITY-SHA256 and FINGERPRINT. */
const BEHIND_PADDING = 36 + 8
