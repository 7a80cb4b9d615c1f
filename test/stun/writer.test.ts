import { describe, expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import {
  AddressFamily,
  Attribute,
  ErrorCode,
  MAX_MESSAGE_LENGTH,
  MessageClass,
  Method,
  reasonPhrase,
} from '../../src/stun/constants.ts'
import { verifyFingerprint, verifyIntegrity, verifyIntegritySha256 } from '../../src/stun/integrity.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { fromHex } from '../support/bytes.ts'
import { rawMessage, TRANSACTION_ID } from '../support/raw-message.ts'

const key = Buffer.from('key')
const ipv4 = Address.parse('192.0.2.1', 32853)!
const ipv6 = Address.parse('2001:db8:1234:5678:11:2233:4455:6677', 32853)!

describe('header', () => {
  test.each([
    [Method.BINDING, MessageClass.REQUEST, '0001'],
    [Method.BINDING, MessageClass.SUCCESS, '0101'],
    [Method.BINDING, MessageClass.ERROR, '0111'],
    [Method.DATA, MessageClass.INDICATION, '0017'],
    [Method.CONNECTION_ATTEMPT, MessageClass.INDICATION, '001c'],
    [0xfff, MessageClass.ERROR, '3fff'],
    [0x010, MessageClass.REQUEST, '0020'],
    [0x080, MessageClass.REQUEST, '0200'],
  ])('STUN-HDR-06 method %i of class %i is type %s', (method, messageClass, type) => {
    const writer = new StunWriter().begin(method, messageClass, TRANSACTION_ID)
    expect(written(writer)).toBe(`${type}00002112a442b7e7a701bc34d686fa87dfae`)
  })

  test('STUN-HDR-11 a response has the transaction id of its request', () => {
    const request = StunMessage.parse(rawMessage(0x0001))!
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.SUCCESS, request)
    expect(written(writer)).toBe('010100002112a442b7e7a701bc34d686fa87dfae')
  })

  test('STUN-BIND-08 a response to a request without cookie has all 16 bytes of its id', () => {
    const request = StunMessage.parseClassic(fromHex('0001 0000 000102030405060708090a0b0c0d0e0f'))!
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.SUCCESS, request)
    expect(written(writer)).toBe('01010000000102030405060708090a0b0c0d0e0f')
  })

  test('STUN-HDR-03 the length counts the attributes with their padding', () => {
    const writer = begin().text(Attribute.SOFTWARE, 'a').empty(Attribute.DONT_FRAGMENT)
    writer.end()
    expect(writer.buffer.readUInt16BE(2)).toBe(12)
    expect(writer.length).toBe(32)
  })

  test('a message can start anywhere in the buffer', () => {
    const writer = new StunWriter().begin(Method.BINDING, MessageClass.SUCCESS, TRANSACTION_ID, 4)
    writer.xorAddress(Attribute.XOR_MAPPED_ADDRESS, ipv6).integrity(key).fingerprint()
    const end = writer.end()
    expect(writer.start).toBe(4)
    expect(end).toBe(4 + 20 + 24 + 24 + 8)
    const message = StunMessage.parse(writer.buffer, writer.start, end)!
    expect(address(message, Attribute.XOR_MAPPED_ADDRESS)).toBe(ipv6.toString())
    expect(verifyIntegrity(message, key)).toBe(true)
    expect(verifyFingerprint(message)).toBe('right')
  })
})

describe('attributes', () => {
  test.each([
    ['empty', () => begin().empty(Attribute.DONT_FRAGMENT), '001a0000'],
    ['one byte', () => begin().uint8(Attribute.EVEN_PORT, 0x80), '00180001 80000000'],
    ['four bytes', () => begin().uint32(Attribute.LIFETIME, 600), '000d0004 00000258'],
    ['four bytes, all of them set', () => begin().uint32(Attribute.LIFETIME, 0xffffffff), '000d0004 ffffffff'],
    [
      'bytes',
      () => begin().bytes(Attribute.RESERVATION_TOKEN, fromHex('0102030405060708')),
      '00220008 0102030405060708',
    ],
    ['bytes with padding', () => begin().bytes(Attribute.DATA, fromHex('0102030405')), '00130005 0102030405000000'],
    ['text', () => begin().text(Attribute.SOFTWARE, 'é'), '80220002 c3a90000'],
    ['empty text', () => begin().text(Attribute.SOFTWARE, ''), '80220000'],
    ['STUN-ATTR-08 XOR IPv4', () => begin().xorAddress(Attribute.XOR_PEER_ADDRESS, ipv4), '00120008 0001a147e112a643'],
    [
      'STUN-ATTR-08 XOR IPv6',
      () => begin().xorAddress(Attribute.XOR_PEER_ADDRESS, ipv6),
      '00120014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9',
    ],
    ['plain IPv4', () => begin().address(Attribute.MAPPED_ADDRESS, ipv4), '00010008 00018055 c0000201'],
    [
      'plain IPv6',
      () => begin().address(Attribute.ALTERNATE_SERVER, ipv6),
      '80230014 00028055 20010db8123456780011223344556677',
    ],
    ['STUN-ERR-01 ERROR-CODE', () => begin().errorCode(ErrorCode.STALE_NONCE), '00090004 00000426'],
    ['STUN-ERR-01 ERROR-CODE with phrase', () => begin().errorCode(699, 'né'), '00090007 00000663 6ec3a900'],
    [
      'STUN-ERR-01 ADDRESS-ERROR-CODE',
      () => begin().addressErrorCode(AddressFamily.IPV6, ErrorCode.INSUFFICIENT_CAPACITY),
      '80010004 02000508',
    ],
    [
      'STUN-ERR-03 UNKNOWN-ATTRIBUTES',
      () => begin().unknownAttributes([0x7001, 0x0031, 0x0024]),
      '000a0006 7001003100240000',
    ],
    ['STUN-ERR-03 no UNKNOWN-ATTRIBUTES', () => begin().unknownAttributes([]), '000a0000'],
  ])('%s', (_name, write, hex) => {
    expect(written(write()).slice(40)).toBe(hex.replaceAll(' ', ''))
  })

  test('STUN-ERR-03 SEC-36 of 300 types the first 128 are written', () => {
    const types = Array.from({ length: 300 }, (_, i) => 0x4000 + i)
    const writer = begin().unknownAttributes(types)
    expect(writer.length).toBe(20 + 4 + 256)
    expect(written(writer).slice(48)).toBe(
      types
        .slice(0, 128)
        .map((type) => type.toString(16))
        .join(''),
    )
  })

  test('STUN-ATTR-09 a mapped address is written in its native family', () => {
    const writer = begin().xorAddress(Attribute.XOR_MAPPED_ADDRESS, Address.parse('::ffff:192.0.2.1', 32853)!)
    expect(written(writer).slice(40)).toBe('002000080001a147e112a643')
  })

  test.each(Object.values(ErrorCode))('STUN-ERR-01 error %i reads back with its phrase', (code) => {
    const message = parse(begin().errorCode(code, reasonPhrase(code)))
    expect(message.errorCode()).toBe(code)
    expect(message.value(Attribute.ERROR_CODE)!.subarray(4).toString()).toBe(reasonPhrase(code))
  })

  test('STUN-BIND-01 the answer to Binding is 32 bytes for IPv4 and 44 for IPv6', () => {
    expect(begin().xorAddress(Attribute.XOR_MAPPED_ADDRESS, ipv4).length).toBe(32)
    expect(begin().xorAddress(Attribute.XOR_MAPPED_ADDRESS, ipv6).length).toBe(44)
  })

  test('the greatest message there is can be written', () => {
    const writer = begin().bytes(Attribute.DATA, Buffer.alloc(0xfff8, 'x'))
    expect(writer.length).toBe(MAX_MESSAGE_LENGTH)
    expect(
      parse(writer)
        .value(Attribute.DATA)!
        .every((byte) => byte === 0x78),
    ).toBe(true)
  })

  test('a payload that already lies in a buffer becomes a Data indication round it', () => {
    const buffer = Buffer.alloc(100, 0xee)
    const payload = 48
    buffer.write('hello', payload)
    const writer = new StunWriter()
    writer
      .beginIn(buffer, payload - 36, Method.DATA, MessageClass.INDICATION, TRANSACTION_ID)
      .xorAddress(Attribute.XOR_PEER_ADDRESS, ipv4)
      .inPlace(Attribute.DATA, 5)
      .fingerprint()
    const message = StunMessage.parse(writer.buffer, writer.start, writer.end())!
    expect(writer.buffer).toBe(buffer)
    expect(message.text(Attribute.DATA)).toBe('hello')
    expect(address(message, Attribute.XOR_PEER_ADDRESS)).toBe(ipv4.toString())
    expect(verifyFingerprint(message)).toBe('right')
    expect(buffer.subarray(0, payload - 36).every((byte) => byte === 0xee)).toBe(true)
    expect(buffer.subarray(payload + 5 + 3 + 8).every((byte) => byte === 0xee)).toBe(true)
  })

  test('after a message in a foreign buffer the writer is back in its own', () => {
    const foreign = Buffer.alloc(64)
    const writer = new StunWriter()
    writer.beginIn(foreign, 10, Method.DATA, MessageClass.INDICATION, TRANSACTION_ID).end()
    writer.begin(Method.BINDING, MessageClass.SUCCESS, TRANSACTION_ID)
    expect(writer.buffer).not.toBe(foreign)
    expect(writer.start).toBe(0)
    expect(written(writer)).toBe('010100002112a442b7e7a701bc34d686fa87dfae')
  })
})

describe('closing attributes', () => {
  test('STUN-MI-05 the order on the wire is MESSAGE-INTEGRITY, its SHA-256 form, FINGERPRINT, and each holds', () => {
    const message = parse(begin().text(Attribute.SOFTWARE, 'x').integrity(key).integritySha256(key).fingerprint())
    expect(message.integrityAt).toBeLessThan(message.integritySha256At)
    expect(message.integritySha256At).toBeLessThan(message.fingerprintAt)
    expect(verifyIntegrity(message, key)).toBe(true)
    expect(verifyIntegritySha256(message, key)).toBe(true)
    expect(verifyFingerprint(message)).toBe('right')
  })

  test('STUN-MI-01 STUN-MI-02 the values are 20 and 32 bytes long', () => {
    const message = parse(begin().integrity(key).integritySha256(key))
    expect(message.lengthAt(message.integrityAt)).toBe(20)
    expect(message.lengthAt(message.integritySha256At)).toBe(32)
  })
})

describe('nothing of earlier bytes leaves', () => {
  // Every attribute the writer knows, with each length of padding, between 0x5a bytes that must all disappear.
  const marker = 0x5a

  test('STUN-ATTR-14 SEC-35 padding, reserved fields and tails are written as zero', () => {
    const buffer = Buffer.alloc(2_000, marker)
    const writer = new StunWriter()
    writer
      .beginIn(buffer, 100, Method.ALLOCATE, MessageClass.SUCCESS, Buffer.alloc(12, 1))
      .empty(Attribute.DONT_FRAGMENT)
      .uint8(Attribute.EVEN_PORT, 0x80)
      .uint32(Attribute.LIFETIME, 600)
      .bytes(Attribute.DATA, Buffer.alloc(1, 1))
      .bytes(Attribute.DATA, Buffer.alloc(2, 1))
      .bytes(Attribute.DATA, Buffer.alloc(3, 1))
      .bytes(Attribute.DATA, Buffer.alloc(4, 1))
      .text(Attribute.SOFTWARE, 'abcde')
      .xorAddress(Attribute.XOR_PEER_ADDRESS, Address.ipv4(1, 1))
      .xorAddress(Attribute.XOR_PEER_ADDRESS, Address.ipv6(1, 1, 1, 1, 1))
      .address(Attribute.MAPPED_ADDRESS, Address.ipv4(1, 1))
      .address(Attribute.MAPPED_ADDRESS, Address.ipv6(1, 1, 1, 1, 1))
      .errorCode(400, 'x')
      .addressErrorCode(1, 440, 'xy')
      .unknownAttributes([1])
      .bytes(Attribute.ICMP, Buffer.alloc(8))
    const end = writer.end()
    expect(writer.length).toBe(200)
    expect(buffer.subarray(100, end).includes(marker)).toBe(false)
    expect(buffer.subarray(0, 100).every((byte) => byte === marker)).toBe(true)
    expect(buffer.subarray(end).every((byte) => byte === marker)).toBe(true)
  })

  test('STUN-ATTR-14 a short message after a long one has nothing of it', () => {
    const writer = new StunWriter()
    writer.begin(Method.DATA, MessageClass.INDICATION, Buffer.alloc(12, marker))
    writer.bytes(Attribute.DATA, Buffer.alloc(1_000, marker)).end()
    writer.begin(Method.BINDING, MessageClass.SUCCESS, TRANSACTION_ID)
    writer.text(Attribute.SOFTWARE, 'a').uint8(Attribute.EVEN_PORT, 0).unknownAttributes([1]).errorCode(500, 'abc')
    expect(writer.buffer.subarray(0, writer.end()).includes(marker)).toBe(false)
  })
})

function begin(): StunWriter {
  return new StunWriter().begin(Method.BINDING, MessageClass.SUCCESS, TRANSACTION_ID)
}

function written(writer: StunWriter): string {
  const end = writer.end()
  return writer.buffer.toString('hex', writer.start, end)
}

function parse(writer: StunWriter): StunMessage {
  const end = writer.end()
  return StunMessage.parse(writer.buffer, writer.start, end)!
}

function address(message: StunMessage, attribute: number): string | null {
  const into = new Address()
  return message.xorAddress(attribute, into) ? into.toString() : null
}
