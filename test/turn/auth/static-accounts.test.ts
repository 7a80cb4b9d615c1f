import { expect, test } from 'vitest'
import { longTermKey, longTermKeySha256, userHash } from '../../../src/stun/integrity.ts'
import { StaticAccounts } from '../../../src/turn/auth/static-accounts.ts'

const KEY = Buffer.from('06b2afcf07ba085b7777b481b1020391', 'hex')

function users(realm: string, ...accounts: [name: string, passwordOrKey: string | Buffer][]): StaticAccounts {
  return new StaticAccounts(
    accounts.map(([name, given]) => (typeof given === 'string' ? { name, password: given } : { name, key: given })),
    realm,
  )
}

test.each([
  ['ninefingers', 'north.gov', 'youhavetoberealistic', 'bc807ee29df3c9ffa736523fb2c4e8ee'],
  ['gorst', 'north.gov', 'hero', '7da2270ccfa49786e0115366d3a3d14d'],
  ['diveinedu', '', 'diveinedu', '06b2afcf07ba085b7777b481b1020391'],
])('AUTH-USER-03 AUTH-USER-04 VEC-07 the key of %s in realm "%s"', (name, realm, password, key) => {
  const user = users(realm, [name, password]).find(name)
  expect(user?.md5Keys.map((md5Key) => md5Key.toString('hex'))).toEqual([key])
})

test('AUTH-MODE-05 the key of the tutorial is that of its own password in the empty realm', () => {
  const byKey = users('', ['diveinedu', KEY]).find('diveinedu')
  expect(byKey?.md5Keys).toEqual(users('', ['diveinedu', 'diveinedu']).find('diveinedu')?.md5Keys)
})

test('AUTH-USER-06 a plain password gives a SHA-256 key, a ready made key does not', () => {
  expect(users('r', ['a', 'b']).find('a')?.sha256Keys).toEqual([longTermKeySha256('a', 'r', 'b')])
  expect(users('r', ['a', 'b']).hasSha256Keys).toBe(true)
  const mixed = users('r', ['a', 'b'], ['c', KEY])
  expect(mixed.find('c')?.sha256Keys).toEqual([])
  expect(mixed.hasSha256Keys).toBe(false)
  expect(users('r').hasSha256Keys).toBe(true)
})

test('CONF-ORD-05 of two lines with one name the later counts', () => {
  expect(users('r', ['a', 'first'], ['a', 'second']).find('a')?.md5Keys).toEqual([longTermKey('a', 'r', 'second')])
  expect(users('r', ['a', KEY], ['a', 'second']).hasSha256Keys).toBe(true)
})

test('STUN-AUTH-18 no password is kept where keys will do', () => {
  const user = users('r', ['a', 'open sesame']).find('a')
  expect(Object.keys(user!)).toEqual(['name', 'realm', 'md5Keys', 'sha256Keys'])
})

test('STUN-AUTH-05 finds an account by every form of its name, and never one account by the name of another', () => {
  const store = users(
    'r',
    ['IX', 'latin'],
    ['\u2168', 'roman'],
    ['\u2165', 'roman'],
    ['VI', 'latin'],
    ['jose\u0301', 'secret'],
  )
  expect(store.find('IX')?.md5Keys).toContainEqual(longTermKey('IX', 'r', 'latin'))
  expect(store.find('\u2168')?.md5Keys).toContainEqual(longTermKey('\u2168', 'r', 'roman'))
  expect(store.find('VI')?.md5Keys).toContainEqual(longTermKey('VI', 'r', 'latin'))
  expect(store.find('josé')?.name).toBe('jose\u0301')
  expect(store.find('jose\u0301')?.md5Keys).toContainEqual(longTermKey('josé', 'r', 'secret'))
})

test('STUN-AUTH-05 makes keys for every form of the realm', () => {
  expect(users('cafe\u0301', ['a', 'b']).find('a')?.md5Keys).toContainEqual(longTermKey('a', 'café', 'b'))
})

test('STUN-S256-07 finds an account by USERHASH, in its realm only', () => {
  const store = users('r', ['alice', 'x'], ['bob', 'y'])
  expect(store.findByHash(userHash('bob', 'r'))?.name).toBe('bob')
  expect(store.findByHash(userHash('bob', 'other'))).toBeNull()
})

test('STUN-S256-07 a USERHASH finds the account with that very name first', () => {
  const store = users('r', ['IX', 'latin'], ['\u2168', 'roman'], ['jose\u0301', 'secret'])
  expect(store.findByHash(userHash('IX', 'r'))?.name).toBe('IX')
  expect(store.findByHash(userHash('josé', 'r'))?.name).toBe('jose\u0301')
})

test.each(['__proto__', 'constructor', 'toString', ''])('SEC-24 %j is no account', (name) => {
  expect(users('r', ['a', 'b']).find(name)).toBeNull()
})
