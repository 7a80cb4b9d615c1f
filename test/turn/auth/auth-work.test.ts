import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { NO_LIMITS } from '../../../src/turn/auth/account.ts'
import { Authenticator } from '../../../src/turn/auth/auth.ts'
import { restPassword } from '../../../src/turn/auth/credentials.ts'
import { Nonces } from '../../../src/turn/auth/nonce.ts'
import { StaticAccounts } from '../../../src/turn/auth/static-accounts.ts'
import { clientAt, request } from '../../support/signed-request.ts'
import { watchCrypto } from '../../support/watched-crypto.ts'

const REALM = 'north.gov'
const NOW = 1_700_000_000_000
const CLIENT = clientAt('198.51.100.7', 40_000)
const SECRETS = ['a secret of sixteen', 'another of sixteen']

/** Counts the hashes, MACs and comparisons that one login costs. */
function workOf(username: string, password: string, secrets: readonly string[]) {
  const nonces = new Nonces({ lifetimeSeconds: 600, key: randomBytes(32), bitOrder: 'msb', random: randomBytes })
  const options = {
    realm: REALM,
    anonymous: false,
    separator: ':',
    strictExpiry: false,
    sha256: 'off',
    secrets,
    stored: null,
    limits: NO_LIMITS,
  } as const
  const users = new StaticAccounts([{ name: 'gorst', password: 'hero' }], REALM)
  const authenticator = new Authenticator({ ...options, users }, nonces, () => NOW)
  const { nonce } = authenticator.challenge(CLIENT)
  const message = request({ username, realm: REALM, nonce, key: longTermKey(username, REALM, password) })
  const watched = (['createHmac', 'createHash', 'timingSafeEqual'] as const).map(watchCrypto)
  const result = authenticator.authenticate(message, CLIENT)
  return { ok: result.ok, calls: watched.map(({ mock }) => mock.calls.length) }
}

test.each([
  ['no secret', []],
  ['two secrets', SECRETS],
])('SEC-17 STUN-AUTH-06 with %s every failed login costs the same work', (_name, secrets) => {
  const expired = '1600000000:alice'
  const failures = [
    workOf('gorst', 'wrong', secrets),
    workOf('nobody', 'x', secrets),
    workOf('1800000000:alice', 'unsigned', secrets),
    workOf('alice:bob', restPassword(SECRETS[0]!, 'alice:bob'), secrets),
    workOf(expired, restPassword(SECRETS[0]!, expired), secrets),
    workOf(expired, restPassword(SECRETS[1]!, expired), secrets),
  ]
  expect(failures.map(({ ok }) => ok)).toEqual(failures.map(() => false))
  expect(failures.map(({ calls }) => calls)).toEqual(failures.map(() => failures[0]!.calls))
})

test('SEC-18 STUN-MI-04 integrity goes through timingSafeEqual at its full length, right or wrong', () => {
  const compare = watchCrypto('timingSafeEqual')
  for (const password of ['hero', 'wrong']) {
    expect(workOf('gorst', password, []).ok).toBe(password === 'hero')
    expect(compare.mock.calls.at(-1)?.map((bytes) => bytes.byteLength)).toEqual([20, 20])
  }
})
