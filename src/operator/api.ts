import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import { readAddressFilter } from '../turn/sessions/session-filter.ts'
import type { EventQueue } from './events.ts'
import type { Operations } from './operations.ts'
import { Problem, STATUS_OF } from './problem.ts'
import { LOG_LEVELS } from './reports.ts'

/** Sessions or rooms in one page, and how many there are when nobody says. */
const MOST_IN_PAGE = 1000
const USUAL_PAGE = 200
const MAX_BODY_BYTES = 65_536
/** Of an operator's own words for a reason, which go into the log. */
const MAX_REASON = 200
/** Thirty days. */
const MAX_DEADLINE_SECONDS = 2_592_000
/** Readers of events at one time; each has a connection of the few that there are. */
const MOST_STREAMS = 16

/** The operator's API: docs/operator-api.md has every route. `failed` is told of bugs. */
export function operatorApi(operations: Operations, failed: (error: unknown) => void): Hono {
  const app = new Hono()
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new Problem('too-large', `a body has at most ${MAX_BODY_BYTES} bytes`, 'look at docs/operator-api.md')
      },
    }),
  )

  app.get('/v1/status', (c) => c.json(operations.status()))

  app.get('/v1/sessions', async (c) => {
    const { cursor, limit, ...filter } = read(SESSIONS_QUERY, c.req.query())
    return c.json(await operations.sessions(filter, cursor ?? null, limit))
  })
  app.get('/v1/sessions/:id', async (c) => c.json(await operations.session(c.req.param('id'))))
  app.post('/v1/disconnect', async (c) => {
    const { reason, ...filter } = read(DISCONNECT, await bodyOf(c.req))
    return c.json(await operations.disconnect(filter, reason ?? null))
  })

  app.get('/v1/rooms', async (c) => {
    const { cursor, limit } = read(PAGE, c.req.query())
    return c.json(await operations.rooms(cursor ?? null, limit))
  })
  app.post('/v1/close-room', async (c) => {
    const { room, reason } = read(CLOSE_ROOM, await bodyOf(c.req))
    return c.json({ clients: await operations.closeRoom(room, reason) })
  })

  app.post('/v1/drain', async (c) => {
    const { deadlineSeconds } = read(DRAIN, await bodyOf(c.req))
    return c.json(operations.drain(deadlineSeconds ?? null))
  })
  app.post('/v1/undrain', async (c) => {
    read(NOTHING, await bodyOf(c.req))
    operations.undrain()
    return c.json({})
  })

  app.post('/v1/reload', async (c) => {
    read(NOTHING, await bodyOf(c.req))
    const { isGood, ...report } = await operations.reload()
    if (isGood) return c.json(report)
    const error = { ...RELOAD_REFUSED, ...report }
    return c.json({ error }, STATUS_OF['reload-refused'])
  })
  app.get('/v1/log-level', (c) => c.json({ level: operations.logLevel }))
  app.put('/v1/log-level', async (c) => {
    operations.logLevel = read(LEVEL, await bodyOf(c.req)).level
    return c.json({ level: operations.logLevel })
  })
  let streams = 0
  app.get('/v1/events', (c) => {
    const { after, follow } = read(EVENTS_QUERY, c.req.query())
    if (streams >= MOST_STREAMS)
      throw new Problem('too-many-streams', `${MOST_STREAMS} streams are open`, 'end one, or ask with follow=false')
    streams++
    const over = () => void streams--
    const body = eventStream(operations.events, after ?? null, follow !== 'false', over)
    return c.body(body, 200, { 'Content-Type': 'application/x-ndjson' })
  })
  app.get('/v1/certificates', (c) => c.json({ certificates: operations.certificates() }))

  app.notFound((c) => {
    const methods = app.routes.filter(({ path, method }) => method !== 'ALL' && matches(path, c.req.path))
    const problem =
      methods.length > 0
        ? new Problem(
            'method-not-allowed',
            `${c.req.path} is not asked for with ${c.req.method}`,
            `use ${methods.map(({ method }) => method).join(' or ')}`,
          )
        : new Problem('not-found', 'there is no such address', 'docs/operator-api.md has all of them')
    return c.json(bodyFor(problem), STATUS_OF[problem.code])
  })
  app.onError((error, c) => {
    if (error instanceof Problem) return c.json(bodyFor(error), STATUS_OF[error.code])
    // Somebody who goes away in the middle of a body is no bug.
    if (!c.req.raw.signal.aborted) failed(error)
    const problem = new Problem('internal', 'this is a bug in webrtc-stack', 'the log has the rest')
    return c.json(bodyFor(problem), STATUS_OF.internal)
  })
  return app
}

/** A line for each event, as fast as the reader takes them: who is too slow for them misses some, and is told so. */
function eventStream(
  queue: EventQueue,
  after: string | null,
  follows: boolean,
  over: () => void,
): ReadableStream<Uint8Array> {
  const cancelled = new AbortController()
  let page = queue.begin(after)
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (page.events.length === 0) page = queue.read(page.next)
        if (page.events.length === 0 && follows && (await queue.until(page.next, cancelled.signal)))
          page = queue.read(page.next)
        if (cancelled.signal.aborted) return
        if (page.events.length === 0) {
          over()
          controller.close()
          return
        }
        const lines = page.events.map((event) => `${JSON.stringify(event)}\n`)
        page = { events: [], next: page.next }
        controller.enqueue(Buffer.from(lines.join('')))
      },
      cancel() {
        over()
        cancelled.abort()
      },
    },
    { highWaterMark: 0 },
  )
}

const RELOAD_REFUSED = {
  code: 'reload-refused',
  message: 'the new configuration has mistakes; the one before goes on',
  fix: 'mend them and reload again',
} as const

function bodyFor({ code, message, fix }: Problem) {
  return { error: { code, message, fix } }
}

function matches(route: string, path: string): boolean {
  const [wanted, given] = [route.split('/'), path.split('/')]
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith(':') || part === given[i])
}

const text = z.string().min(1).max(512)
const address = z
  .string()
  .max(128)
  .superRefine((value, context) => {
    const read = readAddressFilter(value)
    if (typeof read === 'string') context.addIssue({ code: 'custom', message: read })
  })
const seconds = z.coerce.number().int().min(0).max(1e9)

const FILTER = {
  id: text.optional(),
  username: text.optional(),
  address: address.optional(),
  peer: address.optional(),
  transport: z.enum(['udp', 'tcp', 'tls', 'dtls']).optional(),
  olderThanSeconds: seconds.optional(),
}
const PAGE_FIELDS = {
  cursor: text.optional(),
  limit: z.coerce.number().int().min(1).max(MOST_IN_PAGE).default(USUAL_PAGE),
}
const reason = z.string().min(1).max(MAX_REASON)

const PAGE = z.strictObject(PAGE_FIELDS)
const SESSIONS_QUERY = z.strictObject({ ...FILTER, ...PAGE_FIELDS })
/** Everybody at once is what `drain` is for. */
const DISCONNECT = z
  .strictObject({ ...FILTER, reason: reason.optional() })
  .refine(({ reason: _, ...filter }) => Object.values(filter).some((value) => value !== undefined), {
    message: 'says nothing of whom: give id, username, address, peer, transport or olderThanSeconds',
  })
const CLOSE_ROOM = z.strictObject({ room: text, reason: reason.default('closed by the operator') })
const DRAIN = z.strictObject({ deadlineSeconds: z.number().int().min(0).max(MAX_DEADLINE_SECONDS).optional() })
const LEVEL = z.strictObject({ level: z.enum(LOG_LEVELS) })
const EVENTS_QUERY = z.strictObject({ after: text.optional(), follow: z.enum(['true', 'false']).optional() })
const NOTHING = z.strictObject({})

/** What somebody has sent, as its schema wants it; throws a Problem that names the field. */
function read<Output>(schema: z.ZodType<Output>, value: unknown): Output {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  throw new Problem(
    'bad-request',
    `${field === '' ? '' : `"${field}": `}${issue?.message ?? 'not understood'}`,
    'look at docs/operator-api.md',
  )
}

/** JSON in a body, whatever type it claims to be of; none at all stands for {}. */
async function bodyOf(request: { text(): Promise<string> }): Promise<unknown> {
  const text = await request.text()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new Problem('bad-request', 'the body is not JSON', 'look at docs/operator-api.md')
  }
}
