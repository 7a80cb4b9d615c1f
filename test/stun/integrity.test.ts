import * as crypto from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { fingerprintOf, verifyFingerprint, verifyIntegrity, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { type RawAttribute, rawMessage, TRANSACTION_ID } from '../support/raw-message.ts'
import { watchCrypto } from '../support/watched-crypto.ts'

const key = Buffer.from('a key of sixteen')
const BINDING_REQUEST = 0x0001
const kinds = [
  {
    name: 'MESSAGE-INTEGRITY',
    attribute: Attribute.MESSAGE_INTEGRITY,
    length: 20,
    hash: 'sha1',
    verify: verifyIntegrity,
  },
  {
    name: 'MESSAGE-INTEGRITY-SHA256',
    attribute: Attribute.MESSAGE_INTEGRITY_SHA256,
    length: 32,
    hash: 'sha256',
    verify: verifyIntegritySha256,
  },
]

describe.each(kinds)('$name', ({ name, attribute, length, hash, verify }) => {
  const id = attribute === Attribute.MESSAGE_INTEGRITY ? 'STUN-MI-01' : 'STUN-MI-02'

  test(`${id} is the HMAC up to itself, with a length that ends behind itself`, () => {
    const message = parse(signed([[Attribute.SOFTWARE, '616263', 0x20]]))
    expect(verify(message, key)).toBe(true)
    expect(verify(message, Buffer.from('another key'))).toBe(false)
    expect(verify(message, Buffer.alloc(0))).toBe(false)
  })

  test(`${id} holds with nothing before it`, () => {
    expect(verify(parse(signed([])), key)).toBe(true)
  })

  test(`${id} holds whatever follows it`, () => {
    const bytes = append(signed([[Attribute.LIFETIME, '00000258']]), [
      [Attribute.LIFETIME, '00000000'],
      [Attribute.FINGERPRINT, '00000000'],
    ])
    expect(verify(parse(bytes), key)).toBe(true)
  })

  test(`${id} breaks with any bit of the covered bytes or of itself`, () => {
    const bytes = signed([[Attribute.LIFETIME, '00000258']])
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      const message = StunMessage.parse(changed)
      expect(message !== null && verify(message, key)).toBe(false)
    }
  })

  test('the received bytes stay as they came', () => {
    const bytes = append(signed([[Attribute.LIFETIME, '00000258']]), [[Attribute.FINGERPRINT, '00000000']])
    const before = Buffer.from(bytes)
    verify(parse(bytes), key)
    expect(bytes).toEqual(before)
  })

  test(`${id} is checked where the message lies in its buffer`, () => {
    const bytes = signed([[Attribute.LIFETIME, '00000258']])
    const around = Buffer.concat([Buffer.alloc(7, 0xff), bytes, Buffer.alloc(9, 0xff)])
    expect(verify(StunMessage.parse(around, 7, 7 + bytes.length)!, key)).toBe(true)
  })

  test(`${id} is not right when it is absent`, () => {
    expect(verify(parse(rawMessage(BINDING_REQUEST)), key)).toBe(false)
  })

  test.each([0, 4, 10, 16, length - 1, length + 1, length + 4])(
    `${attribute === Attribute.MESSAGE_INTEGRITY ? 'STUN-MI-03 SEC-20' : 'STUN-MI-02'} a value of %i bytes is refused`,
    (other) => {
      const whole = signed([]).subarray(24)
      const value = Buffer.concat([whole, Buffer.alloc(8)]).subarray(0, other)
      expect(verify(parse(rawMessage(BINDING_REQUEST, [[attribute, value]])), key)).toBe(false)
    },
  )

  test('STUN-MI-02 a truncated HMAC is refused although it is right as far as it goes', () => {
    const truncated = 16
    const covered = rawMessage(BINDING_REQUEST)
    covered.writeUInt16BE(4 + truncated, 2)
    const value = crypto.createHmac(hash, key).update(covered).digest().subarray(0, truncated)
    expect(verify(parse(rawMessage(BINDING_REQUEST, [[attribute, value]])), key)).toBe(false)
  })

  test.each([0, length - 1])(
    'STUN-MI-04 SEC-18 the whole value goes through timingSafeEqual, wrong at byte %i',
    (wrong) => {
      const bytes = signed([])
      bytes[bytes.length - length + wrong]! ^= 1
      const compare = watchCrypto('timingSafeEqual')
      expect(verify(parse(bytes), key)).toBe(false)
      expect(compare).toHaveBeenCalledOnce()
      const [one, other] = compare.mock.calls[0]!
      expect([one.byteLength, other.byteLength]).toEqual([length, length])
    },
  )

  test(`STUN-ATTR-02 ${name} covers padding as it was received`, () => {
    const bytes = signed([[Attribute.SOFTWARE, '61', 0x20]])
    expect(verify(parse(bytes), key)).toBe(true)
    bytes[20 + 5] = 0
    expect(verify(parse(bytes), key)).toBe(false)
  })

  /** Signs without the writer: the HMAC of the bytes before, under a header that already counts the attribute. */
  function signed(attributes: readonly RawAttribute[]): Buffer {
    const covered = rawMessage(BINDING_REQUEST, attributes)
    covered.writeUInt16BE(covered.length - 20 + 4 + length, 2)
    const value = crypto.createHmac(hash, key).update(covered).digest()
    return append(rawMessage(BINDING_REQUEST, attributes), [[attribute, value]])
  }
})

test('STUN-MI-05 the two integrity attributes are checked each by itself', () => {
  const right = both(key, key)
  expect([verifyIntegrity(right, key), verifyIntegritySha256(right, key)]).toEqual([true, true])
  const wrongSha1 = both(Buffer.from('x'), key)
  expect([verifyIntegrity(wrongSha1, key), verifyIntegritySha256(wrongSha1, key)]).toEqual([false, true])
  const wrongSha256 = both(key, Buffer.from('x'))
  expect([verifyIntegrity(wrongSha256, key), verifyIntegritySha256(wrongSha256, key)]).toEqual([true, false])
})

describe('FINGERPRINT', () => {
  /** CRC-32 of a Binding request with nothing but FINGERPRINT, computed with Python's zlib. */
  const smallest = '000100082112a442b7e7a701bc34d686fa87dfae80280004'

  test('STUN-FP-01 is the CRC-32 before it XOR-ed with "STUN"', () => {
    const bytes = Buffer.from(`${smallest}fdf6ae02`, 'hex')
    expect(verifyFingerprint(parse(bytes))).toBe('right')
  })

  test('STUN-FP-01 the writer makes the same one', () => {
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.REQUEST, TRANSACTION_ID).fingerprint()
    expect(writer.buffer.toString('hex', 0, writer.end())).toBe(`${smallest}fdf6ae02`)
  })

  test('STUN-FP-01 covers the padding and the integrity before it', () => {
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.REQUEST, TRANSACTION_ID)
    writer.text(Attribute.SOFTWARE, 'a').integrity(key).fingerprint()
    const bytes = writer.buffer.subarray(0, writer.end())
    for (const at of [0, 8, 25, 40]) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      expect(verifyFingerprint(parse(changed))).toBe('wrong')
    }
    expect(verifyFingerprint(parse(bytes))).toBe('right')
  })

  test('STUN-FP-02 any wrong bit in it is wrong', () => {
    for (let bit = 0; bit < 32; bit++) {
      const bytes = Buffer.from(`${smallest}fdf6ae02`, 'hex')
      bytes[24 + (bit >> 3)]! ^= 1 << (bit & 7)
      expect(verifyFingerprint(parse(bytes))).toBe('wrong')
    }
  })

  test.each(['', '00', '000000', '0000000000', '0000000000000000'])('STUN-FP-02 one of %j is wrong', (value) => {
    expect(verifyFingerprint(parse(rawMessage(BINDING_REQUEST, [[Attribute.FINGERPRINT, value]])))).toBe('wrong')
  })

  test.each([1, 2, 3])('STUN-FP-02 one of %i bytes is wrong, although its padding completes the sum', (length) => {
    const bytes = rawMessage(BINDING_REQUEST, [[Attribute.FINGERPRINT, '00000000']])
    bytes.writeUInt32BE(fingerprintOf(bytes, 0, 20), 24)
    expect(verifyFingerprint(parse(bytes))).toBe('right')
    bytes.writeUInt16BE(length, 22)
    expect(verifyFingerprint(parse(bytes))).toBe('wrong')
  })

  test('STUN-FP-02 one that is not last is wrong, although its sum is right', () => {
    const bytes = append(rawMessage(BINDING_REQUEST, [[Attribute.FINGERPRINT, '00000000']]), [[Attribute.SOFTWARE, '']])
    bytes.writeUInt32BE(fingerprintOf(bytes, 0, 20), 24)
    expect(verifyFingerprint(parse(bytes))).toBe('wrong')
  })

  test('STUN-FP-02 a second one behind it makes it wrong', () => {
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.REQUEST, TRANSACTION_ID)
    writer.fingerprint().fingerprint()
    expect(verifyFingerprint(parse(writer.buffer.subarray(0, writer.end())))).toBe('wrong')
  })

  test('STUN-FP-03 a message without one is well', () => {
    expect(verifyFingerprint(parse(rawMessage(BINDING_REQUEST)))).toBe('absent')
  })
})

function both(sha1Key: Buffer, sha256Key: Buffer): StunMessage {
  const writer = new StunWriter().begin(Method.ALLOCATE, MessageClass.REQUEST, TRANSACTION_ID)
  writer.uint32(Attribute.LIFETIME, 600).integrity(sha1Key).integritySha256(sha256Key)
  return parse(writer.buffer.subarray(0, writer.end()))
}

function append(bytes: Buffer, attributes: readonly RawAttribute[]): Buffer {
  const longer = Buffer.concat([bytes, rawMessage(BINDING_REQUEST, attributes).subarray(20)])
  longer.writeUInt16BE(longer.length - 20, 2)
  return longer
}

function parse(bytes: Buffer): StunMessage {
  return StunMessage.parse(bytes)!
}
