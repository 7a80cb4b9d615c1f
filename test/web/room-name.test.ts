import { beforeEach, describe, expect, test } from 'vitest'
import { forgetRooms, isRoomName, randomRoomName, recentRooms, rememberRoom } from '../../src/web/room/room-name.ts'
import { settings } from '../../src/web/settings.ts'

describe('room names', () => {
  test.each(['12345', 'abcde', 'a-b_C', '_____', 'x'.repeat(256)])('AR-4.38 accept %s', (name) => {
    expect(isRoomName(name)).toBe(true)
  })

  test.each(['', '1234', 'ab cd', 'räume', 'a/b/c', 'room.1', '房间房间房间', 'abcde\n', 'x'.repeat(257)])(
    'AR-4.38 refuse %j',
    (name) => {
      expect(isRoomName(name)).toBe(false)
    },
  )

  test('AR-4.37 random ones are digits of the asked length, and differ', () => {
    expect(randomRoomName()).toMatch(/^\d{9}$/)
    expect(randomRoomName(17)).toMatch(/^\d{17}$/)
    expect(new Set(Array.from({ length: 50 }, () => randomRoomName())).size).toBe(50)
    expect(isRoomName(randomRoomName())).toBe(true)
  })

  test('use every digit', () => {
    expect(new Set(randomRoomName(2000))).toEqual(new Set('0123456789'))
  })
})

describe('recent rooms', () => {
  beforeEach(forgetRooms)

  test('AR-4.38 are ten, newest first, without duplicates', () => {
    for (let i = 0; i < 12; i++) rememberRoom(`room-${i}`)
    rememberRoom('room-5')
    const rooms = recentRooms()
    expect(rooms).toHaveLength(10)
    expect(rooms.slice(0, 3)).toEqual(['room-5', 'room-11', 'room-10'])
    expect(new Set(rooms).size).toBe(10)
  })

  test('SEC-39 hold room names only, whatever is in the storage', () => {
    settings.set('recentRooms', ['javascript:alert(1)', 'good-one', 'no', '"><b>bold</b>'])
    expect(recentRooms()).toEqual(['good-one'])
  })

  test('can be forgotten', () => {
    rememberRoom('room-1')
    forgetRooms()
    expect(recentRooms()).toEqual([])
  })
})
