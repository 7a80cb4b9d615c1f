import { fc, test as propertyTest } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { EventQueue, MOST_KEPT, type OperatorEvent } from '../../src/operator/events.ts'
import type { EndedSession } from '../../src/turn/sessions/ended-session.ts'

const WALL = Date.parse('2026-01-01T00:00:00Z')
const NEVER = new AbortController().signal

const session = (id: string): EndedSession => ({
  id,
  username: 'alice',
  transport: 'udp',
  client: '198.51.100.7:20000',
  relays: ['192.0.2.1:50000'],
  reason: 'expired',
  detail: null,
  seconds: 600,
  toPeerPackets: 1,
  toPeerBytes: 5,
  toClientPackets: 0,
  toClientBytes: 0,
  droppedToPeer: {},
  droppedToClient: {},
})

const queueOf = (...ids: string[]) => {
  const queue = new EventQueue('run', () => WALL)
  for (const id of ids) queue.ended(session(id), 1)
  return queue
}

const ids = (events: readonly OperatorEvent[]) =>
  events.map((event) => {
    if (event.type === 'gap') return `gap ${event.missed}`
    return event.type === 'thread-died' ? `died ${event.relayCount}` : event.session.id
  })

/** All that a reader gets who has seen `after`. */
function all(queue: EventQueue, after: string | null) {
  let { events, next } = queue.begin(after)
  const found = [...events]
  for (;;) {
    ;({ events, next } = queue.read(next))
    if (events.length === 0) return ids(found)
    found.push(...events)
  }
}

describe('events', () => {
  test('are kept for whoever comes later, and go on behind the last one that he has seen', () => {
    const queue = queueOf('a', 'b', 'c')
    expect(queue.read(queue.begin(null).next).events[0]).toEqual({
      id: 'run-1',
      type: 'session-ended',
      at: '2026-01-01T00:00:00.000Z',
      thread: 1,
      session: session('a'),
    })
    expect(all(queue, null)).toEqual(['a', 'b', 'c'])
    expect(all(queue, 'run-2')).toEqual(['c'])
    expect(all(queue, 'run-3')).toEqual([])
  })

  test('of another run, or that never were, are a gap', () => {
    for (const after of ['other-2', 'run-9', 'run--1', 'run-x', 'run-1.5', '', 'run'])
      expect(all(queueOf('a'), after), after).toEqual(['gap null', 'a'])
  })

  test('that a thread could not tell of are a gap, too', () => {
    const queue = queueOf('a')
    queue.lost(0)
    queue.lost(7)
    queue.ended(session('b'), 0)
    expect(all(queue, null)).toEqual(['a', 'gap 7', 'b'])
  })

  test('of a thread that has died name the addresses that its sessions had, and not all of very many', () => {
    const queue = queueOf('a')
    queue.threadDied(['192.0.2.1:50000'], 1)
    queue.threadDied(
      Array.from({ length: 5000 }, (_, i) => `192.0.2.1:${i}`),
      0,
    )
    expect(all(queue, null)).toEqual(['a', 'died 1', 'died 5000'])
    const [, one, other] = queue.read(queue.begin(null).next).events
    expect(one).toMatchObject({ id: 'run-2', type: 'thread-died', thread: 1, relays: ['192.0.2.1:50000'] })
    expect(JSON.stringify(other).length).toBeLessThan(40_000)
  })

  propertyTest.prop([fc.array(fc.nat(3 * MOST_KEPT), { maxLength: 4 })], { numRuns: 20 })(
    'are bounded, and who is too slow is told how many he has missed',
    (bursts) => {
      const queue = queueOf()
      let [added, seen, missed] = [0, 0, 0]
      let { next } = queue.begin(null)
      for (const burst of bursts) {
        for (let i = 0; i < burst; i++) queue.ended(session(String(added++)), 0)
        for (;;) {
          const page = queue.read(next)
          next = page.next
          if (page.events.length === 0) break
          for (const event of page.events) {
            if (event.type === 'gap') missed += event.missed!
            else seen++
          }
        }
        expect(seen + missed).toBe(added)
        expect(all(queue, null).length).toBeLessThan(2 * MOST_KEPT)
        expect(all(queue, null).length).toBeGreaterThanOrEqual(Math.min(added, MOST_KEPT))
      }
    },
  )

  test('wake whoever waits for them, and so does the end', async () => {
    const queue = queueOf('a')
    expect(await queue.until(1, NEVER)).toBe(true)
    const waiting = queue.until(2, NEVER)
    queue.ended(session('b'), 0)
    expect(await waiting).toBe(true)
    const leaving = new AbortController()
    const left = queue.until(3, leaving.signal)
    leaving.abort()
    expect(await left).toBe(false)
    const last = queue.until(3, NEVER)
    queue.close()
    expect(await last).toBe(false)
    expect(await queue.until(2, NEVER)).toBe(true)
  })
})
