import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { addressList, holds } from './caller/caller.ts'
import { isOwnHost } from './caller/host.ts'
import { type ColliderWorld, colliderRoutes } from './collider.ts'
import { type App, type Environment, routePath } from './environment.ts'
import { healthRoutes, type Unready } from './health.ts'
import { type IceConfigWorld, iceConfigRoutes } from './ice-config.ts'
import { acceptedEncoding } from './page/accept-encoding.ts'
import { page, type RoomsWorld, roomRoutes } from './rooms.ts'
import { unreachable } from './unreachable.ts'

/** What the rooms port needs from the rest of the program. */
export interface AppWorld extends RoomsWorld, IceConfigWorld {
  /** The hub that answers under /collider and at /ws; null with `--no-signaling`. */
  readonly collider: ColliderWorld | null
  /** While starting and draining, and while nothing can be relayed. */
  readonly unready: Unready
  /** Prometheus text; null without metrics on this port. */
  readonly metrics: (() => Promise<{ readonly contentType: string; readonly body: string }>) | null
}

const SECURITY_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  // Room names are secrets; a link in a page must not carry them elsewhere.
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': 'camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), geolocation=()',
}

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': '*',
}

const NAME = /^[A-Za-z0-9_-]{1,256}$/

/** Everything the rooms port serves: pages, room server, ICE documents, Collider, health and metrics. */
export function createApp(world: AppWorld): App {
  const app: App = new Hono<Environment>({ getPath: routePath })
  const { options, pages, log } = world

  app.use(async (c, next) => {
    await next()
    const { headers } = c.res
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) headers.set(name, value)
    // Browsers complain on the console about this one where there is no TLS.
    if (c.env.caller.secure) headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    if (!headers.has('Content-Security-Policy'))
      headers.set('Content-Security-Policy', `default-src 'none'; frame-ancestors ${options.frameAncestors}`)
    if (!operatorsOnly(c.req.path) && !headers.has('Access-Control-Allow-Origin'))
      headers.set('Access-Control-Allow-Origin', CORS['Access-Control-Allow-Origin'])
  })
  // Apps claim to come from https://appr.tc whatever our name is, so nobody is refused for an Origin.
  app.use(async (c, next) => {
    if (c.req.method !== 'OPTIONS' || operatorsOnly(c.req.path)) return next()
    return c.body(null, 204, { ...CORS, 'Access-Control-Max-Age': '86400' })
  })
  if (options.maxBodyBytes > 0)
    app.use(bodyLimit({ maxSize: options.maxBodyBytes, onError: (c) => c.text('Request body too large\n', 413) }))
  app.use('/:kind/:room/:client?', async (c, next) => {
    const { room, client } = c.req.param()
    return (room?.length ?? 0) > 256 || (client?.length ?? 0) > 256 ? c.notFound() : next()
  })

  healthRoutes(app, world.unready)
  metricsRoute(app, world)
  for (const [path, asset] of pages.assets)
    app.get(path, (c) => {
      const encoding = asset.encoded === null ? null : acceptedEncoding(c.req.header('Accept-Encoding'))
      const headers = {
        'Content-Type': asset.contentType,
        'Cache-Control': 'public, max-age=31536000, immutable',
        Vary: 'Accept-Encoding',
      }
      if (encoding === null) return c.body(asset.body, 200, headers)
      const { buffer, byteOffset, length } = asset.encoded![encoding]
      return c.body(new Uint8Array(buffer as ArrayBuffer, byteOffset, length), 200, {
        ...headers,
        'Content-Encoding': encoding,
      })
    })
  app.get('/robots.txt', (c) => c.text('User-agent: *\nDisallow: /\n'))
  roomRoutes(app, world)
  iceConfigRoutes(app, world)
  if (world.collider) colliderRoutes(app, world.collider)

  app.notFound((c) => {
    const methods = app.routes.filter((route) => matches(route.path, c.req.path)).map((route) => route.method)
    const known = methods.length > 0 && !methods.includes(c.req.method)
    if (known) return c.html(errorPage('Method not allowed'), 405)
    // A person with a mistyped link: the landing page has its name in the field, and says what is wrong with it.
    const person = c.req.method === 'GET' && (c.req.header('Accept') ?? '').includes('text/html')
    return person ? page(c, 'home', null, world, 404) : c.html(errorPage('Not found'), 404)
  })
  app.onError((err, c) => {
    // A caller that goes away in the middle of its body is no error of ours, and must not fill the log.
    if (c.req.raw.signal.aborted) return c.body(null, 400)
    const answer = unreachable(c, err, log, world.now())
    if (answer !== null) return answer
    log.error({ err, method: c.req.method }, 'request failed')
    return c.html(errorPage('Internal server error'), 500)
  })
  return app
}

function metricsRoute(app: App, { metrics, options }: AppWorld): void {
  if (!metrics) return
  const allowed = addressList(options.metricsFrom)
  app.get('/metrics', async (c) => {
    const { address, forwarded, host } = c.env.caller
    // Through a proxy everybody has the proxy's address, which may well be one that is allowed.
    if (forwarded || !holds(allowed, address)) return c.notFound()
    if (host && !isOwnHost(host, options.ownNames)) return c.text(FOREIGN_HOST, 421)
    const { contentType, body } = await metrics()
    return c.body(body, 200, { 'Content-Type': contentType })
  })
}

/** What a scraper is told that uses a name we don't know. */
export const FOREIGN_HOST = 'Not a name of this server: allowed-host=NAME makes it one\n'

function operatorsOnly(path: string): boolean {
  return path === '/metrics'
}

/** Whether a route of ours has this path. The bare `/:room/:client` of the Collider and middleware are nobody's path. */
function matches(pattern: string, path: string): boolean {
  if (pattern.startsWith('/:') || pattern.includes('*')) return false
  const wanted = pattern.split('/')
  const given = path.split('/')
  const fits = (part: string, i: number) => (part.startsWith(':') ? NAME.test(given[i]!) : part === given[i])
  return wanted.length === given.length && wanted.every(fits)
}

function errorPage(text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${text}</title><h1>${text}</h1></html>`
}
