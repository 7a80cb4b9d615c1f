import type { App } from './environment.ts'

/** Why new calls are not welcome; null when they are. */
export type Unready = () => string | null

/** What load balancers ask of every port, in HTTP/1.0 and without a Host if they like. */
export function healthRoutes(app: App, unready: Unready): void {
  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) => {
    const reason = unready()
    return reason === null ? c.text('ready\n') : c.text(`not ready: ${reason}\n`, 503)
  })
}
