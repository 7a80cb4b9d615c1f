import { afterAll, beforeAll, expect, test } from 'vitest'
import { randomDigits } from '../../src/http/page/announced.ts'
import { callPages } from '../../src/http/page/page.ts'
import { Service } from './service.ts'

let service: Service
beforeAll(async () => {
  service = await Service.start({ pages: callPages })
})
afterAll(() => service.close())

test('AR-4.1 a random id has exactly the length that was asked for', () => {
  expect(randomDigits(17)).toMatch(/^[0-9]{17}$/)
  expect(randomDigits(23)).toMatch(/^[0-9]{23}$/)
})

test('AR-4.2 the landing page names no room', async () => {
  const response = await fetch(`${service.url}/`)
  expect(response.status).toBe(200)
  expect(await response.text()).not.toMatch(/roomId"?:/)
})

test('AR-4.3 the page of a room says which', async () => {
  const response = await fetch(`${service.url}/r/testRoom`)
  expect(response.status).toBe(200)
  expect(await response.text()).toContain("roomId: 'testRoom'")
})

test('AR-4.4 AR-4.5 first join is initiator, second is not, third is told that the room is full', async () => {
  const first = await service.join('foo')
  expect(first.result).toBe('SUCCESS')
  expect(first.params).toMatchObject({ is_initiator: 'true', room_id: 'foo', error_messages: [], warning_messages: [] })
  expect(first.params.client_id).toMatch(/^[0-9]{8}$/)
  const second = await service.join('foo')
  expect(second).toMatchObject({ result: 'SUCCESS', params: { is_initiator: 'false' } })
  const third = await service.post('/join/foo')
  expect(third.status).toBe(200)
  expect(await third.json()).toMatchObject({ result: 'FULL', params: { messages: [] } })
})

test.each([
  [60, 60],
  // Another Collider has the sockets, and a time of its own.
  [null, undefined],
])('the join answer says for how many seconds a place is kept without a socket: %s', async (configured, said) => {
  const other = await Service.start({ http: { roomGraceSeconds: configured } })
  expect((await other.join('grace')).params['room_grace_seconds']).toBe(said)
  await other.close()
})

test('AR-4.6 after both have left the next one is initiator again', async () => {
  const ids = [await service.join('again'), await service.join('again')].map((joined) => joined.params.client_id)
  for (const id of ids) expect((await service.post(`/leave/again/${id}`)).status).toBe(200)
  expect((await service.join('again')).params.is_initiator).toBe('true')
})

test('AR-4.7 messages posted before the second join are in its answer, in order', async () => {
  const { client_id } = (await service.join('stored')).params
  for (const text of ['1', '2', '3']) expect(await service.message('stored', client_id, text)).toBe('SUCCESS')
  expect((await service.join('stored')).params.messages).toEqual(['1', '2', '3'])
})
