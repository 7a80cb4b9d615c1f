import type { ErrorCount } from '../net/socket-errors.ts'
import type { Rooms } from '../rooms/rooms.ts'
import type { Hub } from '../signaling/hub.ts'
import type { TurnReadings } from '../threads/shared-counters.ts'

/** The parts that metrics read; null for what does not run. */
export interface MetricSources {
  readonly turn: TurnSource | null
  readonly web: WebSource | null
  readonly hub: Pick<Hub, 'connections' | 'counters'> | null
  /** Of HTTP. */
  readonly errors: { readonly entries: readonly ErrorCount[] } | null
  readonly log: { readonly output: { readonly dropped: number } } | null
  readonly reloads: ReloadHealth | null
}

/** What relays. */
interface TurnSource {
  readonly isDraining: boolean
  /** The database of accounts; null without one. */
  readonly accounts: {
    readonly isUp: boolean
    readonly counters: { readonly failures: number; readonly unusable: number }
  } | null
  /** Null where the main thread relays. */
  readonly workers: {
    readonly size: number
    readonly deaths: { readonly total: number }
    readonly droppedLines: { readonly total: number }
  } | null
  readonly socketErrors: readonly ErrorCount[]
  readings(): TurnReadings
}

/** What serves HTTP and signaling. */
interface WebSource {
  readonly rooms: Pick<Rooms, 'readings'>
  /** What WebSockets have not read. */
  readonly unread: { readonly bytes: number }
  /** By kind and reason. */
  refused(): Readonly<Record<string, object>>
  /** By limit. */
  readonly limited: Readonly<Record<string, number>>
}

/** How the last attempt to read the configuration again has ended. */
export interface ReloadHealth {
  isGood: boolean
  /** Wall clock, milliseconds: when what is in force was read. */
  goodAt: number
}

/** The sources at one scrape: what all relay threads have counted is added up once for all metrics. */
export interface Scrape extends MetricSources {
  readonly readings: TurnReadings | null
}
