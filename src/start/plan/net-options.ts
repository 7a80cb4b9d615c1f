import { performance } from 'node:perf_hooks'
import { listeners } from '../../config/listeners.ts'
import type { Config } from '../../config/options.ts'
import type { NetOptions } from '../../net/portable-turn.ts'
import type { StreamLimits } from '../../net/stream/options.ts'
import { openUdpSocket } from '../../net/udp/udp.ts'
import { type CertificateFiles, turnTls } from '../certificate.ts'

/** The same for every thread. */
export type NetPlan = Omit<NetOptions, 'dtls' | 'handshakes'>

type Endpoints = Pick<NetOptions, 'udp' | 'streams'>

/** What the drivers are told: where TURN listens, on its DTLS ports too when it has DTLS, and what a connection may cost. */
export function netOptions(config: Config, files: CertificateFiles | null, hasDtls: boolean): NetPlan {
  return {
    ...endpoints(config, hasTls(config, files), hasDtls),
    tls: files !== null && hasTls(config, files) ? turnTls(config, files) : null,
    http: { respondUnsupported: config['respond-http-unsupported'], acmeRedirect: config['acme-redirect'] },
    limits: streamLimits(config),
    socketBufferBytes: config['sock-buf-size'],
    openUdp: openUdpSocket,
    sweepIntervalMs: 1000,
    clock: () => performance.now(),
  }
}

/** Whether TURN is served over TLS. */
function hasTls(config: Config, files: CertificateFiles | null): boolean {
  return files !== null && !config['no-tls']
}

/** Where TURN listens. */
export function endpoints(config: Config, tls: boolean, dtls: boolean): Endpoints {
  const all = listeners(config).filter(({ server }) => server === 'TURN')
  const udp = all.filter(({ transport, portKey }) => transport === 'udp' && (dtls || !DTLS_PORTS.has(portKey)))
  const streams = all.filter(({ transport }) => transport === 'tcp')
  return {
    udp: udp.map(({ host, port }) => ({ host, port })),
    streams: streams.map(({ host, port, portKey }) => {
      return { host, port, plain: !config['no-tcp'], tls, proxy: portKey === 'tcp-proxy-port' }
    }),
  }
}

/** What a connection may cost. */
export function streamLimits(config: Config): StreamLimits {
  return {
    firstMessageMs: milliseconds(config['tcp-first-message-timeout-seconds']),
    halfMessageMs: milliseconds(config['tcp-half-message-timeout-seconds']),
    handshakeMs: milliseconds(config['handshake-timeout-seconds']),
    idleMs: milliseconds(config['max-allocate-timeout']),
    stalledMs: milliseconds(config['tcp-stalled-timeout-seconds']),
    shortFrameBytes: config['max-unauthenticated-frame-bytes'] || Number.MAX_SAFE_INTEGER,
    queueBytes: config['max-tcp-queue-bytes'] || Number.MAX_SAFE_INTEGER,
    perSource: config['max-tcp-connections-per-address'] || Number.MAX_SAFE_INTEGER,
    total: config['max-tcp-connections'] || Number.MAX_SAFE_INTEGER,
  }
}

function milliseconds(seconds: number): number {
  return seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1000
}

/** Of UDP listeners that are there for DTLS alone. */
const DTLS_PORTS: ReadonlySet<string> = new Set(['tls-listening-port', 'alt-tls-listening-port'])
