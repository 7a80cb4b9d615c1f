import { createRequire } from 'node:module'
import type koffiModule from 'koffi'
import type { TypeObject } from 'koffi'
import { type DtlsIdentity, DtlsIdentityError, parseIdentity } from './dtls-identity.ts'

// The DTLS server of the OpenSSL 3 that node itself is built on, called through koffi. This is the only file that knows
// native symbols and pointers. Every call runs on the calling thread, so the thread's OpenSSL error queue is shared with
// node's own TLS and crypto: it is emptied before each call that reads it and after each one that may fill it.

/** Whether this process can serve DTLS, and if not, the reason in an operator's words. */
export type DtlsSupport =
  | { readonly available: true; readonly openssl: string }
  | { readonly available: false; readonly reason: string }

/** Loads koffi and looks for every OpenSSL function that DTLS needs; the answer is worked out once. */
export function dtlsSupport(): DtlsSupport {
  support ??= probe()
  return support
}

/** The stateless cookie of RFC 6347 §4.2.1 for the client whose datagram is being looked at. */
export interface CookieJar {
  bake(): Buffer
  accepts(cookie: Buffer): boolean
}

export const COOKIE_LENGTH = 20

/** What `DtlsConnection.read` answers when there is no datagram to hand over. */
export const NOTHING = 0
export const CLOSED = -1
export const FAILED = -2

/** The JavaScript functions that OpenSSL calls while it looks at a ClientHello; they must outlive every connection. */
export class DtlsCallbacks {
  readonly pointers: readonly [bake: Pointer, accept: Pointer, selectProtocol: Pointer]
  readonly #koffi: Koffi
  #registered = true

  constructor(jar: CookieJar) {
    const { koffi, types } = loaded()
    this.#koffi = koffi
    const bake = (_ssl: Pointer, cookie: Pointer, length: Pointer): number => {
      koffi.encode(cookie, types.cookie, jar.bake())
      koffi.encode(length, 'uint', COOKIE_LENGTH)
      return 1
    }
    const accept = (_ssl: Pointer, cookie: Pointer, length: number): number =>
      length === COOKIE_LENGTH && jar.accepts(Buffer.from(koffi.decode(cookie, types.cookie) as Uint8Array)) ? 1 : 0
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
    const native = loaded().native
    const { chain, key } = parseIdentity(identity)
    const context = native.SSL_CTX_new(native.DTLS_server_method())
    if (context === null) throw new DtlsIdentityError(`OpenSSL has no room for a context: ${errorText(native)}`)
    this.#native = native
    this.#context = context
    try {
      native.ERR_clear_error()
      native.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, DTLS1_2_VERSION, null)
      native.SSL_CTX_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null)
      // Bounds what a client can make us keep of messages that it sends out of order; we ask for no certificate anyway.
      native.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_CERT_LIST, MAX_PLAINTEXT, null)
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
    const native = loaded().native
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
    const verified = native.DTLSv1_listen(this.#ssl!, loaded().anyAddress) === 1
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

type Koffi = typeof koffiModule
type Pointer = bigint

const SSL_CTRL_SET_MTU = 17
const SSL_CTRL_EXTRA_CHAIN_CERT = 14
const SSL_CTRL_SET_SESS_CACHE_MODE = 44
const SSL_CTRL_SET_MAX_CERT_LIST = 51
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

const DEFINITIONS = {
  ERR_clear_error: 'void ERR_clear_error()',
  ERR_get_error: 'ulong ERR_get_error()',
  ERR_reason_error_string: 'str ERR_reason_error_string(ulong code)',
  BIO_s_mem: 'void *BIO_s_mem()',
  BIO_new: 'void *BIO_new(void *method)',
  BIO_free: 'int BIO_free(void *bio)',
  BIO_write: 'int BIO_write(void *bio, void *bytes, int length)',
  BIO_read: 'int BIO_read(void *bio, void *bytes, int length)',
  BIO_ctrl: 'long BIO_ctrl(void *bio, int command, long number, void *argument)',
  BIO_ADDR_new: 'void *BIO_ADDR_new()',
  PEM_read_bio_X509: 'void *PEM_read_bio_X509(void *bio, void *out, void *callback, void *argument)',
  X509_free: 'void X509_free(void *certificate)',
  PEM_read_bio_PrivateKey: 'void *PEM_read_bio_PrivateKey(void *bio, void *out, void *callback, void *argument)',
  EVP_PKEY_free: 'void EVP_PKEY_free(void *key)',
  DTLS_server_method: 'void *DTLS_server_method()',
  DTLSv1_listen: 'int DTLSv1_listen(void *ssl, void *address)',
  SSL_CTX_new: 'void *SSL_CTX_new(void *method)',
  SSL_CTX_free: 'void SSL_CTX_free(void *context)',
  SSL_CTX_ctrl: 'long SSL_CTX_ctrl(void *context, int command, long number, void *argument)',
  SSL_CTX_set_options: 'uint64_t SSL_CTX_set_options(void *context, uint64_t options)',
  SSL_CTX_set_cipher_list: 'int SSL_CTX_set_cipher_list(void *context, str list)',
  SSL_CTX_use_certificate: 'int SSL_CTX_use_certificate(void *context, void *certificate)',
  SSL_CTX_use_PrivateKey: 'int SSL_CTX_use_PrivateKey(void *context, void *key)',
  SSL_CTX_set_cookie_generate_cb: 'void SSL_CTX_set_cookie_generate_cb(void *context, void *callback)',
  SSL_CTX_set_cookie_verify_cb: 'void SSL_CTX_set_cookie_verify_cb(void *context, void *callback)',
  SSL_CTX_set_alpn_select_cb: 'void SSL_CTX_set_alpn_select_cb(void *context, void *callback, void *argument)',
  SSL_new: 'void *SSL_new(void *context)',
  SSL_free: 'void SSL_free(void *ssl)',
  SSL_set_bio: 'void SSL_set_bio(void *ssl, void *incoming, void *outgoing)',
  SSL_ctrl: 'long SSL_ctrl(void *ssl, int command, long number, void *argument)',
  SSL_accept: 'int SSL_accept(void *ssl)',
  SSL_read: 'int SSL_read(void *ssl, void *bytes, int length)',
  SSL_write: 'int SSL_write(void *ssl, void *bytes, int length)',
  SSL_shutdown: 'int SSL_shutdown(void *ssl)',
  SSL_get_current_cipher: 'void *SSL_get_current_cipher(void *ssl)',
  SSL_CIPHER_get_name: 'str SSL_CIPHER_get_name(void *cipher)',
  SSL_get_error: 'int SSL_get_error(void *ssl, int result)',
} as const

type Argument = Pointer | Buffer | string | number | null
type ReturnsPointer =
  | 'BIO_s_mem'
  | 'BIO_new'
  | 'BIO_ADDR_new'
  | 'PEM_read_bio_X509'
  | 'PEM_read_bio_PrivateKey'
  | 'DTLS_server_method'
  | 'SSL_CTX_new'
  | 'SSL_new'
  | 'SSL_get_current_cipher'
type ReturnsText = 'ERR_reason_error_string' | 'SSL_CIPHER_get_name'
type Native = {
  readonly [Name in keyof typeof DEFINITIONS]: (
    ...args: Argument[]
  ) => Name extends ReturnsPointer ? Pointer | null : Name extends ReturnsText ? string | null : number
}

interface Loaded {
  readonly koffi: Koffi
  readonly native: Native
  readonly types: Record<'cookie' | 'bake' | 'accept' | 'selectProtocol', TypeObject>
  /** DTLSv1_listen wants a place for the client's address; a memory BIO has none to write there. */
  readonly anyAddress: Pointer
}

let support: DtlsSupport | null = null
let library: Loaded | null = null

function loaded(): Loaded {
  const answer = dtlsSupport()
  if (!answer.available) throw new Error(`DTLS is not available: ${answer.reason}`)
  return library!
}

function probe(): DtlsSupport {
  const openssl = process.versions.openssl ?? ''
  if (!/^3\./.test(openssl))
    return { available: false, reason: `needs OpenSSL 3 inside node, which has ${openssl || 'none'}` }
  let koffi: Koffi
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return { available: false, reason: 'the optional package koffi is not installed or has no binary for this machine' }
  }
  try {
    const symbols = koffi.load(null)
    const entries = Object.entries(DEFINITIONS).map(([name, definition]) => [name, symbols.func(definition)])
    const native = Object.fromEntries(entries) as Native
    const callback = (result: string, ...args: string[]) => koffi.pointer(koffi.proto(result, args))
    const types = {
      cookie: koffi.array('uint8_t', COOKIE_LENGTH),
      bake: callback('int', 'void *', 'void *', 'void *'),
      accept: callback('int', 'void *', 'void *', 'uint'),
      selectProtocol: callback('int', 'void *', 'void *', 'void *', 'void *', 'uint', 'void *'),
    }
    library = { koffi, native, types, anyAddress: native.BIO_ADDR_new()! }
    return { available: true, openssl }
  } catch (error) {
    return { available: false, reason: `this node does not export its OpenSSL: ${(error as Error).message}` }
  }
}

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

/** Takes the oldest error out of the queue and empties it. */
function errorText(native: Native): string {
  const code = native.ERR_get_error()
  native.ERR_clear_error()
  return code === 0 ? 'no reason given' : (native.ERR_reason_error_string(code) ?? 'unknown reason')
}

/** RFC 7443: the first protocol of ours in the client's list; null leaves the extension unanswered. */
function knownProtocol(offers: Buffer): { start: number; length: number } | null {
  for (let at = 0; at < offers.length; at += 1 + offers[at]!) {
    const name = offers.subarray(at + 1, at + 1 + offers[at]!)
    if (PROTOCOLS.some((protocol) => protocol.equals(name))) return { start: at + 1, length: name.length }
  }
  return null
}
