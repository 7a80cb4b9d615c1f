import type { BoundAddress } from '../../net/listen/bound-address.ts'
import type { ListenChange, Wanted } from '../../net/listen/listen-change.ts'
import type { PortableTurn } from '../../net/portable-turn.ts'
import type { SocketKind } from '../../net/socket-errors.ts'
import type { StreamLimits } from '../../net/stream/options.ts'
import type { TlsOptions } from '../../net/stream/tls-context.ts'
import type { Address } from '../../stun/address.ts'
import type { EndedSessions } from '../../threads/ended-sessions.ts'
import type { RelayThreads } from '../../threads/relay-threads.ts'
import type { TurnReadings } from '../../threads/shared-counters.ts'
import type { PortMemory } from '../../turn/relay-addresses/relay-ports.ts'
import type { SessionsAnswer, SessionsQuestion } from '../../turn/sessions/sessions.ts'
import type { NetPlan } from '../plan/net-options.ts'
import type { TurnPlan } from '../plan/turn-plan.ts'
import type { DtlsPlan } from './dtls.ts'

/** Who is told of sessions that are over, and which thread relayed them. */
export interface EndsListener {
  ended(news: EndedSessions, thread: number): void
  /** With the allocations that were relayed by these addresses, of which it told nobody. */
  died(relays: readonly Address[], thread: number): void
}

/** What relays: this thread, or several of their own. */
export interface Relaying {
  /** Null where there are workers. */
  readonly here: PortableTurn | null
  /** Null where this thread relays. */
  readonly workers: RelayThreads | null
  /** What is listened on once it has started. */
  readonly addresses: readonly BoundAddress[]
  /** Opens everything or nothing; throws ListenError for the first address that cannot be had. */
  start(): Promise<void>
  /**
   * Goes by another plan and other limits of connections; what was granted under the old ones stays, but for the peer rules.
   * Answers once every thread that relays goes by it, and false when one of them has not said so.
   */
  apply(plan: TurnPlan, ports: PortMemory, limits: StreamLimits): Promise<boolean>
  /** Listens elsewhere than now. Throws ListenError, and changes nothing, for the first that cannot be had. */
  prepare(endpoints: Pick<NetPlan, 'udp' | 'streams'>, wanted: Wanted): Promise<ListenChange>
  /** New handshakes go by these; null for what is not served, or stays as it is. Throws, and keeps the old, when they are bad. */
  reload(tls: TlsOptions | null, dtls: DtlsPlan | null): void
  /** Of threads that have a log of their own. */
  setLogLevel(level: string): void
  drain(on: boolean): void
  /** How many have sessions: `thread` below is less. */
  readonly threads: number
  /** Asks one of them about its sessions; `gone` when it has died, `late` when it does not answer in time. */
  sessions(thread: number, question: SessionsQuestion): Promise<SessionsAnswer | 'late' | 'gone'>
  /** Of all threads together. */
  readings(): TurnReadings
  readonly socketErrors: readonly (readonly [SocketKind, string, number])[]
  close(): Promise<void>
}
