import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { type Finding, failure, ok, warning } from './finding.ts'

/** What a TLS port shows. */
export interface Shown {
  readonly certificate: X509Certificate
  /** OpenSSL's word for why the chain is not trusted; null where it is. */
  readonly distrust: string | null
}

const PATIENCE_MS = 8000

/** Throws what the system and OpenSSL say where no handshake comes about. */
export async function certificateOf(host: string, port: number, serverName: string | null): Promise<Shown> {
  const named = serverName === null ? {} : { servername: serverName }
  const socket: TLSSocket = connect({ host, port, ...named, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS) })
    const error: unknown = socket.authorizationError
    return {
      certificate: socket.getPeerX509Certificate()!,
      distrust: error === null || error === undefined ? null : String(error),
    }
  } finally {
    socket.destroy()
  }
}

const DAY_MS = 86_400_000
const SOON_DAYS = 14

/** Dates, names, chain and strength of a certificate. `names` are hosts that people come by. */
export function certificateVerdicts(
  subject: string,
  { certificate, distrust }: Shown,
  names: readonly string[],
  wallMs: number,
): Finding[] {
  const ends = Date.parse(certificate.validTo)
  const days = Math.floor((ends - wallMs) / DAY_MS)
  const renew = 'renew it (certbot renew) and reload: systemctl reload webrtc-stack'
  const findings: Finding[] = []
  if (wallMs > ends) findings.push(failure(subject, `the certificate ended on ${day(ends)}`, renew))
  else if (wallMs < Date.parse(certificate.validFrom))
    findings.push(
      failure(
        subject,
        `the certificate begins on ${day(Date.parse(certificate.validFrom))}`,
        'look at the clock of this machine',
      ),
    )
  else if (days < SOON_DAYS)
    findings.push(warning(subject, `the certificate ends in ${days} days, on ${day(ends)}`, renew))
  for (const name of names)
    if (!matches(certificate, name))
      findings.push(
        failure(
          subject,
          `the certificate is not for ${name}, but for ${namesOf(certificate)}`,
          `get one for ${name}, or compare public-host`,
        ),
      )
  const hasEnded = distrust === 'CERT_HAS_EXPIRED' && wallMs > ends
  if (distrust !== null && distrust !== 'ERR_TLS_CERT_ALTNAME_INVALID' && !hasEnded)
    findings.push(distrustFinding(subject, distrust))
  const bits = certificate.publicKey.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < 2048)
    findings.push(
      failure(subject, `its RSA key has ${bits} bits`, 'browsers want 2048; make a new key and certificate'),
    )
  return findings.length > 0 ? findings : [ok(subject, `trusted, for ${namesOf(certificate)}, until ${day(ends)}`)]
}

function distrustFinding(subject: string, distrust: string): Finding {
  switch (distrust) {
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return failure(
        subject,
        `its chain is not whole (${distrust})`,
        'cert= takes the whole chain: fullchain.pem, not cert.pem',
      )
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return warning(
        subject,
        'it is self-signed: browsers warn, and turns: and wss: fail in them',
        "get one from an authority, such as Let's Encrypt",
      )
    default:
      return failure(subject, `it is not trusted: ${distrust}`, 'compare cert= with what the authority gave')
  }
}

function matches(certificate: X509Certificate, name: string): boolean {
  const host = name.replace(/^\[(.*)\]$/, '$1')
  return (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined
}

function namesOf({ subjectAltName, subject }: X509Certificate): string {
  const names = (subjectAltName ?? '').split(', ').map((entry) => entry.replace(/^(DNS|IP Address):/, ''))
  return names.join(', ') || subject
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}
