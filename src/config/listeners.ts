import { isIPv6 } from 'node:net'
import type { Config, OptionName } from './options.ts'

/** One address and port that a start opens, and the keys that say so. */
export interface Listener {
  readonly server: 'TURN' | 'the call page' | 'the call page over HTTPS' | 'signaling' | 'metrics'
  readonly transport: 'udp' | 'tcp'
  /** 0.0.0.0 and :: stand for the addresses this machine has. */
  readonly host: string
  readonly port: number
  readonly hostKey: OptionName
  readonly portKey: PortKey
}

type PortKey =
  | 'http-port'
  | 'https-port'
  | 'port'
  | 'listening-port'
  | 'tls-listening-port'
  | 'alt-listening-port'
  | 'alt-tls-listening-port'
  | 'tcp-proxy-port'
  | 'aux-server'
  | 'prometheus-port'

/** All that a configuration opens, each place once. */
export function listeners(config: Config): readonly Listener[] {
  const hasCertificate = (config.cert !== null && config.pkey !== null) || config.dev
  return [...turn(config, hasCertificate), ...web(config, hasCertificate), ...metrics(config)]
}

/** Where TURN listens: wildcards among them, and all of this machine when nobody chose. */
export function listeningAddresses(config: Config): readonly string[] {
  return config['listening-ip'].length > 0 ? config['listening-ip'] : ['0.0.0.0', '::']
}

/** The second ports of NAT behaviour discovery (RFC 5780 §6). */
export function alternatePorts(config: Config): { readonly plain: number; readonly secure: number } {
  return {
    plain: config['alt-listening-port'] || next(config['listening-port']),
    secure: config['alt-tls-listening-port'] || next(config['tls-listening-port']),
  }
}

/** None above the last port, and none above one that the kernel chooses. */
function next(port: number): number {
  return port === 0 || port === 65_535 ? 0 : port + 1
}

/** Whether the kernel would refuse the second of the two. */
export function clash(a: Listener, b: Listener): boolean {
  return (
    a.port !== 0 &&
    a.port === b.port &&
    a.transport === b.transport &&
    (covers(a.host, b.host) || covers(b.host, a.host))
  )
}

/** How to do without what wanted the port. */
export function withoutServer({ server }: Listener): string {
  switch (server) {
    case 'TURN':
      return 'do without TURN: turn=off'
    case 'metrics':
      return 'do without: prometheus=off'
    case 'signaling':
      return 'do without: signaling=off (TURN alone: `webrtc-stack turnserver`)'
    default:
      return 'do without: rooms=off (TURN alone: `webrtc-stack turnserver`)'
  }
}

function covers(host: string, other: string): boolean {
  return host === other || host === '::' || (host === '0.0.0.0' && !isIPv6(other))
}

/** Like coturn, each port takes plain and secure clients: the first bytes tell them apart. So two ports may be one. */
function turn(config: Config, hasCertificate: boolean): Listener[] {
  if (!config.turn) return []
  const hosts = listeningAddresses(config)
  const { plain: plainAlternate, secure: secureAlternate } = alternatePorts(config)
  const ports = {
    'listening-port': config['listening-port'],
    'tls-listening-port': config['tls-listening-port'],
    'tcp-proxy-port': config['tcp-proxy-port'],
    'alt-listening-port': plainAlternate,
    'alt-tls-listening-port': secureAlternate,
  }
  const at = (transport: 'udp' | 'tcp', portKey: keyof typeof ports) =>
    hosts.map((host): Listener => {
      return { server: 'TURN', transport, host, port: ports[portKey], hostKey: 'listening-ip', portKey }
    })
  const both = (transport: 'udp' | 'tcp', portKey: 'listening-port' | 'tls-listening-port') => [
    ...at(transport, portKey),
    ...(config.rfc5780 ? at(transport, `alt-${portKey}`) : []),
  ]
  const aux = (transport: 'udp' | 'tcp') =>
    config['aux-server'].map(({ address, port }): Listener => {
      return { server: 'TURN', transport, host: address, port, hostKey: 'aux-server', portKey: 'aux-server' }
    })
  const secure = hasCertificate && !config['no-tls']
  const plain = !config['no-tcp']
  const udp = config['no-udp']
    ? []
    : [
        ...both('udp', 'listening-port'),
        ...(config.dtls && secure ? both('udp', 'tls-listening-port') : []),
        ...aux('udp'),
      ]
  // coturn's tcp-proxy-port takes the place of the other TCP ports, which would let clients around the proxy.
  const tcp =
    config['tcp-proxy-port'] > 0
      ? at('tcp', 'tcp-proxy-port')
      : [
          ...(plain ? both('tcp', 'listening-port') : []),
          ...(secure ? both('tcp', 'tls-listening-port') : []),
          ...aux('tcp'),
        ]
  return eachOnce([...udp, ...(plain || secure ? tcp : [])])
}

function eachOnce(all: readonly Listener[]): Listener[] {
  const same = (a: Listener, b: Listener) =>
    a.port !== 0 && a.transport === b.transport && a.host === b.host && a.port === b.port
  return all.filter((listener, index) => !all.slice(0, index).some((earlier) => same(earlier, listener)))
}

function web(config: Config, hasCertificate: boolean): Listener[] {
  const at = (server: Listener['server'], portKey: 'http-port' | 'https-port' | 'port'): Listener => {
    return { server, transport: 'tcp', host: config.host, port: config[portKey], hostKey: 'host', portKey }
  }
  return [
    ...(config.rooms ? [at('the call page', 'http-port')] : []),
    ...(config.rooms && hasCertificate ? [at('the call page over HTTPS', 'https-port')] : []),
    ...(config.signaling ? [at('signaling', 'port')] : []),
  ]
}

function metrics(config: Config): Listener[] {
  if (!config.prometheus) return []
  return [
    {
      server: 'metrics',
      transport: 'tcp',
      host: config['prometheus-address'] ?? '::',
      port: config['prometheus-port'],
      hostKey: 'prometheus-address',
      portKey: 'prometheus-port',
    },
  ]
}
