import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'

/** The certificate or key cannot serve: what is wrong is in the message, the key itself never is. */
export class DtlsIdentityError extends Error {
  readonly code = 'DTLS_IDENTITY'
  override readonly name = 'DtlsIdentityError'
}

/** PEM texts: a certificate with its chain behind it, and its private key. */
export interface DtlsIdentity {
  readonly cert: string
  readonly key: string
  readonly passphrase?: string | undefined
}

/** Proves that the key belongs to the certificate; `key` is PEM without a password then, to be wiped after use. */
export function parseIdentity({ cert, key, passphrase }: DtlsIdentity): { chain: Buffer; key: Buffer } {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    throw new DtlsIdentityError('the certificate is not a PEM certificate', { cause })
  }
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    throw new DtlsIdentityError('the private key cannot be read; not PEM, or its password is missing or wrong', {
      cause,
    })
  }
  if (!certificate.checkPrivateKey(privateKey))
    throw new DtlsIdentityError('the private key does not belong to the certificate')
  return { chain: Buffer.from(cert), key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
}
