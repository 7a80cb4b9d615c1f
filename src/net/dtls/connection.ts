import {
  BIO_CTRL_PENDING,
  BIO_CTRL_RESET,
  DTLS_CTRL_HANDLE_TIMEOUT,
  DTLS1_2_VERSION,
  errorText,
  type HelloCallbacks,
  type Native,
  openssl,
  type Pointer,
  SSL_CTRL_EXTRA_CHAIN_CERT,
  SSL_CTRL_SET_GROUPS_LIST,
  SSL_CTRL_SET_MIN_PROTO_VERSION,
  SSL_CTRL_SET_MTU,
  SSL_CTRL_SET_SESS_CACHE_MODE,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  SSL_OP,
  SSL_SESS_CACHE_OFF,
} from '../openssl/openssl.ts'
import { type DtlsIdentity, DtlsIdentityError, parseIdentity } from './identity.ts'

/** The stateless cookie of RFC 6347 §4.2.1 for the client whose datagram is being looked at. */
interface CookieJar {
  bake(): Buffer
  accepts(cookie: Buffer): boolean
}

/** What `DtlsConnection.read` answers when there is no datagram to hand over. */
const NOTHING = 0
export const CLOSED = -1
export const FAILED = -2

/** The functions that OpenSSL calls while it looks at a ClientHello; they must outlive every connection. */
export class DtlsCallbacks {
  readonly callbacks: HelloCallbacks
  #registered = true

  constructor(jar: CookieJar) {
    this.callbacks = openssl().register({
      bakeCookie: () => jar.bake(),
      acceptsCookie: (cookie) => jar.accepts(cookie),
      chooseProtocol: knownProtocol,
    })
  }

  close(): void {
    if (!this.#registered) return
    this.#registered = false
    this.callbacks.release()
  }
}

/** In OpenSSL's notation. */
export interface DtlsRules {
  readonly ciphers: string
  readonly groups: string
}

/** An SSL_CTX: certificate, key, ciphers and rules that its connections share. */
export class DtlsContext {
  readonly #native: Native
  #context: Pointer | null

  /** Throws DtlsIdentityError when certificate, key, cipher list or groups cannot be used. */
  constructor(identity: DtlsIdentity, { ciphers, groups }: DtlsRules, { callbacks }: DtlsCallbacks) {
    const native = openssl().native
    const { chain, key } = parseIdentity(identity)
    const context = native.SSL_CTX_new(native.DTLS_server_method())
    if (context === null) throw new DtlsIdentityError(`OpenSSL has no room for a context: ${errorText(native)}`)
    this.#native = native
    this.#context = context
    try {
      native.ERR_clear_error()
      native.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, DTLS1_2_VERSION, null)
      native.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null)
      native.SSL_CTX_set_options(context, OPTIONS)
      if (native.SSL_CTX_set_cipher_list(context, ciphers) !== 1)
        throw new DtlsIdentityError(`no cipher of the list can be used: ${errorText(native)}`)
      if (native.SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, Buffer.from(`${groups}\0`)) !== 1)
        throw new DtlsIdentityError(`no group of the list can be used: ${errorText(native)}`)
      useCertificates(native, context, chain)
      useKey(native, context, key)
      native.SSL_CTX_set_cookie_generate_cb(context, callbacks.bakeCookie)
      native.SSL_CTX_set_cookie_verify_cb(context, callbacks.acceptsCookie)
      native.SSL_CTX_set_alpn_select_cb(context, callbacks.chooseProtocol, null)
    } catch (error) {
      this.free()
      throw error
    }
  }

  connection(mtu: number): DtlsConnection {
    return new DtlsConnection(this.#context!, mtu)
  }

  /** Connections made before keep OpenSSL's own reference and live on. */
  free(): void {
    if (this.#context !== null) this.#native.SSL_CTX_free(this.#context)
    this.#context = null
    this.#native.ERR_clear_error()
  }
}

/** An SSL_CTX of clients. It looks at no certificate: whoever uses it sends nothing secret. */
export class DtlsClientContext {
  readonly #native: Native
  #context: Pointer | null

  constructor() {
    const native = openssl().native
    this.#native = native
    this.#context = native.SSL_CTX_new(native.DTLS_client_method())
    if (this.#context === null) throw new Error(`OpenSSL has no room for a context: ${errorText(native)}`)
    native.SSL_CTX_ctrl(this.#context, SSL_CTRL_SET_MIN_PROTO_VERSION, DTLS1_2_VERSION, null)
    native.SSL_CTX_set_options(this.#context, SSL_OP.NO_QUERY_MTU)
  }

  connection(mtu: number): DtlsConnection {
    return new DtlsConnection(this.#context!, mtu)
  }

  /** Connections made before keep OpenSSL's own reference and live on. */
  free(): void {
    if (this.#context !== null) this.#native.SSL_CTX_free(this.#context)
    this.#context = null
  }
}

/** One SSL between two memory BIOs: encrypted datagrams go in by `feed` and come out by `take`. */
export class DtlsConnection {
  readonly #native: Native
  readonly #incoming: Pointer
  readonly #outgoing: Pointer
  #ssl: Pointer | null

  constructor(context: Pointer, mtu: number) {
    const native = openssl().native
    this.#native = native
    this.#ssl = native.SSL_new(context)
    const incoming = native.BIO_new(native.BIO_s_mem())
    const outgoing = native.BIO_new(native.BIO_s_mem())
    if (this.#ssl === null || incoming === null || outgoing === null) throw new Error('OpenSSL is out of memory')
    this.#incoming = incoming
    this.#outgoing = outgoing
    native.SSL_set_bio(this.#ssl, incoming, outgoing)
    native.SSL_ctrl(this.#ssl, SSL_CTRL_SET_MTU, mtu, null)
  }

  /** Hands in one datagram of at most MAX_DATAGRAM bytes. What an earlier one may have left unread is thrown away. */
  feed(bytes: Buffer, start: number, end: number): void {
    const native = this.#native
    if (native.BIO_ctrl(this.#incoming, BIO_CTRL_PENDING, 0, null) > 0)
      native.BIO_ctrl(this.#incoming, BIO_CTRL_RESET, 0, null)
    bytes.copy(scratch, 0, start, end)
    native.BIO_write(this.#incoming, scratch, end - start)
  }

  /**
   * Looks at a fed ClientHello. True when it brought a valid cookie: from then on this connection is its sender's.
   * Otherwise it keeps nothing of it and can look at the next one; a HelloVerifyRequest may wait in `take`.
   */
  listen(): boolean {
    const native = this.#native
    native.ERR_clear_error()
    const verified = native.DTLSv1_listen(this.#ssl!, openssl().anyAddress) === 1
    native.ERR_clear_error()
    return verified
  }

  /** 'done', 'waiting' for the client, or the reason of a failure. */
  handshake(): string {
    this.#native.ERR_clear_error()
    return this.#outcome(this.#native.SSL_accept(this.#ssl!))
  }

  /** The same as a client; the first call begins it. */
  connect(): string {
    this.#native.ERR_clear_error()
    return this.#outcome(this.#native.SSL_connect(this.#ssl!))
  }

  #outcome(result: number): string {
    if (result === 1) return 'done'
    const native = this.#native
    const error = native.SSL_get_error(this.#ssl!, result)
    if (error === SSL_ERROR_WANT_READ || error === SSL_ERROR_WANT_WRITE) {
      native.ERR_clear_error()
      return 'waiting'
    }
    return errorText(native)
  }

  /** OpenSSL's name of the cipher that the handshake chose. */
  cipher(): string {
    return this.#native.SSL_CIPHER_get_name(this.#native.SSL_get_current_cipher(this.#ssl!)) ?? ''
  }

  /** The length of the next decrypted datagram, now at the front of `into`; or NOTHING, CLOSED or FAILED. */
  read(into: Buffer): number {
    const native = this.#native
    native.ERR_clear_error()
    const length = native.SSL_read(this.#ssl!, into, into.length)
    if (length > 0) return length
    const error = native.SSL_get_error(this.#ssl!, length)
    native.ERR_clear_error()
    if (error === SSL_ERROR_WANT_READ || error === SSL_ERROR_WANT_WRITE) return NOTHING
    return error === SSL_ERROR_ZERO_RETURN ? CLOSED : FAILED
  }

  /** Encrypts one datagram into one record; false when it is empty, too long for a record, or the session is over. */
  write(bytes: Buffer, start: number, end: number): boolean {
    const length = end - start
    if (length <= 0 || length > MAX_PLAINTEXT) return false
    bytes.copy(scratch, 0, start, end)
    const native = this.#native
    native.ERR_clear_error()
    const written = native.SSL_write(this.#ssl!, scratch, length)
    native.ERR_clear_error()
    return written === length
  }

  /** Repeats the last flight when its timer has run out (RFC 6347 §4.2.4); false when the client is given up. */
  retransmit(): boolean {
    this.#native.ERR_clear_error()
    const result = this.#native.SSL_ctrl(this.#ssl!, DTLS_CTRL_HANDLE_TIMEOUT, 0, null)
    this.#native.ERR_clear_error()
    return result >= 0
  }

  /** Puts a close_notify among the outgoing bytes. */
  shutdown(): void {
    this.#native.ERR_clear_error()
    this.#native.SSL_shutdown(this.#ssl!)
    this.#native.ERR_clear_error()
  }

  /** Moves up to `into.length` of the bytes that are to be sent into `into`. */
  take(into: Buffer): number {
    return Math.max(0, this.#native.BIO_read(this.#outgoing, into, into.length))
  }

  free(): void {
    // The BIOs belong to the SSL since SSL_set_bio.
    if (this.#ssl !== null) this.#native.SSL_free(this.#ssl)
    this.#ssl = null
    this.#native.ERR_clear_error()
  }
}

const OPTIONS =
  SSL_OP.NO_QUERY_MTU |
  SSL_OP.COOKIE_EXCHANGE |
  SSL_OP.NO_TICKET |
  // With it OpenSSL 3.0 ends a DTLS session over any record whose MAC is wrong, so that anybody could end it.
  SSL_OP.NO_ENCRYPT_THEN_MAC |
  SSL_OP.NO_COMPRESSION |
  SSL_OP.CIPHER_SERVER_PREFERENCE |
  SSL_OP.NO_RENEGOTIATION

/** The largest plaintext of one record (RFC 6347 §4.1), hence the largest datagram a session carries. */
export const MAX_PLAINTEXT = 16_384
/** OpenSSL reads a datagram into a buffer of one record; a larger one would be taken for two. */
export const MAX_DATAGRAM = MAX_PLAINTEXT + 256

const PROTOCOLS = ['stun.turn', 'stun.nat-discovery'].map((name) => Buffer.from(name))

// OpenSSL copies out of it before the call returns, so one serves every connection of the thread.
const scratch = Buffer.alloc(MAX_DATAGRAM)

function useCertificates(native: Native, context: Pointer, chain: Buffer): void {
  const bio = native.BIO_new(native.BIO_s_mem())
  native.BIO_write(bio, chain, chain.length)
  for (let index = 0; ; index++) {
    const certificate = native.PEM_read_bio_X509(bio, null, null, null)
    if (certificate === null) break
    if (index === 0) {
      const used = native.SSL_CTX_use_certificate(context, certificate)
      native.X509_free(certificate)
      if (used !== 1) {
        native.BIO_free(bio)
        throw new DtlsIdentityError(`the certificate cannot be used: ${errorText(native)}`)
      }
    } else native.SSL_CTX_ctrl(context, SSL_CTRL_EXTRA_CHAIN_CERT, 0, certificate) // takes it over
  }
  native.BIO_free(bio)
  native.ERR_clear_error() // the last read ends with "no start line"
}

function useKey(native: Native, context: Pointer, pem: Buffer): void {
  const bio = native.BIO_new(native.BIO_s_mem())
  native.BIO_write(bio, pem, pem.length)
  pem.fill(0)
  const key = native.PEM_read_bio_PrivateKey(bio, null, null, null)
  native.BIO_free(bio)
  const used = key === null ? 0 : native.SSL_CTX_use_PrivateKey(context, key)
  if (key !== null) native.EVP_PKEY_free(key)
  if (used !== 1) throw new DtlsIdentityError(`the private key cannot be used: ${errorText(native)}`)
}

/** RFC 7443: the first protocol of ours in the client's list; null leaves the extension unanswered. */
function knownProtocol(offers: Buffer): { start: number; length: number } | null {
  for (let at = 0; at < offers.length; at += 1 + offers[at]!) {
    const name = offers.subarray(at + 1, at + 1 + offers[at]!)
    if (PROTOCOLS.some((protocol) => protocol.equals(name))) return { start: at + 1, length: name.length }
  }
  return null
}
