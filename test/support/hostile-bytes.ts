import { fc } from '@fast-check/vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { publicSeeds } from './public-seeds.ts'
import { rawMessage } from './raw-message.ts'

const knownType = fc.constantFrom(...Object.values(Attribute))
export const uint16 = fc.integer({ min: 0, max: 0xffff })
export const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))

/** Anything, and things that begin like every protocol of these ports. */
export const hostileBeginnings = fc
  .tuple(
    fc.constantFrom(
      '',
      '00',
      '0001',
      '000100002112a442',
      '000300082112a442',
      '0101',
      '4000',
      '40000004',
      '7fff',
      '16',
      '160301',
      '16fefd',
      '47455420',
      '48454144',
      '0d0a0d0a000d0a515549540a',
      '50524f5859',
      'ff',
    ),
    fc.uint8Array({ maxLength: 200 }),
  )
  .map(([start, rest]) => Buffer.concat([Buffer.from(start, 'hex'), rest]))

/** Bytes of any kind; bytes behind a header that fits them; attributes in order, known ones and others. */
export const arbitraryBytes = fc.oneof(
  bytes(120),
  bytes(120).map((body) => fitHeader(Buffer.concat([rawMessage(0x0001), body]))),
  fc
    .tuple(
      fc.integer({ min: 0, max: 0x3fff }),
      fc.array(fc.tuple(fc.oneof(knownType, uint16), bytes(36), fc.constantFrom(0, 0x20)), { maxLength: 8 }),
    )
    .map(([type, attributes]) => rawMessage(type, attributes)),
)

const samples = publicSeeds.map(([, seed]) => seed).filter((seed) => StunMessage.parse(seed) !== null)

/** Sound messages with some of their bytes changed, cut, doubled or put in, under a header that may fit or not. */
export const mutatedMessage = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(
      fc.tuple(
        fc.constantFrom('flip', 'byte', 'length', 'cut', 'double', 'insert'),
        fc.nat(),
        fc.oneof(uint16, fc.constantFrom(0, 1, 3, 4, 8, 20, 0x7fff, 0x8000, 0xfffc, 0xffff)),
      ),
      { minLength: 1, maxLength: 4 },
    ),
    fc.boolean(),
  )
  .map(([sample, mutations, fit]) => {
    const mutated = mutations.reduce((message, [kind, where, value]) => mutate(message, kind, where, value), sample)
    return fit ? fitHeader(Buffer.concat([mutated, Buffer.alloc(-mutated.length & 3)])) : mutated
  })

function fitHeader(message: Buffer): Buffer {
  const fitted = Buffer.from(message)
  if (fitted.length >= 4) fitted.writeUInt16BE((fitted.length - 20) & 0xffff, 2)
  return fitted
}

function mutate(message: Buffer, kind: string, where: number, value: number): Buffer {
  if (message.length < 4) return message
  const at = where % message.length
  const mutated = Buffer.from(message)
  switch (kind) {
    case 'flip':
      mutated[at]! ^= 1 << (value & 7)
      return mutated
    case 'byte':
      mutated[at] = value
      return mutated
    case 'length':
      mutated.writeUInt16BE(value, (at & ~3) % (message.length - 3))
      return mutated
    case 'cut':
      return mutated.subarray(0, at)
    case 'double':
      return Buffer.concat([mutated, mutated.subarray(at & ~3)])
    default:
      return Buffer.concat([mutated.subarray(0, at), Buffer.alloc(value & 31, value), mutated.subarray(at)])
  }
}
