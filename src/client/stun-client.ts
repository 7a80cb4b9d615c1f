import { randomBytes } from 'node:crypto'
import { Address } from '../stun/address.ts'
import { Attribute, ErrorCode, MessageClass, Method } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import { StunWriter } from '../stun/writer.ts'
import type { Link, LinkOptions } from './link.ts'
import { openLink } from './open-link.ts'
import { isReliable, Transactions } from './transactions.ts'
import { TurnRefusal } from './turn-client.ts'
import type { Wire } from './wire.ts'

/** What a Binding request has told (RFC 8489 §3, RFC 5780 §7). */
export interface Mapping {
  /** Where the server sees the client. */
  readonly mapped: Address
  /** Where the server answers, too, for NAT behaviour discovery; null where it does not. */
  readonly other: Address | null
  readonly software: string | null
  readonly roundTripMs: number
}

const writer = new StunWriter(256)

/** Asks a server once where it sees us. Throws NoAnswer, TurnRefusal, and what the system says of the connection. */
export async function askMapping(wire: Wire, options: Omit<LinkOptions, 'onMessage'>): Promise<Mapping> {
  let link: Link | null = null
  const transactions = new Transactions((bytes) => link!.send(bytes, 0, bytes.length), isReliable(options.transport))
  link = await openLink(wire, {
    ...options,
    onMessage: (bytes, start, end, now) => transactions.receive(bytes, start, end, now),
  })
  try {
    const { message, roundTripMs } = await transactions.request('Binding', bindingRequest())
    return { ...mappingOf(message), roundTripMs }
  } finally {
    await link.close()
  }
}

/** `changes` are bits of CHANGE-REQUEST (RFC 5780 §7.2), 0 for a plain request. */
export function bindingRequest(changes = 0): Buffer {
  writer.begin(Method.BINDING, MessageClass.REQUEST, randomBytes(12))
  if (changes !== 0) writer.uint32(Attribute.CHANGE_REQUEST, changes)
  const end = writer.end()
  return Buffer.from(writer.buffer.subarray(writer.start, end))
}

/** Throws TurnRefusal for an error, and for an answer without an address. */
export function mappingOf(message: StunMessage): Omit<Mapping, 'roundTripMs'> {
  if (message.messageClass !== MessageClass.SUCCESS) throw new TurnRefusal('Binding', message.errorCode() ?? 0)
  const mapped = new Address()
  if (!message.xorAddress(Attribute.XOR_MAPPED_ADDRESS, mapped) && !message.address(Attribute.MAPPED_ADDRESS, mapped))
    throw new TurnRefusal('Binding', ErrorCode.BAD_REQUEST)
  const other = new Address()
  const hasOther = message.address(Attribute.OTHER_ADDRESS, other)
  return { mapped, other: hasOther ? other : null, software: message.text(Attribute.SOFTWARE) }
}
