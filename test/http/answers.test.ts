import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HttpOptions } from '../../src/http/options.ts'
import { raw, Service } from './service.ts'

let service: Service
beforeEach(async () => {
  service = await Service.start()
})
afterEach(() => service.close())

/** Every key of §1.3 that one answer must have to serve all generations, and its JSON type. */
const PARAMETERS = {
  error_messages: expect.any(Array),
  warning_messages: expect.any(Array),
  is_loopback: 'false',
  pc_config: expect.any(String),
  pc_constraints: expect.any(String),
  offer_constraints: '{"mandatory":{},"optional":[]}',
  offer_options: '{}',
  media_constraints: expect.any(String),
  turn_url: expect.any(String),
  turn_transports: '',
  turn_server_override: [],
  ice_server_url: expect.any(String),
  ice_server_transports: '',
  include_loopback_js: '',
  wss_url: expect.any(String),
  wss_post_url: expect.any(String),
  bypass_join_confirmation: 'false',
  version_info: 'null',
  header_message: null,
}

describe('parameters', () => {
  test('/params has both generations in one answer and no room', async () => {
    expect(await service.json('/params')).toEqual(PARAMETERS)
  })

  test('join adds the keys of the room', async () => {
    expect(await service.join('room-1_A')).toEqual({
      result: 'SUCCESS',
      params: {
        ...PARAMETERS,
        room_id: 'room-1_A',
        room_link: `${service.url}/r/room-1_A`,
        client_id: expect.stringMatching(/^[0-9]{8}$/),
        is_initiator: 'true',
        messages: [],
        room_grace_seconds: 10,
        client_secret: expect.stringMatching(/^[\w-]{22}$/),
      },
    })
  })

  test('hub and documents are announced on the port the request came to', async () => {
    const { params } = await service.join('r')
    expect(params.wss_url).toBe(`ws://${service.host}/ws`)
    expect(params.wss_post_url).toBe(`http://${service.host}/collider`)
    expect(params.ice_server_url).toBe(`${service.url}/v1alpha/iceconfig?key=`)
    expect(params.turn_url).toBe(`${service.url}/turn?username=${params.client_id}&key=`)
  })

  test('a port that speaks TLS alone is announced with wss:// whatever a link says', async () => {
    const over = async (http: Partial<HttpOptions>, query: string, proto = 'https') => {
      const other = await Service.start({ http: { trustedProxies: ['127.0.0.1'], tlsPorts: [8443, 8089], ...http } })
      const headers = { Host: 'call.example', 'X-Forwarded-Proto': proto }
      const { body } = await raw(other.url, { path: `/params?${query}`, headers })
      await other.close()
      const { wss_url, wss_post_url } = JSON.parse(body)
      return [wss_url, wss_post_url]
    }
    const here = ['wss://call.example/ws', 'https://call.example/collider']
    const hub = ['wss://call.example:8089/ws', 'https://call.example:8089']
    for (const urlOverrides of ['own-hosts', 'compat'] as const) {
      expect(await over({ urlOverrides }, 'wstls=false')).toEqual(here)
      expect(await over({ urlOverrides }, 'wstls=false&wshpp=call.example')).toEqual(
        here.map((url) => url.replace('/collider', '')),
      )
      expect(await over({ urlOverrides }, 'wstls=false&wshpp=call.example:8089', 'http')).toEqual(hub)
      // Named by the configuration, perhaps under another name of ours.
      expect(await over({ urlOverrides, wssHostPortPair: 'hub.example:8089' }, 'wstls=false', 'http')).toEqual([
        'wss://hub.example:8089/ws',
        'https://hub.example:8089',
      ])
    }
    expect(await over({ wssHostPortPair: 'call.example:8089' }, '', 'http')).toEqual(hub)
    expect(await over({ publicHost: 'call.example:8443' }, '', 'http')).toEqual([
      'wss://call.example:8443/ws',
      'https://call.example:8443/collider',
    ])
    // A port that is not known to speak TLS is whatever the link says: apps may use a plain one beside HTTPS.
    expect(await over({}, 'wstls=false&wshpp=call.example:8088')).toEqual([
      'ws://call.example:8088/ws',
      'http://call.example:8088',
    ])
    expect(await over({ tlsPorts: [] }, 'wstls=false', 'http')).toEqual([
      'ws://call.example/ws',
      'http://call.example/collider',
    ])
  })

  test('without a client the TURN document is asked for with 9 random digits', async () => {
    expect((await service.json('/params'))['turn_url']).toMatch(/\/turn\?username=[0-9]{9}&key=$/)
  })

  test('a link with arguments keeps them, escaped for a URL', async () => {
    const { params } = await service.join('r', '?hd=true&x=%3Cb%3E%22&y=a%26b')
    expect(params.room_link).toBe(`${service.url}/r/r?hd=true&x=%3Cb%3E%22&y=a%26b`)
    expect((await service.join('r', '?wstls=true')).params.room_link).toBe(`https://${service.host}/r/r?wstls=true`)
  })

  test('the FULL answer has what iOS builds URLs from', async () => {
    await service.join('r')
    await service.join('r')
    expect(await service.join('r')).toEqual({
      result: 'FULL',
      params: {
        messages: [],
        room_id: 'r',
        wss_url: `ws://${service.host}/ws`,
        wss_post_url: `http://${service.host}/collider`,
      },
    })
  })
})

describe('routes', () => {
  test.each(['join', 'register', 'r'])('POST /%s/ROOM is a join', async (name) => {
    expect(await (await service.post(`/${name}/x${name}`)).json()).toMatchObject({ result: 'SUCCESS' })
  })

  test.each(['/r/page', '/room/page'])('GET %s is the page, and says when the room is full', async (path) => {
    const view = async () => (await raw(service.url, { path })).body
    expect(await view()).toContain('"view":"call"')
    await service.join('page')
    await service.join('page')
    expect(await view()).toContain('"view":"full"')
  })

  test('a slash at the end is a typing habit: a room link, the API and the hub are found with it', async () => {
    expect(await raw(service.url, { path: '/r/slash/?it=all' })).toMatchObject({
      status: 200,
      body: expect.stringContaining('"roomId":"slash"'),
    })
    const { params } = (await (await service.post('/join/slash/')).json()) as { params: { client_id: string } }
    expect(await service.message('slash', `${params.client_id}/`, 'text')).toBe('SUCCESS')
    expect(await service.json('/params/')).toMatchObject({ error_messages: [] })
    expect((await raw(service.url, { method: 'POST', path: `/leave/slash/${params.client_id}/` })).status).toBe(200)
    expect((await service.rooms.look('slash', '')).exists).toBe(false)
    expect(await raw(service.url, { path: '/leave/slash/1/' })).toMatchObject({ status: 405 })
    expect(await raw(service.url, { path: '/r/' })).toMatchObject({ status: 404 })
  })

  test.each(['/leave', '/bye', '//bye', '/leave/'])(
    'AR-5.2.1 POST %s/ROOM/CLIENT is a leave, 200 and empty',
    async (path) => {
      const { client_id } = (await service.join('left')).params
      const answer = await raw(service.url, {
        method: 'POST',
        path: `${path}/left/${client_id}`,
        headers: { 'Content-Type': 'text' },
      })
      expect(answer).toMatchObject({ status: 200, body: '' })
      expect((await service.rooms.look('left', '')).exists).toBe(false)
    },
  )

  test.each([
    ['GET', '/nowhere', 404],
    ['GET', '/some/where', 404],
    ['GET', '/compute/status/a/b', 404],
    ['POST', '/compute/start/a/b', 404],
    ['POST', '/join/', 404],
    ['POST', '/join/a.b', 404],
    ['GET', '/join/room', 405],
    ['PUT', '/join/room', 405],
    ['GET', '/message/r/c', 405],
    ['POST', '/params', 405],
    ['DELETE', '/params', 405],
    ['GET', '/probe/collider', 200],
    ['GET', '/probe/ceod', 200],
    ['GET', '/robots.txt', 200],
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
    ['GET', '/assets/a.js', 200],
  ])('%s %s → %i', async (method, path, status) => {
    expect(await raw(service.url, { method, path })).toMatchObject({ status })
  })

  test.each(['/join/r', '/message/r/c', '/leave/r/c', '/params', '/turn', '/v1alpha/iceconfig', '/collider/r/c'])(
    'OPTIONS %s allows every page to ask',
    async (path) => {
      const { status, headers } = await raw(service.url, { method: 'OPTIONS', path })
      expect(status).toBe(204)
      expect(headers['access-control-allow-origin']).toBe('*')
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS'])
        expect(headers['access-control-allow-methods']).toContain(method)
    },
  )

  test('an empty POST of any type joins', async () => {
    for (const type of ['text', 'application/json', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const answer = await raw(service.url, {
        method: 'POST',
        path: '/join/any',
        headers: { 'Content-Type': type, 'Content-Length': '0' },
      })
      expect(JSON.parse(answer.body).result).toMatch(/SUCCESS|FULL/)
    }
  })
})

describe('messages', () => {
  test.each([
    'text/plain; charset=utf-8',
    'text/plain;charset=UTF-8',
    'application/x-www-form-urlencoded',
    'application/json',
    'multipart/form-data',
  ])('a body of type %s is taken raw', async (type) => {
    const { client_id } = (await service.join('raw')).params
    const text = '{"type":"offer","sdp":"a=b&c+d%20e\\r\\n"}'
    const answer = await service.post(`/message/raw/${client_id}`, text, { 'Content-Type': type })
    expect(await answer.json()).toEqual({ result: 'SUCCESS' })
    expect((await service.join('raw')).params.messages).toEqual([text])
  })

  test('AR-5.2.13 bodies in UTF-8 are stored, those in no encoding are an ERROR, and no User-Agent is needed', async () => {
    const joined = await raw(service.url, { method: 'POST', path: '/join/utf8' })
    const { client_id } = JSON.parse(joined.body).params
    expect(await service.message('utf8', client_id, '你好 é 🎥')).toBe('SUCCESS')
    const broken = await fetch(`${service.url}/message/utf8/${client_id}`, {
      method: 'POST',
      body: Buffer.from([0xff, 0xfe]),
    })
    expect([broken.status, await broken.json()]).toEqual([200, { result: 'ERROR' }])
    expect((await service.join('utf8')).params.messages).toEqual(['你好 é 🎥'])
    for (const path of ['/', '/r/utf8', '/params']) expect((await raw(service.url, { path })).status).toBe(200)
  })

  test('a message for a member with a socket arrives there, and the answer waits for nobody', async () => {
    const a = (await service.join('live')).params.client_id
    const b = (await service.join('live')).params.client_id
    expect(await service.message('live', a, 'early')).toBe('SUCCESS')
    const peer = await service.register('live', b)
    expect(await service.message('live', a, 'late')).toBe('SUCCESS')
    expect(await peer.heard(2)).toEqual(['early', 'late'])
  })
})

describe('POST /a/', () => {
  const event = {
    type: 'event',
    request_time_ms: 10_000,
    client_type: 1,
    event: { event_type: 3, event_time_ms: 8000, room_id: 'r', flow_id: 7 },
  }
  const send = (body: unknown) => service.json('/a/', { method: 'POST', body: JSON.stringify(body) })

  test('AR-4.11 an event with all fields, and one without the optional ones', async () => {
    expect(await send(event)).toEqual({ result: 'SUCCESS' })
    expect(await send({ type: 'event', request_time_ms: 1, event: { event_type: 'X', event_time_ms: 1 } })).toEqual({
      result: 'SUCCESS',
    })
  })

  test.each([
    ['unknown type', { ...event, type: 'dance' }],
    ['no type', { ...event, type: undefined }],
    ['no request time', { ...event, request_time_ms: undefined }],
    ['request time is no number', { ...event, request_time_ms: '1' }],
    ['no event', { ...event, event: undefined }],
    ['no event type', { ...event, event: { event_time_ms: 1 } }],
    ['no event time', { ...event, event: { event_type: 1 } }],
    ['a list', [event]],
  ])('AR-4.12 %s is an invalid request', async (_name, body) => {
    expect(await send(body)).toEqual({ result: 'INVALID_REQUEST' })
  })

  test('AR-4.12 an empty body is an invalid request', async () => {
    expect(await service.json('/a/', { method: 'POST' })).toEqual({ result: 'INVALID_REQUEST' })
  })
})
