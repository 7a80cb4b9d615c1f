import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { BYE } from '../../src/rooms/client.ts'
import { MemoryRooms } from '../../src/rooms/room-store.ts'
import { defaultRooms } from '../support/default-config.ts'

const client = fc.constantFrom('a', 'b', 'c', 'd', 'LOOPBACK_CLIENT_ID', 'loopback_client_id')
const text = fc.constantFrom('offer', 'answer', BYE, '{"type": "bye"}')
const event = fc.oneof(
  fc.record({ act: fc.constant('join' as const), client, loopback: fc.boolean() }),
  fc.record({ act: fc.constantFrom('message' as const, 'post' as const, 'send' as const), client, text }),
  fc.record({ act: fc.constantFrom('register' as const, 'leave' as const, 'remove' as const), client }),
  fc.record({ act: fc.constant('closed' as const), client, goingAway: fc.boolean() }),
  fc.record({ act: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 15 }) }),
)

test.prop([fc.array(event, { maxLength: 60 })], { numRuns: 2000 })(
  'whatever happens in a room, texts go to sockets only, places are two, and in the end nothing is left',
  (events) => {
    const sockets = new Set<string>()
    const wrong: string[] = []
    const rooms = new MemoryRooms(
      { ...defaultRooms, maxMessages: 20 },
      {
        deliver: (_room, id) => sockets.has(id) || wrong.push(`text for ${id}, who has no socket`),
        disconnect: (_room, id) => sockets.delete(id) || wrong.push(`no socket of ${id} to close`),
        forgotten: () => {},
      },
    )
    const places = new Set<string>()
    let now = 0
    for (const step of events) {
      if (step.act === 'wait') {
        now += step.seconds * 1000
        rooms.sweep(now)
      } else if (step.act === 'join') {
        // Ids of joins are never those of loopback sockets.
        if (step.client.length > 1) continue
        const { result } = rooms.join('r', step.client, step.loopback, now)
        if (result === 'SUCCESS') places.add(step.client)
      } else if (step.act === 'register') {
        if (sockets.has(step.client)) continue
        sockets.add(step.client)
        if (rooms.register('r', step.client, now) !== null) sockets.delete(step.client)
      } else if (step.act === 'closed') {
        if (!sockets.delete(step.client)) continue
        rooms.closed('r', step.client, step.goingAway, now)
      } else if (step.act === 'send') {
        if (sockets.has(step.client)) rooms.send('r', step.client, step.text, now)
      } else if (step.act === 'message' || step.act === 'post') rooms[step.act]('r', step.client, step.text, now)
      else rooms[step.act]('r', step.client, now)
      const members = [...places].filter(
        (id) => rooms.message('r', id, 'probe', now) !== 'UNKNOWN_CLIENT' && rooms.has('r'),
      )
      if (rooms.message('r', 'nobody', 'probe', now) !== 'UNKNOWN_ROOM') expect(members.length).toBeLessThanOrEqual(2)
      expect(wrong).toEqual([])
    }
    for (const id of [...sockets]) {
      sockets.delete(id)
      rooms.closed('r', id, false, now)
    }
    // Loopback's pseudo client has no time of its own: it goes with the real one, whose time is up now.
    rooms.sweep(now + 31_000)
    expect(rooms.size).toBe(0)
    expect(wrong).toEqual([])
  },
)
