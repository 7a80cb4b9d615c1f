import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Draft } from '../draft.ts'
import { findFile, type Places } from '../file/find-file.ts'

const NOT_ITS_KEY: [message: string, fix: string] = ['is not the key of the certificate', 'name the key made for cert']

type FileOption = 'cert' | 'pkey' | 'CA-file' | 'dh-file'
type TlsOption = FileOption | 'cipher-list' | 'ec-curve-name'

const DEFAULT_PAIR = { cert: 'turn_server_cert.pem', pkey: 'turn_server_pkey.pem' }
/** Where Collider reads its pair when it is told to use TLS. */
const COLLIDER_PAIR = { cert: '/cert/cert.pem', pkey: '/cert/key.pem' }

/** Puts the paths found in place of the names of certificate and key files, and proves that TLS can start with them. */
export function findCertificates(draft: Draft, places: Places): void {
  const { values } = draft
  if (values.cert === null && values.pkey === null) useDefaultPair(draft, places)
  else {
    values.cert ??= findOther(draft, places, 'cert', 'pkey')
    values.pkey ??= findOther(draft, places, 'pkey', 'cert')
  }
  const cert = read(draft, places, 'cert')
  const key = read(draft, places, 'pkey')
  const ca = read(draft, places, 'CA-file')
  const dhparam = read(draft, places, 'dh-file')
  const passphrase = values['pkey-pwd']?.reveal()

  const trouble = cert === null || key === null ? null : pairTrouble(cert, key, passphrase)
  if (trouble !== null) draft.problem(trouble.name, `${trouble.message}: ${values[trouble.name]}`, trouble.fix)
  if (ca !== null) attempt(draft, 'CA-file', { ca })
  if (dhparam !== null) attempt(draft, 'dh-file', { dhparam })
  if (values['cipher-list'] !== '') attempt(draft, 'cipher-list', { ciphers: values['cipher-list'] })
  if (values['ec-curve-name'] !== '') attempt(draft, 'ec-curve-name', { ecdhCurve: values['ec-curve-name'] })

  if (values.cert !== null || values.pkey !== null || values.dev) return
  const fix = 'set cert and pkey, or --dev for a certificate made on the spot'
  if (values.tls === true) draft.problem('tls', 'needs a certificate', `${fix}, or tls=off`)
  if (!values.turn || values['no-tls']) return
  if (draft.isGiven('tls-listening-port'))
    draft.warn('tls-listening-port', `nothing listens on ${values['tls-listening-port']} without a certificate; ${fix}`)
  if (values.dtls) draft.warn('dtls', `is off without a certificate; ${fix}`)
}

export interface PairTrouble {
  readonly name: 'cert' | 'pkey'
  readonly message: string
  readonly fix: string
}

/** Why TLS cannot serve this certificate with this key; null when it can. */
export function pairTrouble(cert: Buffer, key: Buffer, passphrase: string | undefined): PairTrouble | null {
  const unlocked = { key, ...(passphrase === undefined ? {} : { passphrase }) }
  const steps = [
    ['cert', { cert }],
    ['pkey', unlocked],
    ['pkey', { ...unlocked, cert }],
  ] as const
  for (const [name, options] of steps) {
    const refusal = tried(name, options)
    if (refusal !== null) return { name, message: refusal[0], fix: refusal[1] }
  }
  // TLS takes an EC key beside an RSA certificate without a word, and then fails with every client.
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(unlocked))) return null
  return { name: 'pkey', message: NOT_ITS_KEY[0], fix: NOT_ITS_KEY[1] }
}

function useDefaultPair(draft: Draft, places: Places): void {
  const pairs = draft.values.tls === true ? [DEFAULT_PAIR, COLLIDER_PAIR] : [DEFAULT_PAIR]
  for (const pair of pairs) {
    const cert = findFile(pair.cert, places).path
    const pkey = findFile(pair.pkey, places).path
    if (cert === null || pkey === null) continue
    draft.values.cert = cert
    draft.values.pkey = pkey
    return
  }
}

function findOther(draft: Draft, places: Places, missing: 'cert' | 'pkey', given: 'cert' | 'pkey'): string | null {
  const { path } = findFile(DEFAULT_PAIR[missing], places)
  if (path === null) draft.problem(given, `is set and ${missing} is not`, `set ${missing} too`)
  return path
}

function read(draft: Draft, places: Places, name: FileOption): Buffer | null {
  const wanted = draft.values[name]
  if (wanted === null) return null
  const { path, unreadable } = findFile(wanted, places)
  if (path === null) {
    const why = unreadable.length > 0 ? 'may not be read by this user' : 'is not there'
    draft.problem(name, `names a file that ${why}: ${unreadable[0] ?? wanted}`, 'check the path and its rights')
    return null
  }
  draft.values[name] = path
  try {
    return readFileSync(path)
  } catch (error) {
    draft.problem(name, `names a file that cannot be read: ${path} (${code(error)})`, 'name a PEM file')
    return null
  }
}

function attempt(draft: Draft, name: TlsOption, options: SecureContextOptions): void {
  const refusal = tried(name, options)
  if (refusal !== null) draft.problem(name, `${refusal[0]}: ${draft.values[name]}`, refusal[1])
}

function tried(name: TlsOption, options: SecureContextOptions): [message: string, fix: string] | null {
  try {
    createSecureContext(options)
    return null
  } catch (error) {
    return explain(name, code(error), options)
  }
}

function explain(name: string, reason: string, options: SecureContextOptions): [message: string, fix: string] {
  if (reason.includes('KEY_VALUES_MISMATCH')) return NOT_ITS_KEY
  if (name === 'pkey' && /PASS|DECRYPT/.test(reason))
    return options.passphrase === undefined
      ? ['names a key that needs a password', 'set pkey-pwd']
      : ['names a key that this password does not open', 'check pkey-pwd']
  if (name === 'cipher-list') return ['holds no cipher that this TLS library has', 'see `openssl ciphers`']
  if (name === 'ec-curve-name') return ['holds a group that this TLS library has not', 'write for example X25519:P-256']
  return [`names a file that is no usable PEM (${reason})`, 'name a PEM file']
}

function code(error: unknown): string {
  return String((error as { code?: unknown }).code ?? 'unknown')
}
