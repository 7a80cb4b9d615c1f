import { X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { Config } from '../config/options.ts'
import type { ProcessLog } from '../log.ts'
import type { ReloadHealth } from '../metrics/sources.ts'
import type { OperatedServer } from '../operator/operations.ts'
import type {
  CertificateReport,
  ListenerReport,
  LogLevel,
  ReloadReport,
  ServerReport,
  TurnReport,
} from '../operator/reports.ts'
import { bracketed } from './addresses.ts'
import type { CertificateFiles } from './certificate.ts'
import type { RunningTurn } from './turn.ts'
import type { RunningWeb } from './web/web.ts'

/** The parts of the running server, and what is in force. */
export interface OperatedParts {
  readonly turn: RunningTurn | null
  readonly web: RunningWeb | null
  metrics(): AddressInfo | null
  readonly reloads: ReloadHealth
  readonly log: ProcessLog
  config(): Config
  files(): CertificateFiles | null
  /** Why new calls are not welcome; null when they are. */
  unready(): string | null
  reload(): Promise<ReloadReport>
  drain(on: boolean): void
}

/** The running server as an operator's verbs see it. */
export function operated(parts: OperatedParts): OperatedServer {
  const { turn, web, log, reloads } = parts
  const startedAt = Date.now()
  return {
    sessions: turn,
    rooms: web?.rooms ?? null,
    report: (): ServerReport => ({
      version: __VERSION__,
      node: process.versions.node,
      pid: process.pid,
      startedAt: new Date(startedAt).toISOString(),
      uptimeSeconds: Math.floor(process.uptime()),
      ready: parts.unready() === null,
      unreadyBecause: parts.unready(),
      listeners: listeners(parts),
      turn: turn && turnReport(turn),
      rooms: web && {
        open: web.rooms.readings.rooms,
        webSockets: web.hub.connections,
        registered: web.hub.counters.openSockets,
      },
      lastReload: { isGood: reloads.isGood, configurationReadAt: new Date(reloads.goodAt).toISOString() },
    }),
    reload: () => parts.reload(),
    drain: (on) => parts.drain(on),
    get logLevel() {
      return log.level === 'warn' ? 'warning' : (log.level as LogLevel)
    },
    set logLevel(level) {
      const ours = level === 'warning' ? 'warn' : level
      log.info({ level }, 'the operator changes the log level')
      log.setLevel(ours)
      turn?.setLogLevel(ours)
    },
    certificates: () => certificates(parts),
    wallClock: Date.now,
  }
}

function listeners({ turn, web, metrics }: OperatedParts): ListenerReport[] {
  const http = [
    ['HTTP', web?.http],
    ['HTTPS', web?.https],
    ['Collider', web?.collider],
    ['metrics', metrics()],
  ] as const
  return [
    ...(turn?.bound ?? []).map(({ transport, address }) => {
      return { service: 'TURN', transport, address: address.toString() } as const
    }),
    ...http.flatMap(([service, at]) => (at ? [{ service, transport: 'tcp', address: shown(at) } as const] : [])),
  ]
}

function shown({ address, port }: AddressInfo): string {
  return `${bracketed(address)}:${port}`
}

function turnReport({ readings, workers }: RunningTurn): TurnReport {
  const { turn, net, allocations } = readings()
  const { toPeerPackets, toPeerBytes, toClientPackets, toClientBytes, allocationsCreated, endedBy, errors } = turn
  return {
    relayThreads: workers?.size ?? 0,
    threadDeaths: workers?.deaths.total ?? 0,
    allocations,
    allocationsCreated,
    allocationsEnded: endedBy,
    toPeerPackets,
    toPeerBytes,
    toClientPackets,
    toClientBytes,
    refused: Object.fromEntries([...errors].filter(([, count]) => count > 0).toSorted(([one], [other]) => one - other)),
    dropped: Object.fromEntries(Object.entries({ ...turn.dropped, ...net.dropped }).filter(([, count]) => count > 0)),
  }
}

const DAY_MS = 86_400_000

function certificates(parts: OperatedParts): CertificateReport[] {
  const files = parts.files()
  if (files === null) return []
  const certificate = new X509Certificate(files.cert)
  const [validFrom, validTo] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
  return [
    {
      file: files.selfSigned ? null : parts.config().cert,
      names: namesOf(certificate),
      issuer: certificate.issuer.replaceAll('\n', ', '),
      isSelfSigned: certificate.issuer === certificate.subject,
      validFrom: validFrom.toISOString(),
      validTo: validTo.toISOString(),
      daysLeft: Math.floor((validTo.getTime() - Date.now()) / DAY_MS),
      fingerprint: certificate.fingerprint256,
      listeners: servedBy(parts),
    },
  ]
}

/** Its subjectAltName, or where it has none its common name. */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  if (subjectAltName !== undefined)
    return subjectAltName.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''))
  return [...subject.matchAll(/^CN=(.*)$/gm)].map(([, name]) => name!)
}

function servedBy({ turn, web }: OperatedParts): string[] {
  const { tls, dtls } = turn?.ports ?? { tls: null, dtls: null }
  return [
    ...(web?.https ? [`HTTPS ${shown(web.https)}`] : []),
    ...(web?.collider?.tls ? [`Collider ${shown(web.collider)}`] : []),
    ...(tls === null ? [] : [`TURN over TLS on port ${tls}`]),
    ...(dtls === null ? [] : [`TURN over DTLS on port ${dtls}`]),
  ]
}
