import { performance } from 'node:perf_hooks'
import type { Config } from '../../config/options.ts'
import type { NetOptions } from '../../net/driver.ts'
import type { StreamEndpoint, StreamLimits } from '../../net/stream/connection.ts'
import { openUdpSocket } from '../../net/udp/udp.ts'
import type { UdpEndpoint } from '../../net/udp/udp-listeners.ts'
import { chosenHosts } from '../addresses.ts'
import { type CertificateFiles, turnTls } from '../certificate.ts'

/** The same for every thread. */
export type NetPlan = Omit<NetOptions, 'dtls' | 'handshakes'>

type Endpoints = Pick<NetOptions, 'udp' | 'streams'>

/** What the drivers are told: where TURN listens, on its DTLS ports too when it has DTLS, and what a connection may cost. */
export function netOptions(config: Config, files: CertificateFiles | null, hasDtls: boolean): NetPlan {
  const tls = files === null || config['no-tls'] ? null : turnTls(config, files)
  return {
    ...endpoints(config, tls !== null, hasDtls),
    tls,
    http: { respondUnsupported: config['respond-http-unsupported'], acmeRedirect: config['acme-redirect'] },
    limits: streamLimits(config),
    socketBufferBytes: config['sock-buf-size'],
    openUdp: openUdpSocket,
    sweepIntervalMs: 1000,
    clock: () => performance.now(),
  }
}

function endpoints(config: Config, tls: boolean, dtls: boolean): Endpoints {
  const hosts = chosenHosts(config)
  const plainPort = config['listening-port']
  const tlsPort = config['tls-listening-port']
  const at = (port: number) => hosts.map((host) => ({ host, port }))
  const aux = config['aux-server'].map(({ address, port }) => ({ host: address, port }))
  // Like coturn, each port takes both kinds: the first bytes tell them apart.
  const udp: UdpEndpoint[] = config['no-udp'] ? [] : [...at(plainPort), ...(dtls ? at(tlsPort) : []), ...aux]
  const plain = !config['no-tcp']
  if (!plain && !tls) return { udp, streams: [] }
  const stream = (endpoint: UdpEndpoint): StreamEndpoint => ({ ...endpoint, plain, tls, proxy: false })
  const proxyPort = config['tcp-proxy-port']
  // coturn's tcp-proxy-port takes the place of the other TCP ports, which would let clients around the proxy.
  if (proxyPort > 0) return { udp, streams: at(proxyPort).map((endpoint) => ({ ...stream(endpoint), proxy: true })) }
  return { udp, streams: [...at(plainPort), ...(tls ? at(tlsPort) : []), ...aux].map(stream) }
}

function streamLimits(config: Config): StreamLimits {
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
