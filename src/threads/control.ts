import type { UdpListener } from '../net/listen/reuse-listeners.ts'
import type { ErrorCount } from '../net/socket-errors.ts'
import type { StreamListener } from '../net/stream/listeners.ts'
import type { TlsOptions } from '../net/stream/tls-context.ts'
import { subject } from './line.ts'

// What the main thread tells every relay thread, and what each says of itself.

/** A bound UDP descriptor to serve as this FiveTuple.listener, which stays the main thread's; also one that was to be left. */
export const LISTEN = subject<UdpListener>('listen')
/** A FiveTuple.listener that takes no new clients: the answer comes when the last one has gone, or it is to be served again. */
export const LEAVE = subject<never, number, 'left' | 'stays'>('leave')
/** A bound TCP descriptor to accept from, which stays the main thread's. */
export const LISTEN_STREAM = subject<StreamListener>('listen for streams')
/** A StreamListener.id to accept no more from. */
export const STOP_STREAM = subject<never, number, true>('stop a stream listener')
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
