import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { TRANSACTION_ID } from './raw-message.ts'

/** What a test puts into a request; what is left out is not in it. */
export interface RequestFields {
  readonly method?: number
  readonly username?: string
  readonly userHash?: Buffer
  readonly realm?: string
  readonly nonce?: string
  readonly passwordAlgorithms?: Buffer
  readonly passwordAlgorithm?: Buffer
  /** Signs with MESSAGE-INTEGRITY. */
  readonly key?: Buffer
  /** Signs with MESSAGE-INTEGRITY-SHA256. */
  readonly sha256Key?: Buffer
  /** Written behind the integrity attributes. */
  readonly appended?: readonly (readonly [attribute: number, value: string])[]
}

export function request(fields: RequestFields): StunMessage {
  const writer = new StunWriter().begin(fields.method ?? Method.ALLOCATE, MessageClass.REQUEST, TRANSACTION_ID)
  if (fields.username !== undefined) writer.text(Attribute.USERNAME, fields.username)
  if (fields.userHash !== undefined) writer.bytes(Attribute.USERHASH, fields.userHash)
  if (fields.realm !== undefined) writer.text(Attribute.REALM, fields.realm)
  if (fields.nonce !== undefined) writer.text(Attribute.NONCE, fields.nonce)
  if (fields.passwordAlgorithms !== undefined) writer.bytes(Attribute.PASSWORD_ALGORITHMS, fields.passwordAlgorithms)
  if (fields.passwordAlgorithm !== undefined) writer.bytes(Attribute.PASSWORD_ALGORITHM, fields.passwordAlgorithm)
  if (fields.key !== undefined) writer.integrity(fields.key)
  if (fields.sha256Key !== undefined) writer.integritySha256(fields.sha256Key)
  for (const [attribute, value] of fields.appended ?? []) writer.text(attribute, value)
  const end = writer.end()
  return StunMessage.parse(Buffer.from(writer.buffer.subarray(writer.start, end)))!
}

export function clientAt(host: string, port: number): FiveTuple {
  return new FiveTuple('udp', Address.parse(host, port)!, Address.parse('192.0.2.1', 3478)!, 0, 0)
}
