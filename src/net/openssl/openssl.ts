import { bind, type Koffi, loadKoffi, NO_KOFFI } from '../linux/koffi.ts'

// The one file that reaches the OpenSSL 3 that node itself is built on: its functions and numbers are here, and what touches its
// memory. Every call runs on the calling thread, so the thread's OpenSSL error queue is shared with node's own TLS and crypto:
// it is emptied before each call that reads it and after each one that may fill it.

/** Whether this process can serve DTLS, and if not, the reason in an operator's words. */
export type DtlsSupport =
  | { readonly available: true; readonly openssl: string }
  | { readonly available: false; readonly reason: string }

/** Loads koffi and looks for every OpenSSL function that DTLS needs; the answer is worked out once. */
export function dtlsSupport(): DtlsSupport {
  support ??= probe()
  return support
}

/** An address in native memory. */
export type Pointer = bigint

const DTLS_PROTOTYPES = {
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
  DTLS_client_method: 'void *DTLS_client_method()',
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
  SSL_connect: 'int SSL_connect(void *ssl)',
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
  | 'DTLS_client_method'
  | 'SSL_CTX_new'
  | 'SSL_new'
  | 'SSL_get_current_cipher'
type ReturnsText = 'ERR_reason_error_string' | 'SSL_CIPHER_get_name'
export type Native = {
  readonly [Name in keyof typeof DTLS_PROTOTYPES]: (
    ...args: Argument[]
  ) => Name extends ReturnsPointer ? Pointer | null : Name extends ReturnsText ? string | null : number
}

export interface OpenSsl {
  readonly native: Native
  /** DTLSv1_listen wants a place for the client's address; a memory BIO has none to write there. */
  readonly anyAddress: Pointer
  /** Lets OpenSSL call functions, until `release`. */
  register(questions: HelloQuestions): HelloCallbacks
}

/** What OpenSSL asks while it looks at a ClientHello. */
export interface HelloQuestions {
  bakeCookie(): Buffer
  acceptsCookie(cookie: Buffer): boolean
  /** Where in the list of ALPN (RFC 7301 §3.1) the name lies that is chosen; null leaves the extension unanswered. */
  chooseProtocol(offers: Buffer): { start: number; length: number } | null
}

/** The same as functions in native memory. */
export interface HelloCallbacks {
  readonly bakeCookie: Pointer
  readonly acceptsCookie: Pointer
  readonly chooseProtocol: Pointer
  release(): void
}

let support: DtlsSupport | null = null
let library: OpenSsl | null = null

/** The functions; throws where `dtlsSupport()` says no. */
export function openssl(): OpenSsl {
  const answer = dtlsSupport()
  if (!answer.available) throw new Error(`DTLS is not available: ${answer.reason}`)
  return library!
}

function probe(): DtlsSupport {
  const openssl = process.versions.openssl ?? ''
  if (!isVersion3(openssl))
    return { available: false, reason: `needs OpenSSL 3 inside node, which has ${openssl || 'none'}` }
  const koffi = loadKoffi()
  if (koffi === null) return { available: false, reason: NO_KOFFI }
  try {
    const native = bind<Native>(koffi, DTLS_PROTOTYPES)
    library = { native, anyAddress: native.BIO_ADDR_new()!, register: registrar(koffi) }
    return { available: true, openssl }
  } catch (error) {
    return { available: false, reason: `this node does not export its OpenSSL: ${(error as Error).message}` }
  }
}

function isVersion3(openssl: string | undefined): boolean {
  return openssl?.startsWith('3.') ?? false
}

function registrar(koffi: Koffi): OpenSsl['register'] {
  const callback = (result: string, ...args: string[]) => koffi.pointer(koffi.proto(result, args))
  const types = {
    bake: callback('int', 'void *', 'void *', 'void *'),
    accept: callback('int', 'void *', 'void *', 'uint'),
    choose: callback('int', 'void *', 'void *', 'void *', 'void *', 'uint', 'void *'),
  }
  const copy = (at: Pointer, length: number) => Buffer.from(koffi.decode(at, 'uint8_t', length) as Uint8Array)
  return ({ bakeCookie, acceptsCookie, chooseProtocol }) => {
    const bake = (_ssl: Pointer, cookie: Pointer, length: Pointer): number => {
      const baked = bakeCookie()
      koffi.encode(cookie, 'uint8_t', baked, baked.length)
      koffi.encode(length, 'uint', baked.length)
      return 1
    }
    const accept = (_ssl: Pointer, cookie: Pointer, length: number): number =>
      acceptsCookie(copy(cookie, length)) ? 1 : 0
    const choose = (_ssl: Pointer, out: Pointer, outLength: Pointer, offers: Pointer, length: number): number => {
      const chosen = chooseProtocol(copy(offers, length))
      if (chosen === null) return SSL_TLSEXT_ERR_NOACK
      koffi.encode(out, 'void *', offers + BigInt(chosen.start))
      koffi.encode(outLength, 'uint8_t', chosen.length)
      return SSL_TLSEXT_ERR_OK
    }
    const pointers = [
      koffi.register(bake, types.bake),
      koffi.register(accept, types.accept),
      koffi.register(choose, types.choose),
    ] as const
    const release = () => {
      for (const pointer of pointers) koffi.unregister(pointer)
    }
    return { bakeCookie: pointers[0], acceptsCookie: pointers[1], chooseProtocol: pointers[2], release }
  }
}

/** Takes the oldest error out of the queue and empties it. */
export function errorText(native: Native): string {
  const code = native.ERR_get_error()
  native.ERR_clear_error()
  return code === 0 ? 'no reason given' : (native.ERR_reason_error_string(code) ?? 'unknown reason')
}

const HMAC_PROTOTYPES = {
  EVP_MD_fetch: 'void *EVP_MD_fetch(void *library, str name, str properties)',
  HMAC_CTX_new: 'void *HMAC_CTX_new()',
  HMAC_Init_ex: 'int HMAC_Init_ex(void *context, void *key, int length, void *digest, void *engine)',
  HMAC_Update: 'int HMAC_Update(void *context, void *bytes, size_t length)',
  HMAC_Final: 'int HMAC_Final(void *context, void *out, void *length)',
} as const

export type HmacNative = {
  readonly [Name in keyof typeof HMAC_PROTOTYPES]: (...args: (Buffer | string | number | null)[]) => number
}

/** The functions that make HMACs; null where they cannot be had. Throws where node does not export them. */
export function hmacFunctions(): HmacNative | null {
  const koffi = loadKoffi()
  return koffi !== null && isVersion3(process.versions.openssl) ? bind<HmacNative>(koffi, HMAC_PROTOTYPES) : null
}

export const SSL_CTRL_SET_MTU = 17
export const SSL_CTRL_EXTRA_CHAIN_CERT = 14
export const SSL_CTRL_SET_SESS_CACHE_MODE = 44
export const SSL_CTRL_SET_GROUPS_LIST = 92
export const SSL_CTRL_SET_MIN_PROTO_VERSION = 123
export const DTLS_CTRL_HANDLE_TIMEOUT = 74
export const BIO_CTRL_RESET = 1
export const BIO_CTRL_PENDING = 10
export const SSL_SESS_CACHE_OFF = 0
export const DTLS1_2_VERSION = 0xfefd
export const SSL_ERROR_WANT_READ = 2
export const SSL_ERROR_WANT_WRITE = 3
export const SSL_ERROR_ZERO_RETURN = 6
const SSL_TLSEXT_ERR_OK = 0
const SSL_TLSEXT_ERR_NOACK = 3
export const SSL_OP = {
  NO_QUERY_MTU: 0x1000,
  COOKIE_EXCHANGE: 0x2000,
  NO_TICKET: 0x4000,
  NO_COMPRESSION: 0x20000,
  NO_ENCRYPT_THEN_MAC: 0x80000,
  CIPHER_SERVER_PREFERENCE: 0x400000,
  NO_RENEGOTIATION: 0x40000000,
} as const
