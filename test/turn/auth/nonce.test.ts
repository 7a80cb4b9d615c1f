import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { type NonceOptions, Nonces, nonceKey } from '../../../src/turn/auth/nonce.ts'
import { watchCrypto } from '../../support/watched-crypto.ts'

const NOW = 1_700_000_000_000
const KEY = randomBytes(32)
const CLIENT = Address.parse('198.51.100.7', 40_000)!
const BOTH = { passwordAlgorithms: true, usernameAnonymity: true }

function nonces(changes: Partial<NonceOptions> = {}): Nonces {
  return new Nonces({ lifetimeSeconds: 600, key: KEY, bitOrder: 'msb', random: randomBytes, ...changes })
}

test('STUN-NONCE-01 another instance with the same key accepts a nonce, so nothing is stored', () => {
  expect(nonces().verify(nonces().issue(CLIENT, NOW), CLIENT, NOW)).toBe('valid')
})

test('STUN-NONCE-02 a nonce of another address or port is foreign', () => {
  const nonce = nonces().issue(CLIENT, NOW)
  expect(nonces().verify(nonce, CLIENT.withPort(40_001), NOW)).toBe('foreign')
  expect(nonces().verify(nonce, Address.parse('198.51.100.8', 40_000)!, NOW)).toBe('foreign')
  expect(nonces().verify(nonce, Address.parse('::c633:6407', 40_000)!, NOW)).toBe('foreign')
})

test('STUN-NONCE-02 IPv6 clients that differ in any one word have nonces of their own', () => {
  const client = Address.parse('2001:db8:1:2:3:4:5:6', 40_000)!
  const nonce = nonces().issue(client, NOW)
  expect(nonces().verify(nonce, client, NOW)).toBe('valid')
  for (const host of ['2001:db9:1:2:3:4:5:6', '2001:db8:1:3:3:4:5:6', '2001:db8:1:2:3:5:5:6', '2001:db8:1:2:3:4:5:7']) {
    expect(nonces().verify(nonce, Address.parse(host, 40_000)!, NOW)).toBe('foreign')
  }
})

test('STUN-NONCE-03 servers that share a phrase accept the nonces of each other', () => {
  const one = nonces({ key: nonceKey('one phrase for all nodes') })
  const other = nonces({ key: nonceKey('one phrase for all nodes') })
  expect(other.verify(one.issue(CLIENT, NOW), CLIENT, NOW)).toBe('valid')
  expect(nonces({ key: nonceKey('another phrase') }).verify(one.issue(CLIENT, NOW), CLIENT, NOW)).toBe('foreign')
})

test('STUN-NONCE-03 a node whose clock is a minute behind accepts a nonce from its future', () => {
  expect(nonces().verify(nonces().issue(CLIENT, NOW + 60_000), CLIENT, NOW)).toBe('valid')
})

test('STUN-NONCE-04 a nonce is good for its lifetime and stale from then on', () => {
  const nonce = nonces().issue(CLIENT, NOW)
  expect(nonces().verify(nonce, CLIENT, NOW + 600_000)).toBe('valid')
  expect(nonces().verify(nonce, CLIENT, NOW + 600_001)).toBe('stale')
})

test('STUN-NONCE-04 lifetime 0 never ends', () => {
  const unlimited = nonces({ lifetimeSeconds: 0 })
  expect(unlimited.verify(unlimited.issue(CLIENT, NOW), CLIENT, NOW + 1e11)).toBe('valid')
})

test('STUN-NONCE-06 a new key leaves the old nonces good for one lifetime', () => {
  const rotating = nonces({ lifetimeSeconds: 600 })
  const old = rotating.issue(CLIENT, NOW)
  rotating.rotate(randomBytes(32), NOW + 1000)
  expect(rotating.verify(rotating.issue(CLIENT, NOW + 1000), CLIENT, NOW + 1000)).toBe('valid')
  expect(rotating.verify(old, CLIENT, NOW + 600_000)).toBe('valid')
  expect(rotating.verify(old, CLIENT, NOW + 601_001)).toBe('foreign')
})

test('STUN-NONCE-06 after a restart with a random key an old nonce is foreign, which is a 438', () => {
  expect(nonces({ key: randomBytes(32) }).verify(nonces().issue(CLIENT, NOW), CLIENT, NOW)).toBe('foreign')
})

test('STUN-NONCE-07 a nonce is short printable ASCII without quotes and backslash', () => {
  for (let i = 0; i < 1000; i++) expect(nonces().issue(CLIENT, NOW + i, BOTH)).toMatch(/^[A-Za-z0-9+/]{45}$/)
})

test('STUN-NONCE-08 the counter of nonces starts at a random place', () => {
  const starts = Array.from({ length: 20 }, () => nonces().issue(CLIENT, NOW).slice(21, 25))
  expect(new Set(starts).size).toBeGreaterThan(15)
})

test.each([
  ['msb', false, false, 'AAAA'],
  ['msb', true, false, 'gAAA'],
  ['msb', false, true, 'QAAA'],
  ['msb', true, true, 'wAAA'],
  ['lsb', true, false, 'AAAB'],
  ['lsb', false, true, 'AAAC'],
  ['lsb', true, true, 'AAAD'],
] as const)(
  'STUN-NONCE-09 cookie and features (%s, %s, %s)',
  (bitOrder, passwordAlgorithms, usernameAnonymity, bits) => {
    const source = nonces({ bitOrder })
    const nonce = source.issue(CLIENT, NOW, { passwordAlgorithms, usernameAnonymity })
    expect(nonce.slice(0, 13)).toBe(`obMatJos2${bits}`)
    expect(source.verify(nonce, CLIENT, NOW)).toBe('valid')
    expect(source.announcesPasswordAlgorithms(nonce)).toBe(passwordAlgorithms)
  },
)

describe('SEC-19', () => {
  test('SEC-19 one flipped bit anywhere makes a nonce foreign', () => {
    const source = nonces()
    const nonce = Buffer.from(source.issue(CLIENT, NOW, BOTH))
    for (let bit = 0; bit < nonce.length * 8; bit++) {
      const flipped = Buffer.from(nonce)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(source.verify(flipped.toString('latin1'), CLIENT, NOW)).toBe('foreign')
    }
  })

  test('SEC-19 only one spelling of a nonce counts', () => {
    const source = nonces()
    for (let i = 0; i < 200; i++) {
      const nonce = source.issue(CLIENT, NOW)
      const respelled = nonce.replaceAll('+', '-').replaceAll('/', '_')
      expect(source.verify(respelled, CLIENT, NOW)).toBe(respelled === nonce ? 'valid' : 'foreign')
      expect(source.verify(`${nonce}=`, CLIENT, NOW)).toBe('foreign')
      expect(source.verify(nonce.toLowerCase(), CLIENT, NOW)).toBe('foreign')
    }
  })

  test('SEC-19 ten thousand nonces of one client in one millisecond are all different', () => {
    const source = nonces()
    expect(new Set(Array.from({ length: 10_000 }, () => source.issue(CLIENT, NOW))).size).toBe(10_000)
  })

  test('SEC-19 the MAC of one nonce fits no other', () => {
    const source = nonces()
    const macs = Array.from({ length: 10_000 }, () => source.issue(CLIENT, NOW).slice(25))
    expect(new Set(macs).size).toBe(10_000)
    const [one, other] = [source.issue(CLIENT, NOW), source.issue(CLIENT, NOW)]
    expect(source.verify(one.slice(0, 25) + other.slice(25), CLIENT, NOW)).toBe('foreign')
  })

  test.each([
    ['nothing', ''],
    ['the cookie alone', 'obMatJos2AAAA'],
    ['base64 of the right length', 'A'.repeat(45)],
    ['zeroes of the right length', '\0'.repeat(45)],
    ['as many letters of two bytes', 'é'.repeat(45)],
    ['as many bytes in letters of three', '€'.repeat(15)],
    ['the longest text', 'A'.repeat(763)],
  ])('SEC-19 %s is foreign', (_name, nonce) => {
    expect(nonces().verify(nonce, CLIENT, NOW)).toBe('foreign')
  })
})

test('SEC-18 the whole nonce goes through timingSafeEqual, also when its first byte is wrong', () => {
  const source = nonces()
  const nonce = source.issue(CLIENT, NOW)
  const compare = watchCrypto('timingSafeEqual')
  for (const candidate of [nonce, `X${nonce.slice(1)}`, `${nonce.slice(0, -1)}${nonce.endsWith('A') ? 'B' : 'A'}`]) {
    compare.mockClear()
    source.verify(candidate, CLIENT, NOW)
    expect(compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual([[45, 45]])
  }
})
