import { afterEach, describe, expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import type { Outcomes, RoomCommand } from '../../src/rooms/command.ts'
import { MemoryRooms } from '../../src/rooms/memory-rooms.ts'
import type { RoomEffects, Rooms } from '../../src/rooms/rooms.ts'
import { type Peer, Service, type ServiceOptions, until } from '../http/service.ts'
import { roomsWith, SlowRooms } from '../rooms/recorder.ts'

let service: Service
const start = async (options: ServiceOptions) => {
  service = await Service.start(options)
  return service
}
afterEach(() => service.close())

const memory = (effects: RoomEffects, now: () => number) => new MemoryRooms(roomsWith({}), effects, now, now())

describe('rooms that answer each command after a time of its own', () => {
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 16807) % 2147483647
    return seed % below
  }
  const slow = (effects: RoomEffects, now: () => number): Rooms =>
    new SlowRooms(memory(effects, now), () => new Promise((resolve) => setTimeout(resolve, random(4))))

  test('texts of one sender keep their order, and none is lost or comes twice', async () => {
    await start({ makeRooms: slow })
    const [a, b] = [await service.register('room', 'a'), await service.register('room', 'b')]
    const said = Array.from({ length: 150 }, (_, i) => String(i))
    for (const text of said) {
      a.send(`a${text}`)
      b.send(`b${text}`)
    }
    expect(await b.heard(said.length)).toEqual(said.map((text) => `a${text}`))
    expect(await a.heard(said.length)).toEqual(said.map((text) => `b${text}`))
  })

  test('what a client says in one breath with its register is said after it', async () => {
    await start({ makeRooms: slow })
    const b = await service.register('room', 'b')
    const a = await service.connect()
    a.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    for (const text of ['1', '2', '3']) a.send(text)
    expect(await b.heard(3)).toEqual(['1', '2', '3'])
  })

  test('a socket that closes while it waits has still said what it said, and then its place runs out', async () => {
    await start({ makeRooms: slow })
    const b = await service.register('room', 'b')
    const a = await service.connect()
    a.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    a.send('one')
    a.send('two')
    a.socket.close()
    expect(await b.heard(2)).toEqual(['one', 'two'])
    await until(() => service.hub.connections === 1 && service.hub.counters.openSockets === 1)
    await until(async () => {
      const { rooms } = await service.rooms.list(null, 1)
      return rooms[0]?.clients.find(({ id }) => id === 'a')?.socket === 'lost'
    })
  })

  test('a socket that breaks while it registers leaves nobody behind', async () => {
    await start({ makeRooms: slow })
    const a = await service.connect()
    a.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    a.socket.terminate()
    await until(() => service.hub.connections === 0)
    await until(async () => {
      service.advance(10)
      return service.rooms.readings.rooms === 0
    })
  })

  test('texts that cross the end of a socket wait for the next one', async () => {
    await start({ makeRooms: slow })
    const [a, b] = [await service.register('room', 'a'), await service.register('room', 'b')]
    for (let i = 0; i < 30; i++) a.send(String(i))
    await b.heard(1)
    b.socket.terminate()
    const again = await service.connect()
    again.say({ cmd: 'register', roomid: 'room', clientid: 'b' })
    await until(() => again.frames.length > 0 || again.closeCode !== null)
    await until(() => again.texts.at(-1) === '29')
    // What had left for the dead socket is the network's; of the rest nothing is missing, twice or late.
    const numbers = again.texts.map(Number)
    expect(numbers).toEqual(Array.from(numbers, (_, i) => numbers[0]! + i))
  })

  test('two that want one place get it once', async () => {
    await start({ makeRooms: slow })
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.join('room')))
    expect(answers.filter(({ result }) => result === 'SUCCESS')).toHaveLength(2)
    expect(answers.filter(({ params }) => params.is_initiator === 'true')).toHaveLength(1)
  })

  test('a flood while rooms take their time is not read, and not lost', async () => {
    await start({ makeRooms: slow, signaling: { messagesPerSecond: 0 } })
    const [a, b] = [await service.register('room', 'a'), await service.register('room', 'b')]
    const text = 'x'.repeat(1000)
    for (let i = 0; i < 600; i++) a.send(`${i} ${text}`)
    expect((await b.heard(600)).map((heard) => Number.parseInt(heard, 10))).toEqual(
      Array.from({ length: 600 }, (_, i) => i),
    )
  })
})

/** Rooms that answer until they are told not to. */
class BrokenRooms extends SlowRooms {
  mood: 'well' | 'refuses' | 'silent' = 'well'

  override run<C extends RoomCommand>(room: string, command: C): Promise<Outcomes[C['verb']]> {
    if (this.mood === 'refuses') return Promise.reject(new Error('connection refused'))
    if (this.mood === 'silent') return new Promise(() => {})
    return super.run(room, command)
  }
}

describe('rooms that are out of reach', () => {
  let rooms: BrokenRooms
  let log: string[]
  const broken = async (options: ServiceOptions = {}) => {
    log = []
    const lines = createLog({ level: 'silent', pretty: false })
    const told = Object.assign(lines, { error: (_fields: unknown, text: string) => log.push(text) })
    await start({
      ...options,
      log: told,
      makeRooms: (effects, now) => {
        rooms = new BrokenRooms(memory(effects, now), () => Promise.resolve())
        return rooms
      },
    })
  }
  const call = async (): Promise<[Peer, Peer]> => [
    await service.register('room', 'a'),
    await service.register('room', 'b'),
  ]

  test('a register is refused politely and may be tried again', async () => {
    await broken()
    rooms.mood = 'refuses'
    const peer = await service.connect()
    peer.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    expect(await peer.closed).toBe(1013)
    expect(peer.errors).toEqual(['Rooms are out of reach'])
    rooms.mood = 'well'
    await service.register('room', 'a')
  })

  test('a call keeps its sockets, and goes on talking when they are back', async () => {
    await broken()
    const [a, b] = await call()
    rooms.mood = 'refuses'
    for (let i = 0; i < 10; i++) a.send('lost')
    await until(() => service.hub.counters.socketErrors === 10)
    rooms.mood = 'well'
    a.send('found')
    expect(await b.heard(1)).toEqual(['found'])
    expect(a.closeCode).toBeNull()
    expect(log).toEqual(['rooms are out of reach'])
  })

  test('nobody waits without an end: a socket whose text is not answered is closed, and its neighbours are not', async () => {
    await broken()
    const [a, b] = await call()
    rooms.mood = 'silent'
    a.send('?')
    await until(() => [...service.connections.all].some(({ mailbox }) => mailbox.isBusy))
    service.advance(5)
    expect(await a.closed).toBe(1013)
    expect(b.closeCode).toBeNull()
    await until(() => service.hub.connections === 1)
  })

  test('a socket that closes meanwhile is not kept for ever', async () => {
    await broken()
    const [a] = await call()
    rooms.mood = 'silent'
    a.send('?')
    await until(() => [...service.connections.all].some(({ mailbox }) => mailbox.isBusy))
    a.socket.terminate()
    await a.closed
    await until(() => {
      service.advance(5)
      return service.hub.connections === 1
    })
  })

  test.each([
    ['/join/room', 'POST'],
    ['/message/room/1', 'POST'],
    ['/leave/room/1', 'POST'],
    ['/collider/room/1', 'POST'],
    ['/collider/room/1', 'DELETE'],
  ])('%s answers 503, in words of AppRTC', async (path, method) => {
    await broken()
    rooms.mood = 'refuses'
    const body = method === 'POST' ? 'text' : null
    const response = await fetch(service.url + path, { method, body })
    expect([response.status, response.headers.get('Retry-After')]).toEqual([503, '5'])
    expect(await response.json()).toEqual({ result: 'ERROR', params: { messages: [] } })
  })

  test('the Collider’s own port answers 503, and the page is there', async () => {
    await broken()
    rooms.mood = 'refuses'
    expect((await fetch(`${service.colliderUrl}/room/1`, { method: 'POST', body: 'text' })).status).toBe(503)
    expect((await fetch(`${service.url}/r/room`)).status).toBe(200)
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200)
  })
})
