import { expect, test } from 'vitest'
import { longTermKey, longTermKeySha256, userHash } from '../../src/stun/integrity.ts'
import { parseUser, type StaticUser, StaticUsers } from '../../src/turn/user-store.ts'

function users(realm: string, ...lines: string[]): StaticUsers {
  return new StaticUsers(
    lines.map((line) => parseUser(line) as StaticUser),
    realm,
  )
}

test.each([
  ['name:pass', { name: 'name', password: 'pass' }],
  ['name:pa:ss', { name: 'name', password: 'pa:ss' }],
  ['name: \tpass word', { name: 'name', password: 'pass word' }],
  ['name:', { name: 'name', password: '' }],
  ['name:0Xabc', { name: 'name', password: '0Xabc' }],
])('AUTH-USER-01 reads %j', (line, user) => {
  expect(parseUser(line)).toEqual(user)
})

test.each([
  ['a key', 'a:0x06b2afcf07ba085b7777b481b1020391'],
  ['a key in capitals', 'a:0x06B2AFCF07BA085B7777B481B1020391'],
  ['a key with more digits than it needs', 'a:0x06b2afcf07ba085b7777b481b1020391ffff'],
])('AUTH-USER-02 reads %s', (_name, line) => {
  expect(parseUser(line)).toEqual({ name: 'a', key: Buffer.from('06b2afcf07ba085b7777b481b1020391', 'hex') })
})

test.each([
  ['no colon', 'sesame', /name:password/],
  ['no name', ':password', /empty/],
  ['a key that is too short', 'a:0x06b2afcf', /32 hexadecimal digits/],
  ['a key with a letter that is no digit', `a:0x${'g'.repeat(32)}`, /32 hexadecimal digits/],
  ['a control character in the name', 'a\x1b:b', /control/],
  ['a control character in the password', 'a:b\x07', /control/],
])('AUTH-USER-01 AUTH-USER-02 refuses %s and says why, without the value', (_name, line, reason) => {
  expect(parseUser(line)).toMatch(reason)
  expect(parseUser(line)).not.toContain(line)
})

test.each([
  ['ninefingers', 'north.gov', 'youhavetoberealistic', 'bc807ee29df3c9ffa736523fb2c4e8ee'],
  ['gorst', 'north.gov', 'hero', '7da2270ccfa49786e0115366d3a3d14d'],
  ['diveinedu', '', 'diveinedu', '06b2afcf07ba085b7777b481b1020391'],
])('AUTH-USER-03 AUTH-USER-04 VEC-07 the key of %s in realm "%s"', (name, realm, password, key) => {
  const user = users(realm, `${name}:${password}`).find(name)
  expect(user?.md5Keys.map((md5Key) => md5Key.toString('hex'))).toEqual([key])
})

test('AUTH-MODE-05 the key of the tutorial is that of its own password in the empty realm', () => {
  const byKey = users('', 'diveinedu:0x06b2afcf07ba085b7777b481b1020391').find('diveinedu')
  expect(byKey?.md5Keys).toEqual(users('', 'diveinedu:diveinedu').find('diveinedu')?.md5Keys)
})

test('AUTH-USER-06 a plain password gives a SHA-256 key, a ready made key does not', () => {
  expect(users('r', 'a:b').find('a')?.sha256Keys).toEqual([longTermKeySha256('a', 'r', 'b')])
  expect(users('r', 'a:b').hasSha256Keys).toBe(true)
  const mixed = users('r', 'a:b', 'c:0x06b2afcf07ba085b7777b481b1020391')
  expect(mixed.find('c')?.sha256Keys).toEqual([])
  expect(mixed.hasSha256Keys).toBe(false)
  expect(users('r').hasSha256Keys).toBe(true)
})

test('CONF-ORD-05 of two lines with one name the later counts', () => {
  expect(users('r', 'a:first', 'a:second').find('a')?.md5Keys).toEqual([longTermKey('a', 'r', 'second')])
  expect(users('r', 'a:0x06b2afcf07ba085b7777b481b1020391', 'a:second').hasSha256Keys).toBe(true)
})

test('STUN-AUTH-18 no password is kept where keys will do', () => {
  const user = users('r', 'a:open sesame').find('a')
  expect(Object.keys(user!)).toEqual(['name', 'md5Keys', 'sha256Keys'])
})

test('STUN-AUTH-05 finds an account by every form of its name, and never one account by the name of another', () => {
  const store = users('r', 'IX:latin', '\u2168:roman', '\u2165:roman', 'VI:latin', 'jose\u0301:secret')
  expect(store.find('IX')?.md5Keys).toContainEqual(longTermKey('IX', 'r', 'latin'))
  expect(store.find('\u2168')?.md5Keys).toContainEqual(longTermKey('\u2168', 'r', 'roman'))
  expect(store.find('VI')?.md5Keys).toContainEqual(longTermKey('VI', 'r', 'latin'))
  expect(store.find('josé')?.name).toBe('jose\u0301')
  expect(store.find('jose\u0301')?.md5Keys).toContainEqual(longTermKey('josé', 'r', 'secret'))
})

test('STUN-AUTH-05 makes keys for every form of the realm', () => {
  expect(users('cafe\u0301', 'a:b').find('a')?.md5Keys).toContainEqual(longTermKey('a', 'café', 'b'))
})

test('STUN-S256-07 finds an account by USERHASH, in its realm only', () => {
  const store = users('r', 'alice:x', 'bob:y')
  expect(store.findByHash(userHash('bob', 'r'))?.name).toBe('bob')
  expect(store.findByHash(userHash('bob', 'other'))).toBeNull()
})

test('STUN-S256-07 a USERHASH finds the account with that very name first', () => {
  const store = users('r', 'IX:latin', '\u2168:roman', 'jose\u0301:secret')
  expect(store.findByHash(userHash('IX', 'r'))?.name).toBe('IX')
  expect(store.findByHash(userHash('josé', 'r'))?.name).toBe('jose\u0301')
})

test.each(['__proto__', 'constructor', 'toString', ''])('SEC-24 %j is no account', (name) => {
  expect(users('r', 'a:b').find(name)).toBeNull()
})
