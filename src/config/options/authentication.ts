import { applying, flag, lifetime, limit, list, notBuiltYet, option, secretOption, withoutEffect } from '../option.ts'
import { sha256 } from '../values/booleans.ts'
import { realm, secret, text, user } from '../values/text.ts'
import { character, choice } from '../values/words.ts'

/** Who may use the TURN server. */
export const authentication = applying('at once', {
  'lt-cred-mech': flag(false, 'Long-term credentials; on whenever there is a user or a secret', { short: 'a' }),
  'no-auth': flag(false, 'Let anybody relay', {
    short: 'z',
    caution: 'anybody who finds this server can relay through it',
  }),
  user: list(user, 'Static account; NAME:0xKEY works too', { short: 'u' }),
  realm: option(realm, '', 'Realm of the credentials', {
    short: 'r',
    defaultNote: "the host's domain name, else webrtc-stack",
  }),
  'use-auth-secret': flag(false, 'Time-limited credentials made from a shared secret (TURN REST)'),
  'static-auth-secret': list(secret, 'Secret that credentials are made of', {
    defaultNote: 'random for this run',
  }),
  'rest-api-separator': option(character, ':', 'Character between time and user in such a user name', { short: 'C' }),
  'strict-expiry': flag(false, 'Time-limited credentials stop working for running allocations too'),
  'stale-nonce': lifetime(600, 'Lifetime of a nonce; 0: no end'),
  'stateless-nonce': flag(true, 'Nonces that need no memory', {
    state: withoutEffect('nonces are always stateless'),
  }),
  'stateless-nonce-secret': secretOption('Nonce key that several servers share', {
    defaultNote: 'random for this run',
    applies: 'after a restart',
  }),
  'nonce-bit-order': option(choice('msb', 'lsb'), 'msb', 'Bit order of the nonce feature field (RFC 8489 §9.2)', {
    applies: 'after a restart',
  }),
  sha256: option(sha256, 'off', 'Offer SHA-256 (RFC 8489) beside SHA-1; strict: demand it'),
  fingerprint: flag(false, 'Add FINGERPRINT to every answer', { short: 'f' }),
  'check-origin-consistency': flag(false, 'Refuse a session whose ORIGIN changes', {
    state: notBuiltYet('ORIGIN is not read'),
  }),
  'no-auth-pings': flag(false, 'No keep-alive queries to the user database', {
    state: withoutEffect('secrets of a database are read every 5 s, which is its ping'),
  }),
  'no-dynamic-realms': flag(false, 'Do not read options of the realm from the database'),
  oauth: flag(false, 'Third-party authorisation (RFC 7635)', {
    state: notBuiltYet('clients need a user or a time-limited credential'),
  }),
  'server-name': option(text, '', 'Name of this server in third-party authorisation', {
    defaultNote: 'realm',
    state: withoutEffect(null),
  }),
  'unauthorized-ratelimit': flag(true, 'Limit 401 answers to one address'),
  'unauthorized-ratelimit-rps': limit(100, '401 answers a second to one address'),
  'max-wrong-guesses-per-minute': limit(300, 'Wrong passwords from one address, then silence'),
})
