import { describe, expect, test } from 'vitest'
import { RecordedRooms } from './recorder.ts'

const SECOND = 1000
const inCall = { secret: 'of this client alone', inCall: true }

describe('a call that the server does not know, because it was restarted', () => {
  const restarted = () => new RecordedRooms({}, 0)

  test('gets both places back, and a third finds the room full', () => {
    const rooms = restarted()
    expect(rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
    expect(rooms.join('r', 'c', false, 2 * SECOND)).toEqual({ result: 'FULL' })
    expect(rooms.isFull('r', 2 * SECOND)).toBe(true)
    expect(rooms.register('r', 'b', 3 * SECOND, '', inCall)).toBeNull()
    expect(rooms.join('r', 'c', false, 40 * SECOND)).toEqual({ result: 'FULL' })
    rooms.send('r', 'a', 'offer', 3 * SECOND)
    expect(rooms.delivered).toEqual(['r/b: offer'])
  })

  test('takes the place of whoever came in first, without a word of them to the call', () => {
    const rooms = restarted()
    rooms.join('r', 'c', false, 0)
    rooms.register('r', 'c', 0)
    rooms.message('r', 'c', 'an offer for nobody here', 0)
    expect(rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
    expect(rooms.register('r', 'b', SECOND, '', inCall)).toBeNull()
    expect(rooms.disconnected).toEqual(['r/c'])
    expect(rooms.delivered).toEqual([])
    expect(rooms.register('r', 'c', SECOND)).toBe('Max room capacity reached')
  })

  test('what the first says is kept for the other', () => {
    const rooms = restarted()
    rooms.register('r', 'a', 0, '', inCall)
    rooms.send('r', 'a', 'offer', 0)
    rooms.register('r', 'b', SECOND, '', inCall)
    expect(rooms.delivered).toEqual(['r/b: offer'])
  })

  test('keeps the other place for half a minute', () => {
    const rooms = restarted()
    rooms.register('r', 'a', 0, '', inCall)
    expect(rooms.join('r', 'c', false, 29 * SECOND)).toEqual({ result: 'FULL' })
    expect(rooms.join('r', 'c', false, 30 * SECOND)).toMatchObject({ result: 'SUCCESS' })
  })

  test('is not believed a minute after the start where others have the places', () => {
    const rooms = restarted()
    rooms.call('r', 60 * SECOND)
    expect(rooms.register('r', 'x', 61 * SECOND, '', inCall)).toBe('Max room capacity reached')
    expect(rooms.disconnected).toEqual([])
  })

  test('two that are back are driven out by nobody', () => {
    const rooms = restarted()
    rooms.register('r', 'a', 0, '', inCall)
    rooms.register('r', 'b', 0, '', inCall)
    expect(rooms.register('r', 'x', SECOND, '', inCall)).toBe('Max room capacity reached')
    expect(rooms.disconnected).toEqual([])
  })
})

test('who comes back after its place ran out gets a free one, and what waits there', () => {
  const rooms = new RecordedRooms()
  rooms.join('r', 'b', false, 0)
  rooms.message('r', 'b', 'offer', 0)
  expect(rooms.register('r', 'a', SECOND, '', inCall)).toBeNull()
  expect(rooms.delivered).toEqual(['r/a: offer'])
  expect(rooms.isFull('r', SECOND)).toBe(true)
})

test('who waited for somebody has to join again', () => {
  const rooms = new RecordedRooms({}, 0)
  expect(rooms.register('r', 'a', 0, '', { ...inCall, inCall: false })).toBe('Max room capacity reached')
})

test('only the secret of the join answer proves who somebody is', () => {
  const rooms = new RecordedRooms()
  rooms.join('r', 'a', false, 0, '', 'of this client alone')
  rooms.join('r', 'b', false, 0)
  expect(rooms.proves('r', 'a', 'of this client alone')).toBe(true)
  for (const [client, secret] of [
    ['a', 'of this client alonE'],
    ['a', ''],
    ['a', 'ö'.repeat(20)],
    ['b', ''],
    ['x', 'of this client alone'],
  ] as const)
    expect(rooms.proves('r', client, secret)).toBe(false)
})
