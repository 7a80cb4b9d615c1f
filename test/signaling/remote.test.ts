import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { MemoryRooms } from '../../src/rooms/memory-rooms.ts'
import { RemoteCollider } from '../../src/signaling/remote-collider.ts'
import { RoomServer } from '../../src/signaling/room-server.ts'
import { raw, Service, until } from '../http/service.ts'
import { defaultRooms } from '../support/default-config.ts'

const join = (client: string) => ({ verb: 'join', client, from: '', loopback: false, secret: '' }) as const
const message = (client: string, text: string) => ({ verb: 'message', client, text }) as const

let service: Service
afterEach(() => service.close())

test('rooms whose Collider is elsewhere store for one and forward for two', async () => {
  service = await Service.start()
  const remote = new RemoteCollider(`${service.colliderUrl}/`)
  let now = 0
  const rooms = new MemoryRooms(defaultRooms, remote, () => now)
  await rooms.run('r', join('a'))
  expect(await rooms.run('r', message('a', 'offer'))).toBe('SUCCESS')
  expect(await rooms.run('r', join('b'))).toMatchObject({ messages: ['offer'] })
  const b = await service.register('r', 'b', `ws://${service.colliderHost}/ws`)
  expect(await rooms.run('r', message('a', 'candidate é'))).toBe('SUCCESS')
  expect(await b.heard(1)).toEqual(['candidate é'])
  // Nobody tells us of their sockets: only leave and the room's expiration end a place.
  now = 3600_000
  await rooms.sweep()
  expect(await rooms.run('r', join('c'))).toEqual({ result: 'FULL' })
  await rooms.run('r', { verb: 'leave', client: 'a' })
  expect(await rooms.run('r', join('c'))).toMatchObject({ initiator: false })
  now += 86_400_000
  await rooms.sweep()
  expect(rooms.readings.rooms).toBe(0)
  await remote.close()
  expect([remote.failures, b.texts]).toEqual([0, ['candidate é']])
})

test('a Collider that is down holds no message up', async () => {
  service = await Service.start()
  const { colliderUrl } = service
  await service.collider.close()
  const remote = new RemoteCollider(colliderUrl)
  const rooms = new MemoryRooms(defaultRooms, remote, () => 0)
  await rooms.run('r', join('a'))
  await rooms.run('r', join('b'))
  expect(await rooms.run('r', message('a', 'text'))).toBe('SUCCESS')
  await until(() => remote.failures === 1)
  await remote.close()
})

test('AR-5.2.1 our hub and our rooms in two processes: DELETE at the hub frees the place, slash or not', async () => {
  service = await Service.start()
  const roomServer = new RoomServer(`${service.url}/`)
  const hub = await Service.start({ forgotten: (room, client) => roomServer.gone(room, client) })
  const { client_id } = (await service.join('r')).params
  await hub.register('r', client_id)
  await raw(`${hub.colliderUrl}/r/${client_id}`, { method: 'DELETE' })
  await until(async () => !(await service.rooms.look('r', '')).exists)
  await roomServer.close()
  await hub.close()
})

test.each([
  ['final', ['/leave/r/1'], 0],
  ['of January 2015', ['/bye/r/1'], 0],
  ['that is something else', [], 1],
])('a room server %s hears of one who is gone at an address it has', async (_name, has, failures) => {
  service = await Service.start()
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(has.includes(request.url ?? '') ? 200 : 404).end()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const roomServer = new RoomServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  roomServer.gone('r', '1')
  await until(() => asked.length === 2)
  // Long enough for the answers to arrive, were they to be counted as failures.
  await new Promise((done) => setTimeout(done, 50))
  expect([asked.sort(), roomServer.failures]).toEqual([['POST /bye/r/1', 'POST /leave/r/1'], failures])
  await roomServer.close()
  await new Promise((closed) => server.close(closed))
})
