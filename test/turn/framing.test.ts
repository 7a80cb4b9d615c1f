import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Method } from '../../src/stun/constants.ts'
import { frameLength } from '../../src/turn/framing.ts'
import { channelData, TurnClient } from '../support/turn-client.ts'

const client = new TurnClient(null)

test.each([
  ['NET-TCP-01 a STUN message is 20 + length', client.request(Method.BINDING), 20],
  ['NET-TCP-01 its attributes count', client.request(Method.BINDING, (writer) => writer.uint32(0xff05, 1)), 28],
  ['NET-TCP-01 ChannelData is 4 + length', channelData(0x4000, Buffer.alloc(8)), 12],
  ['NET-TCP-01 ChannelData is rounded up to 4', channelData(0x4fff, Buffer.alloc(5), 3), 12],
  ['NET-TCP-01 empty ChannelData is 4', channelData(0x4000, Buffer.alloc(0)), 4],
  ['TURN-CDATA-07 0x5000-0x7FFF is read past', channelData(0x7fff, Buffer.alloc(1), 3), 8],
])('%s', (_name, bytes, length) => {
  expect(frameLength(bytes, 0, bytes.length)).toBe(length)
  const shifted = Buffer.concat([Buffer.alloc(9, 0xff), bytes, Buffer.from([0xff])])
  expect(frameLength(shifted, 9, 9 + bytes.length)).toBe(length)
})

test('NET-TCP-03 lengths do not wrap at 16 bits', () => {
  expect(frameLength(Buffer.from('4000ffff', 'hex'), 0, 4)).toBe(65_540)
  expect(frameLength(Buffer.from('0001fffc2112a442', 'hex'), 0, 8)).toBe(65_552)
})

test.each([
  ['a first byte of 4', '04010000'],
  ['a first byte of 63', '3f010000'],
  ['a channel number of 0x8000', '80000000'],
  ['0xFF', 'ff000000'],
  ['a STUN length that is no multiple of 4', '000100022112a442'],
  ['a STUN header without the cookie', '0001000000000000'],
  ['an HTTP request', '474554202f20485454502f312e310d0a', 'frame'],
])('NET-TCP-04 %s cannot be re-synchronised', (_name, hex, isFrame?: string) => {
  const bytes = Buffer.from(hex, 'hex')
  // `GET ` is a valid ChannelData header: telling HTTP apart is for the first bytes of a connection alone.
  if (isFrame === undefined) expect(frameLength(bytes, 0, bytes.length)).toBe(-1)
  else expect(frameLength(bytes, 0, bytes.length)).toBe(4 + 0x5420)
})

test('NET-TCP-02 bytes that do not tell yet are waited for', () => {
  for (const bytes of [client.request(Method.BINDING), channelData(0x4000, Buffer.alloc(3))]) {
    const told = bytes[0]! < 4 ? 8 : 4
    for (let end = 0; end < told; end++) expect(frameLength(bytes, 0, end)).toBe(0)
    expect(frameLength(bytes, 0, told)).toBeGreaterThan(0)
  }
})

/** What a driver does with a stream that arrives in `chunks`. */
function split(chunks: readonly Buffer[]): { frames: string[]; rest: string; broken: boolean } {
  const frames: string[] = []
  let pending = Buffer.alloc(0)
  for (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const length = frameLength(pending, 0, pending.length)
      if (length < 0) return { frames, rest: '', broken: true }
      if (length === 0 || length > pending.length) break
      frames.push(pending.toString('hex', 0, length))
      pending = pending.subarray(length)
    }
  }
  return { frames, rest: pending.toString('hex'), broken: false }
}

const stun = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }).map((values) =>
  client.request(Method.BINDING, (writer) => {
    for (const value of values) writer.bytes(0xff05, Buffer.from(value))
  }),
)
const channel = fc
  .tuple(fc.integer({ min: 0x4000, max: 0x7fff }), fc.uint8Array({ maxLength: 70 }))
  .map(([number, data]) => channelData(number, Buffer.from(data), -data.length & 3))
const junk = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes))

describe('any split of a stream gives the same frames', () => {
  test('NET-TCP-02 of whole frames', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(stun, channel), { maxLength: 12 }), (frames) => {
        const stream = Buffer.concat(frames)
        const expected = { frames: frames.map((frame) => frame.toString('hex')), rest: '', broken: false }
        expect(split([stream])).toEqual(expected)
        expect(split(byByte(stream))).toEqual(expected)
      }),
    )
  })

  test('NET-TCP-02 of frames with junk among them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(stun, channel, junk), { maxLength: 8 }),
        fc.array(fc.nat(50), { maxLength: 20 }),
        (parts, cuts) => {
          const stream = Buffer.concat(parts)
          const whole = split([stream])
          expect(split(byByte(stream))).toEqual(whole)
          expect(split(cutAt(stream, cuts))).toEqual(whole)
        },
      ),
    )
  })
})

function byByte(stream: Buffer): Buffer[] {
  return Array.from(stream, (byte) => Buffer.from([byte]))
}

function cutAt(stream: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const length of lengths) {
    chunks.push(stream.subarray(at, at + length))
    at += length
  }
  return [...chunks, stream.subarray(at)]
}
