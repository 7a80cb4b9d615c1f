import { hostname } from 'node:os'
import type { Config } from '../../config/options.ts'
import type { HttpOptions, IceConfigOptions, ListenerOptions } from '../../http/options.ts'
import type { ShareLimits } from '../../net/limits/shares.ts'
import { isWildcard } from '../../net/listen/interfaces.ts'
import type { RoomsOptions } from '../../rooms/options.ts'
import type { AmountLimits } from '../../rooms/source-shares.ts'
import type { SignalingOptions } from '../../signaling/options.ts'
import { lanAddress, type TurnAddresses } from '../addresses.ts'
import type { CertificateFiles } from '../certificate.ts'
import type { TurnPorts } from '../turn.ts'

export function roomsOptions(config: Config): RoomsOptions {
  return {
    rules: {
      capacity: config['room-capacity'],
      graceSeconds: config['room-grace-seconds'],
      registerTimeoutSeconds: config['room-register-timeout-seconds'],
      expirationSeconds: config['room-expiration-seconds'],
      maxMessages: config['max-room-messages'],
      maxBytes: config['max-room-bytes'],
    },
    rooms: { total: config['max-rooms'], perSource: config['max-rooms-per-address'] },
    waitingBytes: waitingBytes(config),
  }
}

function waitingBytes(config: Config): AmountLimits {
  return { total: config['max-waiting-bytes'], perSource: config['max-waiting-bytes-per-address'] }
}

export function signalingOptions(config: Config): SignalingOptions {
  return {
    maxFrameBytes: config['max-frame-bytes'],
    pingSeconds: config['websocket-ping-seconds'],
    registerTimeoutSeconds: config['websocket-register-timeout-seconds'],
    messageBurst: config['websocket-message-burst'],
    messagesPerSecond: config['websocket-messages-per-second'],
    maxUnreadBytes: config['max-websocket-unread-bytes'],
    unreadBytes: waitingBytes(config),
    allowOrigins: config['allow-origin'],
  }
}

/** `certified`: whether there is a certificate, which is what opens ports that speak TLS. */
export function httpOptions(config: Config, certified: boolean): HttpOptions {
  return {
    publicHost: config['public-host'],
    trustedProxies: config['trusted-proxy'],
    urlOverrides: config['url-overrides'] === 'compat' ? 'compat' : 'own-hosts',
    allowedHosts: config['allowed-host'],
    ownNames: ownNames(config),
    wssHostPortPair: config['wss-host-port-pair'],
    wssTls: config['wss-host-port-pair'] === null ? null : config.tls,
    tlsPorts: [
      ...(certified && config.rooms ? [config['https-port']] : []),
      ...(certified && config.signaling && config.tls !== false ? [config.port] : []),
    ],
    turnBaseUrl: config['turn-base-url'],
    turnUrlTemplate: config['turn-url-template'],
    ceodKey: config['ceod-key'],
    iceServerBaseUrl: config['ice-server-base-url'],
    iceServerUrlTemplate: config['ice-server-url-template'],
    iceServerApiKey: config['ice-server-api-key'],
    iceConfigNeedsRoom: config['ice-config-needs-room'],
    iceServerUrls: config['ice-server-urls'],
    iceServerOverride: config['ice-server-override'],
    headerMessage: config['header-message'] === '' ? null : config['header-message'],
    bypassJoinConfirmation: config['bypass-join-confirmation'],
    roomGraceSeconds: config.signaling ? config['room-grace-seconds'] : null,
    frameAncestors: config['frame-ancestors'],
    maxBodyBytes: config['max-body-bytes'],
    newRoomsPerMinute: config['new-rooms-per-minute'],
    newRoomsBurst: config['new-rooms-burst'],
    iceConfigPerMinute: config['ice-config-per-minute'],
    unknownClientsPerMinute: config['unknown-clients-per-minute'],
    metricsFrom: config['metrics-from'],
  }
}

/** By which names an operator's scraper may know this server. */
export function ownNames(config: Config): readonly string[] {
  return [
    hostname(),
    config.realm,
    ...(config['public-host'] ? [config['public-host']] : []),
    ...config['allowed-host'],
  ]
}

/** Of one port. */
export function connectionLimits(config: Config): ShareLimits {
  return { total: config['max-connections'], perSource: config['max-connections-per-address'] }
}

/** Of TLS handshakes on one port that are not done. */
export function handshakeLimits(config: Config): ShareLimits {
  return { total: config['max-tls-handshakes'], perSource: config['max-handshakes-per-address'] }
}

export function socketLimits(config: Config): ShareLimits {
  return { total: config['max-websockets'], perSource: config['max-websockets-per-address'] }
}

export function listenerOptions(config: Config): ListenerOptions {
  return {
    handshakeTimeoutSeconds: config['handshake-timeout-seconds'],
    headersTimeoutSeconds: config['http-headers-timeout-seconds'],
    requestTimeoutSeconds: config['http-request-timeout-seconds'],
    maxHeaderBytes: config['max-header-bytes'],
    maxHeaders: config['max-headers'],
  }
}

/** What ICE documents announce: only what listens, and credentials only when there is a secret to make them from. */
export function iceConfigOptions(
  config: Config,
  addresses: TurnAddresses,
  ports: TurnPorts | null,
  files: CertificateFiles | null,
): IceConfigOptions {
  return {
    turnHosts: turnHosts(config, addresses),
    loopbackHost: listensEverywhere(config) ? (lanAddress(addresses.own)?.host ?? null) : null,
    turnPort: ports?.udp ?? null,
    turnTcpPort: ports?.tcp ?? null,
    // A certificate that nobody trusts would cost each client a failed handshake.
    turnTlsPort: files?.selfSigned ? null : (ports?.tls ?? null),
    secret: config['stun-only'] ? null : (config['static-auth-secret'][0]?.reveal() ?? null),
    separator: config['rest-api-separator'],
    lifetimeSeconds: config['ice-credential-lifetime-seconds'],
  }
}

/**
 * The hosts in TURN URIs when the configuration knows better than the request's Host: addresses that the world sees, or
 * the one address that was chosen. A name (`public-host`) covers both families and fits the certificate.
 */
function turnHosts(config: Config, { external }: TurnAddresses): readonly string[] {
  if (config['public-host'] !== null) return []
  if (external.length > 0) return external.map(({ host }) => host)
  const [only, ...others] = config['listening-ip']
  return only === undefined || others.length > 0 || isWildcard(only) ? [] : [only]
}

function listensEverywhere(config: Config): boolean {
  return config['listening-ip'].every(isWildcard)
}
