import { describe, expect, test } from 'vitest'
import { BYE } from '../../src/rooms/bye.ts'
import { IMPLEMENTATIONS, RecordedRooms } from './recorder.ts'

const SECOND = 1000

describe.each(IMPLEMENTATIONS)('what an operator sees: $kind', ({ make }) => {
  test('a room, who is in it from where and for how long, and what waits', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0, '192.0.2.1')
    await rooms.register('r', 'a', 2 * SECOND, '192.0.2.1')
    await rooms.join('r', 'b', false, 3 * SECOND, '2001:db8::/64')
    await rooms.message('r', 'a', 'é', 4 * SECOND)
    await rooms.sweep(5 * SECOND)
    expect(await rooms.list(null, 10)).toEqual({
      rooms: [
        {
          name: 'r',
          ageSeconds: 5,
          idleSeconds: 2,
          waitingMessages: 1,
          waitingBytes: 2,
          clients: [
            {
              id: 'a',
              standing: 'member',
              socket: 'open',
              from: '192.0.2.1',
              initiator: true,
              loopback: false,
              ageSeconds: 5,
              waitingMessages: 0,
            },
            {
              id: 'b',
              standing: 'member',
              socket: 'awaited',
              from: '2001:db8::/64',
              initiator: false,
              loopback: false,
              ageSeconds: 2,
              waitingMessages: 1,
            },
          ],
        },
      ],
      cursor: null,
    })
  })

  test('each room once, page by page, whatever comes and goes between two pages', async () => {
    const rooms = new RecordedRooms(make)
    for (let i = 0; i < 7; i++) await rooms.join(`r${i}`, 'a', false, 0)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await rooms.list(cursor, 3)
      seen.push(...page.rooms.map(({ name }) => name))
      cursor = page.cursor
      // The room that the page ended with goes, and one that was seen comes anew.
      if (seen.length === 3) {
        await rooms.leave('r2', 'a', 0)
        await rooms.leave('r0', 'a', 0)
      }
    } while (cursor !== null)
    expect(seen).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6'])
  })

  test('nothing, where nothing is, and at a cursor that is none', async () => {
    const rooms = new RecordedRooms(make)
    expect(await rooms.list(null, 10)).toEqual({ rooms: [], cursor: null })
    await rooms.join('r', 'a', false, 0)
    expect((await rooms.list('no cursor', 10)).rooms).toHaveLength(1)
  })
})

describe.each(IMPLEMENTATIONS)('a room that an operator closes: $kind', ({ make }) => {
  test('is gone with its places, sockets and texts, and a foreign room server hears of it', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'b', 0)
    await rooms.join('r', 'c', false, 0)
    await rooms.message('r', 'a', 'waits', 0)
    expect(await rooms.closeRoom('r', 'spam')).toEqual({ result: 'SUCCESS', clients: 3 })
    expect(rooms.delivered).toEqual([`r/a: ${BYE}`])
    expect(rooms.disconnected).toEqual(['r/a', 'r/b'])
    expect(rooms.forgotten).toEqual(['r/a', 'r/c'])
    expect([rooms.size, rooms.waitingBytes]).toEqual([0, 0])
  })

  test('that is none changes nothing', async () => {
    const rooms = new RecordedRooms(make)
    expect(await rooms.closeRoom('r', '')).toEqual({ result: 'UNKNOWN_ROOM' })
  })
})
