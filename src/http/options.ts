/** One entry of `iceServers`, as browsers take it. */
export interface IceServer {
  readonly urls: readonly string[]
  readonly username?: string | undefined
  readonly credential?: string | undefined
}

/** What the room pages and the API announce, believe and limit. A limit of 0 is no limit. */
export interface HttpOptions {
  /** `public-host`: host[:port] that every URL we hand out has; null takes it from the request's Host. */
  readonly publicHost: string | null
  /** `trusted-proxy`: addresses and CIDR ranges whose X-Forwarded-For and -Proto count. */
  readonly trustedProxies: readonly string[]
  /** `url-overrides`: `compat` lets a link's `wshpp`, `ts` name any host, and shapes answers as the original did. */
  readonly urlOverrides: 'own-hosts' | 'compat'
  /** `allowed-host`: further hosts that `wshpp` and `ts` may name and the page may connect to. */
  readonly allowedHosts: readonly string[]
  /** Names by which /metrics may be asked for, beside addresses and what only a private network knows. */
  readonly ownNames: readonly string[]

  /** `wss-host-port-pair`: the Collider to announce; null announces /ws on the port the request came to. */
  readonly wssHostPortPair: string | null
  /** Whether the announced Collider speaks TLS; null means as the request did. */
  readonly wssTls: boolean | null
  /** Ports of this server that speak TLS alone. */
  readonly tlsPorts: readonly number[]
  /** `turn-base-url`: CEOD; null means this server, '' nobody. */
  readonly turnBaseUrl: string | null
  /** `turn-url-template`: base, user, key. */
  readonly turnUrlTemplate: string
  /** `ceod-key` */
  readonly ceodKey: string
  /** `ice-server-base-url`: null means this server, '' nobody. */
  readonly iceServerBaseUrl: string | null
  /** `ice-server-url-template`: base, key. */
  readonly iceServerUrlTemplate: string
  /** `ice-server-api-key`: when this or `ceodKey` is set, whoever asks us for credentials has to know one of them. */
  readonly iceServerApiKey: string
  /** `ice-config-needs-room`: credentials are only for a client that has a place in a room. */
  readonly iceConfigNeedsRoom: boolean
  /** `ice-server-urls`: what /v1alpha/iceconfig lists instead of the URIs of our own TURN. */
  readonly iceServerUrls: readonly string[]
  /** `ice-server-override`: fixed servers instead of everything above; null for none. */
  readonly iceServerOverride: readonly IceServer[] | null
  /** `header-message` */
  readonly headerMessage: string | null
  /** `bypass-join-confirmation` */
  readonly bypassJoinConfirmation: boolean
  /** `room-grace-seconds`, for the page to know; null where another Collider has the sockets and a time of its own. */
  readonly roomGraceSeconds: number | null
  /** `frame-ancestors`: which pages may embed ours; a Content-Security-Policy source list. */
  readonly frameAncestors: string

  /** `max-body-bytes` */
  readonly maxBodyBytes: number
  /** `new-rooms-per-minute`: rooms one address (IPv6: /64) may open after its burst is used up. */
  readonly newRoomsPerMinute: number
  /** `new-rooms-burst` */
  readonly newRoomsBurst: number
  /** `ice-config-per-minute`: requests for credentials from one address (IPv6: /64). */
  readonly iceConfigPerMinute: number
  /** `unknown-clients-per-minute`: wrong client ids from one address (IPv6: /64), by HTTP and WebSocket. */
  readonly unknownClientsPerMinute: number
  /** `metrics-from`: addresses and CIDR ranges that may read /metrics; everybody else gets 404. */
  readonly metricsFrom: readonly string[]
}

/** Limits of one HTTP(S) port. A limit of 0 is no limit, a time of 0 never ends. */
export interface ListenerOptions {
  /** `handshake-timeout-seconds`: of TLS, from the connect on. */
  readonly handshakeTimeoutSeconds: number
  /** `http-headers-timeout-seconds` */
  readonly headersTimeoutSeconds: number
  /** `http-request-timeout-seconds` */
  readonly requestTimeoutSeconds: number
  /** `max-header-bytes` */
  readonly maxHeaderBytes: number
  /** `max-headers` */
  readonly maxHeaders: number
}

/** What ICE documents say about our own TURN server; credentials come from the shared secret. */
export interface IceConfigOptions {
  /** Hosts of the TURN URIs (`external-ip` or names); empty takes the host the request was sent to. */
  readonly turnHosts: readonly string[]
  /** What stands in for `localhost` and the like: a relay on loopback is of no use to the other side. Null: nothing does. */
  readonly loopbackHost: string | null
  /** Ports that listen, null where that transport is off. */
  readonly turnPort: number | null
  readonly turnTcpPort: number | null
  readonly turnTlsPort: number | null
  /** The secret credentials are minted from; null when there is none, then only `stun:` is announced. */
  readonly secret: string | null
  /** `rest-api-separator` */
  readonly separator: string
  /** `ice-credential-lifetime-seconds`: at most 86 400. */
  readonly lifetimeSeconds: number
}
