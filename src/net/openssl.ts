import type { TypeObject } from 'koffi'
import { type Koffi, loadKoffi, NO_KOFFI } from './koffi.ts'

// The DTLS server of the OpenSSL 3 that node itself is built on, called through koffi: its symbols are here, their use in
// dtls-connection.ts. Nobody else touches native memory. Every call runs on the calling thread, so the thread's OpenSSL error queue is shared with
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

/** An address in native memory. */
export type Pointer = bigint

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
export type Native = {
  readonly [Name in keyof typeof DEFINITIONS]: (
    ...args: Argument[]
  ) => Name extends ReturnsPointer ? Pointer | null : Name extends ReturnsText ? string | null : number
}

export interface OpenSsl {
  readonly koffi: Koffi
  readonly native: Native
  readonly types: Record<'bake' | 'accept' | 'selectProtocol', TypeObject>
  /** DTLSv1_listen wants a place for the client's address; a memory BIO has none to write there. */
  readonly anyAddress: Pointer
}

let support: DtlsSupport | null = null
let library: OpenSsl | null = null

/** koffi and the functions; throws where `dtlsSupport()` says no. */
export function openssl(): OpenSsl {
  const answer = dtlsSupport()
  if (!answer.available) throw new Error(`DTLS is not available: ${answer.reason}`)
  return library!
}

function probe(): DtlsSupport {
  const openssl = process.versions.openssl ?? ''
  if (!/^3\./.test(openssl))
    return { available: false, reason: `needs OpenSSL 3 inside node, which has ${openssl || 'none'}` }
  const koffi = loadKoffi()
  if (koffi === null) return { available: false, reason: NO_KOFFI }
  try {
    const symbols = koffi.load(null)
    const entries = Object.entries(DEFINITIONS).map(([name, definition]) => [name, symbols.func(definition)])
    const native = Object.fromEntries(entries) as Native
    const callback = (result: string, ...args: string[]) => koffi.pointer(koffi.proto(result, args))
    const types = {
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

/** Takes the oldest error out of the queue and empties it. */
export function errorText(native: Native): string {
  const code = native.ERR_get_error()
  native.ERR_clear_error()
  return code === 0 ? 'no reason given' : (native.ERR_reason_error_string(code) ?? 'unknown reason')
}
