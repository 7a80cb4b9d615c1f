import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Peer, raw, Service, until } from '../http/service.ts'

/** Collider as a foreign room server and its clients see it: nothing is known but what they say. */
let service: Service
beforeEach(async () => {
  service = await Service.start()
})
afterEach(() => service.close())

const connect = () => service.connect(`ws://${service.colliderHost}/ws`)
const register = (client: string, room = 'room') => service.register(room, client, `ws://${service.colliderHost}/ws`)
const post = (path: string, body: string) => fetch(service.colliderUrl + path, { method: 'POST', body })

describe('WebSocket protocol', () => {
  test('AR-4.23 send of one arrives at the other', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.send('{"x":1}')
    await b.heard(1)
    expect(b.frames).toEqual(['{"msg":"{\\"x\\":1}","error":""}\n'])
    expect(a.frames).toEqual([])
  })

  test('AR-7 broken JSON draws an error frame and close 1000', async () => {
    const peer = await connect()
    peer.socket.send('not json')
    expect(await peer.closed).toBe(1000)
    expect(peer.frames).toHaveLength(1)
    expect(peer.frames[0]).toMatch(/^\{"msg":"","error":"websocket\.JSON\.Receive error: .+"\}\n$/)
  })

  test.each([
    ['register twice', { cmd: 'register', roomid: 'room', clientid: 'a' }, 'Duplicated register request'],
    ['send without msg', { cmd: 'send' }, "Invalid send request: missing 'msg'"],
    ['send an empty msg', { cmd: 'send', msg: '' }, "Invalid send request: missing 'msg'"],
  ])('AR-4.24 %s: error, then closed', async (_name, message, error) => {
    const a = await register('a')
    a.say(message)
    expect(await a.closed).toBe(1000)
    expect(a.errors).toEqual([error])
  })

  test.each([
    ['without roomid', { cmd: 'register', clientid: 'a' }, "Invalid register request: missing 'clientid' or 'roomid'"],
    [
      'with empty clientid',
      { cmd: 'register', roomid: 'r', clientid: '' },
      "Invalid register request: missing 'clientid' or 'roomid'",
    ],
    ['send before register', { cmd: 'send', msg: 'x' }, 'Client not registered'],
    [
      'a number for a text',
      { cmd: 'send', msg: 7 },
      'websocket.JSON.Receive error: json: cannot unmarshal number into Go struct field wsClientMsg.msg of type string',
    ],
  ])('%s: error, then closed', async (_name, message, error) => {
    const peer = await connect()
    peer.say(message)
    expect(await peer.closed).toBe(1000)
    expect(peer.errors).toEqual([error])
  })

  test('an unexpected cmd draws an error and leaves the socket open', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.say({ cmd: 'dance' })
    a.say({})
    await a.heard(2)
    expect(a.errors).toEqual(["Invalid message: unexpected 'cmd'", "Invalid message: unexpected 'cmd'"])
    a.send('still here')
    expect(await b.heard(1)).toEqual(['still here'])
  })

  test('AR-4.24 SEC-53 an id with a live socket cannot be taken; the new socket is closed, the old one goes on', async () => {
    const [a, b] = [await register('a'), await register('b')]
    const thief = await connect()
    thief.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    expect(await thief.closed).toBe(1000)
    expect(thief.errors).toEqual(['Duplicated registration'])
    b.send('for a')
    expect(await a.heard(1)).toEqual(['for a'])
  })

  test('SEC-53 the third client of a room is refused and the two go on', async () => {
    const [a, b] = [await register('a'), await register('b')]
    const third = await connect()
    third.say({ cmd: 'register', roomid: 'room', clientid: 'c' })
    expect(await third.closed).toBe(1000)
    expect(third.errors).toEqual(['Max room capacity reached'])
    a.send('on')
    expect(await b.heard(1)).toEqual(['on'])
  })

  test('an id whose socket answers no ping can be taken over', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.socket.pause()
    const refused = await connect()
    refused.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    await refused.closed
    service.advance(5)
    const again = await register('a')
    b.send('welcome back')
    expect(await again.heard(1)).toEqual(['welcome back'])
  })

  test('a field that is missing does not keep the value of the frame before', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.send('once')
    a.say({ cmd: 'send' })
    await a.closed
    expect(b.texts).toEqual(['once'])
  })

  test('a message in fragments is one message', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.socket.send('{"cmd":"send",', { fin: false })
    a.socket.send('"msg":"whole"}', { fin: true })
    expect(await b.heard(1)).toEqual(['whole'])
  })

  test('what follows a register at once is not lost, while the hub asks whether the room may be opened', async () => {
    const [a, b] = [await connect(), await connect()]
    a.say({ cmd: 'register', roomid: 'room', clientid: 'a' })
    a.send('1')
    a.send('2')
    b.say({ cmd: 'register', roomid: 'room', clientid: 'b' })
    b.send('3')
    expect(await b.heard(2)).toEqual(['1', '2'])
    expect(await a.heard(1)).toEqual(['3'])
  })

  test('a binary frame is no text', async () => {
    const a = await register('a')
    a.socket.send(Buffer.from('{"cmd":"send","msg":"x"}'), { binary: true })
    expect(await a.closed).toBe(1000)
    expect(a.errors[0]).toMatch(/^websocket\.JSON\.Receive error: /)
  })

  test('neither compression nor a subprotocol is agreed to', async () => {
    const peer = await service
      .connect(`ws://${service.colliderHost}/ws`, { 'Sec-WebSocket-Protocol': 'chat' })
      .catch(() => null)
    // ws gives up when the server picks none of the protocols it asked for, which is right of it.
    expect(peer?.socket.protocol ?? '').toBe('')
    expect((await connect()).socket.extensions).toBe('')
  })
})

describe('HTTP', () => {
  test('AR-4.25 POST as one client arrives on the socket of the other', async () => {
    const a = await register('123')
    const response = await post('/room/456', 'hello')
    expect([response.status, await response.text()]).toEqual([200, 'OK\n'])
    expect(await a.heard(1)).toEqual(['hello'])
  })

  test('AR-4.26 POST before anybody registered is delivered at the register, once', async () => {
    await post('/room/456', 'early')
    const a = await register('123')
    expect(await a.heard(1)).toEqual(['early'])
    a.socket.terminate()
    await until(() => service.hub.counters.openSockets === 0)
    const again = await register('123')
    await post('/room/456', 'late')
    expect(await again.heard(1)).toEqual(['late'])
  })

  test('AR-4.27 DELETE closes the socket of the client and the room is gone', async () => {
    const a = await register('a')
    const response = await fetch(`${service.colliderUrl}/room/a`, { method: 'DELETE' })
    expect([response.status, await response.text()]).toEqual([200, 'OK\n'])
    expect(await a.closed).toBe(1000)
    expect((await service.rooms.look('room', '')).exists).toBe(false)
  })

  test('DELETE of nobody is fine too', async () => {
    const response = await fetch(`${service.colliderUrl}/no/body`, { method: 'DELETE' })
    expect([response.status, await response.text()]).toEqual([200, 'OK\n'])
  })

  test('AR-4.28 a room made by POST alone is gone after the timeout', async () => {
    await post('/room/a', 'x')
    service.advance(9)
    expect((await service.rooms.look('room', '')).exists).toBe(true)
    service.advance(1)
    expect((await service.rooms.look('room', '')).exists).toBe(false)
  })

  test('AR-4.29 AR-4.30 a closed socket leaves its client in place until the timeout', async () => {
    const [a, b] = [await register('a'), await register('b')]
    a.socket.close()
    await until(() => service.hub.counters.openSockets === 1)
    b.send('waits')
    const again = await register('a')
    expect(await again.heard(1)).toEqual(['waits'])
    again.socket.close()
    b.socket.close()
    await until(() => service.hub.counters.openSockets === 0)
    service.advance(9)
    expect((await service.rooms.look('room', '')).exists).toBe(true)
    service.advance(1)
    expect((await service.rooms.look('room', '')).exists).toBe(false)
  })

  test('AR-4.31 AR-7 /status counts sockets, registers and errors of both kinds', async () => {
    const status = async (): Promise<Record<string, unknown>> =>
      JSON.parse((await raw(`${service.colliderUrl}/status`)).body)
    expect(await status()).toEqual({ upsec: expect.any(Number), openws: 0, totalws: 0, wserrors: 0, httperrors: 0 })
    const a = await register('a')
    expect(await status()).toMatchObject({ openws: 1, totalws: 1 })
    a.say({ cmd: 'dance' })
    await a.heard(1)
    await post('/', 'x')
    expect(await status()).toMatchObject({ openws: 1, totalws: 1, wserrors: 1, httperrors: 1 })
    a.socket.close()
    await until(() => service.hub.counters.openSockets === 0)
    expect(await status()).toMatchObject({ openws: 0, totalws: 1 })
  })

  test.each(['GET', 'POST', 'PUT'])('/status answers %s as Collider did', async (method) => {
    const { status, headers, body } = await raw(`${service.colliderUrl}/status`, { method })
    expect(status).toBe(200)
    expect(body).toMatch(/\}\n$/)
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET',
      'content-type': expect.stringMatching(/^text\/plain; ?charset=utf-8$/i),
    })
  })

  test.each(['GET', 'OPTIONS', 'PUT'])(
    '%s /ROOM/CLIENT is 200 and empty, for the preflight of DELETE',
    async (method) => {
      const { status, headers, body } = await raw(`${service.colliderUrl}/room/client`, { method })
      expect([status, body]).toEqual([200, ''])
      expect(headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'POST, DELETE',
      })
    },
  )

  test.each([
    ['POST', '/', 'Invalid path: /\n'],
    ['POST', '/a', 'Invalid path: /a\n'],
    ['POST', '/a/b/c', 'Invalid path: /a/b/c\n'],
    ['DELETE', '/a/b/c', 'Invalid path: /a/b/c\n'],
    ['POST', '/a%3Cb%3E', 'Invalid path: /a&#60;b&#62;\n'],
    ['POST', '/a%2Fb/c', 'Invalid path: /a/b/c\n'],
  ])('%s %s is an invalid path', async (method, path, text) => {
    expect(await raw(service.colliderUrl, { method, path, body: 'x' })).toMatchObject({ status: 500, body: text })
  })

  test('GET / explains what this is', async () => {
    const { status, body } = await raw(service.colliderUrl, { path: '/' })
    expect(status).toBe(200)
    expect(body).toMatch(/signaling server/)
  })

  test('GET /ws without an upgrade', async () => {
    expect(await raw(`${service.colliderUrl}/ws`)).toMatchObject({ status: 400, body: 'not websocket protocol' })
  })

  test('doubled slashes are sent to the cleaned path', async () => {
    const { status, headers } = await raw(service.colliderUrl, { path: '/room//client' })
    expect([status, headers.location]).toEqual([301, '/room/client'])
  })

  test('POST with an empty body', async () => {
    expect(await raw(`${service.colliderUrl}/r/c`, { method: 'POST' })).toMatchObject({
      status: 500,
      body: 'Empty request body\n',
    })
  })

  test('POST into a room of two others', async () => {
    await register('a')
    await register('b')
    const answer = await raw(`${service.colliderUrl}/room/c`, { method: 'POST', body: 'x' })
    expect(answer).toMatchObject({ status: 500, body: 'Failed to send the message: Max room capacity reached\n' })
    expect(answer.headers['access-control-allow-origin']).toBe('*')
  })

  test('POST when 1 024 messages wait', async () => {
    for (let i = 0; i < 1024; i++)
      await service.rooms.run('room', { verb: 'post', client: 'a', from: '127.0.0.1', text: 'x' })
    expect(await raw(`${service.colliderUrl}/room/a`, { method: 'POST', body: 'x' })).toMatchObject({
      status: 500,
      body: 'Failed to send the message: Too many messages queued for the client\n',
    })
  })

  test('the body is raw text, whatever its type says', async () => {
    const a = await register('a')
    const body = '{"a":"b=c&d%20+é"}'
    await raw(`${service.colliderUrl}/room/b`, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect(await a.heard(1)).toEqual([body])
  })
})

describe('merged into the rooms port', () => {
  test.each(['/collider/room/a', '/room1/a'])('POST and DELETE %s reach the hub', async (path) => {
    const room = path.split('/').at(-2)!
    const peer: Peer = await service.register(room, 'b')
    expect(await raw(service.url, { method: 'POST', path, body: 'text' })).toMatchObject({ status: 200, body: 'OK\n' })
    expect(await peer.heard(1)).toEqual(['text'])
    expect(await raw(service.url, { method: 'DELETE', path })).toMatchObject({ status: 200, body: 'OK\n' })
    expect((await raw(service.url, { method: 'OPTIONS', path })).status).toBeLessThan(205)
  })

  test('AR-5.2.14 names of routes are never rooms', async () => {
    for (const name of ['join', 'register', 'leave', 'message', 'r', 'room', 'turn', 'status', 'ws', 'assets']) {
      const { body } = await raw(service.url, { method: 'POST', path: `/${name}/client`, body: 'text' })
      expect(body).not.toBe('OK\n')
    }
    expect((await raw(service.url, { method: 'POST', path: '/collider/join/client', body: 'text' })).body).toBe('OK\n')
  })
})
