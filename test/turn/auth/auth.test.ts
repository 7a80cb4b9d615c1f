import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { StunMessage } from '../../../src/stun/message.ts'
import { type Accounts, NO_LIMITS } from '../../../src/turn/auth/account.ts'
import {
  type Authenticated,
  Authenticator,
  type AuthOptions,
  type Unauthenticated,
} from '../../../src/turn/auth/auth.ts'
import { mint, restPassword, visitorId } from '../../../src/turn/auth/credentials.ts'
import { Nonces } from '../../../src/turn/auth/nonce.ts'
import { type StaticAccount, StaticAccounts } from '../../../src/turn/auth/static-accounts.ts'
import { FiveTuple } from '../../../src/turn/five-tuple.ts'
import { type RawAttribute, rawMessage } from '../../support/raw-message.ts'
import { clientAt, type RequestFields, request } from '../../support/signed-request.ts'

const REALM = 'north.gov'
const SECRET = 'a secret of sixteen'
const START = 1_700_000_000_000
const CLIENT = clientAt('198.51.100.7', 40_000)

const GORST: StaticAccount = { name: 'gorst', password: 'hero' }
const JOSE: StaticAccount = { name: 'jose\u0301', password: 'p\u2168' }

function usersOf(...users: StaticAccount[]): StaticAccounts {
  return new StaticAccounts(users, REALM)
}

/** A server with the account `gorst:hero` and one secret, unless a test says otherwise, and a client that logs in. */
function setUp(changes: Partial<AuthOptions> = {}) {
  const clock = { ms: START }
  const nonces = new Nonces({ lifetimeSeconds: 600, key: randomBytes(32), bitOrder: 'msb', random: randomBytes })
  const options: AuthOptions = {
    realm: REALM,
    anonymous: false,
    users: usersOf(GORST),
    stored: null,
    limits: NO_LIMITS,
    secrets: [SECRET],
    separator: ':',
    strictExpiry: false,
    sha256: 'off',
    ...changes,
  }
  const authenticator = new Authenticator(options, nonces, () => clock.ms)
  const nonce = () => authenticator.challenge(CLIENT).nonce
  const send = (fields: RequestFields, known: Authenticated | null = null) =>
    authenticator.authenticate(request(fields), CLIENT, known)
  /** A complete login; `fields` replaces what a test is about. */
  const logIn = (
    username: string,
    password: string,
    fields: RequestFields = {},
    known: Authenticated | null = null,
  ): Authenticated | Unauthenticated => {
    const realm = fields.realm ?? REALM
    const key = longTermKey(username, realm, password)
    return send({ username, realm, nonce: nonce(), key, ...fields }, known)
  }
  return { authenticator, clock, logIn, nonce, options, send }
}

function mintAt(ms: number, lifetimeSeconds = 600, userid = 'alice') {
  return mint(SECRET, { userid, lifetimeSeconds, wallMs: ms })
}

function accepted(result: Authenticated | Unauthenticated): Authenticated {
  if (!result.ok) throw new Error(`${result.code}: ${result.reason}`)
  return result
}

function refused(result: Authenticated | Unauthenticated): Unauthenticated {
  if (result.ok) throw new Error(`${result.account.name} was let in`)
  return result
}

test.each([Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND])(
  'STUN-AUTH-01 method %d without credentials is refused',
  (method) => {
    expect(refused(setUp().send({ method })).code).toBe(401)
  },
)

test('STUN-AUTH-01 in anonymous mode everybody may, and nothing is signed', () => {
  const { send } = setUp({ anonymous: true })
  expect(accepted(send({}))).toMatchObject({ account: { name: '' }, quotaName: '', key: null, integrity: 'none' })
  expect(accepted(send({ username: 'x', key: randomBytes(16) })).key).toBeNull()
})

test('STUN-AUTH-02 no integrity draws a challenge with realm and a nonce that works', () => {
  const { send } = setUp()
  const { code, challenge, guess } = refused(send({ username: 'gorst' }))
  expect([code, challenge?.realm, challenge?.passwordAlgorithms, guess]).toEqual([401, REALM, null, false])
  const key = longTermKey('gorst', REALM, 'hero')
  expect(send({ username: 'gorst', realm: REALM, nonce: challenge!.nonce, key }).ok).toBe(true)
})

test.each(['username', 'realm', 'nonce'] as const)(
  'STUN-AUTH-03 STUN-AUTH-12 integrity without %s is a 400 without a challenge',
  (field) => {
    const { nonce, send } = setUp()
    const { [field]: _, ...fields } = { username: 'gorst', realm: REALM, nonce: nonce() }
    expect(refused(send({ ...fields, key: longTermKey('gorst', REALM, 'hero') }))).toMatchObject({
      code: 400,
      challenge: null,
    })
  },
)

test('STUN-AUTH-04 the key is that of the published vector', () => {
  const users = new StaticAccounts([{ name: 'user', password: 'pass' }], 'realm')
  const { authenticator, nonce } = setUp({ realm: 'realm', users })
  const key = Buffer.from('8493fbc53ba582fb4c044c456bdc40eb', 'hex')
  const message = request({ username: 'user', realm: 'realm', nonce: nonce(), key })
  expect(accepted(authenticator.authenticate(message, CLIENT)).key).toEqual(key)
})

test('STUN-AUTH-04 AUTH-USER-02 a ready made key is used as it is', () => {
  const { logIn } = setUp({
    users: usersOf({ name: 'gorst', key: Buffer.from('7da2270ccfa49786e0115366d3a3d14d', 'hex') }),
  })
  expect(logIn('gorst', 'hero').ok).toBe(true)
  expect(logIn('gorst', '0x7da2270ccfa49786e0115366d3a3d14d').ok).toBe(false)
})

test.each([
  ['as typed', 'jose\u0301', 'p\u2168'],
  ['by OpaqueString', 'josé', 'p\u2168'],
  ['by SASLprep', 'josé', 'pIX'],
])('STUN-AUTH-05 accepts name and password prepared %s', (_name, username, password) => {
  const { logIn } = setUp({ users: usersOf(JOSE) })
  expect(accepted(logIn(username, password)).account.name).toBe('jose\u0301')
  expect(logIn(username, 'p9').ok).toBe(false)
})

test('STUN-AUTH-05 accepts a realm that the client prepared', () => {
  const users = new StaticAccounts([{ name: 'a', password: 'b' }], 'cafe\u0301')
  expect(setUp({ realm: 'cafe\u0301', users }).logIn('a', 'b', { realm: 'café' }).ok).toBe(true)
})

test('STUN-AUTH-06 STUN-AUTH-07 a wrong key draws a challenge with a nonce that works', () => {
  const { logIn } = setUp()
  const { code, challenge, guess } = refused(logIn('gorst', 'wrong'))
  expect([code, challenge?.realm, guess]).toEqual([401, REALM, true])
  expect(logIn('gorst', 'hero', { nonce: challenge!.nonce }).ok).toBe(true)
})

test('SEC-17 STUN-AUTH-06 every failed login looks the same; only the log knows why', () => {
  const { logIn } = setUp()
  const expired = mintAt(START, -60)
  const failures = [
    logIn('nobody', 'x'),
    logIn('gorst', 'wrong'),
    logIn(expired.username, expired.password),
    logIn('1800000000:alice', 'unsigned'),
    logIn('alice:bob', restPassword(SECRET, 'alice:bob')),
  ].map(refused)
  const visible = failures.map(({ code, challenge }) => [code, challenge?.realm, challenge?.nonce.length])
  expect(visible).toEqual(failures.map(() => [401, REALM, 45]))
  expect(failures.map(({ guess }) => guess)).toEqual(failures.map(() => true))
  expect(new Set(failures.map(({ reason }) => reason)).size).toBe(4)
})

test('STUN-AUTH-08 a nonce is looked at before the realm, the user and the password', () => {
  const { clock, logIn, nonce } = setUp()
  const old = nonce()
  clock.ms += 600_001
  for (const [username, password, realm] of [
    ['gorst', 'hero', 'elsewhere'],
    ['gorst', 'wrong', REALM],
    ['nobody', 'x', REALM],
  ] as const) {
    expect(refused(logIn(username, password, { nonce: old, realm })).code).toBe(438)
  }
})

test('STUN-AUTH-08 structure is looked at before the nonce', () => {
  const { send } = setUp()
  expect(refused(send({ realm: REALM, nonce: 'not ours', key: randomBytes(16) })).code).toBe(400)
})

test('STUN-AUTH-08 no user is looked up for a request whose nonce or realm is wrong', () => {
  const asked: string[] = []
  const users: Accounts = {
    find: (username) => {
      asked.push(username)
      return null
    },
    findByHash: () => null,
    hasSha256Keys: true,
  }
  const { logIn } = setUp({ users })
  logIn('gorst', 'hero', { nonce: 'x' })
  logIn('gorst', 'hero', { realm: 'elsewhere' })
  expect(asked).toEqual([])
  logIn('gorst', 'hero')
  expect(asked).toEqual(['gorst'])
})

test('STUN-NONCE-05 a stale nonce is a 438 with another that works', () => {
  const { clock, logIn, nonce } = setUp()
  const old = nonce()
  clock.ms += 600_001
  const { code, challenge, guess, reason } = refused(logIn('gorst', 'hero', { nonce: old }))
  expect([code, challenge?.realm, guess, reason]).toEqual([438, REALM, false, 'nonce is stale'])
  expect(logIn('gorst', 'hero', { nonce: challenge!.nonce }).ok).toBe(true)
})

test('STUN-NONCE-05 SEC-19 the nonce of another client is a 438', () => {
  const { authenticator, logIn } = setUp()
  const { nonce } = authenticator.challenge(clientAt('198.51.100.7', 40_001))
  expect(refused(logIn('gorst', 'hero', { nonce })).code).toBe(438)
})

test('STUN-NONCE-10 on a TCP connection a nonce is good for request after request, and on no other connection', () => {
  const { authenticator } = setUp()
  const connection = (port: number, id: number) =>
    new FiveTuple('tcp', Address.parse('198.51.100.7', port)!, CLIENT.server, 0, id)
  const { nonce } = authenticator.challenge(connection(40_000, 1))
  const message = request({ username: 'gorst', realm: REALM, nonce, key: longTermKey('gorst', REALM, 'hero') })
  expect(authenticator.authenticate(message, connection(40_000, 1)).ok).toBe(true)
  expect(authenticator.authenticate(message, connection(40_000, 1)).ok).toBe(true)
  expect(refused(authenticator.authenticate(message, connection(40_001, 2))).code).toBe(438)
})

test('STUN-AUTH-09 another valid user is told apart by name, so that 441 can be sent', () => {
  const { logIn } = setUp({ users: usersOf(GORST, { name: 'ninefingers', password: 'youhavetoberealistic' }) })
  const owner = accepted(logIn('gorst', 'hero'))
  const other = accepted(logIn('ninefingers', 'youhavetoberealistic', { method: Method.REFRESH }, owner))
  expect(other.account.name).not.toBe(owner.account.name)
})

test('STUN-AUTH-10 the key that verified the request is the one to sign with', () => {
  const { logIn } = setUp({ users: usersOf({ ...GORST, password: 'p\u2168' }) })
  expect(accepted(logIn('gorst', 'pIX')).key).toEqual(longTermKey('gorst', REALM, 'pIX'))
})

test('STUN-AUTH-13 another realm is a challenge on Allocate and 441 on the rest', () => {
  const { logIn } = setUp()
  const allocate = refused(logIn('gorst', 'hero', { realm: 'elsewhere' }))
  expect([allocate.code, allocate.challenge?.realm]).toEqual([401, REALM])
  const refresh = refused(logIn('gorst', 'hero', { realm: 'elsewhere', method: Method.REFRESH }))
  expect([refresh.code, refresh.challenge]).toEqual([441, null])
})

test('STUN-AUTH-15 an account that is deleted or has another password is refused at the next request', () => {
  const { authenticator, logIn, options } = setUp()
  const owner = accepted(logIn('gorst', 'hero'))
  expect(logIn('gorst', 'hero', { method: Method.REFRESH }, owner).ok).toBe(true)
  authenticator.reload({ ...options, users: usersOf({ ...GORST, password: 'other' }) })
  expect(refused(logIn('gorst', 'hero', { method: Method.REFRESH }, owner)).code).toBe(401)
  authenticator.reload({ ...options, users: usersOf() })
  expect(refused(logIn('gorst', 'hero', { method: Method.REFRESH }, owner)).code).toBe(401)
})

test('STUN-AUTH-16 AUTH-REST-06 a temporary name past its time refreshes what it has and allocates no more', () => {
  const { clock, logIn } = setUp()
  const { username, password } = mintAt(START)
  const owner = accepted(logIn(username, password))
  clock.ms += 601_000
  expect(accepted(logIn(username, password, { method: Method.REFRESH }, owner)).key).toEqual(owner.key)
  expect(refused(logIn(username, password))).toMatchObject({ code: 401, reason: 'expired 1 s ago' })
})

test('STUN-AUTH-16 AUTH-REST-06 strict-expiry ends refreshes too', () => {
  const { clock, logIn } = setUp({ strictExpiry: true })
  const { username, password } = mintAt(START)
  const owner = accepted(logIn(username, password))
  expect(logIn(username, password, { method: Method.REFRESH }, owner).ok).toBe(true)
  clock.ms += 642_000
  expect(refused(logIn(username, password, { method: Method.REFRESH }, owner)).reason).toBe('expired 42 s ago')
})

test('AUTH-REST-06 a secret that was rotated away does not end what was allocated with it', () => {
  const { authenticator, logIn, options } = setUp()
  const { username, password } = mintAt(START)
  const owner = accepted(logIn(username, password))
  authenticator.reload({ ...options, secrets: ['another secret of ours'] })
  expect(logIn(username, password, { method: Method.REFRESH }, owner).ok).toBe(true)
  expect(logIn(username, password).ok).toBe(false)
})

test('AUTH-REST-06 the stored key opens nothing for another name', () => {
  const { logIn, send, nonce } = setUp()
  const { username, password } = mintAt(START)
  const owner = accepted(logIn(username, password))
  for (const other of ['gorst', '1800000000:bob', 'nobody']) {
    const request = { method: Method.REFRESH, username: other, realm: REALM, nonce: nonce(), key: owner.key! }
    expect(send(request, owner).ok).toBe(false)
  }
})

test.each([
  ['nobody', 'x', 'no such user, and no timestamp in user name'],
  ['gorst', 'wrong', 'wrong key'],
  ['1700000600:alice', 'x', 'no secret matched'],
  ['1699999958:alice', restPassword(SECRET, '1699999958:alice'), 'expired 42 s ago'],
])('STUN-AUTH-17 AUTH-REST-03 the log learns why %s was refused', (username, password, reason) => {
  expect(refused(setUp().logIn(username, password))).toMatchObject({ reason, username, realm: REALM })
})

test('STUN-AUTH-17 the log learns of an unknown user where there are no secrets, and of a realm', () => {
  expect(refused(setUp({ secrets: [] }).logIn('nobody', 'x')).reason).toBe('unknown user')
  expect(refused(setUp().logIn('gorst', 'hero', { realm: 'elsewhere' }))).toMatchObject({
    reason: 'realm differs, ours is "north.gov"',
    realm: 'elsewhere',
  })
})

test('STUN-AUTH-18 SEC-25 no refusal holds a password, a secret or a key', () => {
  const { logIn } = setUp()
  const text = JSON.stringify([
    logIn('gorst', 'wrong'),
    logIn('1700000600:alice', restPassword('another', '1700000600:alice')),
    logIn('gorst', 'hero', { nonce: 'x' }),
  ])
  for (const secret of [SECRET, 'hero', longTermKey('gorst', REALM, 'hero').toString('hex')]) {
    expect(text).not.toContain(secret)
  }
})

test('STUN-ERR-08 a user store that does not answer is our fault, and running calls go on', () => {
  const { authenticator, logIn, options } = setUp()
  const owner = accepted(logIn('gorst', 'hero'))
  const users: Accounts = { find: () => 'unavailable', findByHash: () => 'unavailable', hasSha256Keys: true }
  authenticator.reload({ ...options, users })
  expect(refused(logIn('gorst', 'hero'))).toMatchObject({ code: 500, challenge: null, guess: false })
  expect(logIn('gorst', 'hero', { method: Method.REFRESH }, owner).ok).toBe(true)
  expect(refused(logIn('gorst', 'wrong', { method: Method.REFRESH }, owner)).code).toBe(500)
  const temporary = mintAt(START)
  expect(logIn(temporary.username, temporary.password).ok).toBe(true)
})

test('AUTH-MODE-04 accounts and secrets work side by side, and the name of an account never goes by a secret', () => {
  const { logIn } = setUp()
  const { username, password } = mintAt(START)
  expect(accepted(logIn('gorst', 'hero')).kind).toBe('static')
  expect(accepted(logIn(username, password)).kind).toBe('temporary')
  const both = setUp({ users: new StaticAccounts([{ name: '1900000000:carol', password: 'pass' }], REALM) })
  expect(both.logIn('1900000000:carol', 'pass').ok).toBe(true)
  expect(refused(both.logIn('1900000000:carol', restPassword(SECRET, '1900000000:carol'))).reason).toBe('wrong key')
})

test('AUTH-MODE-05 VEC-07 the key of the tutorial works in the empty realm', () => {
  const users = new StaticAccounts(
    [{ name: 'diveinedu', key: Buffer.from('06b2afcf07ba085b7777b481b1020391', 'hex') }],
    '',
  )
  expect(setUp({ realm: '', users }).logIn('diveinedu', 'diveinedu', { realm: '' }).ok).toBe(true)
})

test('AUTH-USER-05 a key made for another realm never matches', () => {
  const users = usersOf({ name: 'gorst', key: longTermKey('gorst', 'elsewhere', 'hero') })
  expect(setUp({ users }).logIn('gorst', 'hero').ok).toBe(false)
})

test.each(['a b', "o'hara", 'say "hi"', 'back\\slash', 'union select', '%s%n', '../x', 'a:b'])(
  'AUTH-USER-07 SEC-24 an account may be called %j',
  (name) => {
    const users = new StaticAccounts([{ name, password: 'pass' }], REALM)
    expect(accepted(setUp({ users }).logIn(name, 'pass')).account.name).toBe(name)
  },
)

test('AUTH-REST-02 AUTH-REST-09 VEC-07 the published name logs in until its time', () => {
  const { clock, logIn } = setUp({ realm: '', users: usersOf(), secrets: ['diveinedu'] })
  clock.ms = 1_433_895_918_999
  const login = ['1433895918:diveinedu', 'fCKhGBcarTbaIemu+OD9UdQv7Us=', { realm: '' }] as const
  expect(accepted(logIn(...login)).key?.toString('hex')).toBe('bffe30314e2209cc4caac08dbea7b79e')
  clock.ms += 1
  expect(refused(logIn(...login)).reason).toBe('expired 1 s ago')
})

test('AUTH-REST-04 milliseconds are understood and reported', () => {
  const { logIn } = setUp()
  const ahead = `${START + 1}:alice`
  expect(accepted(logIn(ahead, restPassword(SECRET, ahead))).warning).toMatch(/milliseconds/)
  const { username, password } = mintAt(START)
  expect(accepted(logIn(username, password)).warning).toBeNull()
  const gone = `${START - 1000}:alice`
  expect(refused(logIn(gone, restPassword(SECRET, gone))).reason).toBe('expired 1 s ago')
})

test('AUTH-REST-05 several secrets are good at once', () => {
  const { logIn } = setUp({ secrets: ['the new one, first', SECRET, 'the old one, last'] })
  for (const secret of ['the new one, first', SECRET, 'the old one, last']) {
    const { username, password } = mint(secret, { userid: 'alice', lifetimeSeconds: 60, wallMs: START })
    expect(logIn(username, password).ok).toBe(true)
  }
})

test('AUTH-REST-07 quotas count the person, the allocation remembers the name', () => {
  const { logIn } = setUp()
  const [one, other] = [mintAt(START, 60), mintAt(START, 90)]
  const results = [one, other].map(({ username, password }) => accepted(logIn(username, password)))
  expect(results.map(({ account }) => account.name)).toEqual([one.username, other.username])
  expect(results.map(({ quotaName }) => quotaName)).toEqual([
    'temporary alice\nnorth.gov',
    'temporary alice\nnorth.gov',
  ])
  expect(accepted(logIn('gorst', 'hero')).quotaName).toBe('account gorst\nnorth.gov')
})

test('AUTH-REST-07 accounts, temporary names and those of visitors never count for each other', () => {
  const { logIn } = setUp({ secrets: ['an older one', SECRET] })
  const id = visitorId(SECRET, '198.51.100.7')
  const quotaNameOf = (secret: string, userid: string, separator = ':') => {
    const { username, password } = mint(secret, { userid, lifetimeSeconds: 60, wallMs: START, separator })
    return accepted(logIn(username, password)).quotaName
  }
  expect(quotaNameOf(SECRET, id)).toBe(`visitor ${id}\nnorth.gov`)
  expect(quotaNameOf(SECRET, 'gorst')).toBe('temporary gorst\nnorth.gov')
  expect(accepted(logIn('gorst', 'hero')).quotaName).toBe('account gorst\nnorth.gov')
  // What looks like a visitor's name and was signed with another secret, or by somebody who only gets names signed.
  expect(quotaNameOf('an older one', id)).toBe(`temporary ${id}\nnorth.gov`)
  expect(quotaNameOf(SECRET, `${id.slice(0, -1)}_`)).toMatch(/^temporary visitor-/)
  const other = setUp({ secrets: [SECRET], separator: '-' })
  const dashed = mint(SECRET, { userid: id, lifetimeSeconds: 60, wallMs: START, separator: '-' })
  expect(accepted(other.logIn(dashed.username, dashed.password)).quotaName).toBe(`visitor ${id}\nnorth.gov`)
})

test('AUTH-REST-01 rest-api-separator', () => {
  const { logIn } = setUp({ separator: '-' })
  const username = '1700000600-alice:smith'
  expect(accepted(logIn(username, restPassword(SECRET, username))).quotaName).toBe('temporary alice:smith\nnorth.gov')
  expect(logIn('1700000600:alice', restPassword(SECRET, '1700000600:alice')).ok).toBe(true)
  expect(logIn('alice:1700000600', restPassword(SECRET, 'alice:1700000600')).ok).toBe(false)
})

test.each([0, 4, 10, 19, 21])(
  'AUTH-REST-08 SEC-20 STUN-MI-03 a MESSAGE-INTEGRITY of %d bytes is a challenge',
  (length) => {
    const { authenticator, nonce } = setUp()
    const attributes: RawAttribute[] = [
      [Attribute.USERNAME, Buffer.from('gorst')],
      [Attribute.REALM, Buffer.from(REALM)],
      [Attribute.NONCE, Buffer.from(nonce())],
      [Attribute.MESSAGE_INTEGRITY, Buffer.alloc(length)],
    ]
    const result = authenticator.authenticate(StunMessage.parse(rawMessage(0x0003, attributes))!, CLIENT)
    expect(refused(result)).toMatchObject({ code: 401, challenge: { realm: REALM } })
  },
)

test('SEC-20 a USERNAME, REALM or NONCE behind the integrity counts for nothing', () => {
  const { logIn, nonce, send } = setUp({ users: usersOf(GORST, { name: 'carol', password: 'x' }) })
  const appended = [
    [Attribute.USERNAME, 'carol'],
    [Attribute.REALM, 'elsewhere'],
    [Attribute.NONCE, 'x'],
  ] as const
  expect(accepted(logIn('gorst', 'hero', { appended })).account.name).toBe('gorst')
  const key = longTermKey('gorst', REALM, 'hero')
  expect(refused(send({ realm: REALM, nonce: nonce(), key, appended: [[Attribute.USERNAME, 'gorst']] })).code).toBe(400)
})

test('SEC-23 wrong passwords lock nobody out', () => {
  const { logIn } = setUp()
  for (let i = 0; i < 1000; i++) expect(refused(logIn('gorst', `wrong ${i}`)).guess).toBe(true)
  expect(logIn('gorst', 'hero').ok).toBe(true)
})

test.each([
  ['empty', ''],
  ['513 bytes long', 'a'.repeat(513)],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['a format', '%s%n'],
])('SEC-24 a USERNAME that is %s is a 401', (_name, username) => {
  expect(refused(setUp().logIn(username, 'x')).code).toBe(401)
})

test.each([
  ['764 bytes long', Buffer.alloc(764, 'a')],
  ['60 000 bytes long', Buffer.alloc(60_000, 'a')],
  ['not UTF-8', Buffer.from('ff41', 'hex')],
  ['of a NUL', Buffer.from('a\0b')],
  ['of a line end', Buffer.from('a\r\nb')],
  ['of an escape', Buffer.from('\x1b[2J')],
])('SEC-24 STUN-ATTR-12 a USERNAME that is %s is a 400', (_name, username) => {
  const { authenticator, nonce } = setUp()
  const attributes: RawAttribute[] = [
    [Attribute.USERNAME, username],
    [Attribute.REALM, Buffer.from(REALM)],
    [Attribute.NONCE, Buffer.from(nonce())],
    [Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)],
  ]
  const result = authenticator.authenticate(StunMessage.parse(rawMessage(0x0003, attributes))!, CLIENT)
  expect(refused(result)).toMatchObject({ code: 400, challenge: null })
})

test('TURN-ALLOC-02 a repeated request is known by its key alone, whatever became of its nonce', () => {
  const { authenticator, clock, nonce, logIn } = setUp()
  const owner = accepted(logIn('gorst', 'hero'))
  const fields = { username: 'gorst', realm: REALM, nonce: nonce() }
  clock.ms += 3_600_000
  const repeated = request({ ...fields, key: longTermKey('gorst', REALM, 'hero') })
  expect(authenticator.isSignedBy(repeated, owner)).toBe(true)
  expect(authenticator.isSignedBy(request({ ...fields, key: randomBytes(16) }), owner)).toBe(false)
  expect(authenticator.isSignedBy(request(fields), owner)).toBe(false)
})
