import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Cookies } from '../../../src/net/dtls/cookie.ts'
import { Address } from '../../../src/stun/address.ts'
import { watchCrypto } from '../../support/watched-crypto.ts'

const client = Address.parse('198.51.100.7', 4711)!

test('SEC-14 accepts a cookie from the address and port it was made for, and from no other', () => {
  const cookies = new Cookies(randomBytes, 60_000)
  const cookie = cookies.bake(client)
  expect(cookie).toHaveLength(20)
  expect(cookies.accepts(client, cookie)).toBe(true)
  expect(cookies.accepts(client.withPort(4712), cookie)).toBe(false)
  expect(cookies.accepts(Address.parse('198.51.100.8', 4711)!, cookie)).toBe(false)
  expect(cookies.accepts(Address.parse('2001:db8::1', 4711)!, cookies.bake(Address.parse('2001:db8::2', 4711)!))).toBe(
    false,
  )
})

test('SEC-14 refuses a cookie with any bit flipped, a cut one and an empty one', () => {
  const cookies = new Cookies(randomBytes, 60_000)
  const cookie = cookies.bake(client)
  for (let bit = 0; bit < cookie.length * 8; bit++) {
    const flipped = Buffer.from(cookie)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(cookies.accepts(client, flipped)).toBe(false)
  }
  for (const length of [0, 1, 19]) expect(cookies.accepts(client, cookie.subarray(0, length))).toBe(false)
  expect(cookies.accepts(client, Buffer.concat([cookie, Buffer.of(0)]))).toBe(false)
})

test('SEC-14 changes the key: a cookie outlives one change and not two', () => {
  const cookies = new Cookies(randomBytes, 60_000)
  cookies.rotate(0)
  const cookie = cookies.bake(client)
  cookies.rotate(59_999)
  expect(cookies.bake(client)).toEqual(cookie)
  cookies.rotate(60_000)
  expect(cookies.bake(client)).not.toEqual(cookie)
  expect(cookies.accepts(client, cookie)).toBe(true)
  cookies.rotate(120_000)
  expect(cookies.accepts(client, cookie)).toBe(false)
})

test('SEC-14 forgets both keys after a silence longer than their time', () => {
  const cookies = new Cookies(randomBytes, 60_000)
  cookies.rotate(0)
  const cookie = cookies.bake(client)
  cookies.rotate(120_001)
  expect(cookies.accepts(client, cookie)).toBe(false)
})

test('SEC-14 compares cookies in constant time, under both keys whatever the first answer', () => {
  const cookies = new Cookies(randomBytes, 60_000)
  cookies.rotate(0)
  cookies.rotate(60_000)
  const compare = watchCrypto('timingSafeEqual')
  for (const cookie of [cookies.bake(client), Buffer.alloc(20)]) {
    compare.mockClear()
    cookies.accepts(client, cookie)
    expect(compare).toHaveBeenCalledTimes(2)
  }
})
