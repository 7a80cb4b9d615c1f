import type { Context } from 'hono'
import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import { PATIENCE_MS } from '../rooms/rooms.ts'
import type { Environment } from './environment.ts'

/** Rooms have not answered, or could not. */
class RoomsUnreachable extends Error {}

/** What rooms answer, if they do in time; rejects with RoomsUnreachable, which `unreachable` makes an answer of. */
export function answerOf<T>(asked: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new RoomsUnreachable('rooms are out of reach', { cause }))
    const late = setTimeout(() => fail(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
    asked.finally(() => clearTimeout(late)).then(resolve, fail)
  })
}

const once = new OncePerMinute()

/**
 * The answer to a request whose rooms could not be asked, or null for any other error: 503, so that a load balancer takes another
 * server, with the words that AppRTC's clients know for it.
 */
export function unreachable(c: Context<Environment>, err: Error, log: Log, now: number): Response | null {
  if (!(err instanceof RoomsUnreachable)) return null
  const held = once.pass('rooms', now)
  if (held !== null) log.error({ err: err.cause, held }, err.message)
  return c.json({ result: 'ERROR', params: { messages: [] } }, 503, { 'Retry-After': '5' })
}
