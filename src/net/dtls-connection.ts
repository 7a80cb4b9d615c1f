import { COOKIE_LENGTH } from './dtls-cookie.ts'
import { type DtlsIdentity, DtlsIdentityError, parseIdentity } from './dtls-identity.ts'
import { errorText, type Native, type OpenSsl, openssl, type Pointer } from './openssl.ts'

/** The stateless cookie of RFC 6347 §4.2.1 for the client whose datagram is being looked at. */
interface CookieJar {
  bake(): Buffer
  accepts(cookie: Buffer): boolean
}

/** What `DtlsConnection.read` answers when there is no datagram to hand over. */
const NOTHING = 0
export const CLOSED = -1
export const FAILED = -2

/** The JavaScript functions that OpenSSL calls while it looks at a ClientHello; they must outlive every connection. */
export class DtlsCallbacks {
  readonly pointers: readonly [bake: Pointer, accept: Pointer, selectProtocol: Pointer]
  readonly #koffi: OpenSsl['koffi']
  #registered = true

  constructor(jar: CookieJar) {
    const { koffi, types } = openssl()
    const cookieBytes = koffi.array('uint8_t', COOKIE_LENGTH)
    this.#koffi = koffi
    const bake = (_ssl: Pointer, cookie: Pointer, length: Pointer): number => {
      koffi.encode(cookie, cookieBytes, jar.bake())
      koffi.encode(length, 'uint', COOKIE_LENGTH)
      return 1
    }
    const accept = (_ssl: Pointer, cookie: Pointer, length: number): number =>
      length === COOKIE_LENGTH && jar.accepts(Buffer.from(koffi.decode(cookie, cookieBytes) as Uint8Array)) ? 1 : 0
    const selectProtocol = (
      _ssl: Pointer,
      out: Pointer,
      outLength: Pointer,
      offers: Pointer,
      length: number,
    ): number => {
      const at = knownProtocol(Buffer.from(koffi.decode(offers, 'uint8_t', length) as Uint8Array))
      if (at === null) return SSL_TLSEXT_ERR_NOACK
      koffi.encode(out, 'void *', offers + BigInt(at.start))
      koffi.encode(outLength, 'uint8_t', at.length)
      return SSL_TLSEXT_ERR_OK
    }
    this.pointers = [
      koffi.register(bake, types.bake),
      koffi.register(accept, types.accept),
      koffi.register(selectProtocol, types.selectProtocol),
    ]
  }

  close(): void {
    if (!this.#registered) return
    this.#registered = false
    for (const pointer of this.pointers) this.#koffi.unregister(pointer)
  }
}

/** An SSL_CTX: certificate, key, ciphers and rules that its connections share. */
export class DtlsContext {
  readonly #native: Native
  #context: Pointer | null

  /** Throws DtlsIdentityError when certificate, key or cipher list cannot be used. */
  constructor(identity: DtlsIdentity, ciphers: string, callbacks: DtlsCallbacks) {
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
      useCertificates(native, context, chain)
      useKey(native, context, key)
      native.SSL_CTX_set_cookie_generate_cb(context, callbacks.pointers[0])
      native.SSL_CTX_set_cookie_verify_cb(context, callbacks.pointers[1])
      native.SSL_CTX_set_alpn_select_cb(context, callbacks.pointers[2], null)
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
    const native = this.#native
    native.ERR_clear_error()
    const result = native.SSL_accept(this.#ssl!)
    if (result === 1) return 'done'
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

const SSL_CTRL_SET_MTU = 17
const SSL_CTRL_EXTRA_CHAIN_CERT = 14
const SSL_CTRL_SET_SESS_CACHE_MODE = 44
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123
const DTLS_CTRL_HANDLE_TIMEOUT = 74
const BIO_CTRL_RESET = 1
const BIO_CTRL_PENDING = 10
const SSL_SESS_CACHE_OFF = 0
const DTLS1_2_VERSION = 0xfefd
const SSL_ERROR_WANT_READ = 2
const SSL_ERROR_WANT_WRITE = 3
const SSL_ERROR_ZERO_RETURN = 6
const SSL_TLSEXT_ERR_OK = 0
const SSL_TLSEXT_ERR_NOACK = 3

const SSL_OP_NO_QUERY_MTU = 0x1000
const SSL_OP_COOKIE_EXCHANGE = 0x2000
const SSL_OP_NO_TICKET = 0x4000
// With it OpenSSL 3.0 ends a DTLS session over any record whose MAC is wrong, so that anybody could end it.
const SSL_OP_NO_ENCRYPT_THEN_MAC = 0x80000
const SSL_OP_NO_COMPRESSION = 0x20000
const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000
const SSL_OP_NO_RENEGOTIATION = 0x40000000
const OPTIONS =
  SSL_OP_NO_QUERY_MTU |
  SSL_OP_COOKIE_EXCHANGE |
  SSL_OP_NO_TICKET |
  SSL_OP_NO_ENCRYPT_THEN_MAC |
  SSL_OP_NO_COMPRESSION |
  SSL_OP_CIPHER_SERVER_PREFERENCE |
  SSL_OP_NO_RENEGOTIATION

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
