import type { MessagePort } from 'node:worker_threads'
import type { ClientTransport } from '../turn/five-tuple.ts'
import type { PortMessage } from './shared-ports.ts'
import type { SocketKind } from './socket-errors.ts'

/** Everything that a relay worker is told when it begins; values that can be copied to another thread. */
export interface RelayWorkerData {
  /** What its TURN server is told (`TurnPlan`, of which this layer knows nothing). */
  readonly plan: unknown
  /** Its DTLS (`DtlsPlan`); null for none. */
  readonly dtls: unknown
  /** Which of all the threads it is; the main thread is 0. */
  readonly thread: number
  /** Whether a quota has to be asked for each allocation. */
  readonly hasQuota: boolean
  /** Bound descriptors, which stay the main thread's. */
  readonly listeners: readonly number[]
  readonly wakeUp: number
  readonly bufferSize: number
  readonly draining: boolean
  readonly logLevel: string
  readonly counters: SharedArrayBuffer
  /** By place, one more than each descriptor that the worker has open: whoever outlives it closes them. */
  readonly descriptors: SharedArrayBuffer
  readonly control: MessagePort
}

/** One line per allocation. */
export interface Session {
  readonly transport: ClientTransport
  readonly client: string
  readonly username: string
  readonly relays: readonly string[]
  readonly ageSeconds: number
  readonly expiresInSeconds: number
  readonly permissions: number
  readonly channels: number
  readonly toPeerPackets: number
  readonly toPeerBytes: number
  readonly toClientPackets: number
  readonly toClientBytes: number
}

export type ToWorker =
  | PortMessage
  | { readonly kind: 'listen'; readonly fd: number }
  | { readonly kind: 'verdict'; readonly id: number; readonly granted: boolean }
  | { readonly kind: 'peers'; readonly peers: unknown }
  | { readonly kind: 'dtls'; readonly identity: unknown }
  | { readonly kind: 'drain'; readonly on: boolean }
  | { readonly kind: 'sessions'; readonly id: number }
  | { readonly kind: 'close' }

export type FromWorker =
  | PortMessage
  | { readonly kind: 'ready' }
  | { readonly kind: 'ask'; readonly id: number; readonly user: string; readonly places: number }
  | { readonly kind: 'give'; readonly user: string; readonly places: number }
  | {
      readonly kind: 'log'
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly fields: object
      readonly message: string
    }
  | { readonly kind: 'errors'; readonly counts: readonly [SocketKind, string, number][] }
  | { readonly kind: 'sessions'; readonly id: number; readonly sessions: readonly Session[] }
