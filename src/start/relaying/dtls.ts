import { randomBytes } from 'node:crypto'
import { ConfigError } from '../../config/config-error.ts'
import type { Config } from '../../config/options.ts'
import type { Log } from '../../log.ts'
import { DtlsCallbacks, DtlsContext, type DtlsRules } from '../../net/dtls/connection.ts'
import { type DtlsLimits, DtlsServer, dtlsRules } from '../../net/dtls/dtls.ts'
import type { OpenDtls } from '../../net/dtls/endpoint.ts'
import type { DtlsIdentity } from '../../net/dtls/identity.ts'
import type { DtlsSession } from '../../net/dtls/session.ts'
import { dtlsSupport } from '../../net/openssl/openssl.ts'
import { OncePerMinute } from '../../once-per-minute.ts'
import { SourceTable } from '../../shared/source-table.ts'
import { SourceCount } from '../../turn/limits/source-count.ts'
import type { CertificateFiles } from '../certificate.ts'
import type { TurnPlan } from '../plan/turn-plan.ts'
import type { HandshakeShares } from '../shared-memory.ts'
import { handshakeShare, handshakesOf } from './handshakes.ts'

/** What a thread needs to serve DTLS, in values that can be copied to it. */
export interface DtlsPlan {
  readonly identity: DtlsIdentity
  readonly ciphers: string | undefined
  readonly groups: string | undefined
  readonly limits: Partial<DtlsLimits>
}

export interface Dtls {
  readonly open: OpenDtls
  /** For new handshakes; sessions live on. Throws, and keeps the old, when they cannot be served. */
  apply(plan: DtlsPlan): void
  /** Other limits of handshakes. */
  limit(plan: TurnPlan): void
}

/** DTLS as the configuration wants it; null when it is off or this Node has not what it takes, which is logged. */
export function dtlsPlan(config: Config, files: CertificateFiles, log: Log): DtlsPlan | null {
  if (!config.dtls || config['no-udp'] || config['no-tls']) return null
  const support = dtlsSupport()
  if (!support.available) {
    log.warn({ reason: support.reason }, 'DTLS is off: clients use TURN over UDP, TCP or TLS')
    return null
  }
  const identity = dtlsIdentity(files)
  const ciphers = config['cipher-list'] === '' ? undefined : config['cipher-list']
  const groups = config['ec-curve-name'] === '' ? undefined : config['ec-curve-name']
  prove(identity, dtlsRules({ ciphers, groups }))
  return {
    identity,
    ciphers,
    groups,
    limits: dtlsLimits(config),
  }
}

/** Of all threads together. */
export function dtlsLimits(config: Config): Partial<DtlsLimits> {
  return {
    handshakeTimeoutMs: config['handshake-timeout-seconds'] * 1000,
    maxSessions: config['max-dtls-sessions'] || Number.MAX_SAFE_INTEGER,
    maxSessionsPerSource: config['max-dtls-sessions-per-address'] || Number.MAX_SAFE_INTEGER,
    maxIdleMs: config['max-allocate-timeout'] * 1000,
  }
}

/** DTLS 1.2 has fewer ciphers than TLS, so that a list may be good for one and empty for the other. */
function prove(identity: DtlsIdentity, rules: DtlsRules): void {
  const callbacks = new DtlsCallbacks({ bake: () => Buffer.alloc(0), accepts: () => false })
  try {
    new DtlsContext(identity, rules, callbacks).free()
  } catch (error) {
    const message = `DTLS cannot be served with these keys: ${(error as Error).message}`
    throw new ConfigError({ where: null, key: 'cipher-list', message, fix: 'compare cipher-list, or set dtls=off' })
  } finally {
    callbacks.close()
  }
}

function dtlsIdentity({ cert, key, passphrase }: CertificateFiles): DtlsIdentity {
  return { cert: cert.toString(), key: key.toString(), ...(passphrase === undefined ? {} : { passphrase }) }
}

/** The DTLS of one thread, counted from 0. */
export function dtlsOf(
  { identity, ciphers, groups, limits }: DtlsPlan,
  turn: TurnPlan,
  shares: HandshakeShares,
  thread: number,
  log: Log,
): Dtls {
  const failures = new OncePerMinute()
  const handshakes = handshakesOf<DtlsSession>(turn, shares, 'dtls', thread)
  let server: DtlsServer | null = null
  return {
    open: (world) => {
      server = new DtlsServer(
        {
          identity,
          ciphers,
          groups,
          limits,
          random: randomBytes,
          handshakes,
          sources: new SourceCount(new SourceTable(shares.dtlsSources, thread)),
          handshakeFailed: (client, reason) => {
            const held = failures.pass(client.host, world.clock())
            if (held !== null) log.info({ client: client.toString(), reason, held }, 'DTLS handshake failed')
          },
        },
        world,
      )
      return server
    },
    apply: (next) => server?.apply(next),
    limit: (next) => handshakes.apply(handshakeShare(next, shares, 'dtls')),
  }
}
