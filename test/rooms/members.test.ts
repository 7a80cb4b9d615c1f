import { describe, expect, test } from 'vitest'
import { BYE } from '../../src/rooms/bye.ts'
import { IMPLEMENTATIONS, RecordedRooms } from './recorder.ts'

const SECOND = 1000
const NONE = { total: 0, perSource: 0 }

describe.each(IMPLEMENTATIONS)('places: $kind', ({ make }) => {
  test('the first is initiator, the second gets what was stored, the third finds the room full', async () => {
    const rooms = new RecordedRooms(make)
    expect(await rooms.join('r', 'a', false, 0)).toEqual({ result: 'SUCCESS', initiator: true, messages: [] })
    expect(await rooms.message('r', 'a', 'one', 0)).toBe('SUCCESS')
    expect(await rooms.message('r', 'a', 'two', 0)).toBe('SUCCESS')
    expect(await rooms.isFull('r', 0)).toBe(false)
    expect(await rooms.join('r', 'b', false, 0)).toEqual({
      result: 'SUCCESS',
      initiator: false,
      messages: ['one', 'two'],
    })
    expect(await rooms.isFull('r', 0)).toBe(true)
    expect(await rooms.join('r', 'c', false, 0)).toEqual({ result: 'FULL' })
  })

  test('stored texts are handed out once', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.message('r', 'a', 'offer', 0)
    await rooms.join('r', 'b', false, 0)
    await rooms.leave('r', 'b', 0)
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ messages: [] })
  })

  test('an id that is there already is a duplicate', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    expect(await rooms.join('r', 'a', false, 0)).toEqual({ result: 'DUPLICATE_CLIENT' })
  })

  test('a loopback room is full at once and gone with its one client', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', true, 0)
    expect(await rooms.join('r', 'b', false, 0)).toEqual({ result: 'FULL' })
    await rooms.leave('r', 'a', 0)
    expect(rooms.size).toBe(0)
  })

  test('texts stored by one who leaves vanish with it, and the one who remains is initiator', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.join('r', 'b', false, 0)
    await rooms.leave('r', 'a', 0)
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ initiator: false })
    await rooms.leave('r', 'b', 0)
    await rooms.leave('r', 'c', 0)
    expect(rooms.size).toBe(0)
  })

  test('SEC-46 leave, message and DELETE of an unknown id change nothing', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'x', 0)
    await rooms.remove('r', 'x', 0)
    await rooms.leave('other', 'a', 0)
    await rooms.remove('other', 'a', 0)
    expect(await rooms.message('r', 'x', 'text', 0)).toBe('UNKNOWN_CLIENT')
    expect(await rooms.message('other', 'a', 'text', 0)).toBe('UNKNOWN_ROOM')
    expect(rooms.delivered).toEqual([])
    expect(rooms.disconnected).toEqual([])
    expect(await rooms.isFull('r', 0)).toBe(true)
    expect(rooms.size).toBe(1)
  })

  test('AR-5.2.9 an id that no join gave out gets no place beside members', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    expect(await rooms.register('r', 'stranger', 0)).toBe('Max room capacity reached')
    expect(await rooms.post('r', 'stranger', 'text', 0)).toBe('Max room capacity reached')
    expect(await rooms.join('r', 'b', false, 0)).toMatchObject({ result: 'SUCCESS', messages: [] })
  })

  test('a room of three places has three', async () => {
    const rooms = new RecordedRooms(make, { capacity: 3 })
    await rooms.call('r')
    await rooms.join('r', 'c', false, 0)
    await rooms.register('r', 'c', 0)
    expect(await rooms.join('r', 'd', false, 0)).toEqual({ result: 'FULL' })
    await rooms.send('r', 'a', 'hello', 0)
    expect(rooms.delivered).toEqual(['r/b: hello', 'r/c: hello'])
  })

  test.each([0, 1])('a limit of 0 is none (capacity, member %i)', async (member) => {
    const rooms = new RecordedRooms(make, { capacity: 0, rooms: NONE, waitingBytes: NONE, maxMessages: 0, maxBytes: 0 })
    for (let id = 0; id < 50; id++) expect((await rooms.join('r', `${id}`, false, 0)).result).toBe('SUCCESS')
    expect(await rooms.message('r', `${member}`, 'x', 0)).toBe('SUCCESS')
  })
})

describe.each(IMPLEMENTATIONS)('relaying: $kind', ({ make }) => {
  test('with two members a text goes to the socket of the other, or waits for it in order', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.join('r', 'b', false, 0)
    expect(await rooms.message('r', 'a', '1', 0)).toBe('SUCCESS')
    expect(await rooms.post('r', 'a', '2', 0)).toBeNull()
    expect(rooms.delivered).toEqual([])
    await rooms.register('r', 'b', 0)
    await rooms.message('r', 'a', '3', 0)
    expect(rooms.delivered).toEqual(['r/b: 1', 'r/b: 2', 'r/b: 3'])
  })

  test('a member that lost its socket takes it up again and gets what it missed', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'b', false, 0)
    await rooms.send('r', 'a', 'missed', 5 * SECOND)
    expect(await rooms.register('r', 'b', 9 * SECOND)).toBeNull()
    await rooms.sweep(60 * SECOND)
    expect(rooms.delivered).toEqual(['r/b: missed'])
    expect(await rooms.isFull('r', 60 * SECOND)).toBe(true)
  })

  test('after leave the socket still says bye, and then nobody hears it any more', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'a', 0)
    await rooms.send('r', 'a', BYE, 0)
    await rooms.send('r', 'a', BYE, 0)
    await rooms.send('r', 'a', 'text', 0)
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
  })

  test('a late bye does not reach the newcomer', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'a', 0)
    await rooms.join('r', 'c', false, 0)
    await rooms.register('r', 'c', 0)
    await rooms.send('r', 'a', BYE, 0)
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
  })

  test('what the remaining one says before it hears bye is no offer for the next visitor', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'a', 0)
    await rooms.send('r', 'b', '{"type":"answer"}', 0)
    await rooms.send('r', 'a', BYE, 0)
    expect(await rooms.message('r', 'b', '{"type":"offer"}', 0)).toBe('SUCCESS')
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ messages: ['{"type":"offer"}'] })
  })
})

describe.each(IMPLEMENTATIONS)('who is gone: $kind', ({ make }) => {
  test.each([
    ['as the web page writes it', BYE],
    ['as Android writes it', '{ "type" : "bye" }'],
    ['as iOS writes it', '{\n  "type" : "bye"\n}'],
    ['with an escape', '{"type":"\\u0062ye"}'],
    ['all in escapes', '{"\\u0074ype":"\\u0062\\u0079\\u0065"}'],
    ['with a long reason', `{"type":"bye","reason":"${'x'.repeat(5000)}"}`],
  ])('AR-5.2.2 a bye %s is a leave', async (_name, bye) => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.send('r', 'a', bye, 0)
    expect(rooms.delivered).toEqual([`r/b: ${bye}`])
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ result: 'SUCCESS', initiator: false })
  })

  test.each([
    '{"type":"offer","sdp":"bye"}',
    '"bye"',
    'bye',
    '{"a":{"type":"bye"}}',
    '["bye"]',
    '{"type":"bye"',
    '{"type":"Bye"}',
    '"\\u0062ye"',
  ])('nothing else is one: %s', async (text) => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.send('r', 'a', text, 0)
    expect(await rooms.join('r', 'c', false, 0)).toEqual({ result: 'FULL' })
  })

  test('AR-5.2.3 bye may come before leave: the offer that answers it is stored', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.send('r', 'b', BYE, 0)
    await rooms.message('r', 'a', 'offer', 0)
    await rooms.leave('r', 'b', 0)
    await rooms.remove('r', 'b', 0)
    expect(await rooms.join('r', 'c', false, 0)).toEqual({ result: 'SUCCESS', initiator: false, messages: ['offer'] })
    expect(rooms.delivered).toEqual([`r/a: ${BYE}`])
  })

  test('AR-5.2.4 one who crashed alone loses its place after the grace, and its offer with it', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.register('r', 'a', 0)
    await rooms.message('r', 'a', 'stale offer', 0)
    await rooms.closed('r', 'a', false, SECOND)
    expect(await rooms.join('r', 'b', false, 11 * SECOND)).toEqual({ result: 'SUCCESS', initiator: true, messages: [] })
  })

  test('AR-5.2.5 one who lost its socket, left and joined again gets its place', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'b', false, 0)
    await rooms.leave('r', 'b', 0)
    expect(await rooms.join('r', 'b2', false, 0)).toMatchObject({ result: 'SUCCESS', initiator: false })
    expect(await rooms.register('r', 'b2', 0)).toBeNull()
  })

  test('AR-5.2.6 a dead member is taken out after the grace, and the other side is told by a bye', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'a', false, 0)
    await rooms.sweep(9 * SECOND)
    expect(rooms.delivered).toEqual([])
    await rooms.sweep(10 * SECOND)
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
    expect(await rooms.join('r', 'c', false, 10 * SECOND)).toMatchObject({ result: 'SUCCESS', initiator: false })
  })

  test('before FULL is answered the dead are taken out', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.join('r', 'c', false, 9 * SECOND)).toEqual({ result: 'FULL' })
    expect(await rooms.join('r', 'c', false, 10 * SECOND)).toMatchObject({ result: 'SUCCESS' })
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
  })

  test('a page that was closed without a bye keeps its place only while nobody wants it', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'a', true, 0)
    expect(await rooms.isFull('r', 0)).toBe(false)
    await rooms.register('r', 'a', 0)
    expect(await rooms.isFull('r', 0)).toBe(true)
    await rooms.closed('r', 'a', true, 0)
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ result: 'SUCCESS', initiator: false })
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
  })

  test('one who never had a socket loses its place after the register timeout', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.sweep(9 * SECOND)
    expect(rooms.size).toBe(1)
    await rooms.sweep(10 * SECOND)
    expect(rooms.size).toBe(0)
  })

  test('one who was killed alone holds nothing up: its offer is stale and the next is initiator', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.register('r', 'a', 0)
    await rooms.message('r', 'a', 'stale offer', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.join('r', 'b', false, SECOND)).toEqual({ result: 'SUCCESS', initiator: true, messages: [] })
    await rooms.register('r', 'b', SECOND)
    await rooms.sweep(60 * SECOND)
    expect(rooms.delivered).toEqual([])
    expect(await rooms.register('r', 'a', 60 * SECOND)).toBe('Max room capacity reached')
  })

  test.each([
    ['killed', false],
    ['closed', true],
  ])('two of whom one was killed and the other %s: the room is empty for whoever comes', async (_name, goingAway) => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'a', false, 0)
    await rooms.send('r', 'b', 'meant for a', 0)
    await rooms.closed('r', 'b', goingAway, 0)
    expect(await rooms.isFull('r', SECOND)).toBe(false)
    expect(await rooms.join('r', 'c', false, SECOND)).toEqual({ result: 'SUCCESS', initiator: true, messages: [] })
    expect(await rooms.join('r', 'd', false, SECOND)).toEqual({ result: 'SUCCESS', initiator: false, messages: [] })
    expect(rooms.delivered).toEqual([])
    expect(await rooms.message('r', 'b', 'late', SECOND)).toBe('UNKNOWN_CLIENT')
  })

  test('one who was killed while the other is there keeps its place', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.join('r', 'c', false, SECOND)).toEqual({ result: 'FULL' })
    expect(await rooms.register('r', 'a', 2 * SECOND)).toBeNull()
  })

  test('one who has joined and is still connecting is not gone', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.message('r', 'a', 'offer', 0)
    expect(await rooms.join('r', 'b', false, 0)).toEqual({ result: 'SUCCESS', initiator: false, messages: ['offer'] })
    await rooms.register('r', 'a', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.join('r', 'c', false, SECOND)).toEqual({ result: 'FULL' })
    expect(await rooms.register('r', 'b', 9 * SECOND)).toBeNull()
  })

  test('a loopback room goes with the socket of its one real client', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', true, 0)
    await rooms.register('r', 'a', 0)
    await rooms.register('r', 'LOOPBACK_CLIENT_ID', 0)
    await rooms.closed('r', 'a', false, 0)
    expect(await rooms.join('r', 'b', true, SECOND)).toMatchObject({ result: 'SUCCESS', initiator: true })
    expect(rooms.disconnected).toEqual(['r/LOOPBACK_CLIENT_ID'])
  })

  test('one who leaves without a socket is said goodbye to at once', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.join('r', 'a', false, 0)
    await rooms.register('r', 'a', 0)
    await rooms.join('r', 'b', false, 0)
    await rooms.leave('r', 'b', 0)
    expect(rooms.delivered).toEqual([`r/a: ${BYE}`])
  })

  test('one who leaves and closes its socket without a bye is said goodbye to then', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.leave('r', 'b', 0)
    expect(rooms.delivered).toEqual([])
    await rooms.closed('r', 'b', false, 0)
    expect(rooms.delivered).toEqual([`r/a: ${BYE}`])
  })

  test('DELETE takes the place, closes the socket and says goodbye', async () => {
    const rooms = new RecordedRooms(make)
    await rooms.call('r')
    await rooms.remove('r', 'a', 0)
    expect(rooms.disconnected).toEqual(['r/a'])
    expect(rooms.delivered).toEqual([`r/b: ${BYE}`])
    expect(await rooms.join('r', 'c', false, 0)).toMatchObject({ result: 'SUCCESS' })
  })

  test('an untouched room goes after its time, unless sockets still answer in it', async () => {
    const rooms = new RecordedRooms(make, { registerTimeoutSeconds: 0, expirationSeconds: 86_400 })
    await rooms.join('idle', 'a', false, 0)
    await rooms.call('busy')
    await rooms.sweep(86_399 * SECOND)
    expect(rooms.size).toBe(2)
    await rooms.sweep(86_400 * SECOND)
    expect([await rooms.has('idle'), await rooms.has('busy')]).toEqual([false, true])
  })
})

describe.each(IMPLEMENTATIONS)('limits: $kind', ({ make }) => {
  test('SEC-44 AR-5.2.10 a room keeps 1 024 texts and 1 MiB, there are so many rooms and no more', async () => {
    const rooms = new RecordedRooms(make, { rooms: { total: 2, perSource: 0 } })
    await rooms.join('r', 'a', false, 0)
    for (let i = 0; i < 1024; i++) expect(await rooms.message('r', 'a', 'x', 0)).toBe('SUCCESS')
    expect(await rooms.message('r', 'a', 'x', 0)).toBe('ERROR')
    await rooms.join('s', 'a', false, 0)
    expect(await rooms.message('s', 'a', 'é'.repeat(512 * 1024), 0)).toBe('SUCCESS')
    expect(await rooms.message('s', 'a', 'x', 0)).toBe('ERROR')
    expect(await rooms.join('t', 'a', false, 0)).toEqual({ result: 'TOO_MANY_ROOMS' })
    expect(await rooms.register('t', 'a', 0)).not.toBeNull()
    expect(await rooms.post('t', 'a', 'x', 0)).not.toBeNull()
    expect(rooms.size).toBe(2)
  })

  test('SEC-44 an address over its share of rooms is refused, whoever else comes is not, and what is over counts no more', async () => {
    const rooms = new RecordedRooms(make, { rooms: { total: 100, perSource: 10 } })
    const open = async (from: string) => {
      const name = `${from} ${rooms.size}`
      return (await rooms.join(name, 'a', false, 0, from)).result
    }
    for (let i = 0; i < 10; i++) expect(await open('192.0.2.1')).toBe('SUCCESS')
    expect(await open('192.0.2.1')).toBe('TOO_MANY_ROOMS')
    expect(await rooms.register('r', 'a', 0, '192.0.2.1')).not.toBeNull()
    expect(await rooms.post('r', 'a', 'x', 0, '192.0.2.1')).not.toBeNull()
    expect(await open('192.0.2.2')).toBe('SUCCESS')
    // Into a room that is there anybody may come.
    expect((await rooms.join('192.0.2.2 10', 'b', false, 0, '192.0.2.1')).result).toBe('SUCCESS')
    expect(rooms.refused.rooms).toEqual({ 'too-many': 0, 'too-many-from-source': 3 })
    await rooms.leave('192.0.2.1 0', 'a', 0)
    expect(await open('192.0.2.1')).toBe('SUCCESS')
  })

  test('SEC-44 when rooms run short the address that has the most is refused first, and a newcomer gets one', async () => {
    const rooms = new RecordedRooms(make, { rooms: { total: 100, perSource: 0 } })
    let greedy = 0
    while ((await rooms.join(`g${greedy}`, 'a', false, 0, '192.0.2.1')).result === 'SUCCESS') greedy++
    expect(greedy).toBe(89)
    for (const from of ['2001:db8:0:1', '192.0.2.2', '192.0.2.3'])
      expect((await rooms.join(from, 'a', false, 0, from)).result).toBe('SUCCESS')
    expect(rooms.refused.rooms).toEqual({ 'too-many': 0, 'too-many-from-source': 1 })
  })

  test('SEC-44 texts of one address have a share of the memory, whatever rooms it opens, and others still have theirs', async () => {
    const rooms = new RecordedRooms(make)
    const say = async (room: string, from: string, bytes: number) => {
      await rooms.join(room, 'a', false, 0, from)
      return await rooms.message(room, 'a', 'x'.repeat(bytes), 0)
    }
    let full = 0
    for (let i = 0; i < 600; i++) if ((await say(`r${i}`, '192.0.2.1', 1 << 20)) === 'SUCCESS') full++
    expect(full).toBe(7)
    expect(rooms.waitingBytes).toBeLessThanOrEqual(8 << 20)
    expect(rooms.refused.texts).toEqual({ 'too-many': 0, 'too-many-from-source': 593 })
    expect(await say('honest', '2001:db8:0:1', 100_000)).toBe('SUCCESS')
    // What is read or dropped counts no more.
    await rooms.join('r0', 'b', false, 0, '192.0.2.3')
    await rooms.leave('r1', 'a', 0)
    expect(await say('more', '192.0.2.1', 1 << 20)).toBe('SUCCESS')
    expect(await say('still more', '192.0.2.1', 1 << 20)).toBe('SUCCESS')
    expect(await say('too much', '192.0.2.1', 1 << 20)).toBe('ERROR')
  })

  test('SEC-44 the smallest texts count with what is kept beside them', async () => {
    const rooms = new RecordedRooms(make)
    let kept = 0
    for (let i = 0; i < 600; i++) {
      await rooms.join(`r${i}`, 'a', false, 0, '192.0.2.1')
      while ((await rooms.message(`r${i}`, 'a', 'x', 0)) === 'SUCCESS') kept++
    }
    expect(kept).toBe(Math.floor((8 << 20) / 257))
  })

  test('SEC-44 when the memory for texts runs short the address that has the most is refused first', async () => {
    const rooms = new RecordedRooms(make, { waitingBytes: { total: 10_000_000, perSource: 0 } })
    const say = async (room: string, from: string) => {
      await rooms.join(room, 'a', false, 0, from)
      return await rooms.message(room, 'a', 'x'.repeat(10_000), 0)
    }
    let greedy = 0
    while ((await say(`g${greedy}`, '192.0.2.1')) === 'SUCCESS') greedy++
    expect(rooms.waitingBytes).toBeGreaterThan(8_000_000)
    for (let i = 0; i < 50; i++) expect(await say(`h${i}`, `198.51.100.${i}`)).toBe('SUCCESS')
    expect(rooms.refused.texts).toEqual({ 'too-many': 0, 'too-many-from-source': 1 })
  })

  test('SEC-44 what waits in the inbox of another counts for who said it', async () => {
    const rooms = new RecordedRooms(make, { waitingBytes: { total: 0, perSource: 1000 } })
    await rooms.join('r', 'a', false, 0, '192.0.2.1')
    await rooms.join('r', 'b', false, 0, '192.0.2.2')
    expect(await rooms.message('r', 'a', 'x'.repeat(700), 0)).toBe('SUCCESS')
    expect(await rooms.message('r', 'a', 'x'.repeat(700), 0)).toBe('ERROR')
    expect(await rooms.message('r', 'b', 'x'.repeat(700), 0)).toBe('SUCCESS')
    await rooms.register('r', 'b', 0, '192.0.2.2')
    expect(rooms.waitingBytes).toBe(956)
  })

  test('room is made again when texts are delivered or their room is left', async () => {
    const rooms = new RecordedRooms(make, { maxMessages: 1 })
    await rooms.join('r', 'a', false, 0)
    await rooms.message('r', 'a', '1', 0)
    await rooms.join('r', 'b', false, 0)
    expect(await rooms.message('r', 'a', '2', 0)).toBe('SUCCESS')
    expect(await rooms.message('r', 'a', '3', 0)).toBe('ERROR')
    await rooms.register('r', 'b', 0)
    await rooms.closed('r', 'b', false, 0)
    expect(await rooms.message('r', 'a', '4', 0)).toBe('SUCCESS')
  })
})
