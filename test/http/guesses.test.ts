import { afterEach, describe, expect, test } from 'vitest'
import { AddressLimits } from '../../src/http/limits/limits.ts'
import { SourceWindows } from '../../src/http/limits/source-windows.ts'
import { defaultHttp } from '../support/default-config.ts'
import { type Joined, raw, Service, until } from './service.ts'

const STRANGER = '198.51.100.1'
const MEMBER = '203.0.113.7'

let service: Service
// Only through a proxy can the callers of a test have addresses of their own.
const start = async (http: Parameters<typeof Service.start>[0] = {}) => {
  service = await Service.start({ ...http, http: { trustedProxies: ['127.0.0.1'], ...http.http } })
}
afterEach(() => service.close())

const ask = (method: string, path: string, from: string, base = service.url) =>
  raw(base, { method, path, headers: { 'X-Forwarded-For': from }, body: method === 'POST' ? 'x' : '' })
const join = async (room: string, from: string): Promise<Joined> =>
  JSON.parse((await ask('POST', `/join/${room}`, from)).body).params
const register = async (room: string, client: string, from: string) => {
  const peer = await service.connect(undefined, { 'X-Forwarded-For': from })
  peer.say({ cmd: 'register', roomid: room, clientid: client })
  return peer
}

const WAYS = [
  ['POST', '/message/meet/'],
  ['POST', '/leave/meet/'],
  ['POST', '/bye/meet/'],
  ['DELETE', '/collider/meet/'],
  ['DELETE', '/meet/'],
  ['POST', '/collider/meet/'],
  ['POST', '/meet/'],
] as const

describe('SEC-46 ids that are guessed', () => {
  test.each(WAYS)(
    'SEC-46 with %s %sID one address has 60 wrong ones a minute, and then not the right one',
    async (method, path) => {
      await start()
      const ids = [(await join('meet', MEMBER)).client_id, (await join('meet', MEMBER)).client_id]
      const peer = await register('meet', ids[1]!, MEMBER)
      const statuses: number[] = []
      for (let i = 0; i < 900; i++) statuses.push((await ask(method, `${path}x${i}`, STRANGER)).status)
      expect(statuses.filter((status) => status !== 429)).toHaveLength(60)
      expect(statuses.slice(60)).toEqual(Array.from({ length: 840 }, () => 429))
      const hit = await ask(method, `${path}${ids[0]}`, STRANGER)
      expect(hit.status).toBe(429)
      expect(Number(hit.headers['retry-after'])).toBeGreaterThan(0)
      // Whoever is in the room notices nothing.
      expect((await ask('POST', `/message/meet/${ids[0]}`, MEMBER)).body).toBe('{"result":"SUCCESS"}')
      expect(await peer.heard(1)).toEqual(['x'])
      service.advance(60)
      expect((await ask('POST', '/message/meet/x', STRANGER)).body).toBe('{"result":"UNKNOWN_CLIENT"}')
    },
  )

  test('SEC-46 all ways count together, and on the Collider port', async () => {
    await start()
    await join('meet', MEMBER)
    for (let i = 0; i < 60; i++) {
      const [method, path] = WAYS[i % WAYS.length]!
      expect((await ask(method, `${path}x${i}`, STRANGER)).status).not.toBe(429)
    }
    for (const [method, path] of WAYS) expect((await ask(method, `${path}x`, STRANGER)).status).toBe(429)
    for (const method of ['POST', 'DELETE'])
      expect((await ask(method, '/meet/x', STRANGER, service.colliderUrl)).status).toBe(429)
  })

  test('SEC-46 a WebSocket that guesses cannot take over a place', async () => {
    await start({ http: { unknownClientsPerMinute: 3 } })
    const { client_id } = await join('meet', MEMBER)
    for (let i = 0; i < 3; i++) {
      const peer = await register('meet', `x${i}`, STRANGER)
      await peer.closed
      expect(peer.errors).toEqual(['Max room capacity reached'])
    }
    const late = await register('meet', client_id, STRANGER)
    await late.closed
    expect(late.errors).toEqual(['Max room capacity reached'])
    expect((await ask('POST', `/message/meet/${client_id}`, STRANGER)).status).toBe(429)
    await register('meet', client_id, MEMBER)
    await until(() => service.hub.counters.openSockets === 1)
  })

  test('SEC-46 an IPv6 /64 is one address', async () => {
    await start({ http: { unknownClientsPerMinute: 2 } })
    const message = async (from: string) => (await ask('POST', '/message/meet/x', from)).status
    expect(await message('2001:db8:1:2::1')).toBe(200)
    expect(await message('2001:db8:1:2:ffff::2')).toBe(200)
    expect(await message('2001:db8:1:2:3:4:5:6')).toBe(429)
    expect(await message('2001:db8:1:3::1')).toBe(200)
  })

  test('SEC-46 a guesser does not shut out those behind the same address, unless it is in their very room', async () => {
    await start({ http: { unknownClientsPerMinute: 2 } })
    const { client_id } = await join('meet', MEMBER)
    for (let i = 0; i < 20; i++) await ask('POST', `/message/r${i}/x`, MEMBER)
    const message = async () => (await ask('POST', `/message/meet/${client_id}`, MEMBER)).status
    expect(await message()).toBe(200)
    await register('meet', client_id, MEMBER)
    await until(() => service.hub.counters.openSockets === 1)
    expect((await ask('POST', '/message/meet/x', MEMBER)).status).toBe(429)
  })

  test('SEC-46 nor is an id guessed at the addresses for credentials', async () => {
    await start({ http: { unknownClientsPerMinute: 2, iceConfigNeedsRoom: true } })
    const { client_id } = await join('meet', MEMBER)
    const statusOf = async (username: string) =>
      (await ask('GET', `/turn?room=meet&username=${username}`, STRANGER)).status
    expect([await statusOf('x'), await statusOf('y'), await statusOf(client_id)]).toEqual([403, 403, 429])
  })

  test('SEC-46 whoever knows the id is not counted', async () => {
    await start({ http: { unknownClientsPerMinute: 1 } })
    const { client_id } = await join('meet', MEMBER)
    for (let i = 0; i < 10; i++) expect((await ask('POST', `/message/meet/${client_id}`, STRANGER)).status).toBe(200)
  })
})

test('of one room a neighbour of its clients has five times as many', () => {
  const limits = new AddressLimits({ ...defaultHttp, unknownClientsPerMinute: 2 }, () => 0)
  for (let i = 0; i < 10; i++) {
    expect(limits.clientWait('a', 'r', true)).toBe(0)
    limits.unknownClient('a', 'r')
  }
  expect(limits.clientWait('a', 'r', true)).toBe(60)
})

describe('windows of sources', () => {
  test('each has its own, from its first event on', () => {
    const windows = new SourceWindows(2, 1000)
    expect([windows.take('a', 0), windows.take('a', 10), windows.take('a', 400)]).toEqual([0, 0, 600])
    expect(windows.take('b', 400)).toBe(0)
    expect(windows.wait('a', 999)).toBe(1)
    expect([windows.take('a', 1000), windows.wait('b', 1399)]).toEqual([0, 0])
  })

  test('a flood of sources takes bounded memory, and nothing from one that is not the oldest', () => {
    const windows = new SourceWindows(1, 1000)
    for (let i = 0; i < 100_000; i++) windows.take(`flood ${i}`, 0)
    windows.take('late', 1)
    expect(windows.size).toBe(65_536)
    expect(windows.wait('late', 2)).toBe(999)
    windows.take('later', 2000)
    expect(windows.size).toBe(1)
  })

  test('none granted is none', () => {
    const windows = new SourceWindows(0, 1000)
    expect([windows.take('a', 0), windows.take('a', 1)]).toEqual([1000, 1000])
    expect(windows.size).toBe(0)
  })
})
