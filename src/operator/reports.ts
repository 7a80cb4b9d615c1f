import type { EndReason } from '../turn/end-reason.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** What the server is, has and has done. All counts are since the start. */
export interface ServerReport {
  readonly version: string
  readonly node: string
  readonly pid: number
  /** ISO 8601. */
  readonly startedAt: string
  readonly uptimeSeconds: number
  /** As /readyz says. */
  readonly ready: boolean
  /** In the words of /readyz; null when it is ready. */
  readonly unreadyBecause: string | null
  readonly listeners: readonly ListenerReport[]
  /** Null without TURN. */
  readonly turn: TurnReport | null
  /** Null without rooms and signaling. */
  readonly rooms: { readonly open: number; readonly webSockets: number; readonly registered: number } | null
  readonly lastReload: { readonly isGood: boolean; readonly configurationReadAt: string }
}

export interface ListenerReport {
  readonly service: 'TURN' | 'HTTP' | 'HTTPS' | 'Collider' | 'metrics'
  readonly transport: 'udp' | 'tcp'
  /** `IP:PORT`. */
  readonly address: string
}

export interface TurnReport {
  /** Threads that relay; 0 when the main thread does. */
  readonly relayThreads: number
  readonly threadDeaths: number
  readonly allocations: Readonly<Record<ClientTransport, number>>
  readonly allocationsCreated: number
  readonly allocationsEnded: Readonly<Record<EndReason, number>>
  readonly toPeerPackets: number
  readonly toPeerBytes: number
  readonly toClientPackets: number
  readonly toClientBytes: number
  /** Error answers by code. */
  readonly refused: Readonly<Record<string, number>>
  /** What was dropped without an answer, by reason; those that never happened are left out. */
  readonly dropped: Readonly<Record<string, number>>
}

export const LOG_LEVELS = ['debug', 'info', 'warning', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What reading the configuration again has brought. */
export type ReloadReport =
  | {
      readonly isGood: true
      /** Options whose new value is in force. */
      readonly applied: readonly string[]
      /** Options whose new value waits for a restart. */
      readonly afterRestart: readonly string[]
      readonly certificate: 'new' | 'same' | 'none'
    }
  | { readonly isGood: false; readonly problems: readonly ConfigurationProblem[] }

export interface ConfigurationProblem {
  readonly file: string | null
  readonly line: number | null
  readonly key: string | null
  readonly message: string
  readonly fix: string | null
}

/** A certificate that is served. */
export interface CertificateReport {
  /** Null for one that was made for this run. */
  readonly file: string | null
  /** DNS names and addresses that it is for. */
  readonly names: readonly string[]
  readonly issuer: string
  readonly isSelfSigned: boolean
  /** ISO 8601. */
  readonly validFrom: string
  readonly validTo: string
  /** Whole days; less than 0 when it is over. */
  readonly daysLeft: number
  /** SHA-256, as openssl shows it. */
  readonly fingerprint: string
  /** Who serves it: `HTTPS 0.0.0.0:8443`. */
  readonly listeners: readonly string[]
}
