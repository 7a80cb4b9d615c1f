import type { MessagePort } from 'node:worker_threads'
import type { Session } from '../net/session.ts'
import type { ErrorCount } from '../net/socket-errors.ts'
import type { StreamLimits } from '../net/stream/connection.ts'
import type { HttpOptions } from '../net/stream/http-answer.ts'
import type { StreamListener } from '../net/stream/listeners.ts'
import type { SharedPlaces } from '../net/stream/places.ts'
import type { TlsOptions } from '../net/stream/tls-context.ts'
import type { FromMover, ToMover } from './handovers.ts'
import type { PortMessage } from './shared-ports.ts'

/** Everything that a relay worker is told when it begins; values that can be copied to another thread. */
export interface RelayWorkerData {
  /** What its TURN server is told (`TurnPlan`, of which this layer knows nothing). */
  readonly plan: unknown
  /** Its DTLS (`DtlsPlan`); null for none. */
  readonly dtls: unknown
  /** Which of all the threads it is, counted from 0. */
  readonly thread: number
  /** Whether a client's next 5-tuple may come to another thread. */
  readonly hasOthers: boolean
  /** Bound UDP descriptors, which stay the main thread's. */
  readonly listeners: readonly number[]
  /** Its TCP and TLS; null for none. */
  readonly streams: WorkerStreams | null
  readonly wakeUp: number
  readonly bufferSize: number
  readonly draining: boolean
  readonly logLevel: string
  /** What it logs (LineQueue). */
  readonly lines: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  /** By place, one more than each descriptor that the worker has open: whoever outlives it closes them. */
  readonly descriptors: SharedArrayBuffer
  readonly control: MessagePort
}

/** What one thread serves TCP and TLS clients with; the descriptors stay the main thread's. */
export interface WorkerStreams extends StreamsPlan {
  readonly listeners: readonly StreamListener[]
  /** Of all threads. */
  readonly places: SharedPlaces
}

/** What all threads serve TCP and TLS clients with, in values that can be copied to them. */
export interface StreamsPlan {
  readonly limits: StreamLimits
  readonly http: HttpOptions
  readonly tls: TlsOptions | null
}

export type ToWorker =
  | PortMessage
  | ToMover
  | { readonly kind: 'listen'; readonly fd: number }
  /** All threads have been told of a reservation. */
  | { readonly kind: 'announced'; readonly token: string }
  | { readonly kind: 'peers'; readonly peers: unknown }
  | { readonly kind: 'dtls'; readonly identity: unknown }
  | { readonly kind: 'tls'; readonly tls: TlsOptions | null }
  | { readonly kind: 'drain'; readonly on: boolean }
  | { readonly kind: 'sessions'; readonly id: number }
  | { readonly kind: 'close' }

export type FromWorker =
  | PortMessage
  | FromMover
  | { readonly kind: 'ready' }
  /** There are lines to write. */
  | { readonly kind: 'lines' }
  | { readonly kind: 'errors'; readonly news: readonly ErrorCount[] }
  | { readonly kind: 'sessions'; readonly id: number; readonly sessions: readonly Session[] }
