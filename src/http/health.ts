import type { App } from './environment.ts'

/** What load balancers ask of every port, in HTTP/1.0 and without a Host if they like. */
export function healthRoutes(app: App, ready: () => boolean): void {
  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', (c) => (ready() ? c.text('ready\n') : c.text('not ready\n', 503)))
}
