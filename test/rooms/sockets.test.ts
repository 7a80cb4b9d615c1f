import { describe, expect, test } from 'vitest'
import type { RoomEffects } from '../../src/rooms/rooms.ts'
import { IMPLEMENTATIONS, roomsWith } from './recorder.ts'

/** What was asked of sockets; texts to those in `gone` do not arrive. */
function sockets() {
  const log: string[] = []
  const gone = new Set<string>()
  const dead = new Set<string>()
  const effects: RoomEffects = {
    deliver: (_room, { socket, text }) => {
      if (!gone.has(socket)) log.push(`${socket}: ${text}`)
      return !gone.has(socket)
    },
    disconnect: (_room, { socket, why }) => {
      log.push(`${socket} ${why}`)
    },
    isLive: (socket) => !dead.has(socket),
    forgotten: () => {},
  }
  return { log, gone, dead, effects }
}

describe.each(IMPLEMENTATIONS)('sockets by name: $kind', ({ make }) => {
  const from = '192.0.2.1'
  const register = (client: string, socket: string) =>
    ({ verb: 'register', client, from, claim: null, socket, over: '' }) as const
  const join = (client: string) => ({ verb: 'join', client, from, loopback: false, secret: '' }) as const
  const send = (client: string, text: string) => ({ verb: 'send', client, text }) as const

  async function call() {
    const { effects, ...world } = sockets()
    const rooms = make(roomsWith({}), effects, () => 0)
    for (const client of ['a', 'b']) {
      await rooms.run('r', join(client))
      await rooms.run('r', register(client, `${client}1`))
    }
    return { rooms, ...world }
  }

  test('one that answers no ping makes way for the next one of its client; one that does is not touched', async () => {
    const { rooms, log, dead } = await call()
    expect(await rooms.run('r', register('a', 'a2'))).toEqual({ refusal: 'Duplicated registration', holder: 'a1' })
    dead.add('a1')
    expect(await rooms.run('r', register('a', 'a2'))).toEqual({ refusal: null, holder: '' })
    await rooms.run('r', send('b', 'for whoever is there now'))
    expect(log).toEqual(['a1 replaced', 'a2: for whoever is there now'])
  })

  test('the end of one that has been replaced, told late, ends nothing', async () => {
    const { rooms, dead } = await call()
    dead.add('a1')
    await rooms.run('r', register('a', 'a2'))
    await rooms.run('r', { verb: 'closed', client: 'a', socket: 'a1', goingAway: true })
    const { rooms: listed } = await rooms.list(null, 1)
    expect(listed[0]!.clients.map(({ id, socket }) => [id, socket])).toEqual([
      ['a', 'open'],
      ['b', 'open'],
    ])
  })

  test('texts for one that is gone without a word wait in order for the next one, and none comes twice', async () => {
    const { rooms, log, gone } = await call()
    gone.add('a1')
    await rooms.run('r', send('b', '1'))
    await rooms.run('r', send('b', '2'))
    expect(rooms.readings.waitingBytes).toBeGreaterThan(0)
    await rooms.run('r', { verb: 'closed', client: 'a', socket: 'a1', goingAway: false })
    await rooms.run('r', register('a', 'a2'))
    await rooms.run('r', send('b', '3'))
    expect(log).toEqual(['a2: 1', 'a2: 2', 'a2: 3'])
    expect(rooms.readings.waitingBytes).toBe(0)
  })

  test('a text that finds the socket replaced meanwhile goes to the new one', async () => {
    const { rooms, log, dead } = await call()
    dead.add('a1')
    await rooms.run('r', register('a', 'a2'))
    await rooms.run('r', { verb: 'undelivered', client: 'a', socket: 'a1', from, text: 'late' })
    expect(log).toEqual(['a1 replaced', 'a2: late'])
  })

  test('a text for somebody who is gone for good is nobody’s', async () => {
    const { rooms, log } = await call()
    await rooms.run('r', { verb: 'leave', client: 'a' })
    await rooms.run('r', { verb: 'undelivered', client: 'a', socket: 'a1', from, text: 'late' })
    await rooms.run('r', { verb: 'undelivered', client: 'x', socket: 'x1', from, text: 'late' })
    expect(log).toEqual(['b1: {"type":"bye"}'])
    expect(rooms.readings.waitingBytes).toBe(0)
  })
})
