import { isIP, isIPv6 } from 'node:net'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'

const word = fc.integer({ min: 0, max: 0xffffffff })
const port = fc.integer({ min: 0, max: 0xffff })
/** Every other word is one in which zeros and the mapped prefix are common. */
const sparseWord = fc.oneof(word, fc.constantFrom(0, 1, 0xffff, 0x10000, 0xffff0000, 0x0000ffff))
const ipv6 = fc
  .tuple(sparseWord, sparseWord, sparseWord, sparseWord, port)
  .map(([w0, w1, w2, w3, port]) => Address.ipv6(w0, w1, w2, w3, port))
const ipv4 = fc.tuple(word, port).map(([word, port]) => Address.ipv4(word, port))
const address = fc.oneof(ipv4, ipv6)

describe('reading', () => {
  test.each([
    ['192.0.2.1', 0xc0000201],
    ['0.0.0.0', 0],
    ['255.255.255.255', 0xffffffff],
  ])('reads %s', (host, word) => {
    const read = Address.parse(host, 3478)!
    expect([read.family, read.w3, read.port]).toEqual([4, word, 3478])
  })

  test.each([
    ['2001:db8::1', [0x20010db8, 0, 0, 1]],
    ['::', [0, 0, 0, 0]],
    ['::1', [0, 0, 0, 1]],
    ['1::', [0x10000, 0, 0, 0]],
    ['1:2:3:4:5:6:7:8', [0x10002, 0x30004, 0x50006, 0x70008]],
    ['1:2:3:4:5:6:7::', [0x10002, 0x30004, 0x50006, 0x70000]],
    ['FE80::ABCD', [0xfe800000, 0, 0, 0xabcd]],
    ['fe80::1%eth0', [0xfe800000, 0, 0, 1]],
    ['64:ff9b::192.0.2.1', [0x0064ff9b, 0, 0, 0xc0000201]],
    ['::192.0.2.1', [0, 0, 0, 0xc0000201]],
  ])('reads %s', (host, words) => {
    const read = Address.parse(host, 1)!
    expect([read.family, read.w0, read.w1, read.w2, read.w3]).toEqual([6, ...words])
  })

  test.each(['::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:192.0.2.1', '::FFFF:192.0.2.1%1'])(
    'STUN-ATTR-09 %s is the IPv4 address in it',
    (host) => {
      expect(Address.parse(host, 7)!.equals(Address.ipv4(0xc0000201, 7))).toBe(true)
    },
  )

  test('STUN-ATTR-09 only the whole mapped prefix makes an IPv4 address', () => {
    for (const host of ['::fffe:192.0.2.1', '::1:ffff:192.0.2.1', '1::ffff:192.0.2.1', '::ffff:0:192.0.2.1']) {
      expect(Address.parse(host)!.family).toBe(6)
    }
  })

  test.each([
    ...['', '1', '1.2.3', '1.2.3.4.5', '1.2.3.4.', '.1.2.3.4', '1..3.4', '256.1.1.1', '01.2.3.4', '1.2.3.00'],
    ...['0x7f.1.1.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.-4', '2130706433', '1,2.3.4', '１.2.3.4', '1.2.3.4%lo'],
    ...[':', ':::', '1:', ':1', '1:2', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '::1::', '12345::', 'g::'],
    ...['1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '1.2.3.4::', '1.2.3.4::5', '::1.2.3.4:5', '::1.2.3', '::1.2.3.256'],
    ...['1:2:3:4:5:6:7:1.2.3.4', '[::1]', '::1 ', 'fe80::1%', '%eth0', 'localhost', 'example.org', '::-1', '::+1'],
  ])('refuses %j', (host) => {
    expect(Address.parse(host)).toBeNull()
  })

  test('leaves an address unchanged when it is refilled from something else', () => {
    const address = Address.parse('192.0.2.1', 5)!
    expect(address.setHost('example.org', 6)).toBe(false)
    expect(address.toString()).toBe('192.0.2.1:5')
  })

  property.prop([fc.stringMatching(/^[0-9a-fA-F:.gx]{0,46}(%[0-9a-z]{0,4})?$/)], { numRuns: 10_000 })(
    'agrees with Node about what an address is',
    (host) => {
      expect(Address.parse(host) !== null).toBe(isIP(host) !== 0)
    },
  )

  const group = fc.stringMatching(/^[0-9a-f]{1,5}$/)
  const separator = fc.constantFrom(':', ':', ':', '::', '.')
  property.prop([fc.array(fc.tuple(separator, group), { maxLength: 9 })], { numRuns: 10_000 })(
    'agrees with Node about what an address is, near the border',
    (parts) => {
      const host = parts
        .map(([separator, group], i) => (i === 0 && separator !== '::' ? group : separator + group))
        .join('')
      expect(Address.parse(host) !== null).toBe(isIP(host) !== 0)
    },
  )
})

describe('writing', () => {
  test.each([
    ['2001:0db8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AAAA', '2001:db8::aaaa'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0:1:0:1:0:1:0:1', '0:1:0:1:0:1:0:1'],
    ['0:0:1:2:3:4:0:0', '::1:2:3:4:0:0'],
    ['fe80::1%eth0', 'fe80::1'],
  ])('writes %s as RFC 5952 has it: %s', (host, canonical) => {
    expect(Address.parse(host)!.host).toBe(canonical)
  })

  test('puts the port behind, with brackets round IPv6', () => {
    expect(Address.parse('192.0.2.1', 3478)!.toString()).toBe('192.0.2.1:3478')
    expect(Address.parse('2001:db8::1', 3478)!.toString()).toBe('[2001:db8::1]:3478')
  })

  property.prop([ipv6], { numRuns: 10_000 })('agrees with the WHATWG about canonical IPv6', (address) => {
    fc.pre(address.family === 6)
    expect(isIPv6(address.host)).toBe(true)
    expect(`[${address.host}]`).toBe(new URL(`http://[${longForm(address)}]/`).hostname)
  })

  property.prop([address], { numRuns: 10_000 })('what is written reads back as the same address', (address) => {
    expect(Address.parse(address.host, address.port)!.equals(address)).toBe(true)
  })

  test('the text follows when an address is refilled', () => {
    const address = Address.parse('192.0.2.1', 1)!
    expect(address.host).toBe('192.0.2.1')
    expect(address.setIpv4(0xc0000202, 1).host).toBe('192.0.2.2')
    expect(address.setIpv6(0x20010db8, 0, 0, 1, 1).host).toBe('2001:db8::1')
    address.setHost('198.51.100.1', 1)
    expect(address.host).toBe('198.51.100.1')
    expect(address.set(Address.parse('203.0.113.9', 2)!).toString()).toBe('203.0.113.9:2')
  })
})

describe('comparing', () => {
  test('addresses are equal when family, ip and port are', () => {
    const address = Address.parse('192.0.2.1', 1)!
    expect(address.equals(Address.parse('192.0.2.1', 1)!)).toBe(true)
    expect(address.equals(Address.parse('192.0.2.1', 2)!)).toBe(false)
    expect(address.equals(Address.parse('192.0.2.2', 1)!)).toBe(false)
    expect(address.sameIp(Address.parse('192.0.2.1', 2)!)).toBe(true)
  })

  test('the IPv4-compatible IPv6 address is not the IPv4 address', () => {
    const [v4, v6] = [Address.parse('192.0.2.1', 1)!, Address.parse('::192.0.2.1', 1)!]
    expect(v4.equals(v6)).toBe(false)
    expect(v4.key).not.toBe(v6.key)
    expect(v4.ipKey).not.toBe(v6.ipKey)
  })

  test('each of the four words of an IPv6 address matters', () => {
    const zero = Address.ipv6(0, 0, 0, 0, 1)
    for (const host of ['1::', '0:0:1::', '::1:0:0:0', '::1']) {
      const other = Address.parse(host, 1)!
      expect(zero.equals(other)).toBe(false)
      expect(zero.key).not.toBe(other.key)
      expect(zero.ipKey).not.toBe(other.ipKey)
    }
  })

  property.prop([address, address], { numRuns: 10_000 })('equal addresses have equal keys, others do not', (a, b) => {
    expect(a.copy().key).toBe(a.key)
    expect(a.copy().ipKey).toBe(a.ipKey)
    expect(a.key === b.key).toBe(a.equals(b))
    expect(a.ipKey === b.ipKey).toBe(a.sameIp(b))
  })

  property.prop([address, port])('the ip key ignores the port, the key does not', (address, port) => {
    const moved = address.withPort(port)
    expect(moved.ipKey).toBe(address.ipKey)
    expect(moved.key === address.key).toBe(port === address.port)
  })

  property.prop([ipv6])('keys of IPv6 are whole numbers above every key of IPv4', (address) => {
    fc.pre(address.family === 6)
    for (const key of [address.key, address.ipKey]) {
      expect(Number.isSafeInteger(key)).toBe(true)
      expect(key).toBeGreaterThanOrEqual(2 ** 52)
    }
  })

  test('100 000 neighbouring IPv6 addresses and ports have keys of their own', () => {
    const keys = new Set<number>()
    for (let i = 0; i < 50_000; i++) {
      keys.add(Address.ipv6(0x20010db8, 0, 0, i, 3478).key)
      keys.add(Address.ipv6(0x20010db8, 0, i + 1, 0, 3479).key)
    }
    expect(keys.size).toBe(100_000)
  })
})

describe('copying', () => {
  test('a copy stays as it is when the original is refilled', () => {
    const original = Address.parse('2001:db8::1', 1)!
    const copy = original.copy()
    original.setIpv4(0, 0)
    expect(copy.toString()).toBe('[2001:db8::1]:1')
  })

  test('a copy with another port leaves the original alone', () => {
    const original = Address.parse('192.0.2.1', 1)!
    expect(original.withPort(2).toString()).toBe('192.0.2.1:2')
    expect(original.port).toBe(1)
  })

  property.prop([address])('set takes over every part', (address) => {
    expect(Address.parse('2001:db8::5', 9)!.set(address).equals(address)).toBe(true)
  })
})

function longForm({ w0, w1, w2, w3 }: Address): string {
  return [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff].map((part) => part.toString(16))).join(':')
}
