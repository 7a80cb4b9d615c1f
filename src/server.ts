import { X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { LoadedConfig } from './config/load.ts'
import type { ProcessLog } from './log.ts'
import { Metrics } from './metrics.ts'
import { SocketErrors } from './net/socket-errors.ts'
import { turnAddresses } from './start/addresses.ts'
import { certificate, isSame } from './start/certificate.ts'
import { type MetricsListener, openMetrics } from './start/metrics-listener.ts'
import { iceConfigOptions } from './start/plan/web-options.ts'
import { summary } from './start/summary.ts'
import { type RunningTurn, startTurn } from './start/turn.ts'
import { type RunningWeb, startWeb } from './start/web.ts'

export interface RunningServer {
  /** For people: addresses to open, TURN URIs, and what to mend. */
  readonly summary: string
  readonly turn: RunningTurn | null
  readonly web: RunningWeb | null
  /** Where the port of `prometheus` is. */
  readonly metrics: AddressInfo | null
  /** Reads certificates from their files again, for new connections, and logs whether they are new; throws and changes nothing when they are bad. */
  reload(): Promise<void>
  /** No new allocations, and /readyz says so; what runs goes on. */
  drain(): void
  /** Stops in the reverse order of the start. */
  close(): Promise<void>
}

/** Builds the three servers from one configuration and starts them; when one cannot start, the others are closed again. */
export async function startServer(loaded: LoadedConfig, { log }: { readonly log: ProcessLog }): Promise<RunningServer> {
  const { config } = loaded
  const stops: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop()
  }
  try {
    const addresses = turnAddresses(config)
    const files = await certificate(
      config,
      addresses.own.map(({ host }) => host),
    )
    let isReady = false
    let served = files

    const turn = config.turn ? await startTurn(config, addresses, files, log) : null
    if (turn !== null) stops.push(() => turn.close())

    const errors = new SocketErrors(log, () => performance.now())
    const metrics = new Metrics()
    const iceConfig = iceConfigOptions(config, addresses, turn?.ports ?? null, files)
    const web =
      config.rooms || config.signaling
        ? await startWeb(config, files, {
            log,
            errors,
            iceConfig: () => iceConfig,
            ready: () => isReady,
            metrics: () => metrics.text(),
          })
        : null
    if (web !== null) stops.push(() => web.close())
    const ownMetrics: MetricsListener | null = config.prometheus
      ? await openMetrics(config, { metrics, errors, ready: () => isReady })
      : null
    if (ownMetrics !== null) stops.push(() => ownMetrics.close())

    metrics.watch(turn, web, errors, log)
    const servicePorts = [
      web?.http,
      web?.https,
      web?.collider,
      ownMetrics?.address,
      ...(turn?.bound ?? []).map(({ address }) => address),
    ]
    turn?.protect(servicePorts.flatMap((at) => (at == null ? [] : [at.port])))
    isReady = true
    return {
      summary: summary({ loaded, addresses, files, turn, web }),
      turn,
      web,
      metrics: ownMetrics?.address ?? null,
      reload: async () => {
        const renewed = await certificate(
          config,
          addresses.own.map(({ host }) => host),
        )
        if (renewed === null)
          return log.warn({}, 'nothing to reload: there is no certificate, and the rest is read at the start')
        turn?.reload(renewed)
        web?.reload(renewed)
        const { validTo } = new X509Certificate(renewed.cert)
        const fields = { cert: config.cert, validTo }
        if (served !== null && isSame(renewed, served))
          log.warn(fields, 'reloaded, but the certificate is the same as before')
        else log.info(fields, 'reloaded: new connections get the new certificate')
        served = renewed
      },
      drain: () => {
        isReady = false
        turn?.drain(true)
        const { udp, dtls, tcp, tls } = turn?.readings().allocations ?? { udp: 0, dtls: 0, tcp: 0, tls: 0 }
        log.info({ allocations: udp + dtls + tcp + tls }, 'draining: no new allocations')
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
