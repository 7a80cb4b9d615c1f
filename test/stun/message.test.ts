import { describe, expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MAX_MESSAGE_LENGTH, MessageClass, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { StunWriter } from '../../src/stun/writer.ts'
import { fromHex } from '../support/bytes.ts'
import { type RawAttribute, rawMessage, TRANSACTION_ID } from '../support/raw-message.ts'

const BINDING_REQUEST = 0x0001
const header = '0001 0000 2112a442 b7e7a701bc34d686fa87dfae'

describe('header', () => {
  test.each([
    ['STUN-HDR-02 nothing at all', ''],
    ['STUN-HDR-02 shorter than a header', '000100002112a442b7e7a701bc34d686fa87df'],
    ['STUN-HDR-01 the first top bit set', `80${header.slice(2)}`],
    ['STUN-HDR-01 the second top bit set', `40${header.slice(2)}`],
    ['STUN-HDR-01 both top bits set', `c0${header.slice(2)}`],
    ['STUN-HDR-03 a length of 1', '0001 0001 2112a442 b7e7a701bc34d686fa87dfae 00'],
    [
      'STUN-HDR-03 a length that is even but no multiple of 4',
      '0001 0006 2112a442 b7e7a701bc34d686fa87dfae 8022 0000 0000',
    ],
    ['STUN-HDR-04 a length past the end', '0001 0004 2112a442 b7e7a701bc34d686fa87dfae'],
    ['STUN-HDR-04 the greatest length there is', '0001 fffc 2112a442 b7e7a701bc34d686fa87dfae 8022 0000'],
    ['STUN-HDR-04 a byte left over', `${header} 00`],
    ['STUN-HDR-04 a whole attribute left over', `${header} 8022 0000`],
    ['STUN-HDR-05 another cookie', '0001 0000 2112a443 b7e7a701bc34d686fa87dfae'],
    ['STUN-HDR-05 the cookie in little endian', '0001 0000 42a41221 b7e7a701bc34d686fa87dfae'],
  ])('%s is no message', (_name, hex) => {
    expect(StunMessage.parse(fromHex(hex))).toBeNull()
  })

  test('STUN-HDR-02 the fields lie where RFC 8489 has them', () => {
    const message = StunMessage.parse(fromHex(header))!
    expect(message.type).toBe(0x0001)
    expect(message.transactionId()).toEqual(TRANSACTION_ID)
  })

  test('STUN-HDR-04 a message is read where it lies, whatever is around it', () => {
    const bytes = Buffer.concat([fromHex('ffff ff'), rawMessage(BINDING_REQUEST, [[0x8022, '6162']]), fromHex('eeee')])
    const message = StunMessage.parse(bytes, 3, bytes.length - 2)!
    expect(message.text(Attribute.SOFTWARE)).toBe('ab')
    expect(message.transactionId()).toEqual(TRANSACTION_ID)
    expect(StunMessage.parse(bytes, 3, bytes.length - 1)).toBeNull()
    expect(StunMessage.parse(bytes, 3, bytes.length - 3)).toBeNull()
    expect(StunMessage.parse(bytes, 2, bytes.length - 2)).toBeNull()
  })

  test.each([
    [0x0001, Method.BINDING, MessageClass.REQUEST],
    [0x0011, Method.BINDING, MessageClass.INDICATION],
    [0x0101, Method.BINDING, MessageClass.SUCCESS],
    [0x0111, Method.BINDING, MessageClass.ERROR],
    [0x0003, Method.ALLOCATE, MessageClass.REQUEST],
    [0x0113, Method.ALLOCATE, MessageClass.ERROR],
    [0x0016, Method.SEND, MessageClass.INDICATION],
    [0x0017, Method.DATA, MessageClass.INDICATION],
    [0x001c, Method.CONNECTION_ATTEMPT, MessageClass.INDICATION],
    [0x0020, 0x010, MessageClass.REQUEST],
    [0x0200, 0x080, MessageClass.REQUEST],
    [0x2000, 0x800, MessageClass.REQUEST],
    [0x3eef, 0xfff, MessageClass.REQUEST],
    [0x3fff, 0xfff, MessageClass.ERROR],
  ])('STUN-HDR-06 type 0x%i splits into method and class', (type, method, messageClass) => {
    const message = StunMessage.parse(rawMessage(type))!
    expect([message.method, message.messageClass]).toEqual([method, messageClass])
  })

  test('STUN-HDR-06 no two of the 16 384 types have both halves in common', () => {
    const bytes = rawMessage(0)
    const halves = new Set<number>()
    for (let type = 0; type < 0x4000; type++) {
      bytes.writeUInt16BE(type, 0)
      const message = StunMessage.parse(bytes)!
      halves.add(message.messageClass * 0x1000 + message.method)
    }
    expect(halves.size).toBe(0x4000)
  })

  test('STUN-BIND-08 a message without cookie is read only when asked for, with its 16-byte id', () => {
    const bytes = fromHex('0001 0000 000102030405060708090a0b0c0d0e0f')
    expect(StunMessage.parse(bytes)).toBeNull()
    const message = StunMessage.parseClassic(bytes)!
    expect(message.method).toBe(Method.BINDING)
    const answer = new StunWriter().begin(Method.BINDING, MessageClass.SUCCESS, message)
    answer.end()
    expect(answer.buffer.subarray(4, 20)).toEqual(bytes.subarray(4))
  })

  test('STUN-BIND-08 reading without cookie is as strict in everything else', () => {
    for (const hex of [
      '0001 0000 000102030405060708090a0b0c0d0e',
      '4001 0000 000102030405060708090a0b0c0d0e0f',
      '0001 0001 000102030405060708090a0b0c0d0e0f 00',
      '0001 0004 000102030405060708090a0b0c0d0e0f 80220001',
    ]) {
      expect(StunMessage.parseClassic(fromHex(hex))).toBeNull()
    }
  })
})

describe('attributes', () => {
  test.each([
    ['the only one by a byte', '80220005 61626364'],
    ['the only one by as much as can be', '8022ffff 61626364'],
    ['with nothing behind its header', '80220001'],
    ['the second one', '80220004 61626364 00060004'],
    ['the last one into its padding', '80220004 61626364 00060005 61626364'],
    ['one so long that its padded length needs 17 bits', '8022fffd'],
  ])('STUN-ATTR-01 an attribute that runs past the end makes no message: %s', (_name, hex) => {
    const body = fromHex(hex)
    const bytes = Buffer.concat([rawMessage(BINDING_REQUEST), body])
    bytes.writeUInt16BE(body.length, 2)
    expect(StunMessage.parse(bytes)).toBeNull()
  })

  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('STUN-ATTR-01 a value of %i bytes is read without its padding', (length) => {
    const value = Buffer.alloc(length, 'v')
    const message = parse([Attribute.DATA, value], [Attribute.NONCE, Buffer.from('next')])
    expect(message.value(Attribute.DATA)).toEqual(value)
    expect(message.text(Attribute.NONCE)).toBe('next')
  })

  test('STUN-ATTR-02 what is in the padding changes no value', () => {
    const message = parse([Attribute.USERNAME, Buffer.from('user1'), 0xff], [Attribute.REALM, Buffer.from('r'), 0x20])
    expect(message.text(Attribute.USERNAME)).toBe('user1')
    expect(message.text(Attribute.REALM)).toBe('r')
  })

  test('the greatest message that the length field can express is read', () => {
    const message = parse([Attribute.DATA, Buffer.alloc(0xfff8, 'x')])
    expect(message.end).toBe(MAX_MESSAGE_LENGTH)
    expect(message.value(Attribute.DATA)!.length).toBe(0xfff8)
  })

  test('a value is a view, not a copy', () => {
    const message = parse([Attribute.DATA, 'aa'])
    message.bytes[message.find(Attribute.DATA)] = 0xbb
    expect(message.value(Attribute.DATA)!.toString('hex')).toBe('bb')
  })

  test('STUN-ATTR-03 of repeated attributes the first counts', () => {
    const message = parse(
      [Attribute.LIFETIME, '00000258'],
      [Attribute.LIFETIME, '00000000'],
      [Attribute.USERNAME, Buffer.from('first')],
      [Attribute.USERNAME, Buffer.from('second')],
    )
    expect(message.uint32(Attribute.LIFETIME)).toBe(600)
    expect(message.text(Attribute.USERNAME)).toBe('first')
  })

  test('STUN-ATTR-03 all of the repeated ones can be walked', () => {
    const message = parse(
      [Attribute.XOR_PEER_ADDRESS, '0001 2113 2112a443'],
      [Attribute.LIFETIME, '00000258'],
      [Attribute.XOR_PEER_ADDRESS, '0001 2110 2112a440'],
      [Attribute.XOR_PEER_ADDRESS, '00'],
    )
    const peer = new Address()
    const seen: string[] = []
    let at = message.find(Attribute.XOR_PEER_ADDRESS)
    for (; at >= 0; at = message.findNext(Attribute.XOR_PEER_ADDRESS, at)) {
      seen.push(message.xorAddressAt(at, peer) ? peer.toString() : 'invalid')
    }
    expect(seen).toEqual(['0.0.0.1:1', '0.0.0.2:2', 'invalid'])
  })

  test('an attribute that is not there is found nowhere', () => {
    const message = parse([Attribute.LIFETIME, '00000258'])
    expect(message.find(Attribute.REALM)).toBe(-1)
    expect(message.has(Attribute.REALM)).toBe(false)
    expect(message.value(Attribute.REALM)).toBeNull()
    expect(message.text(Attribute.REALM)).toBeNull()
    expect(message.uint32(Attribute.REALM)).toBeNull()
    expect(message.uint8(Attribute.REALM)).toBeNull()
  })

  test.each(['', '00', '000258', '0000025800', '0000000000000258'])(
    'STUN-ATTR-10 a LIFETIME of %j is there but has no value',
    (hex) => {
      const message = parse([Attribute.LIFETIME, hex])
      expect(message.has(Attribute.LIFETIME)).toBe(true)
      expect(message.uint32(Attribute.LIFETIME)).toBeNull()
    },
  )

  test.each(['', '8000', '80000000'])('STUN-ATTR-10 an EVEN-PORT of %j is there but has no value', (hex) => {
    const message = parse([Attribute.EVEN_PORT, hex])
    expect(message.has(Attribute.EVEN_PORT)).toBe(true)
    expect(message.uint8(Attribute.EVEN_PORT)).toBeNull()
  })

  test('STUN-ATTR-10 attributes of the right size have their value', () => {
    const message = parse(
      [Attribute.EVEN_PORT, '80'],
      [Attribute.REQUESTED_TRANSPORT, '11000000'],
      [Attribute.CHANNEL_NUMBER, '40010000'],
      [Attribute.LIFETIME, 'ffffffff'],
    )
    expect(message.uint8(Attribute.EVEN_PORT)).toBe(0x80)
    expect(message.uint32(Attribute.REQUESTED_TRANSPORT)! >>> 24).toBe(17)
    expect(message.uint32(Attribute.CHANNEL_NUMBER)! >>> 16).toBe(0x4001)
    expect(message.uint32(Attribute.LIFETIME)).toBe(0xffffffff)
  })

  test('STUN-ATTR-11 reserved bits below a field leave the field as it is', () => {
    const message = parse([Attribute.REQUESTED_TRANSPORT, '11ffffff'], [Attribute.CHANNEL_NUMBER, '4001ffff'])
    expect(message.uint32(Attribute.REQUESTED_TRANSPORT)! >>> 24).toBe(17)
    expect(message.uint32(Attribute.CHANNEL_NUMBER)! >>> 16).toBe(0x4001)
  })

  test('STUN-ATTR-12 texts are read up to 763 bytes', () => {
    expect(parse([Attribute.USERNAME, Buffer.alloc(763, 'u')]).text(Attribute.USERNAME)).toBe('u'.repeat(763))
    const longer = parse([Attribute.USERNAME, Buffer.alloc(764, 'u')])
    expect(longer.has(Attribute.USERNAME)).toBe(true)
    expect(longer.text(Attribute.USERNAME)).toBeNull()
  })

  test.each(['ff', 'c0af', 'c3', 'e38182e381', 'eda080', 'f4908080'])(
    'a text that is not UTF-8 (%s) is none',
    (hex) => {
      const message = parse([Attribute.USERNAME, hex])
      expect(message.has(Attribute.USERNAME)).toBe(true)
      expect(message.text(Attribute.USERNAME)).toBeNull()
    },
  )

  test('a text keeps every character, also NUL, line ends and a byte order mark', () => {
    const text = '\uFEFFa\0b\r\n%s%n__proto__マトリックス'
    expect(parse([Attribute.USERNAME, Buffer.from(text)]).text(Attribute.USERNAME)).toBe(text)
    expect(parse([Attribute.USERNAME, '']).text(Attribute.USERNAME)).toBe('')
  })
})

describe('what follows the integrity does not count', () => {
  const integrity: RawAttribute = [Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)]
  const integritySha256: RawAttribute = [Attribute.MESSAGE_INTEGRITY_SHA256, Buffer.alloc(32)]
  const fingerprint: RawAttribute = [Attribute.FINGERPRINT, '00000000']
  const peer: RawAttribute = [Attribute.XOR_PEER_ADDRESS, '0001 2113 2112a443']

  test.each([
    ['MESSAGE-INTEGRITY', integrity],
    ['MESSAGE-INTEGRITY-SHA256', integritySha256],
  ])('STUN-ATTR-13 SEC-20 attributes behind %s are not found', (_name, closing) => {
    for (const [attribute, value] of [
      peer,
      [Attribute.LIFETIME, '00000000'],
      [Attribute.USERNAME, '61'],
      [Attribute.EVEN_PORT, '80'],
    ] satisfies RawAttribute[]) {
      const message = parse(closing, [attribute, value])
      expect(message.find(attribute)).toBe(-1)
      expect(message.has(attribute)).toBe(false)
      expect(message.value(attribute)).toBeNull()
    }
  })

  test('STUN-ATTR-13 an address that was appended is not walked to', () => {
    const message = parse(peer, integrity, peer, fingerprint)
    const first = message.find(Attribute.XOR_PEER_ADDRESS)
    expect(first).toBeGreaterThan(0)
    expect(message.findNext(Attribute.XOR_PEER_ADDRESS, first)).toBe(-1)
  })

  test('STUN-ATTR-13 behind MESSAGE-INTEGRITY the SHA-256 one and FINGERPRINT are found', () => {
    const message = parse(integrity, peer, integritySha256, peer, fingerprint)
    expect(message.has(Attribute.MESSAGE_INTEGRITY)).toBe(true)
    expect(message.has(Attribute.MESSAGE_INTEGRITY_SHA256)).toBe(true)
    expect(message.has(Attribute.FINGERPRINT)).toBe(true)
    expect(message.has(Attribute.XOR_PEER_ADDRESS)).toBe(false)
  })

  test('STUN-ATTR-13 behind MESSAGE-INTEGRITY-SHA256 a MESSAGE-INTEGRITY is not found', () => {
    const message = parse(integritySha256, integrity, fingerprint)
    expect(message.has(Attribute.MESSAGE_INTEGRITY)).toBe(false)
    expect(message.has(Attribute.FINGERPRINT)).toBe(true)
  })

  test('STUN-ATTR-13 an unknown attribute behind the integrity is not complained about', () => {
    expect(parse(integrity, [0x7777, '']).unknownRequired(new Set())).toEqual([])
    expect(parse(integritySha256, [0x7777, '']).unknownRequired(new Set())).toEqual([])
  })

  test('STUN-ATTR-03 of two integrity attributes the first counts', () => {
    const message = parse([Attribute.MESSAGE_INTEGRITY, 'aa'], [Attribute.MESSAGE_INTEGRITY, 'bb'])
    expect(message.value(Attribute.MESSAGE_INTEGRITY)!.toString('hex')).toBe('aa')
  })
})

describe('addresses', () => {
  const into = new Address()

  test.each([
    ['192.0.2.1', 32853, '0001 a147 e112a643'],
    ['0.0.0.0', 0, '0001 2112 2112a442'],
    ['255.255.255.255', 65535, '0001 deed deed5bbd'],
    ['2001:db8:1234:5678:11:2233:4455:6677', 32853, '0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9'],
    ['::', 0, '0002 2112 2112a442b7e7a701bc34d686fa87dfae'],
  ])('STUN-ATTR-08 %s port %i is read from its XOR form', (host, port, hex) => {
    expect(parse([Attribute.XOR_PEER_ADDRESS, hex]).xorAddress(Attribute.XOR_PEER_ADDRESS, into)).toBe(true)
    expect([into.host, into.port]).toEqual([host, port])
  })

  test.each([
    ['192.0.2.1', 32853, '0001 8055 c0000201'],
    ['2001:db8::ff', 443, '0002 01bb 20010db80000000000000000000000ff'],
  ])('%s port %i is read from its plain form', (host, port, hex) => {
    expect(parse([Attribute.MAPPED_ADDRESS, hex]).address(Attribute.MAPPED_ADDRESS, into)).toBe(true)
    expect([into.host, into.port]).toEqual([host, port])
  })

  test('STUN-ATTR-07 the first byte is ignored', () => {
    const message = parse(
      [Attribute.XOR_PEER_ADDRESS, 'ff01 2113 2112a443'],
      [Attribute.MAPPED_ADDRESS, 'ff01 0001 00000001'],
    )
    expect(message.xorAddress(Attribute.XOR_PEER_ADDRESS, into)).toBe(true)
    expect(into.toString()).toBe('0.0.0.1:1')
    expect(message.address(Attribute.MAPPED_ADDRESS, into)).toBe(true)
    expect(into.toString()).toBe('0.0.0.1:1')
  })

  test.each([
    ['empty', ''],
    ['a family and a port only', '0001 2113'],
    ['IPv4 a byte short', '0001 2113 2112a4'],
    ['IPv4 a byte long', '0001 2113 2112a443 00'],
    ['IPv4 in the room of IPv6', '0001 2113 2112a443 000000000000000000000000'],
    ['IPv6 in the room of IPv4', '0002 2113 2112a443'],
    ['IPv6 a byte short', '0002 a147 0113a9faa5d3f179bc25f4b5bed2b9'],
    ['IPv6 a byte long', '0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9 00'],
    ['family 0', '0000 2113 2112a443'],
    ['family 3', '0003 2113 2112a443'],
    ['family 3, long', '0003 a147 0113a9faa5d3f179bc25f4b5bed2b9d9'],
    ['family 255', '00ff 2113 2112a443'],
  ])('STUN-ATTR-07 an address is invalid: %s', (_name, hex) => {
    into.setIpv4(0x01020304, 5)
    const message = parse([Attribute.XOR_PEER_ADDRESS, hex], [Attribute.MAPPED_ADDRESS, hex])
    expect(message.xorAddress(Attribute.XOR_PEER_ADDRESS, into)).toBe(false)
    expect(message.address(Attribute.MAPPED_ADDRESS, into)).toBe(false)
    expect(into.toString()).toBe('1.2.3.4:5')
  })

  test('an address that is not there is none', () => {
    expect(parse().xorAddress(Attribute.XOR_PEER_ADDRESS, into)).toBe(false)
    expect(parse().address(Attribute.MAPPED_ADDRESS, into)).toBe(false)
  })

  test('STUN-ATTR-09 an IPv4-mapped IPv6 address is read as IPv4', () => {
    const plain = '0002 0001 00000000000000000000ffffc0000201'
    // The same words XOR-ed with cookie and transaction id.
    const xored = '0002 2113 2112a442b7e7a701bc342979 3a87ddaf'
    const message = parse([Attribute.MAPPED_ADDRESS, plain], [Attribute.XOR_PEER_ADDRESS, xored])
    expect(message.address(Attribute.MAPPED_ADDRESS, into)).toBe(true)
    expect([into.family, into.toString()]).toEqual([4, '192.0.2.1:1'])
    expect(message.xorAddress(Attribute.XOR_PEER_ADDRESS, into)).toBe(true)
    expect([into.family, into.toString()]).toEqual([4, '192.0.2.1:1'])
  })
})

describe('unknown attributes', () => {
  const known = new Set<number>([Attribute.USERNAME, Attribute.LIFETIME])

  test('STUN-ATTR-04 0x7FFF must be understood, 0x8000 need not', () => {
    expect(parse([0x7fff, ''], [0x8000, ''], [0x0000, '']).unknownRequired(known)).toEqual([0x7fff, 0x0000])
  })

  test('STUN-ATTR-05 what libwebrtc adds is passed over', () => {
    const message = parse([0xff05, '0001'], [0xc057, '00010032'], [0xc05a, ''], [0xc060, '00000000'])
    expect(message.unknownRequired(known)).toEqual([])
  })

  test('STUN-ATTR-06 known attributes are not unknown, PRIORITY and USE-CANDIDATE are', () => {
    const message = parse([Attribute.LIFETIME, ''], [Attribute.USE_CANDIDATE, ''], [Attribute.PRIORITY, '00000001'])
    expect(message.unknownRequired(known)).toEqual([Attribute.USE_CANDIDATE, Attribute.PRIORITY])
  })

  test('STUN-ERR-03 each is listed once, in the order met', () => {
    const message = parse([0x0031, ''], [0x0007, ''], [0x0031, ''], [Attribute.USERNAME, '61'], [0x0007, '0102'])
    expect(message.unknownRequired(known)).toEqual([0x0031, 0x0007])
  })

  test('integrity and fingerprint never count as unknown', () => {
    const message = parse(
      [Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)],
      [Attribute.MESSAGE_INTEGRITY_SHA256, Buffer.alloc(32)],
      [Attribute.FINGERPRINT, '00000000'],
    )
    expect(message.unknownRequired(new Set())).toEqual([])
  })

  test('STUN-ERR-03 SEC-36 of 300 unknown attributes the first 128 are listed', () => {
    const types = Array.from({ length: 300 }, (_, i) => 0x4000 + i)
    const message = parse(...types.map((type): RawAttribute => [type, '']))
    expect(message.unknownRequired(known)).toEqual(types.slice(0, 128))
  })

  test('one message leaves no unknown attributes behind for the next', () => {
    expect(parse([0x7001, '']).unknownRequired(known)).toEqual([0x7001])
    expect(parse([0x7002, '']).unknownRequired(known)).toEqual([0x7002])
    expect(parse().unknownRequired(known)).toEqual([])
  })
})

describe('great numbers', () => {
  test('SEC-36 16 000 empty attributes are walked once and are one unknown type', () => {
    const message = parse(...Array.from({ length: 16_000 }, (): RawAttribute => [0x7001, '']))
    expect(message.find(Attribute.USERNAME)).toBe(-1)
    expect(message.unknownRequired(new Set())).toEqual([0x7001])
  })

  test('SEC-36 16 000 different attributes: the last is found, the list stays at 128', () => {
    const message = parse(...Array.from({ length: 16_000 }, (_, i): RawAttribute => [0x1000 + i, '']))
    expect(message.find(0x1000 + 15_999)).toBe(message.end)
    expect(message.unknownRequired(new Set())).toHaveLength(128)
  })

  test('SEC-36 2 000 peers in one message are all walked', () => {
    const peers = Array.from({ length: 2_000 }, (): RawAttribute => [Attribute.XOR_PEER_ADDRESS, '0001 2113 2112a443'])
    const message = parse(...peers)
    let count = 0
    let at = message.find(Attribute.XOR_PEER_ADDRESS)
    for (; at >= 0; at = message.findNext(Attribute.XOR_PEER_ADDRESS, at)) count++
    expect(count).toBe(2_000)
  })
})

describe('ERROR-CODE', () => {
  test.each([
    ['00000401', 401],
    ['00000300', 300],
    ['00000663', 699],
    ['ffffFC14 6162', 420],
  ])('STUN-ERR-01 %s is %i', (hex, code) => {
    expect(parse([Attribute.ERROR_CODE, hex]).errorCode()).toBe(code)
  })

  test.each(['', '000004', '00000200', '00000700', '00000464'])('STUN-ERR-01 %j is none', (hex) => {
    expect(parse([Attribute.ERROR_CODE, hex]).errorCode()).toBeNull()
  })

  test('a message without it has none', () => {
    expect(parse().errorCode()).toBeNull()
  })
})

function parse(...attributes: RawAttribute[]): StunMessage {
  return StunMessage.parse(rawMessage(BINDING_REQUEST, attributes))!
}
