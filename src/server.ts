import { randomBytes, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { changesBetween } from './config/changes.ts'
import { ConfigError } from './config/config-error.ts'
import type { LoadedConfig } from './config/load.ts'
import type { ProcessLog } from './log.ts'
import { Metrics } from './metrics/metrics.ts'
import type { ReloadHealth } from './metrics/sources.ts'
import { type ListenChange, together } from './net/listen/listen-change.ts'
import { ListenError } from './net/listen/listen-error.ts'
import { SocketErrors } from './net/socket-errors.ts'
import { EventQueue } from './operator/events.ts'
import { Operations } from './operator/operations.ts'
import type { ReloadReport } from './operator/reports.ts'
import { besides, haveSameHosts, turnAddresses } from './start/addresses.ts'
import { type CertificateFiles, certificate, isSame } from './start/certificate.ts'
import { atDevices } from './start/devices.ts'
import { returnMemoryOfStart } from './start/idle-memory.ts'
import { listenProblem } from './start/listen-advice.ts'
import { operated } from './start/operated.ts'
import { type OperatorListener, openOperator } from './start/operator.ts'
import { logLevel } from './start/plan/log-level.ts'
import { iceConfigOptions } from './start/plan/web-options.ts'
import { relayAdvice, relayTrouble } from './start/relay-advice.ts'
import type { EndsListener } from './start/relaying/relaying.ts'
import { summary, turnUris } from './start/summary.ts'
import { type RunningTurn, startTurn } from './start/turn.ts'
import { openMetrics } from './start/web/metrics-listener.ts'
import { type RunningWeb, startWeb } from './start/web/web.ts'
import type { Address } from './stun/address.ts'

export interface ServerWorld {
  readonly log: ProcessLog
  /** Reads the configuration again; without it, that of the start. */
  readonly load?: () => Promise<LoadedConfig>
}

export interface RunningServer {
  /** For people: addresses to open, TURN URIs, and what to mend. */
  readonly summary: string
  readonly turn: RunningTurn | null
  readonly web: RunningWeb | null
  /** Where the port of `prometheus` is. */
  readonly metrics: AddressInfo | null
  /** The socket that operators' commands come to, and the folder if it was made for it. */
  readonly operatorFiles: readonly string[]
  /** What operators can do. */
  readonly operations: Operations
  /** Stops in the reverse order of the start. */
  close(): Promise<void>
}

/** Builds the three servers from one configuration and starts them; when one cannot start, the others are closed again. */
export async function startServer(loaded: LoadedConfig, { log, load }: ServerWorld): Promise<RunningServer> {
  const { config } = loaded
  const stops: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  try {
    let addresses = turnAddresses(config)
    const files = await certificate(
      config,
      addresses.own.map(({ host }) => host),
    )
    let busyWith: string | null = 'starting'
    let served = files
    let current = loaded
    const unready = () => busyWith ?? relayTrouble(current.config, addresses) ?? accountTrouble(turn)
    const reloads: ReloadHealth = { isGood: true, goodAt: Date.now() }

    const events = new EventQueue(randomBytes(4).toString('hex'), Date.now)
    const ends: EndsListener = {
      ended: ({ sessions, lost }, thread) => {
        for (const session of sessions) events.ended(session, thread)
        events.lost(lost)
      },
      died: (relays, thread) => events.threadDied(relays.map(String), thread),
    }
    // Closed last, so that readers of events hear of what ends with the server.
    let operator: OperatorListener | null = null
    stops.push(async () => {
      events.close()
      await operator?.close()
    })

    const turn = config.turn ? await startTurn(config, addresses, files, log, ends) : null
    if (turn !== null) stops.push(() => turn.close())

    const errors = new SocketErrors(log, () => performance.now())
    const metrics = new Metrics()
    let iceConfig = iceConfigOptions(config, addresses, turn?.ports ?? null, files)
    const web =
      config.rooms || config.signaling
        ? await startWeb(config, files, {
            log,
            errors,
            iceConfig: () => iceConfig,
            unready,
            metrics: () => metrics.text(),
          })
        : null
    if (web !== null) stops.push(() => web.close())
    const metricsPort = await openMetrics(config, { metrics: () => metrics.text(), errors, unready })
    stops.push(() => metricsPort.close())

    metrics.watch({ turn, web, hub: web?.hub ?? null, errors, log, reloads })
    const ownPorts = () => {
      const services = [web?.http, web?.https, web?.collider, metricsPort.address]
      const all = [...services, ...(turn?.bound ?? []).map(({ address }) => address)]
      return all.flatMap((at) => (at == null ? [] : [at.port]))
    }
    turn?.protect(ownPorts())

    /**
     * Goes by a configuration and the addresses of now: the one way in which anything changes while the server runs. Throws, and
     * changes nothing, when something of it cannot be had.
     */
    const apply = async (next: LoadedConfig, certified: CertificateFiles | null) => {
      const wanted = atDevices(next)
      const found = turnAddresses(wanted)
      const changes: ListenChange[] = []
      try {
        if (turn !== null) changes.push(await turn.prepare(wanted, certified))
        if (web !== null) changes.push(await web.prepare(wanted, certified))
        changes.push(await metricsPort.prepare(wanted))
      } catch (error) {
        await together(changes).abort()
        throw error
      }
      addresses = found
      turn?.apply(wanted, found)
      web?.apply(wanted)
      metricsPort.apply(wanted)
      // After the rules that its clients are to meet.
      together(changes).commit()
      turn?.protect(ownPorts())
      iceConfig = iceConfigOptions(wanted, addresses, turn?.ports ?? null, certified)
    }
    /** Addresses come, go and change while the server runs. */
    const follow = async () => {
      const config = atDevices(current)
      const { own: before, absent } = addresses
      const found = turnAddresses(config)
      if (!haveSameHosts(found.own, before) || !haveSameHosts(found.absent, absent)) {
        addresses = found
        turn?.apply(config, found)
        iceConfig = iceConfigOptions(config, found, turn?.ports ?? null, served)
        const hosts = (list: readonly Address[]) => list.map(({ host }) => host)
        const [come, gone] = [hosts(besides(found.own, before)), hosts(besides(before, found.own))]
        log.info({ come, gone, uris: turnUris(config, addresses, turn) }, 'the addresses of this machine have changed')
        for (const { trouble, fix } of turn === null ? [] : relayAdvice(config, addresses))
          log.warn({}, `${trouble} ${fix}`)
      }
      // Also without a change: an IPv6 address is there before anybody may listen on it.
      await turn?.follow()
    }
    /** Goes by what has been read again. */
    const goBy = async (next: LoadedConfig): Promise<Extract<ReloadReport, { isGood: true }>> => {
      const { config, applied, afterRestart } = changesBetween(current.config, next.config)
      const renewed = await certificate(
        config,
        addresses.own.map(({ host }) => host),
      )
      await apply({ ...next, config }, renewed)
      tellOfWarnings(log, next, current)
      const isSameFile = renewed !== null && served !== null && isSame(renewed, served)
      const result = {
        isGood: true,
        applied,
        afterRestart,
        certificate: renewed === null ? 'none' : isSameFile ? 'same' : 'new',
      } as const
      current = { ...next, config }
      served = renewed
      Object.assign(reloads, { isGood: true, goodAt: Date.now() })
      const fields = renewed === null ? {} : { cert: config.cert, validTo: validTo(renewed) }
      log.info({ changed: applied, afterRestart, ...fields }, reloadedText(result))
      // Not before: who asked for less wants to read what became of it.
      log.setLevel(logLevel(config))
      return result
    }
    /** What is being prepared must not be overtaken. */
    let latest: Promise<unknown> = Promise.resolve()
    const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
      const done = latest.then(work)
      latest = done.catch(() => {})
      return done
    }
    const reload = async (): Promise<ReloadReport> => {
      let tried = current
      try {
        reopen(log)
        // One after the other, whoever asks.
        return await inOrder(async () => {
          tried = await (load?.() ?? current)
          return await goBy(tried)
        })
      } catch (cause) {
        reloads.isGood = false
        const error = cause instanceof ListenError ? listenProblem(cause, tried, ownPorts()) : cause
        if (!(error instanceof ConfigError)) throw error
        const problems = [error, ...error.others]
        for (const problem of problems) log.error({}, `reload refused: ${problem.toLine()}`)
        log.error({ problems: problems.length }, 'the configuration before goes on; mend these and reload again')
        return {
          isGood: false,
          problems: problems.map(({ file, line, key, message, fix }) => ({ file, line, key, message, fix })),
        }
      }
    }
    let isFollowing = false
    const watching = setInterval(() => {
      if (isFollowing) return
      isFollowing = true
      inOrder(follow)
        .catch((err: unknown) => log.error({ err }, 'the addresses of this machine cannot be followed'))
        .finally(() => {
          isFollowing = false
        })
    }, LOOK_MS).unref()
    // What is under way is finished first.
    stops.push(() => {
      clearInterval(watching)
      return inOrder(async () => {})
    })
    const stopWaiting = returnMemoryOfStart()
    stops.push(async () => stopWaiting())
    const drain = (on: boolean): void => {
      busyWith = on ? 'draining' : null
      turn?.drain(on)
      web?.drain(on)
      const { udp, dtls, tcp, tls } = turn?.readings().allocations ?? { udp: 0, dtls: 0, tcp: 0, tls: 0 }
      log.info(
        { allocations: udp + dtls + tcp + tls },
        on ? 'draining: no new allocations' : 'new allocations are welcome again',
      )
    }
    const operations = new Operations(
      operated({
        turn,
        web,
        metrics: () => metricsPort.address,
        reloads,
        log,
        config: () => current.config,
        files: () => served,
        unready,
        reload,
        drain,
      }),
      events,
    )
    stops.push(async () => operations.close())
    operator = await openOperator(config, operations, log)
    busyWith = null
    return {
      summary: summary({ loaded, addresses, files, turn, web }),
      turn,
      web,
      get metrics() {
        return metricsPort.address
      },
      operatorFiles: operator?.files ?? [],
      operations,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Short enough to be waited for, and 0.05 % of a processor. */
const LOOK_MS = 1000
/** Whoever rotates logs has moved the file away. */
function reopen(log: ProcessLog): void {
  try {
    log.output.reopen()
  } catch (err) {
    log.warn({ err }, 'the log file cannot be opened again; the one before goes on')
  }
}

/** Why who comes now may find nobody to log in with; null when nothing is in the way. */
function accountTrouble(turn: RunningTurn | null): string | null {
  return turn?.accounts?.isUp === false ? 'the account database does not answer' : null
}

function validTo({ cert }: CertificateFiles): string {
  return new X509Certificate(cert).validTo
}

/** What a tired person wants to know of it. */
function reloadedText({ applied, afterRestart, certificate }: Extract<ReloadReport, { isGood: true }>): string {
  const parts = [
    ...(applied.length > 0 ? [`changed: ${applied.join(', ')}`] : []),
    ...(afterRestart.length > 0 ? [`after a restart: ${afterRestart.join(', ')}`] : []),
    ...(certificate === 'new' ? ['new connections get the new certificate'] : []),
    ...(certificate === 'same' ? ['the certificate is the same as before'] : []),
  ]
  const isNothing = applied.length + afterRestart.length === 0 && certificate !== 'new'
  return `reloaded; ${isNothing ? ['nothing has changed', ...parts].join('; ') : parts.join('; ')}`
}

/** Those that were not there before. */
function tellOfWarnings(log: ProcessLog, next: LoadedConfig, before: LoadedConfig): void {
  const known = new Set(before.warnings.map(({ message }) => message))
  for (const { where, message } of next.warnings) {
    if (!known.has(message)) log.warn(where === null ? {} : { where }, message)
  }
}
