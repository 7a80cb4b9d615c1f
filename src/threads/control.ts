import type { ErrorCount } from '../net/socket-errors.ts'
import type { TlsOptions } from '../net/stream/tls-context.ts'
import { subject } from './line.ts'

// What the main thread tells every relay thread, and what each says of itself.

/** A bound UDP descriptor to serve, which stays the main thread's. */
export const LISTEN = subject<{ readonly fd: number }>('listen')
/** Certificates for new TLS handshakes. */
export const TLS = subject<TlsOptions | null>('tls')
/** While true, no new allocations. */
export const DRAIN = subject<boolean>('drain')
/** The least level that is logged. */
export const LOG_LEVEL = subject<string>('log level')
/** To end everything, and itself. */
export const CLOSE = subject<null>('close')

/** It serves clients from now on. */
export const READY = subject<null>('ready')
/** Socket errors since the last time. */
export const ERRORS = subject<readonly ErrorCount[]>('errors')
/** There are lines in its queue to write. */
export const LOG_LINES = subject<null>('log lines')
