import { describe, expect, test } from 'vitest'
import { BYE } from '../../src/rooms/bye.ts'
import { IMPLEMENTATIONS, RecordedRooms } from './recorder.ts'

const SECOND = 1000

/** Rooms that only the Collider knows, because a foreign room server gives the places. */
describe.each(IMPLEMENTATIONS)('Collider rooms: $kind', ({ make }) => {
  test('AR-4.14 a new record has no socket and nothing waits; the second bind is an error', async () => {
    const rooms = new RecordedRooms(make)
    expect(await rooms.register('r', 'a', 0)).toBeNull()
    expect(rooms.delivered).toEqual([])
    expect(await rooms.register('r', 'a', 0)).toBe('Duplicated registration')
  })

  test('AR-4.15 AR-4.20 registering the second client delivers what the first had queued, once', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.send('r', 'a', '1', 0)
    await rooms.send('r', 'a', '2', 0)
    await rooms.register('r', 'b', 0)
    expect(rooms.delivered).toEqual(['r/b: 1', 'r/b: 2'])
    await rooms.closed('r', 'b', false, 0)
    await rooms.register('r', 'b', 0)
    expect(rooms.delivered).toHaveLength(2)
  })

  test('AR-4.16 a text for one without a socket waits; once it has one, a later text goes directly', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.post('r', 'b', 'hello from b', 0)
    await rooms.send('r', 'a', 'waits', 0)
    expect(rooms.delivered).toEqual(['r/a: hello from b'])
    await rooms.register('r', 'b', 0)
    await rooms.send('r', 'a', 'direct', 0)
    expect(rooms.delivered).toEqual(['r/a: hello from b', 'r/b: waits', 'r/b: direct'])
  })

  test('AR-4.17 AR-4.22 removing a client closes its socket, and the room is gone with the last', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.remove('r', 'a', 0)
    expect(rooms.disconnected).toEqual(['r/a'])
    expect(rooms.size).toBe(0)
  })

  test('AR-4.18 1 024 texts can be queued, the next is an error', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    for (let i = 0; i < 1024; i++) expect(await rooms.send('r', 'a', 'x', 0)).toBeNull()
    expect(await rooms.send('r', 'a', 'x', 0)).toBe('Too many messages queued for the client')
  })

  test('AR-4.19 a room has one record an id, takes two ids and refuses the third', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.post('r', 'a', 'x', 0)
    await rooms.post('r', 'a', 'y', 0)
    expect(await rooms.register('r', 'a', 0)).toBeNull()
    expect(await rooms.register('r', 'b', 0)).toBeNull()
    expect(await rooms.register('r', 'c', 0)).toBe('Max room capacity reached')
    expect(await rooms.post('r', 'c', 'x', 0)).toBe('Max room capacity reached')
  })

  test('AR-4.21 a text waits while the sender is alone and is delivered when the peer has a socket', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.send('r', 'a', 'queued', 0)
    expect(rooms.delivered).toEqual([])
    await rooms.register('r', 'b', 0)
    await rooms.send('r', 'a', 'direct', 0)
    await rooms.register('r', 'b', 0)
    expect(rooms.delivered).toEqual(['r/b: queued', 'r/b: direct'])
  })

  test('AR-4.28 a room made by POST alone is gone after the timeout', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.post('r', 'a', 'x', 0)
    await rooms.sweep(9 * SECOND)
    expect(rooms.size).toBe(1)
    await rooms.sweep(10 * SECOND)
    expect(rooms.size).toBe(0)
    expect(rooms.forgotten).toEqual(['r/a'])
  })

  test('AR-4.29 a closed socket leaves the record in place until the timeout; the peer is told nothing', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    await rooms.closed('r', 'a', true, 0)
    await rooms.sweep(9 * SECOND)
    expect(await rooms.register('r', 'c', 9 * SECOND)).toBe('Max room capacity reached')
    await rooms.sweep(10 * SECOND)
    expect(await rooms.register('r', 'c', 10 * SECOND)).toBeNull()
    expect(rooms.delivered).toEqual([])
  })

  test('AR-4.30 registering again in time stops the timer', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.register('r', 'a', 9 * SECOND)).toBeNull()
    await rooms.sweep(60 * SECOND)
    expect(rooms.size).toBe(1)
    expect(rooms.forgotten).toEqual([])
  })

  test('the room server is called for DELETE and for time, not for a closed socket', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(rooms.forgotten).toEqual([])
    await rooms.remove('r', 'b', 0)
    await rooms.sweep(10 * SECOND)
    expect(rooms.forgotten).toEqual(['r/b', 'r/a'])
  })

  test('AR-5.2.2 who says bye gives its place free, and the room server hears of it before the other side', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    await rooms.send('r', 'a', BYE, 0)
    expect(rooms.log).toEqual(['forgotten r/a', `r/b: ${BYE}`])
    // A reload: the same person is back, under another id, before the old socket is closed.
    expect(await rooms.register('r', 'c', 0)).toBeNull()
    await rooms.send('r', 'b', 'offer', 0)
    await rooms.send('r', 'a', 'late', 0)
    await rooms.closed('r', 'a', false, 0)
    await rooms.remove('r', 'a', 0)
    await rooms.sweep(60 * SECOND)
    expect(rooms.log.slice(2)).toEqual(['r/c: offer'])
  })

  test('an offer that answers a bye waits for the next client, as does one the room server forwards too late', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    await rooms.send('r', 'a', BYE, 0)
    expect(await rooms.post('r', 'b', 'offer', 0)).toBeNull()
    await rooms.register('r', 'c', 0)
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`, 'r/c: offer'])
  })

  test('two whose sockets broke make way for one whom the room server has let in', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.register('r', 'c', SECOND)).toBe('Max room capacity reached')
    await rooms.closed('r', 'b', false, SECOND)
    expect(await rooms.register('r', 'c', SECOND)).toBeNull()
    expect(await rooms.register('r', 'd', SECOND)).toBeNull()
    expect(rooms.forgotten).toEqual(['r/a', 'r/b'])
    expect(rooms.delivered).toEqual([])
  })

  test('a guest of a room of ours was evicted and does not know it: the next join closes its socket', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.register('r', 'guest', 0)
    expect(await rooms.join('r', 'a', false, 0)).toMatchObject({ initiator: true })
    expect(rooms.disconnected).toEqual(['r/guest'])
    expect(await rooms.register('r', 'guest', 0)).toBe('Max room capacity reached')
  })

  test.each(['LOOPBACK_CLIENT_ID', 'loopback_client_id'])('the loopback socket registers as %s', async (id) => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', true, 0)
    await rooms.message('r', 'a', 'offer', 0)
    await rooms.register('r', 'a', 0)
    expect(await rooms.register('r', id, 0)).toBeNull()
    await rooms.send('r', id, 'answer', 0)
    expect(rooms.delivered).toEqual([`r/${id}: offer`, 'r/a: answer'])
    await rooms.leave('r', 'a', 0)
    expect(rooms.disconnected).toEqual([`r/${id}`])
  })
})
