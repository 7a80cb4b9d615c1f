/** What one connection may cost (SEC-15 and SEC-32 in the tests). */
export interface StreamLimits {
  /** Time from the connect to the first bytes that tell what the client speaks, and again for the first whole message. */
  readonly firstMessageMs: number
  /** Time for the rest of a message that has begun. */
  readonly halfMessageMs: number
  /** Time from the connect to the end of the TLS handshake. */
  readonly handshakeMs: number
  /** `max-allocate-timeout`: how long a client without allocation may be silent. */
  readonly idleMs: number
  /** How long a client that has bytes waiting may go without reading any. */
  readonly stalledMs: number
  /** Memory of what waits, in bytes, above which datagrams from peers are dropped. */
  readonly queueBytes: number
  /** The longest frame of a client without allocation. */
  readonly shortFrameBytes: number
  readonly perSource: number
  readonly total: number
}

/** Which protocols a listening port takes. */
export interface StreamEndpoint {
  readonly host: string
  readonly port: number
  /** STUN without TLS is served. */
  readonly plain: boolean
  /** TLS is served, if there is a certificate. */
  readonly tls: boolean
  /** `tcp-proxy-port`: each connection begins with a PROXY header. */
  readonly proxy: boolean
}
