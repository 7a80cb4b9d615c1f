import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/options.ts'
import { pairTrouble } from '../config/rules/certificates.ts'
import { developmentCertificate } from '../development-certificate.ts'
import { TlsContext, type TlsOptions } from '../net/stream/tls-context.ts'

/** The certificate that HTTPS, signaling and TURN share. */
export interface CertificateFiles {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  readonly passphrase?: string | undefined
  /** Made for this run: nobody trusts it, so nobody outside is sent to it. */
  readonly selfSigned: boolean
}

/** Reads `cert` and `pkey`, or makes a pair for `--dev`; null without either. Throws when they cannot be used, or not together. */
export async function certificate(config: Config, addresses: readonly string[]): Promise<CertificateFiles | null> {
  if (config.cert !== null && config.pkey !== null) {
    const cert = readFileSync(config.cert)
    const key = readFileSync(config.pkey)
    const passphrase = config['pkey-pwd']?.reveal()
    // Whoever renews them writes one file after the other.
    const trouble = pairTrouble(cert, key, passphrase)
    if (trouble !== null) {
      const { name, fix } = trouble
      throw new ConfigError({ where: null, key: name, message: `"${name}": ${trouble.message}: ${config[name]}`, fix })
    }
    return { cert, key, passphrase, selfSigned: false }
  }
  return config.dev ? { ...(await developmentCertificate(addresses)), selfSigned: true } : null
}

/** Whether somebody who has read the files again has read what they held before. */
export function isSame(one: CertificateFiles, other: CertificateFiles): boolean {
  return Buffer.from(one.cert).equals(Buffer.from(other.cert)) && Buffer.from(one.key).equals(Buffer.from(other.key))
}

/**
 * What TURN over TLS is told; coturn's keys in Node's terms. Each time it has new ticket keys: who resumes a session is neither shown
 * a renewed certificate nor asked for his own, which a renewed CA-file may no longer know.
 */
export function turnTls(config: Config, files: CertificateFiles): TlsOptions {
  return proven({
    certificates: [files],
    clientCa: config['CA-file'] === null ? undefined : readFileSync(config['CA-file']),
    dhParameters: config['dh-file'] === null ? undefined : readFileSync(config['dh-file']),
    ciphers: config['cipher-list'] === '' ? undefined : config['cipher-list'],
    curves: config['ec-curve-name'] === '' ? undefined : config['ec-curve-name'],
    ticketKeys: ticketKeys(),
    minVersion: minVersion(config),
  })
}

/** Each key is good by itself as far as the loader could see; TLS alone knows whether they go together. */
function proven(options: TlsOptions): TlsOptions {
  try {
    new TlsContext(options, 0)
    return options
  } catch (error) {
    const message = `TLS cannot be served with these keys: ${(error as Error).message}`
    throw new ConfigError({ where: null, message, fix: 'compare cipher-list, ec-curve-name, dh-file and CA-file' })
  }
}

/** What a session is sealed with, for all threads. */
export function ticketKeys(): Buffer {
  return randomBytes(48)
}

function minVersion(config: Config): TlsOptions['minVersion'] {
  if (config['no-tlsv1_2']) return 'TLSv1.3'
  if (config.tlsv1) return 'TLSv1'
  return config.tlsv1_1 ? 'TLSv1.1' : 'TLSv1.2'
}
