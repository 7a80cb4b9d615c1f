import type { MessagePort } from 'node:worker_threads'
import type { UdpListener } from '../net/listen/reuse-listeners.ts'
import type { HttpOptions } from '../net/stream/http-answer.ts'
import type { StreamListener } from '../net/stream/listeners.ts'
import type { StreamLimits } from '../net/stream/options.ts'
import type { SharedPlaces } from '../net/stream/places.ts'
import type { TlsOptions } from '../net/stream/tls-context.ts'

/** Everything that a relay thread is told when it begins; values that can be copied to another thread. */
export interface RelayThreadData<Plan> {
  /** What its TURN server is told, of which this layer knows nothing. */
  readonly plan: Plan
  /** Which of all the threads it is, counted from 0. */
  readonly thread: number
  /** How many there are: a client's next 5-tuple may come to any of them. */
  readonly threads: number
  /** Bound UDP descriptors, which stay the main thread's. */
  readonly listeners: readonly UdpListener[]
  /** Its TCP and TLS; null for none. */
  readonly streams: ThreadStreams | null
  readonly wakeUp: number
  readonly bufferSize: number
  readonly draining: boolean
  readonly logLevel: string
  /** What it logs (LineQueue). */
  readonly lines: SharedArrayBuffer
  readonly counters: SharedArrayBuffer
  /** By place, one more than each descriptor that the thread has open: whoever outlives it closes them. */
  readonly descriptors: SharedArrayBuffer
  /** Its end of the line to the main thread, and what both count in. */
  readonly control: MessagePort
  readonly lineMemory: SharedArrayBuffer
}

/** What one thread serves TCP and TLS clients with; the descriptors stay the main thread's. */
export interface ThreadStreams extends StreamsPlan {
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
