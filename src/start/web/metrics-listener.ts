import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { Hono } from 'hono'
import type { Config } from '../../config/options.ts'
import { FOREIGN_HOST } from '../../http/app.ts'
import { isOwnHost } from '../../http/caller/host.ts'
import type { App, Environment } from '../../http/environment.ts'
import { healthRoutes, type Unready } from '../../http/health.ts'
import { HttpListener } from '../../http/listener.ts'
import { Shares } from '../../net/limits/shares.ts'
import { compare, type ListenChange } from '../../net/listen/listen-change.ts'
import { ListenError } from '../../net/listen/listen-error.ts'
import type { SocketErrors } from '../../net/socket-errors.ts'
import { listenerOptions, ownNames } from '../plan/web-options.ts'

/** coturn's `prometheus` port: metrics for whoever can reach it, and `ok` at `/`. */
export interface MetricsPort {
  /** Null while it is off. */
  readonly address: AddressInfo | null
  /** Opens what another configuration wants; throws ListenError, and changes nothing, when that cannot be had. */
  prepare(config: Config): Promise<ListenChange>
  /** Goes by another configuration. */
  apply(config: Config): void
  close(): Promise<void>
}

export interface MetricsWorld {
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>
  readonly errors: SocketErrors
  readonly unready: Unready
}

/** Throws ListenError. */
export async function openMetrics(config: Config, world: MetricsWorld): Promise<MetricsPort> {
  let now = config
  const app = metricsApp(() => now, world)
  let open: readonly OpenPort[] = []
  const leaving = new Set<OpenPort>()
  const prepare = async (wanted: Config): Promise<ListenChange> => {
    const { kept, missing, spare } = compare(portOf(wanted), open)
    const opened: OpenPort[] = []
    for (const { key } of missing) opened.push({ key, listener: await listen(wanted, app, world) })
    return {
      commit: () => {
        open = [...kept, ...opened]
        for (const port of spare) {
          leaving.add(port)
          void port.listener.leave().then(() => leaving.delete(port))
        }
      },
      abort: async () => {
        for (const { listener } of opened) await listener.close()
      },
    }
  }
  const change = await prepare(config)
  change.commit()
  return {
    get address() {
      return open[0]?.listener.address ?? null
    },
    prepare,
    apply: (wanted) => {
      now = wanted
      for (const { listener } of open) listener.apply(listenerOptions(wanted), [])
    },
    close: async () => {
      await Promise.all([...open, ...leaving].map(({ listener }) => listener.close()))
    },
  }
}

interface OpenPort {
  readonly key: string
  readonly listener: HttpListener
}

function portOf(config: Config): { readonly key: string }[] {
  return config.prometheus ? [{ key: `${config['prometheus-address']} ${config['prometheus-port']}` }] : []
}

async function listen(config: Config, app: App, { errors }: MetricsWorld): Promise<HttpListener> {
  const chosen = config['prometheus-address']
  const port = config['prometheus-port']
  // Read by a few, and open to whoever finds it.
  const connections = new Shares<Duplex>({ total: 64, perSource: 16 })
  const at = (host: string) =>
    HttpListener.open(
      { host, port, tls: null },
      {
        options: listenerOptions(config),
        connections,
        handshakes: connections,
        trustedProxies: [],
        fetch: (request, environment) => app.fetch(request, environment),
        upgrade: null,
        acceptFailed: (error) => errors.count('http', error),
      },
    ).catch((error) => {
      throw new ListenError('tcp', host, port, error, 'prometheus-address')
    })
  return await at(chosen ?? '::').catch((error) => {
    if (chosen !== null || error.code !== 'EAFNOSUPPORT') throw error
    return at('0.0.0.0')
  })
}

function metricsApp(now: () => Config, { metrics, unready }: MetricsWorld): App {
  const app: App = new Hono<Environment>()
  healthRoutes(app, unready)
  app.all('/', (c) => c.body('ok'))
  app.all('*', async (c) => {
    const config = now()
    const { host } = c.env.caller
    if (c.req.path !== config['prometheus-path']) return c.body(null, 404)
    if (host && !isOwnHost(host, ownNames(config))) return c.text(FOREIGN_HOST, 421)
    const { contentType, body } = await metrics()
    return c.body(body, 200, { 'Content-Type': contentType })
  })
  return app
}
