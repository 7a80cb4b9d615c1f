import { describe, expect, test } from 'vitest'
import { IMPLEMENTATIONS, RecordedRooms } from './recorder.ts'

const SECOND = 1000
const inCall = { secret: 'of this client alone', inCall: true }

describe.each(IMPLEMENTATIONS)('a call that the server does not know, because it was restarted: $kind', ({ make }) => {
  const restarted = () => new RecordedRooms(make, {}, 0)

  test('gets both places back, and a third finds the room full', async () => {
    const rooms = restarted()
    expect(await rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
    expect(await rooms.join('r', 'c', false, 2 * SECOND)).toEqual({ result: 'FULL' })
    expect(await rooms.isFull('r', 2 * SECOND)).toBe(true)
    expect(await rooms.register('r', 'b', 3 * SECOND, '', inCall)).toBeNull()
    expect(await rooms.join('r', 'c', false, 40 * SECOND)).toEqual({ result: 'FULL' })
    await rooms.send('r', 'a', 'offer', 3 * SECOND)
    expect(rooms.delivered).toEqual(['r/b: offer'])
  })

  test('takes the place of whoever came in first, without a word of them to the call', async () => {
    const rooms = restarted()
    await rooms.join('r', 'c', false, 0)
    await rooms.register('r', 'c', 0)
    await rooms.message('r', 'c', 'an offer for nobody here', 0)
    expect(await rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
    expect(await rooms.register('r', 'b', SECOND, '', inCall)).toBeNull()
    expect(rooms.disconnected).toEqual(['r/c'])
    expect(rooms.delivered).toEqual([])
    expect(await rooms.register('r', 'c', SECOND)).toBe('Max room capacity reached')
  })

  test('what the first says is kept for the other', async () => {
    const rooms = restarted()
    await rooms.register('r', 'a', 0, '', inCall)
    await rooms.send('r', 'a', 'offer', 0)
    await rooms.register('r', 'b', SECOND, '', inCall)
    expect(rooms.delivered).toEqual(['r/b: offer'])
  })

  test('keeps the other place for half a minute', async () => {
    const rooms = restarted()
    await rooms.register('r', 'a', 0, '', inCall)
    expect(await rooms.join('r', 'c', false, 29 * SECOND)).toEqual({ result: 'FULL' })
    expect(await rooms.join('r', 'c', false, 30 * SECOND)).toMatchObject({ result: 'SUCCESS' })
  })

  test('is not believed a minute after the start where others have the places', async () => {
    const rooms = restarted()
    await rooms.call('r', 60 * SECOND)
    expect(await rooms.register('r', 'x', 61 * SECOND, '', inCall)).toBe('Max room capacity reached')
    expect(rooms.disconnected).toEqual([])
  })

  test('two that are back are driven out by nobody', async () => {
    const rooms = restarted()
    await rooms.register('r', 'a', 0, '', inCall)
    await rooms.register('r', 'b', 0, '', inCall)
    expect(await rooms.register('r', 'x', SECOND, '', inCall)).toBe('Max room capacity reached')
    expect(rooms.disconnected).toEqual([])
  })
})

describe.each(IMPLEMENTATIONS)('a place that is taken back: $kind', ({ make }) => {
  test('who comes back after its place ran out gets a free one, and what waits there', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'b', false, 0)
    await rooms.message('r', 'b', 'offer', 0)
    expect(await rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
    expect(rooms.delivered).toEqual(['r/a: offer'])
    expect(await rooms.isFull('r', SECOND)).toBe(true)
  })

  test('who waited for somebody has to join again', async () => {
    const rooms = new RecordedRooms(make, {}, 0)
    expect(await rooms.register('r', 'a', 0, '', { ...inCall, inCall: false })).toBe('Max room capacity reached')
  })

  test('only the secret of the join answer proves that a second socket is the same client', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0, '', 'of this client alone')
    await rooms.join('r', 'b', false, 0)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'b', 0)
    const claims = async (client: string, secret: string) =>
      rooms.register('r', client, 0, '', { secret, inCall: true })
    for (const [client, secret] of [
      ['a', 'of this client alonE'],
      ['a', ''],
      ['a', 'ö'.repeat(20)],
      ['b', ''],
    ] as const)
      expect(await claims(client, secret)).toBe('Duplicated registration')
    expect(rooms.disconnected).toEqual([])
    expect(await claims('a', 'of this client alone')).toBeNull()
    expect(rooms.disconnected).toEqual(['r/a'])
  })
})
