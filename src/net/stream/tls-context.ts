import { constants, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  createSecureContext,
  createServer,
  DEFAULT_CIPHERS,
  type SecureContext,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { DEFAULT_GROUPS, NO_STATIC_RSA } from '../openssl/key-exchange.ts'

/** One certificate chain with its key, both PEM. */
export interface Certificate {
  readonly cert: string | Buffer
  readonly key: string | Buffer
  /** `pkey-pwd` */
  readonly passphrase?: string | undefined
}

export interface TlsOptions {
  /** The first is for clients that name no host, or one that no certificate is for. */
  readonly certificates: readonly [Certificate, ...Certificate[]]
  /** `CA-file`: clients have to show a certificate signed by one of these. */
  readonly clientCa?: string | Buffer | undefined
  /** `cipher-list`, in OpenSSL's notation. */
  readonly ciphers?: string | undefined
  /** `ec-curve-name` */
  readonly curves?: string | undefined
  /** `dh-file` */
  readonly dhParameters?: string | Buffer | undefined
  /** 48 secret bytes that seal sessions, so that any thread resumes another's; without them each context makes its own. */
  readonly ticketKeys?: Uint8Array | undefined
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
}

/** How one handshake ends; exactly one of the two is called, unless the socket is closed before. */
export interface Handshake {
  /** The bytes come and go through `secure` from now on. */
  secured(secure: TLSSocket): void
  failed(error: Error): void
}

// RFC 7443. Labels as they lie in a ClientHello, behind their length.
const LABELS: readonly string[] = ['stun.turn', 'stun.nat-discovery']
const OFFERED = LABELS.map((label) => Buffer.from(String.fromCharCode(label.length) + label))

// The first one in the client's order.
const ALPN = {
  ALPNCallback: ({ protocols }: { protocols: string[] }) => protocols.find((protocol) => LABELS.includes(protocol)),
}

const TLS13_SUITES = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256'

/** One set of certificates and rules, applied to connections that others have accepted. Throws when they don't fit together. */
export class TlsContext {
  readonly #plain: Server
  readonly #labelled: Server
  // tls.Server hands back only the TLSSocket, and that does not tell what it was made of.
  readonly #handshakes = new Map<string, Handshake>()

  constructor(options: TlsOptions, handshakeTimeoutMs: number) {
    this.#plain = this.#server(options, handshakeTimeoutMs, {})
    this.#labelled = this.#server(options, handshakeTimeoutMs, ALPN)
  }

  /** Takes over a paused socket; `hello` is its first record, to be read again from the socket. */
  accept(raw: Socket, hello: Buffer, handshake: Handshake): void {
    const name = nameOf(raw)
    this.#handshakes.set(name, handshake)
    raw.once('close', () => this.#handshakes.delete(name))
    // Node aborts the handshake when it knows labels and none matches; a client with other labels is to be served all the
    // same (NET-TLS-02 in the tests), and then without any.
    const server = OFFERED.some((label) => hello.includes(label)) ? this.#labelled : this.#plain
    server.emit('connection', raw)
  }

  #server(options: TlsOptions, handshakeTimeout: number, labels: object): Server {
    const contexts = options.certificates.map((certificate) => new NamedContext(certificate, options))
    const server = createServer({
      ...labels,
      ...contextOptions(options.certificates[0], options),
      handshakeTimeout,
      requestCert: options.clientCa !== undefined,
      rejectUnauthorized: options.clientCa !== undefined,
      SNICallback: (host, done) => done(null, (contexts.find((named) => named.covers(host)) ?? contexts[0])?.context),
    })
    server.on('secureConnection', (secure) => {
      const handshake = this.#handshakes.get(nameOf(secure))
      if (handshake === undefined) secure.destroy()
      else handshake.secured(secure)
    })
    server.on('tlsClientError', (error, secure) => {
      this.#handshakes.get(nameOf(secure))?.failed(error)
      secure.destroy()
    })
    return server
  }
}

class NamedContext {
  readonly context: SecureContext
  readonly #certificate: X509Certificate

  constructor(certificate: Certificate, options: TlsOptions) {
    this.context = createSecureContext(contextOptions(certificate, options))
    this.#certificate = new X509Certificate(certificate.cert)
  }

  /** False for whatever cannot be a host name: checkHost throws for some of that. */
  covers(host: string): boolean {
    return /^[\w.-]{1,253}$/.test(host) && this.#certificate.checkHost(host) !== undefined
  }
}

function contextOptions({ cert, key, passphrase }: Certificate, options: TlsOptions) {
  const { clientCa, ciphers, curves, dhParameters, ticketKeys } = options
  return {
    cert,
    key,
    minVersion: options.minVersion ?? ('TLSv1.2' as const),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    ...(passphrase !== undefined && { passphrase }),
    ...(clientCa !== undefined && { ca: clientCa }),
    ciphers: ciphers === undefined ? DEFAULT_CIPHERS + NO_STATIC_RSA : withTls13(ciphers),
    ecdhCurve: curves ?? DEFAULT_GROUPS,
    ...(dhParameters !== undefined && { dhparam: dhParameters }),
    ...(ticketKeys !== undefined && { ticketKeys: Buffer.from(ticketKeys) }),
  }
}

// Node switches TLS 1.3 off for a list that names none of its suites, but coturn's lists are written for TLS 1.2.
function withTls13(ciphers: string): string {
  return /(^|[:, ])TLS_/.test(ciphers) ? ciphers : `${TLS13_SUITES}:${ciphers}`
}

function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
