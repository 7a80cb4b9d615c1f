import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'
import type { Log } from '../log.ts'
import type { Rooms } from '../rooms/rooms.ts'
import { parseAnalytics } from './analytics.ts'
import { visitorOf } from './caller/caller.ts'
import type { App, Environment } from './environment.ts'
import { type AddressLimits, namedOrGuessed } from './limits/limits.ts'
import type { HttpOptions } from './options.ts'
import { randomDigits } from './page/announced.ts'
import type { CallPages, PageView } from './page/page-parameters.ts'
import { type Described, describe, pageParameters, roomLink } from './page/parameters.ts'
import { answerOf } from './unreachable.ts'

export interface RoomsWorld {
  readonly options: HttpOptions
  readonly rooms: Rooms
  readonly limits: AddressLimits
  readonly pages: CallPages
  readonly log: Log
  /** Monotonic milliseconds. */
  now(): number
  /** Unix milliseconds. */
  wallClock(): number
}

const ROOM = ':room{[A-Za-z0-9_-]+}'
const CLIENT = ':client{[A-Za-z0-9_-]+}'

/** AppRTC's room server: every route of every generation that is not somebody's cloud. */
export function roomRoutes(app: App, world: RoomsWorld): void {
  const { options, rooms } = world

  app.get('/', (c) => page(c, 'home', null, world))
  app.on('GET', [`/r/${ROOM}`, `/room/${ROOM}`], async (c) => {
    const room = c.req.param('room')
    // Where nobody can be asked the page says so itself, when it joins.
    const isFull = await answerOf(rooms.look(room, '')).then(
      (view) => view.isFull,
      () => false,
    )
    return page(c, isFull ? 'full' : 'call', room, world)
  })
  // POST /r/ROOM: apps that were given the page's address as the room server.
  app.on('POST', [`/join/${ROOM}`, `/register/${ROOM}`, `/r/${ROOM}`], (c) => join(c, c.req.param('room'), world))
  app.post(`/message/${ROOM}/${CLIENT}`, async (c) => {
    const { room, client } = c.req.param()
    const text = decodeText(await c.req.arrayBuffer())
    const { wait } = await namedOrGuessed(c, room, client, world)
    if (wait > 0) return c.json({ result: 'ERROR' }, 429, { 'Retry-After': String(wait) })
    if (text === null) return c.json({ result: 'ERROR' })
    return c.json({ result: await answerOf(rooms.run(room, { verb: 'message', client, text })) })
  })
  app.on('POST', [`/leave/${ROOM}/${CLIENT}`, `/bye/${ROOM}/${CLIENT}`], async (c) => {
    const { room, client } = c.req.param()
    const { wait } = await namedOrGuessed(c, room, client, world)
    if (wait > 0) return c.body('', 429, { 'Retry-After': String(wait) })
    await answerOf(rooms.run(room, { verb: 'leave', client }))
    return c.body('')
  })
  app.get('/params', (c) => {
    const visitor = visitorOf(c.env.caller, options)
    if (!visitor) return withoutHost(c)
    const { parameters } = describe(queryOf(c), userAgentOf(c), visitor, null, options)
    return c.json(parameters)
  })
  app.post('/a', async (c) => {
    const event = parseAnalytics(await c.req.text(), world.wallClock())
    if (!event) return c.json({ result: 'INVALID_REQUEST' })
    world.log.debug({ event }, 'page event')
    return c.json({ result: 'SUCCESS' })
  })
  // The cron target of Google's own instance; anybody else got an empty answer.
  app.on('GET', ['/probe/collider', '/probe/ceod'], (c) => c.body(''))
}

async function join(c: Context<Environment>, room: string, world: RoomsWorld): Promise<Response> {
  const { options, rooms, limits } = world
  const visitor = visitorOf(c.env.caller, options)
  if (!visitor) return withoutHost(c)
  const refused = { result: 'ERROR', params: { messages: [] } }
  const { block } = c.env.caller
  const { exists } = await answerOf(rooms.look(room, ''))
  const verdict = exists ? 'yes' : await limits.mayOpenRoom(block)
  if (verdict === 'too-many') return c.json(refused, 429, { 'Retry-After': '60' })
  // Clients show the word to people.
  if (verdict === 'draining') return c.json({ result: 'DRAINING', params: { messages: [] } })
  const query = await queryAndFormOf(c)
  const clientId = randomDigits(8)
  const secret = randomBytes(16).toString('base64url')
  const { parameters, announced, loopback } = describe(
    query,
    userAgentOf(c),
    visitor,
    { room, client: clientId },
    options,
  )
  const command = { verb: 'join', client: clientId, from: block, loopback, secret } as const
  const outcome = await answerOf(rooms.run(room, command))
  if (outcome.result === 'TOO_MANY_ROOMS') return c.json(refused, 429, { 'Retry-After': '60' })
  if (outcome.result !== 'SUCCESS') {
    // iOS builds URLs from the parameters before it looks at the result.
    const hints = { room_id: room, wss_url: parameters.wss_url, wss_post_url: parameters.wss_post_url }
    const params = options.urlOverrides === 'compat' ? { messages: [] } : { ...hints, messages: [] }
    return c.json({ result: outcome.result, params })
  }
  world.log.debug({ room, client: clientId, initiator: outcome.initiator }, 'client joined')
  const params = {
    ...parameters,
    room_id: room,
    room_link: roomLink(room, query, announced.origin, options),
    client_id: clientId,
    is_initiator: outcome.initiator ? 'true' : 'false',
    messages: outcome.messages,
    // Ours alone; other clients pass over what they don't know.
    ...(options.roomGraceSeconds === null
      ? {}
      : { room_grace_seconds: options.roomGraceSeconds, client_secret: secret }),
  }
  return c.json({ result: 'SUCCESS', params })
}

/** One of the pages; everything a visitor may load and connect to is in its Content-Security-Policy. */
export function page(
  c: Context<Environment>,
  view: PageView,
  room: string | null,
  world: RoomsWorld,
  status: 200 | 404 = 200,
): Response {
  const { options, pages } = world
  const visitor = visitorOf(c.env.caller, options)
  if (!visitor) return withoutHost(c)
  const query = queryOf(c)
  const described: Described = describe(query, userAgentOf(c), visitor, null, options)
  const { announced } = described
  const link = room === null ? null : { id: room, link: roomLink(room, query, announced.origin, options) }
  const connectSources = [announced.wssUrl, announced.wssPostUrl, announced.iceServerUrl].filter((url) => url !== '')
  c.header(
    'Content-Security-Policy',
    pages.contentSecurityPolicy({ connectSources, frameAncestors: options.frameAncestors }),
  )
  return c.html(pages.renderPage(view, pageParameters(described, link)), status)
}

/** The answer has links in it, and nothing says what is to stand in them. */
function withoutHost(c: Context<Environment>): Response {
  return c.text('This address needs a Host header\n', 400)
}

function queryOf(c: Context<Environment>): URLSearchParams {
  return new URL(c.req.url).searchParams
}

/** Arguments count from the query and from a form body; of one name the first. */
async function queryAndFormOf(c: Context<Environment>): Promise<URLSearchParams> {
  const query = new URLSearchParams(queryOf(c))
  if (!(c.req.header('Content-Type') ?? '').startsWith('application/x-www-form-urlencoded')) return query
  for (const [name, value] of new URLSearchParams(await c.req.text())) query.append(name, value)
  return query
}

function userAgentOf(c: Context<Environment>): string {
  return c.req.header('User-Agent') ?? ''
}

/** Bodies are raw text whatever their Content-Type says: iOS calls JSON a form. */
function decodeText(body: ArrayBuffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
  } catch {
    return null
  }
}
