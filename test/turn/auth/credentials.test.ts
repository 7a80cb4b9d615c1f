import { expect, test } from 'vitest'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { isVisitorId, mint, parseRestName, restPassword, visitorId } from '../../../src/turn/auth/credentials.ts'

const NOW = 1_700_000_000_000

test.each([
  ['time, then userid', '1433895918:diveinedu', 'diveinedu'],
  ['userid, then time', 'diveinedu:1433895918', 'diveinedu'],
  ['the time alone', '1433895918', '1433895918'],
  ['a leading separator before the time', ':1433895918', '1433895918'],
  ['a leading separator before time and userid', ':1433895918:diveinedu', 'diveinedu'],
  ['a userid with separators', '1433895918:a:b', 'a:b'],
  ['a userid of digits behind the time', '1433895918:42', '42'],
  ['an empty userid', '1433895918:', '1433895918:'],
])('AUTH-REST-01 reads a name made of %s', (_name, username, userid) => {
  expect(parseRestName(username, ':')).toEqual({ expiresAtMs: 1_433_895_918_000, inMilliseconds: false, userid })
})

test('AUTH-REST-01 another separator splits the name, the colon then does not', () => {
  expect(parseRestName('1433895918-a:b', '-')).toMatchObject({ expiresAtMs: 1_433_895_918_000, userid: 'a:b' })
  expect(parseRestName('alice:1433895918', '-')).toMatchObject({ expiresAtMs: null })
})

test.each(['', ':', 'alice', 'alice:bob', ':alice', '-1433895918:alice', `${'9'.repeat(400)}:alice`])(
  'AUTH-REST-03 finds no time in %j',
  (username) => {
    expect(parseRestName(username, ':').expiresAtMs).toBeNull()
  },
)

test('AUTH-REST-04 takes a number above 10^11 for milliseconds and says so', () => {
  expect(parseRestName('100000000000:a', ':')).toMatchObject({ expiresAtMs: 1e14, inMilliseconds: false })
  expect(parseRestName('1700000000123:a', ':')).toMatchObject({ expiresAtMs: 1_700_000_000_123, inMilliseconds: true })
  // In 32 bits this one would be a time long gone.
  expect(parseRestName('4294967297:a', ':')).toMatchObject({ expiresAtMs: 4_294_967_297_000, inMilliseconds: false })
})

test('AUTH-REST-02 AUTH-REST-09 VEC-07 the published name gives the published password and key', () => {
  const password = restPassword('diveinedu', '1433895918:diveinedu')
  expect(password).toBe('fCKhGBcarTbaIemu+OD9UdQv7Us=')
  expect(longTermKey('1433895918:diveinedu', '', password).toString('hex')).toBe('bffe30314e2209cc4caac08dbea7b79e')
})

test('REST-01 mints a name that says when it ends and for whom, with the password that follows from it', () => {
  const { username, password } = mint('a secret of the server', {
    userid: 'alice',
    lifetimeSeconds: 3600,
    wallMs: NOW + 999,
  })
  expect(username).toBe('1700003600:alice')
  expect(password).toBe(restPassword('a secret of the server', '1700003600:alice'))
})

test('REST-01 mints with another separator, and without a userid', () => {
  expect(mint('s', { userid: 'bob', lifetimeSeconds: 60, wallMs: NOW, separator: '-' }).username).toBe('1700000060-bob')
  expect(mint('s', { lifetimeSeconds: 60, wallMs: NOW }).username).toBe('1700000060')
})

test('AUTH-REST-07 a visitor id is the same wherever the secret is known, and nobody else can make one', () => {
  const id = visitorId('north', '198.51.100.7')
  expect(id).toMatch(/^visitor-[\w-]{32}$/)
  expect([visitorId('north', '198.51.100.7'), isVisitorId('north', id)]).toEqual([id, true])
  const others = [visitorId('north', '198.51.100.8'), visitorId('south', '198.51.100.7')]
  expect(new Set([id, ...others]).size).toBe(3)
  const swapped = `${others[0]!.slice(0, 24)}${id.slice(24)}`
  for (const wrong of [
    others[1]!,
    swapped,
    `${id}x`,
    id.slice(0, -1),
    id.slice(8),
    `x${id.slice(1)}`,
    '',
    'visitor-',
    `${id.slice(0, -1)}é`,
  ])
    expect([wrong, isVisitorId('north', wrong)]).toEqual([wrong, false])
})
