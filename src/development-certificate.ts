import { hostname } from 'node:os'

export interface CertificatePair {
  readonly cert: string
  readonly key: string
}

/** A self-signed certificate for `--dev`: localhost, this machine's name and the given addresses, for thirty days. */
export async function developmentCertificate(addresses: readonly string[]): Promise<CertificatePair> {
  // 7 MB of memory that nobody else needs.
  const { generate } = await import('selfsigned')
  const names = [...new Set(['localhost', hostname()])]
  const pair = await generate([{ name: 'commonName', value: 'webrtc-stack development' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + 30 * 24 * 3600 * 1000),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...names.map((value) => ({ type: 2 as const, value })),
          ...[...new Set(['127.0.0.1', '::1', ...addresses])].map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  })
  return { cert: pair.cert, key: pair.private }
}
