import type { BoundAddress, TurnDriver } from '../net/driver.ts'
import type { DtlsIdentity } from '../net/dtls/identity.ts'
import type { SocketKind } from '../net/socket-errors.ts'
import type { TlsOptions } from '../net/stream/tls-context.ts'
import type { RelayThreads } from '../threads/relay-threads.ts'
import type { TurnReadings } from '../threads/shared-counters.ts'
import type { PeerPlan } from './plan/turn-plan.ts'

/** What relays: this thread, or several of their own. */
export interface Relaying {
  /** Null where there are workers. */
  readonly driver: TurnDriver | null
  /** Null where this thread relays. */
  readonly workers: RelayThreads | null
  /** What is listened on once it has started. */
  readonly addresses: readonly BoundAddress[]
  /** Opens everything or nothing; throws ListenError for the first address that cannot be had. */
  start(): Promise<void>
  setPeerPolicy(peers: PeerPlan): void
  /** New handshakes get these certificates; null for what is not served. Throws, and keeps the old, when they are bad. */
  reload(tls: TlsOptions | null, dtls: DtlsIdentity | null): void
  drain(on: boolean): void
  /** Of all threads together. */
  readings(): TurnReadings
  readonly socketErrors: readonly (readonly [SocketKind, string, number])[]
  close(): Promise<void>
}
