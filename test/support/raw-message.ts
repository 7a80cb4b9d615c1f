import { fromHex } from './bytes.ts'

export const TRANSACTION_ID = fromHex('b7e7a701bc34d686fa87dfae')

/** A type, its value (a string is hex) and what its padding is filled with. */
export type RawAttribute = readonly [type: number, value: string | Buffer, padding?: number]

/** Puts a STUN message together without the writer, so a test of the parser doesn't lean on it, and as wrong as asked. */
export function rawMessage(
  type: number,
  attributes: readonly RawAttribute[] = [],
  transactionId: Buffer = TRANSACTION_ID,
): Buffer {
  const body = Buffer.concat(attributes.map(rawAttribute))
  const header = Buffer.alloc(8)
  header.writeUInt16BE(type, 0)
  header.writeUInt16BE(body.length, 2)
  header.writeUInt32BE(0x2112a442, 4)
  return Buffer.concat([header, transactionId, body])
}

function rawAttribute([type, value, padding = 0]: RawAttribute): Buffer {
  const bytes = typeof value === 'string' ? fromHex(value) : value
  const attribute = Buffer.alloc(4 + Math.ceil(bytes.length / 4) * 4, padding)
  attribute.writeUInt16BE(type, 0)
  attribute.writeUInt16BE(bytes.length, 2)
  bytes.copy(attribute, 4)
  return attribute
}
