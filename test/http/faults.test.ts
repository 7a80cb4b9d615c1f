import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { raw, Service, type ServiceOptions, until } from './service.ts'

/** Faults found in the originals (§5.2) that only a running server can show. The others are with rooms and flows. */
let service: Service
const start = async (options: ServiceOptions = {}) => {
  service = await Service.start(options)
}
afterEach(() => service.close())

test('AR-5.2.7 a phone on the address and a browser on the name meet in one room', async () => {
  await start()
  const join = async (host: string) =>
    JSON.parse((await raw(service.url, { method: 'POST', path: '/join/meet', headers: { Host: host } })).body)
  expect((await join('192.0.2.1:8080')).params.is_initiator).toBe('true')
  expect((await join('call.example')).params.is_initiator).toBe('false')
})

test('AR-5.2.8 SEC-41 no value of a query makes the server connect anywhere, not even in compat', async () => {
  let hits = 0
  const stranger = createServer((_request, response) => {
    hits++
    response.end()
  })
  await new Promise<void>((done) => stranger.listen(0, '127.0.0.1', done))
  const target = `127.0.0.1:${(stranger.address() as AddressInfo).port}`
  await start({ http: { urlOverrides: 'compat' } })
  const query = `?wshpp=${target}&wstls=false&ts=http://${target}&apikey=k`
  const a = (await service.join('r', query)).params.client_id
  await service.join('r', query)
  for (const path of ['/', '/r/r', '/params', '/turn', '/v1alpha/iceconfig', '/probe/collider'])
    await raw(service.url + path + query)
  await service.post(`/message/r/${a}${query}`, 'text')
  await service.post(`/leave/r/${a}${query}`)
  await new Promise((done) => setTimeout(done, 50))
  expect(hits).toBe(0)
  await new Promise((done) => stranger.close(done))
})

test('AR-5.2.11 AR-5.2.1 a room server that hangs holds nobody up', async () => {
  const asked: string[] = []
  const hanging = createServer((request) => {
    asked.push(`${request.method} ${request.url}`)
  })
  await new Promise<void>((done) => hanging.listen(0, '127.0.0.1', done))
  const { RoomServer } = await import('../../src/signaling/room-server.ts')
  const roomServer = new RoomServer(`http://127.0.0.1:${(hanging.address() as AddressInfo).port}/`)
  await start({ forgotten: (room, client) => roomServer.gone(room, client) })
  await service.register('r', 'a')
  await raw(`${service.colliderUrl}/r/a`, { method: 'DELETE' })
  await until(() => asked.length === 2)
  expect(asked.sort()).toEqual(['POST /bye/r/a', 'POST /leave/r/a'])
  expect((await raw(`${service.colliderUrl}/status`)).status).toBe(200)
  await roomServer.close()
  hanging.closeAllConnections()
  await new Promise((done) => hanging.close(done))
})

test('AR-5.2.12 SEC-52 a socket that answers no ping is gone after two of them', async () => {
  await start()
  const dead = await service.register('r', 'a')
  const live = await service.register('r', 'b')
  dead.socket.pause()
  for (let i = 0; i < 3; i++) {
    const pinged = once(live.socket, 'ping')
    service.advance(25)
    await pinged
    // The answer to this one comes after the hub has seen the answer to its own.
    live.socket.ping()
    await once(live.socket, 'pong')
  }
  await until(() => service.hub.counters.openSockets === 1)
  expect(live.closeCode).toBeNull()
})

test('AR-5.2.15 stun: URLs carry no transport, and have an entry of their own', async () => {
  await start()
  const { iceServers } = (await service.json('/v1alpha/iceconfig?tt=tcp')) as unknown as {
    iceServers: { urls: string[] }[]
  }
  for (const { urls } of iceServers)
    expect(
      urls.every((url) => url.startsWith('stun:') && !url.includes('?')) || urls.every((url) => url.startsWith('turn')),
    ).toBe(true)
})

describe('AR-4.8', () => {
  test('the configured Collider is announced, with no prober to ask', async () => {
    await start({ http: { wssHostPortPair: 'hub.example:8089', wssTls: true } })
    expect((await service.join('r')).params).toMatchObject({
      wss_url: 'wss://hub.example:8089/ws',
      wss_post_url: 'https://hub.example:8089',
    })
  })
})
