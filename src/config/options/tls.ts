import { applying, flag, option, secretOption, withoutEffect } from '../option.ts'
import { file, text } from '../values/text.ts'

const weak = withoutEffect('groups this weak are refused; the TLS library picks one')

/** Certificates and TLS, for TURN, HTTPS and the signaling server alike. */
export const tls = applying('to new clients', {
  cert: option(file, null, 'Certificate chain, PEM', {
    defaultNote: 'turn_server_cert.pem, if there is one',
  }),
  pkey: option(file, null, 'Its key, PEM', { defaultNote: 'turn_server_pkey.pem, if there is one' }),
  'pkey-pwd': secretOption('Password of the key'),
  'CA-file': option(file, null, 'Demand client certificates of these authorities on TURN over TLS'),
  'cipher-list': option(text, '', 'OpenSSL cipher list', { defaultNote: "Node's, without static RSA" }),
  'ec-curve-name': option(text, '', 'Groups for the key exchange, e.g. X25519:P-256', {
    defaultNote: 'X25519:P-256:P-384',
  }),
  'dh-file': option(file, null, 'Diffie-Hellman parameters (PEM)', { defaultNote: 'automatic' }),
  dh566: flag(false, '566-bit Diffie-Hellman', { state: weak }),
  dh1066: flag(false, '1066-bit Diffie-Hellman', { state: weak }),
  tlsv1: flag(false, 'Allow TLS 1.0 and 1.1', { caution: 'TLS 1.0 and 1.1 are broken' }),
  tlsv1_1: flag(false, 'Allow TLS 1.1', { caution: 'TLS 1.1 is broken' }),
  'no-tlsv1_2': flag(false, 'TLS 1.3 only'),
  'raw-public-keys': flag(false, 'Raw public keys (RFC 7250)', {
    state: withoutEffect('Node has no raw public keys; certificates are used'),
  }),
})
