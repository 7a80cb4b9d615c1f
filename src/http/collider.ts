import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Log } from '../log.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { type Hub, isName } from '../signaling/hub.ts'
import { ErrorText } from '../signaling/protocol.ts'
import type { App, Environment } from './environment.ts'
import { healthRoutes, type Unready } from './health.ts'
import { type AddressLimits, named, namedOrGuessed } from './limits/limits.ts'
import { answerOf, unreachable } from './unreachable.ts'

export interface ColliderWorld {
  readonly hub: Hub
  readonly rooms: Rooms
  readonly log: Log
  readonly limits: AddressLimits
  readonly maxBodyBytes: number
  /** Monotonic milliseconds. */
  now(): number
}

const CORS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'POST, DELETE' }

/** First segments that are the room server's own: no Collider room on its port can have these names (§6.2). */
const RESERVED = new Set(
  'join register leave bye message r room params turn turn.php v1alpha a compute probe js css images html pako status ws collider assets diag admin metrics healthz readyz'.split(
    ' ',
  ),
)

/** Collider's HTTP side beside the room server: under /collider, and the bare two-segment form. */
export function colliderRoutes(app: App, world: ColliderWorld): void {
  app.all('/status', (c) => status(c, world))
  app.get('/ws', (c) => c.text('not websocket protocol', 400))
  const segments = ':room{[A-Za-z0-9_-]+}/:client{[A-Za-z0-9_-]+}'
  app.all(`/collider/${segments}`, (c) => clientRequest(c, c.req.param('room'), c.req.param('client'), world))
  app.on(['POST', 'DELETE'], `/${segments}`, async (c, next) => {
    if (RESERVED.has(c.req.param('room'))) return next()
    return clientRequest(c, c.req.param('room'), c.req.param('client'), world)
  })
}

/** A listener that is nothing but a Collider, for clients and room servers that expect one on a port of its own. */
export function colliderApp(world: ColliderWorld, unready: Unready): App {
  const app = new Hono<Environment>({ getPath: (request) => new URL(request.url).pathname })
  app.use(async (c, next) => {
    await next()
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Cache-Control', 'no-store')
  })
  if (world.maxBodyBytes > 0)
    app.use(bodyLimit({ maxSize: world.maxBodyBytes, onError: (c) => c.text('Request body too large\n', 413, CORS) }))
  app.onError((err, c) => {
    const answer = unreachable(c, err, world.log, world.now())
    if (answer === null) throw err
    world.hub.counters.httpErrors++
    return answer
  })
  healthRoutes(app, unready)
  app.options('*', (c) => c.body('', 200, CORS))
  app.all('*', (c) => {
    const { pathname } = new URL(c.req.url)
    const path = decodePath(pathname)
    if (path === null) return invalidPath(c, pathname, world)
    if (path === '/ws') return c.text('not websocket protocol', 400)
    if (path === '/status') return status(c, world)
    if (path === '/' && /^(GET|HEAD)$/.test(c.req.method)) return c.text(EXPLANATION)
    if (path.includes('//')) return c.redirect(pathname.replace(/\/{2,}/g, '/'), 301)
    const [, room = '', client = '', ...more] = path.split('/')
    if (more.length > 0 || !isName(room) || !isName(client)) return invalidPath(c, path, world)
    return clientRequest(c, room, client, world)
  })
  return app
}

const EXPLANATION = `This is the signaling server (Collider) of a WebRTC calling service. It works.
Browsers and apps connect to /ws here by themselves; the page to open is on the room server's address.
`

async function clientRequest(
  c: Context<Environment>,
  room: string,
  client: string,
  world: ColliderWorld,
): Promise<Response> {
  const { rooms, limits } = world
  const { method } = c.req
  const { block } = c.env.caller
  if (room.length > 256 || client.length > 256) return c.notFound()
  if (method === 'DELETE') {
    const { wait } = await namedOrGuessed(c, room, client, world)
    if (wait > 0) return tooManyGuesses(c, wait, world)
    await answerOf(rooms.run(room, { verb: 'remove', client }))
    return c.text('OK\n', 200, CORS)
  }
  if (method !== 'POST') return c.body('', 200, CORS)
  const text = await c.req.text()
  if (text === '') return failed(c, 'Empty request body', 500, world)
  const known = await named(c, room, client, world)
  if (known.wait > 0) return tooManyGuesses(c, known.wait, world)
  const verdict = known.exists ? 'yes' : await limits.mayOpenRoom(block)
  if (verdict === 'too-many') return failed(c, 'Failed to send the message: Too many rooms', 429, world)
  if (verdict === 'draining') return failed(c, `Failed to send the message: ${ErrorText.DRAINING}`, 503, world)
  const refusal = await answerOf(rooms.run(room, { verb: 'post', client, from: block, text }))
  // Where another room server gives the places, an id that we don't know is as good as any until the room is full.
  if (refusal !== null && known.client === null && known.exists) limits.unknownClient(block, room)
  return refusal === null ? c.text('OK\n', 200, CORS) : failed(c, `Failed to send the message: ${refusal}`, 500, world)
}

function tooManyGuesses(c: Context<Environment>, wait: number, world: ColliderWorld): Response {
  c.header('Retry-After', String(wait))
  return failed(c, 'Too many unknown clients', 429, world)
}

function status(c: Context<Environment>, { hub }: ColliderWorld): Response {
  const { openSockets, totalSockets, socketErrors, httpErrors } = hub.counters
  const body = {
    upsec: hub.uptimeSeconds,
    openws: openSockets,
    totalws: totalSockets,
    wserrors: socketErrors,
    httperrors: httpErrors,
  }
  return c.text(`${JSON.stringify(body)}\n`, 200, { ...CORS, 'Access-Control-Allow-Methods': 'GET' })
}

function invalidPath(c: Context<Environment>, path: string, world: ColliderWorld): Response {
  return failed(c, `Invalid path: ${escapeHtml(path)}`, 500, world)
}

function failed(c: Context<Environment>, text: string, code: 429 | 500 | 503, { hub }: ColliderWorld): Response {
  hub.counters.httpErrors++
  return c.text(`${text}\n`, code, CORS)
}

function decodePath(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    return null
  }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
