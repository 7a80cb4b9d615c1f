import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Attribute, MessageClass, Method } from '../../../src/stun/constants.ts'
import { longTermKey, longTermKeySha256, userHash } from '../../../src/stun/integrity.ts'
import { StunWriter } from '../../../src/stun/writer.ts'
import { NO_LIMITS } from '../../../src/turn/auth/account.ts'
import {
  type Authenticated,
  Authenticator,
  type AuthOptions,
  type Unauthenticated,
} from '../../../src/turn/auth/auth.ts'
import { mint } from '../../../src/turn/auth/credentials.ts'
import { Nonces } from '../../../src/turn/auth/nonce.ts'
import { type StaticAccount, StaticAccounts } from '../../../src/turn/auth/static-accounts.ts'
import { clientAt, type RequestFields, request } from '../../support/signed-request.ts'

const REALM = 'north.gov'
const NOW = 1_700_000_000_000
const CLIENT = clientAt('198.51.100.7', 40_000)
const BOTH = Buffer.from('0002000000010000', 'hex')
const SHA_256 = Buffer.from('00020000', 'hex')
const MD5 = Buffer.from('00010000', 'hex')
const GORST: StaticAccount = { name: 'gorst', password: 'hero' }
const MD5_KEY = longTermKey('gorst', REALM, 'hero')
const SHA_256_KEY = longTermKeySha256('gorst', REALM, 'hero')

/** A server that offers SHA-256 and has the account `gorst:hero`. */
function setUp(changes: Partial<Omit<AuthOptions, 'users'>> & { users?: readonly StaticAccount[] } = {}) {
  const nonces = new Nonces({ lifetimeSeconds: 600, key: randomBytes(32), bitOrder: 'msb', random: randomBytes })
  const defaults = {
    realm: REALM,
    anonymous: false,
    secrets: [],
    separator: ':',
    strictExpiry: false,
    stored: null,
    limits: NO_LIMITS,
  } as const
  const users = new StaticAccounts(changes.users ?? [GORST], REALM)
  const authenticator = new Authenticator({ ...defaults, sha256: 'offered', ...changes, users }, nonces, () => NOW)
  const send = (fields: RequestFields): Authenticated | Unauthenticated => {
    const { nonce } = authenticator.challenge(CLIENT)
    return authenticator.authenticate(request({ username: 'gorst', realm: REALM, nonce, ...fields }), CLIENT)
  }
  return { authenticator, nonces, send }
}

function codeOf(result: Authenticated | Unauthenticated): number {
  return result.ok ? 200 : result.code
}

test('STUN-S256-01 401 and 438 offer SHA-256 and MD5, in this order, and the nonce says so', () => {
  const { send } = setUp()
  const refusals = [send({}), send({ key: randomBytes(16) }), send({ nonce: 'x', key: MD5_KEY })] as Unauthenticated[]
  expect(refusals.map(({ code }) => code)).toEqual([401, 401, 438])
  for (const { challenge } of refusals) {
    expect(challenge?.passwordAlgorithms).toEqual(BOTH)
    expect(challenge?.nonce.slice(0, 13)).toBe('obMatJos2wAAA')
  }
})

test('STUN-S256-02 a browser that knows nothing of it logs in with MD5 and MESSAGE-INTEGRITY', () => {
  expect(setUp().send({ key: MD5_KEY })).toMatchObject({ ok: true, key: MD5_KEY, integrity: 'sha1' })
})

test('STUN-S256-04 STUN-S256-05 the SHA-256 key logs in and is answered in kind', () => {
  const fields = { passwordAlgorithms: BOTH, passwordAlgorithm: SHA_256 }
  expect(setUp().send({ ...fields, sha256Key: SHA_256_KEY })).toMatchObject({
    ok: true,
    key: SHA_256_KEY,
    integrity: 'sha256',
  })
  expect(codeOf(setUp().send({ ...fields, sha256Key: MD5_KEY }))).toBe(401)
})

test('STUN-S256-05 who chooses MD5 from the list is answered with SHA-256 integrity too', () => {
  const fields = { passwordAlgorithms: BOTH, passwordAlgorithm: MD5, sha256Key: MD5_KEY }
  expect(setUp().send(fields)).toMatchObject({ ok: true, key: MD5_KEY, integrity: 'sha256' })
})

test('STUN-MI-05 if both integrity attributes are there the SHA-256 one decides', () => {
  const wrong = randomBytes(16)
  expect(codeOf(setUp().send({ key: wrong, sha256Key: MD5_KEY }))).toBe(200)
  expect(codeOf(setUp().send({ key: MD5_KEY, sha256Key: wrong }))).toBe(401)
})

test.each([
  ['the list without a choice', { passwordAlgorithms: BOTH }],
  ['a choice without the list', { passwordAlgorithm: SHA_256 }],
  ['a list that lost SHA-256', { passwordAlgorithms: MD5, passwordAlgorithm: MD5 }],
  ['a list in another order', { passwordAlgorithms: Buffer.from('0001000000020000', 'hex'), passwordAlgorithm: MD5 }],
  ['a list that grew', { passwordAlgorithms: Buffer.concat([BOTH, MD5]), passwordAlgorithm: MD5 }],
  ['an empty list', { passwordAlgorithms: Buffer.alloc(0), passwordAlgorithm: MD5 }],
  ['a choice that is not on the list', { passwordAlgorithms: BOTH, passwordAlgorithm: Buffer.from('00030000', 'hex') }],
  ['a choice with parameters', { passwordAlgorithms: BOTH, passwordAlgorithm: Buffer.from('0002000400000000', 'hex') }],
  ['an empty choice', { passwordAlgorithms: BOTH, passwordAlgorithm: Buffer.alloc(0) }],
])('SEC-21 STUN-S256-03 %s is a 400, however it is signed', (_name, fields) => {
  for (const signature of [{ key: MD5_KEY }, { sha256Key: SHA_256_KEY }, { sha256Key: MD5_KEY }]) {
    expect(setUp().send({ ...fields, ...signature })).toMatchObject({ ok: false, code: 400, challenge: null })
  }
})

test('SEC-21 a nonce whose feature bit was taken out is a 438', () => {
  const { authenticator, send } = setUp()
  const nonce = authenticator.challenge(CLIENT).nonce.replace('obMatJos2wAAA', 'obMatJos2AAAA')
  expect(codeOf(send({ nonce, key: MD5_KEY }))).toBe(438)
})

test('STUN-S256-06 an account with only an MD5 key takes the offer back', () => {
  const { authenticator, send } = setUp({ users: [GORST, { name: 'carol', key: randomBytes(16) }] })
  expect(authenticator.challenge(CLIENT).passwordAlgorithms).toBeNull()
  expect(authenticator.challenge(CLIENT).nonce.slice(0, 13)).toBe('obMatJos2AAAA')
  expect(codeOf(send({ key: MD5_KEY }))).toBe(200)
})

test('STUN-S256-06 a temporary name logs in with SHA-256', () => {
  const { send } = setUp({ secrets: ['a secret of sixteen'] })
  const { username, password } = mint('a secret of sixteen', { userid: 'alice', lifetimeSeconds: 60, wallMs: NOW })
  const sha256Key = longTermKeySha256(username, REALM, password)
  const fields = { username, passwordAlgorithms: BOTH, passwordAlgorithm: SHA_256, sha256Key }
  expect(send(fields)).toMatchObject({ ok: true, kind: 'temporary', key: sha256Key, integrity: 'sha256' })
})

test('STUN-S256-07 STUN-S256-08 a USERHASH stands for the name of an account', () => {
  const { send } = setUp()
  const { authenticator } = setUp()
  const { nonce } = authenticator.challenge(CLIENT)
  const byHash = request({ userHash: userHash('gorst', REALM), realm: REALM, nonce, key: MD5_KEY })
  expect(authenticator.authenticate(byHash, CLIENT)).toMatchObject({
    ok: true,
    account: { name: 'gorst', realm: REALM },
    quotaName: `account gorst\n${REALM}`,
  })
  const unknown = request({ userHash: userHash('nobody', REALM), realm: REALM, nonce, key: MD5_KEY })
  expect(codeOf(authenticator.authenticate(unknown, CLIENT))).toBe(401)
  const short = request({ userHash: Buffer.alloc(31), realm: REALM, nonce, key: MD5_KEY })
  expect(codeOf(authenticator.authenticate(short, CLIENT))).toBe(400)
  expect(codeOf(send({ userHash: userHash('nobody', REALM), key: MD5_KEY }))).toBe(200)
})

test('STUN-S256-07 with secrets the anonymity bit is off, as their names cannot be found by hash', () => {
  const { authenticator } = setUp({ secrets: ['a secret of sixteen'] })
  expect(authenticator.challenge(CLIENT).nonce.slice(0, 13)).toBe('obMatJos2gAAA')
})

test.each(['off', 'offered', 'required'] as const)(
  'STUN-S256-09 with "%s" the bit and the list come together',
  (sha256) => {
    const { authenticator, nonces } = setUp({ sha256 })
    const { nonce, passwordAlgorithms } = authenticator.challenge(CLIENT)
    expect(nonces.announcesPasswordAlgorithms(nonce)).toBe(passwordAlgorithms !== null)
  },
)

test('STUN-S256-01 what is demanded is the whole list, and MD5 gets nowhere', () => {
  const { send } = setUp({ sha256: 'required' })
  expect(send({ key: MD5_KEY })).toMatchObject({ code: 401, challenge: { passwordAlgorithms: SHA_256 } })
  const fields = { passwordAlgorithms: SHA_256, passwordAlgorithm: SHA_256, sha256Key: SHA_256_KEY }
  expect(codeOf(send(fields))).toBe(200)
})

test('STUN-S256-02 where SHA-256 is off its attributes mean nothing', () => {
  const { send } = setUp({ sha256: 'off' })
  expect(codeOf(send({ passwordAlgorithms: BOTH, passwordAlgorithm: SHA_256, key: MD5_KEY }))).toBe(200)
})

test('SEC-09 RES-01 a challenge with everything on and a realm of 40 characters fits in 180 bytes', () => {
  const { challenge } = setUp({ realm: 'r'.repeat(40) }).send({}) as Unauthenticated
  const writer = new StunWriter().begin(Method.ALLOCATE, MessageClass.ERROR, Buffer.alloc(12))
  writer
    .errorCode(401, 'Unauthenticated')
    .text(Attribute.REALM, challenge!.realm)
    .text(Attribute.NONCE, challenge!.nonce)
  writer.bytes(Attribute.PASSWORD_ALGORITHMS, challenge!.passwordAlgorithms!).fingerprint()
  expect(writer.end()).toBeLessThanOrEqual(180)
})
