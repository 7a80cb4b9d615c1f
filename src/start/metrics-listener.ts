import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from '../config/options.ts'
import type { Metrics } from '../metrics.ts'
import { ListenError } from '../net/listen-error.ts'
import type { SocketErrors } from '../net/socket-errors.ts'

export interface MetricsListener {
  readonly address: AddressInfo
  close(): Promise<void>
}

/** coturn's `prometheus` port: metrics for whoever can reach it, and `ok` at `/`. */
export async function openMetrics(config: Config, metrics: Metrics, errors: SocketErrors): Promise<MetricsListener> {
  const chosen = config['prometheus-address']
  const port = config['prometheus-port']
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 30_000 }, (request, response) => {
    const path = (request.url ?? '/').split('?')[0]
    if (path === '/') response.end('ok')
    else if (path !== config['prometheus-path']) response.writeHead(404).end()
    else {
      metrics.text().then(
        ({ contentType, body }) => response.setHeader('Content-Type', contentType).end(body),
        () => response.writeHead(500).end(),
      )
    }
  })
  server.maxConnections = 64
  await listen(server, chosen ?? '::', port).catch((error) => {
    if (chosen !== null || error.code !== 'EAFNOSUPPORT') throw error
    return listen(server, '0.0.0.0', port)
  })
  server.on('error', (error) => errors.count('http', error))
  return {
    // A server that listens on a TCP port has one; strings are for pipes.
    address: server.address() as AddressInfo,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new ListenError('tcp', host, port, error, 'prometheus-address'))
    server.once('error', fail)
    server.listen({ host, port }, () => {
      server.off('error', fail)
      resolve()
    })
  })
}
