import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { BYE } from '../../src/rooms/bye.ts'
import { inMemory, RecordedRooms } from './recorder.ts'

const client = fc.constantFrom('a', 'b', 'c', 'd', 'LOOPBACK_CLIENT_ID', 'loopback_client_id')
const text = fc.constantFrom('offer', 'answer', BYE, '{"type": "bye"}')
const event = fc.oneof(
  fc.record({ act: fc.constant('join' as const), client, loopback: fc.boolean() }),
  fc.record({ act: fc.constantFrom('message' as const, 'post' as const, 'send' as const), client, text }),
  fc.record({ act: fc.constantFrom('register' as const, 'leave' as const, 'remove' as const), client }),
  fc.record({ act: fc.constant('return' as const), client }),
  fc.record({ act: fc.constant('closed' as const), client, goingAway: fc.boolean() }),
  fc.record({ act: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 15 }) }),
)

test.prop([fc.array(event, { maxLength: 60 })], { numRuns: 2000 })(
  'whatever happens in a room, texts go to sockets only, places are two, and in the end nothing is left',
  async (events) => {
    const sockets = new Set<string>()
    const wrong: string[] = []
    // The first minute of the property is one of a server that was restarted.
    const rooms = new RecordedRooms(inMemory, { maxMessages: 20 }, 0, {
      deliver: (id) => sockets.has(id) || wrong.push(`text for ${id}, who has no socket`),
      disconnect: (id) => sockets.delete(id) || wrong.push(`no socket of ${id} to close`),
    })
    const places = new Set<string>()
    let now = 0
    for (const step of events) {
      if (step.act === 'wait') {
        now += step.seconds * 1000
        await rooms.sweep(now)
      } else if (step.act === 'join') {
        // Ids of joins are never those of loopback sockets.
        if (step.client.length > 1) continue
        const { result } = await rooms.join('r', step.client, step.loopback, now)
        if (result === 'SUCCESS') places.add(step.client)
      } else if (step.act === 'register') {
        if (sockets.has(step.client)) continue
        sockets.add(step.client)
        if ((await rooms.register('r', step.client, now)) !== null) sockets.delete(step.client)
      } else if (step.act === 'return') {
        if (step.client.length > 1 || sockets.has(step.client)) continue
        sockets.add(step.client)
        if ((await rooms.register('r', step.client, now, '', { secret: 'known', inCall: true })) !== null)
          sockets.delete(step.client)
        else places.add(step.client)
      } else if (step.act === 'closed') {
        if (!sockets.delete(step.client)) continue
        await rooms.closed('r', step.client, step.goingAway, now)
      } else if (step.act === 'send') {
        if (sockets.has(step.client)) await rooms.send('r', step.client, step.text, now)
      } else if (step.act === 'message' || step.act === 'post') await rooms[step.act]('r', step.client, step.text, now)
      else await rooms[step.act]('r', step.client, now)
      let members = 0
      for (const id of places)
        if ((await rooms.message('r', id, 'probe', now)) !== 'UNKNOWN_CLIENT' && (await rooms.has('r'))) members++
      if ((await rooms.message('r', 'nobody', 'probe', now)) !== 'UNKNOWN_ROOM') expect(members).toBeLessThanOrEqual(2)
      expect(wrong).toEqual([])
    }
    for (const id of [...sockets]) {
      sockets.delete(id)
      await rooms.closed('r', id, false, now)
    }
    // Loopback's pseudo client has no time of its own: it goes with the real one, whose time is up now.
    await rooms.sweep(now + 31_000)
    expect(rooms.size).toBe(0)
    expect(rooms.waitingBytes).toBe(0)
    expect(wrong).toEqual([])
  },
)

const step = fc.oneof(
  fc.record({ act: fc.constantFrom('join' as const, 'register' as const, 'hang up' as const), person: fc.nat(2) }),
  fc.record({ act: fc.constant('lose' as const), person: fc.nat(2), goingAway: fc.boolean() }),
  fc.record({ act: fc.constant('wait' as const), seconds: fc.constantFrom(0.5, 1, 5, 9, 10) }),
)

/** What a person's web page knows. It takes a new place, with a new id, each time it joins. */
interface Page {
  id: string
  joined: boolean
  joinedAt: number
  socket: 'awaited' | 'open' | 'closed'
  initiator: boolean
}

test.prop([fc.array(step, { maxLength: 40 })], { numRuns: 2000 })(
  'whoever presses Join when, and however late sockets open or break, no two in a room both make the offer',
  async (steps) => {
    const people = [0, 1, 2].map(
      (): Page => ({ id: '', joined: false, joinedAt: 0, socket: 'closed', initiator: false }),
    )
    const change = (id: string, what: Partial<Page>) => {
      const page = people.find((one) => one.id === id)
      if (page) Object.assign(page, what)
    }
    const rooms = new RecordedRooms(inMemory, {}, null, {
      // AR-3.2.8: who hears bye makes the next offer.
      deliver: (id, text) => text === BYE && change(id, { initiator: true }),
      disconnect: (id) => change(id, { socket: 'closed' }),
    })
    let now = 0
    let ids = 0
    const join = async (page: Page) => {
      const id = `${++ids}`
      const outcome = await rooms.join('r', id, false, now)
      if (outcome.result !== 'SUCCESS') return
      Object.assign(page, { id, joined: true, joinedAt: now, socket: 'awaited', initiator: outcome.initiator })
    }
    const act = async (page: Page, does: 'register' | 'hang up' | 'lose', goingAway: boolean) => {
      if (does === 'register') {
        if (page.socket === 'open') return
        page.socket = 'open'
        if ((await rooms.register('r', page.id, now)) !== null) page.socket = 'closed'
        return
      }
      page.joined = false
      if (does === 'hang up') await rooms.leave('r', page.id, now)
      if (page.socket === 'open') await rooms.closed('r', page.id, goingAway, now)
      page.socket = 'closed'
    }
    for (const step of steps) {
      if (step.act === 'wait') {
        now += step.seconds * 1000
        await rooms.sweep(now)
      } else {
        const page = people[step.person]!
        if (step.act === 'join' && !page.joined) await join(page)
        else if (step.act !== 'join' && page.joined) await act(page, step.act, step.act === 'lose' && step.goingAway)
      }
      const inRoom: Page[] = []
      for (const page of people)
        if (page.joined && (await rooms.message('r', page.id, 'probe', now)) === 'SUCCESS') inRoom.push(page)
      expect(inRoom.filter(({ initiator }) => initiator).length).toBeLessThanOrEqual(1)
      const connecting = people.filter(
        ({ joined, joinedAt, socket }) => joined && socket === 'awaited' && now - joinedAt < 10_000,
      )
      expect(inRoom).toEqual(expect.arrayContaining(connecting))
    }
  },
)
