import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { Hono } from 'hono'
import type { Config } from '../config/options.ts'
import { FOREIGN_HOST } from '../http/app.ts'
import { isOwnHost } from '../http/caller/host.ts'
import type { App, Environment } from '../http/environment.ts'
import { healthRoutes, type Unready } from '../http/health.ts'
import { HttpListener } from '../http/listener.ts'
import { Shares } from '../net/limits/shares.ts'
import { ListenError } from '../net/listen/listen-error.ts'
import type { SocketErrors } from '../net/socket-errors.ts'
import { listenerOptions, ownNames } from './plan/web-options.ts'

export interface MetricsListener {
  readonly address: AddressInfo
  close(): Promise<void>
}

export interface MetricsWorld {
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>
  readonly errors: SocketErrors
  readonly unready: Unready
}

/** coturn's `prometheus` port: metrics for whoever can reach it, and `ok` at `/`. */
export async function openMetrics(config: Config, world: MetricsWorld): Promise<MetricsListener> {
  const chosen = config['prometheus-address']
  const port = config['prometheus-port']
  // Read by a few, and open to whoever finds it.
  const connections = new Shares<Duplex>({ total: 64, perSource: 16 })
  const app = metricsApp(config, world)
  const open = (host: string) =>
    HttpListener.open(
      { host, port, tls: null },
      {
        options: listenerOptions(config),
        connections,
        handshakes: connections,
        trustedProxies: [],
        fetch: (request, environment) => app.fetch(request, environment),
        upgrade: null,
        acceptFailed: (error) => world.errors.count('http', error),
      },
    ).catch((error) => {
      throw new ListenError('tcp', host, port, error, 'prometheus-address')
    })
  return await open(chosen ?? '::').catch((error) => {
    if (chosen !== null || error.code !== 'EAFNOSUPPORT') throw error
    return open('0.0.0.0')
  })
}

function metricsApp(config: Config, { metrics, unready }: MetricsWorld): App {
  const app: App = new Hono<Environment>()
  const names = ownNames(config)
  healthRoutes(app, unready)
  app.all('/', (c) => c.body('ok'))
  app.all('*', async (c) => {
    const { host } = c.env.caller
    if (c.req.path !== config['prometheus-path']) return c.body(null, 404)
    if (host && !isOwnHost(host, names)) return c.text(FOREIGN_HOST, 421)
    const { contentType, body } = await metrics()
    return c.body(body, 200, { 'Content-Type': contentType })
  })
  return app
}
