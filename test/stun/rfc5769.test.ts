import { describe, expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { longTermKey, verifyFingerprint, verifyIntegrity } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { fromHex } from '../support/bytes.ts'

const password = Buffer.from('VOkJxbRl1RmTxUk/WvJxBt')

const request = fromHex(`
  00010058 2112a442 b7e7a701bc34d686fa87dfae
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff
  80290008 932ff9b151263b36
  00060009 6576746a3a68367659 202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`)

const ipv4Response = fromHex(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f72 20
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`)

const ipv6Response = fromHex(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f72 20
  00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`)

const longTermRequest = fromHex(`
  00010060 2112a442 78ad3433c6ad72c029da412e
  00060012 e3839ee38388e383aae38383e382afe382b9 0000
  0015001c 662f2f3439396b39353464364f4c33346f4c394653547679363473 41
  0014000b 6578616d706c652e6f7267 00
  00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`)

test('VEC-01 the sample request is read and its integrity and fingerprint hold', () => {
  const message = StunMessage.parse(request)!
  expect([message.method, message.messageClass]).toEqual([Method.BINDING, MessageClass.REQUEST])
  expect(message.transactionId().toString('hex')).toBe('b7e7a701bc34d686fa87dfae')
  expect(message.text(Attribute.SOFTWARE)).toBe('STUN test client')
  expect(message.text(Attribute.USERNAME)).toBe('evtj:h6vY')
  expect(message.uint32(Attribute.PRIORITY)).toBe(0x6e0001ff)
  expect(message.value(Attribute.ICE_CONTROLLED)!.toString('hex')).toBe('932ff9b151263b36')
  expect(verifyIntegrity(message, password)).toBe(true)
  expect(verifyFingerprint(message)).toBe('right')
})

describe.each([
  ['VEC-02', 'IPv4', ipv4Response, '192.0.2.1'],
  ['VEC-03', 'IPv6', ipv6Response, '2001:db8:1234:5678:11:2233:4455:6677'],
])('%s', (id, family, bytes, host) => {
  test(`${id} the sample ${family} response is read and its integrity and fingerprint hold`, () => {
    const message = StunMessage.parse(bytes)!
    const mapped = new Address()
    expect([message.method, message.messageClass]).toEqual([Method.BINDING, MessageClass.SUCCESS])
    expect(message.text(Attribute.SOFTWARE)).toBe('test vector')
    expect(message.xorAddress(Attribute.XOR_MAPPED_ADDRESS, mapped)).toBe(true)
    expect([mapped.host, mapped.port]).toEqual([host, 32853])
    expect(verifyIntegrity(message, password)).toBe(true)
    expect(verifyFingerprint(message)).toBe('right')
  })

  test(`${id} the ${family} address is written as the sample has it`, () => {
    const writer = new StunWriter()
    writer.begin(Method.BINDING, MessageClass.SUCCESS, StunMessage.parse(bytes)!)
    writer.xorAddress(Attribute.XOR_MAPPED_ADDRESS, Address.parse(host, 32853)!)
    const written = StunMessage.parse(writer.buffer, 0, writer.end())!
    const sample = StunMessage.parse(bytes)!
    expect(written.value(Attribute.XOR_MAPPED_ADDRESS)).toEqual(sample.value(Attribute.XOR_MAPPED_ADDRESS))
  })
})

describe('VEC-04', () => {
  // What SASLprep leaves of the sample's password with its soft hyphen, ordinal indicator and roman numeral.
  const key = longTermKey('マトリックス', 'example.org', 'TheMatrIX')

  test('VEC-04 the long-term key is the MD5 of name, realm and prepared password', () => {
    expect(key.toString('hex')).toBe('e8ca7ad59d5eb0518e312911d2dab2a9')
  })

  test('VEC-04 the sample request with long-term authentication is read and its integrity holds', () => {
    const message = StunMessage.parse(longTermRequest)!
    expect(message.text(Attribute.USERNAME)).toBe('マトリックス')
    expect(message.text(Attribute.NONCE)).toBe('f//499k954d6OL34oL9FSTvy64sA')
    expect(message.text(Attribute.REALM)).toBe('example.org')
    expect(verifyIntegrity(message, key)).toBe(true)
    expect(verifyFingerprint(message)).toBe('absent')
  })

  test('VEC-04 the writer makes the same request byte for byte', () => {
    const writer = new StunWriter()
    writer
      .begin(Method.BINDING, MessageClass.REQUEST, fromHex('78ad3433c6ad72c029da412e'))
      .text(Attribute.USERNAME, 'マトリックス')
      .text(Attribute.NONCE, 'f//499k954d6OL34oL9FSTvy64sA')
      .text(Attribute.REALM, 'example.org')
      .integrity(key)
    expect(writer.buffer.subarray(0, writer.end())).toEqual(longTermRequest)
  })
})

test.each([
  ['request', request],
  ['IPv4 response', ipv4Response],
  ['IPv6 response', ipv6Response],
])('STUN-ATTR-02 the padding of the sample %s is part of both sums as it was received', (_name, sample) => {
  const zeroed = Buffer.from(sample)
  const message = StunMessage.parse(zeroed)!
  const text = message.find(message.has(Attribute.USERNAME) ? Attribute.USERNAME : Attribute.SOFTWARE)
  const padding = text + message.lengthAt(text)
  expect(zeroed[padding]).toBe(0x20)
  zeroed[padding] = 0
  expect(verifyIntegrity(message, password)).toBe(false)
  expect(verifyFingerprint(message)).toBe('wrong')
})
