import { applying, flag, option, withoutEffect } from '../option.ts'
import { text } from '../values/text.ts'

const always = withoutEffect(null)

/** Keys that files written for coturn, new or old, still hold. Nothing in the program reads them. */
export const retired = applying('after a restart', {
  'no-dtls': flag(false, 'No DTLS listeners (the default; off = dtls)', { state: always }),
  'rfc5766-channel-numbers': flag(true, 'Channels up to 0x7FFF (the default; off = rfc8656-channel-numbers)', {
    state: always,
  }),
  'no-cli': flag(false, 'No telnet console (the default)', { state: always }),
  'no-rfc5780': flag(false, 'No NAT behaviour discovery (the default)', { state: always }),
  'no-loopback-peers': flag(false, 'Never relay to loopback (the default)', {
    state: withoutEffect('that is the default now; take the line out'),
  }),
  'no-software-attribute': flag(false, 'Do not tell clients our name (the default)', { state: always }),
  'response-origin-only-with-rfc5780': flag(false, 'RESPONSE-ORIGIN with rfc5780 only (the only way)', {
    state: always,
  }),
  'no-stun-backward-compatibility': flag(false, 'No MAPPED-ADDRESS (the default)', { state: always }),
  'no-sslv2': flag(false, 'No SSL 2 (always)', { state: always }),
  'no-sslv3': flag(false, 'No SSL 3 (always)', { state: always }),
  'no-tlsv1': flag(false, 'No TLS 1.0 (the default)', { state: always }),
  'no-tlsv1_1': flag(false, 'No TLS 1.1 (the default)', { state: always }),
  dh2066: flag(false, '2066-bit Diffie-Hellman (the default)', { state: always }),
  sha384: flag(false, 'SHA-384 of a draft', {
    state: withoutEffect('no client speaks it and RFC 8489 has SHA-256 alone; write sha256'),
  }),
  sha512: flag(false, 'SHA-512 of a draft', {
    state: withoutEffect('no client speaks it and RFC 8489 has SHA-256 alone; write sha256'),
  }),
  'st-cred-mech': flag(false, 'Short-term credentials', {
    state: withoutEffect('short-term credentials never applied to TURN; take the line out'),
  }),
  prod: flag(false, 'Hide the version', { state: withoutEffect('that is the default; see software-attribute') }),
  'secret-ts-exp-time': option(text, '', 'Lifetime of temporary credentials', {
    state: withoutEffect('the time in the user name decides; see strict-expiry'),
  }),
  ne: option(text, '', 'Network engine', { state: withoutEffect('there is one network engine; take the line out') }),
  'no-http': flag(false, 'No HTTP on TURN ports', {
    state: withoutEffect('HTTP on a TURN port is closed unless respond-http-unsupported is set'),
  }),
})
