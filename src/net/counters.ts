import type { ClientTransport } from '../turn/five-tuple.ts'

/** Datagrams, or frames of streams, and their bytes without any header below STUN. */
export class Traffic {
  receivedPackets = 0
  receivedBytes = 0
  sentPackets = 0
  sentBytes = 0
  /** Not sent, because the system or a slow reader would not take more. */
  overflowPackets = 0
}

/** Why a TCP or TLS connection ended. Fixed, because metrics use them as label values. */
export type CloseReason =
  | 'client'
  | 'error'
  | 'server'
  | 'shutdown'
  | 'silent'
  | 'half-message'
  | 'handshake'
  | 'no-allocation'
  | 'stalled'
  | 'bad-first-bytes'
  | 'bad-frame'
  | 'frame-too-long'
  | 'bad-proxy-header'
  | 'http'
  | 'too-many'
  | 'too-many-from-source'
  | 'too-many-handshakes'
  | 'displaced'

/** What DTLS servers count. */
export class DtlsCounters {
  received = 0
  /** Datagrams that belong to no session and are no ClientHello, or are malformed. */
  dropped = 0
  cookiesSent = 0
  /** ClientHellos ignored because a limit was reached. */
  refused = 0
  /** Now under way. */
  handshakes = 0
  handshakesFailed = 0
  /** Now open. */
  sessions = 0
  opened = 0
  closed = 0
  sendFailed = 0
}

/** What the drivers count: plain numbers, read by whoever wants to show them. */
export class NetCounters {
  /** What clients and we exchange. DTLS counts twice: as plaintext here, as records under `udp`. */
  readonly clients: Record<ClientTransport, Traffic> = {
    udp: new Traffic(),
    dtls: new Traffic(),
    tcp: new Traffic(),
    tls: new Traffic(),
  }
  readonly dtls = new DtlsCounters()
  /** TLS handshakes now under way. */
  readonly tls = { handshakes: 0 }
  /** What peers and we exchange. */
  readonly relay = new Traffic()
  /** ICMP messages about what was sent to peers, as far as the driver gets to see them. */
  peerErrors = 0
  /** Now open; a connection counts as TCP until its TLS handshake is done. */
  readonly openConnections = { tcp: 0, tls: 0 }
  readonly openedConnections = { tcp: 0, tls: 0 }
  readonly closedConnections: Record<CloseReason, number> = {
    client: 0,
    error: 0,
    server: 0,
    shutdown: 0,
    silent: 0,
    'half-message': 0,
    handshake: 0,
    'no-allocation': 0,
    stalled: 0,
    'bad-first-bytes': 0,
    'bad-frame': 0,
    'frame-too-long': 0,
    'bad-proxy-header': 0,
    http: 0,
    'too-many': 0,
    'too-many-from-source': 0,
    'too-many-handshakes': 0,
    /** Made room for one of a source that had less. */
    displaced: 0,
  }
  readonly dropped = {
    /** A datagram with no bytes in it. */
    empty: 0,
    /** A DTLS record where no DTLS is served. */
    'no-dtls': 0,
    /** From somebody new, by an address that is listened on only for those who are here. */
    'closing-listener': 0,
    /** The core's answer to a client whose socket or connection has gone meanwhile. */
    'client-gone': 0,
    /** The same for a relayed address. */
    'relay-gone': 0,
    /** A datagram that was to be relayed and has come too far already: its TTL or Hop Limit would be 0. */
    'ttl-expired': 0,
  }
}
