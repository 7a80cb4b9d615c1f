import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Joined, type Peer, raw, Service, until } from './service.ts'

/** Calls as the clients of each generation make them, request by request. */
let service: Service
beforeEach(async () => {
  service = await Service.start()
})
afterEach(() => service.close())

const OFFER = '{"type":"offer","sdp":"v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\n"}'
const ANSWER = '{"sdp":"v=0\\r\\n","type":"answer"}'
const BYE = '{"type":"bye"}'
const candidate = (n: number) => `{"type":"candidate","label":0,"id":"audio","candidate":"candidate:${n}"}`

/** What the generations do differently. */
interface Generation {
  readonly name: string
  readonly join: string
  readonly leave: string
  readonly headers: Record<string, string>
  readonly messageType: string
  readonly bye: string
  /** Reads ICE servers the way this generation does; throws when it could not go on. */
  ice(params: Joined): Promise<void>
}

async function iceDocument(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, init)
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, unknown>
}

const shapeA = async (url: string, headers: Record<string, string>) => {
  const document = await iceDocument(url, { headers })
  expect(document).toMatchObject({
    username: expect.stringMatching(/./),
    password: expect.stringMatching(/./),
    ttl: expect.any(Number),
    uris: expect.arrayContaining([expect.stringMatching(/^turn:/)]),
  })
}
const shapeB = async (url: string, init: RequestInit) => {
  const { iceServers } = (await iceDocument(url, init)) as { iceServers: { urls: string[] }[] }
  expect(iceServers.length).toBeGreaterThan(0)
  for (const { urls } of iceServers) expect(urls.length).toBeGreaterThan(0)
}

const web2015: Generation = {
  name: 'web 2015',
  join: '/join',
  leave: '/leave',
  headers: {},
  messageType: 'text/plain;charset=UTF-8',
  bye: BYE,
  ice: (params) => shapeA(params.turn_url, { Origin: service.url }),
}
const webFinal: Generation = {
  ...web2015,
  name: 'web final',
  ice: async (params) => {
    expect(JSON.parse(params.pc_config)).toMatchObject({ iceServers: [] })
    await shapeB(params.ice_server_url, { method: 'POST', headers: { Origin: service.url } })
  },
}
const android2015: Generation = {
  name: 'Android January 2015',
  join: '/register',
  leave: '/bye',
  headers: {},
  messageType: 'text/plain; charset=utf-8',
  bye: '{"type": "bye"}',
  ice: (params) => shapeA(params.turn_url, { origin: 'https://apprtc.appspot.com', 'user-agent': 'Mozilla/5.0' }),
}
const android2023: Generation = {
  ...android2015,
  name: 'Android 2023',
  join: '/join',
  leave: '/leave',
  headers: { origin: 'https://appr.tc' },
  ice: async (params) => {
    // Declares output but writes no body, so by platform it arrives as POST or as GET.
    for (const method of ['POST', 'GET'])
      await shapeB(params.ice_server_url, { method, headers: { referer: 'https://appr.tc' } })
  },
}
const ios2015: Generation = {
  name: 'iOS 2015',
  join: '/join',
  leave: '/leave',
  headers: {},
  messageType: 'application/x-www-form-urlencoded',
  bye: '{\n  "type" : "bye"\n}',
  ice: () =>
    shapeA(`${service.url}/turn?username=iapprtc&key=4080218913`, { 'user-agent': 'Mozilla/5.0', origin: service.url }),
}
const ios2023: Generation = {
  ...ios2015,
  name: 'iOS 2023',
  ice: async () => {
    const params = await service.json('/params')
    await shapeB(String(params['ice_server_url']), { method: 'POST', headers: { referer: 'https://appr.tc' } })
  },
}
const GENERATIONS = [web2015, webFinal, android2015, android2023, ios2015, ios2023]

/** One client of a generation in a room. */
class Client {
  readonly generation: Generation
  readonly room: string
  readonly params: Joined
  socket!: Peer

  private constructor(generation: Generation, room: string, params: Joined) {
    this.generation = generation
    this.room = room
    this.params = params
  }

  static async join(generation: Generation, room: string): Promise<Client> {
    const answer = await service.post(`${generation.join}/${room}`, '', generation.headers)
    expect(answer.status).toBe(200)
    const { result, params } = (await answer.json()) as { result: string; params: Joined }
    expect(result).toBe('SUCCESS')
    for (const key of [
      'room_id',
      'client_id',
      'wss_url',
      'wss_post_url',
      'is_initiator',
      'pc_config',
      'turn_url',
      'ice_server_url',
      'pc_constraints',
      'media_constraints',
    ])
      expect(params[key], key).toEqual(expect.any(String))
    await generation.ice(params)
    return new Client(generation, room, params)
  }

  async register(): Promise<void> {
    this.socket = await service.connect(this.params.wss_url, this.generation.headers)
    const before = service.hub.counters.totalSockets
    // iOS pretty-prints.
    this.socket.socket.send(JSON.stringify({ cmd: 'register', roomid: this.room, clientid: this.id }, null, 2))
    await until(() => service.hub.counters.totalSockets > before)
  }

  get id(): string {
    return this.params.client_id
  }

  /** The initiator's way; anything but SUCCESS ends its call. */
  async post(text: string): Promise<void> {
    const answer = await service.post(`/message/${this.room}/${this.id}`, text, {
      ...this.generation.headers,
      'Content-Type': this.generation.messageType,
    })
    expect([answer.status, await answer.json()]).toEqual([200, { result: 'SUCCESS' }])
  }

  async leave(): Promise<void> {
    const answer = await service.post(`${this.generation.leave}/${this.room}/${this.id}`, '', this.generation.headers)
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  }

  async hangUp(): Promise<void> {
    await this.leave()
    this.socket.send(this.generation.bye)
    this.socket.socket.close()
    await this.delete()
  }

  async delete(): Promise<void> {
    const answer = await fetch(`${this.params.wss_post_url}/${this.room}/${this.id}`, { method: 'DELETE' })
    expect(answer.status).toBe(200)
  }
}

async function connectedCall(first: Generation, second: Generation, room = 'call'): Promise<[Client, Client]> {
  const a = await Client.join(first, room)
  expect(a.params).toMatchObject({ is_initiator: 'true', messages: [] })
  await a.register()
  await a.post(OFFER)
  await a.post(candidate(1))
  const b = await Client.join(second, room)
  expect(b.params).toMatchObject({ is_initiator: 'false', messages: [OFFER, candidate(1)] })
  await a.post(candidate(2))
  await b.register()
  b.socket.send(ANSWER)
  b.socket.send(candidate(3))
  expect(await a.socket.heard(2)).toEqual([ANSWER, candidate(3)])
  await a.post(candidate(4))
  expect(await b.socket.heard(2)).toEqual([candidate(2), candidate(4)])
  // Never a frame with an error, with both keys empty, or with one missing.
  for (const frame of [...a.socket.frames, ...b.socket.frames])
    expect(JSON.parse(frame)).toEqual({ msg: expect.stringMatching(/./), error: '' })
  return [a, b]
}

const pairs = GENERATIONS.flatMap((first) =>
  GENERATIONS.map((second) => [first.name, second.name, first, second] as const),
)

describe('a call', () => {
  test.each(pairs)('AR-3.5 %s calls %s, hangs up and the room is empty', async (_first, _second, first, second) => {
    const [a, b] = await connectedCall(first, second)
    await a.hangUp()
    expect((await b.socket.heard(3))[2]).toBe(first.bye)
    await b.hangUp()
    expect((await service.rooms.look('call', '')).exists).toBe(false)
    expect(a.socket.errors).toEqual([])
  })
})

describe('web', () => {
  test('AR-4.35 the one who stays posts a fresh offer for the next visitor', async () => {
    const [a, b] = await connectedCall(webFinal, webFinal)
    await a.hangUp()
    await b.socket.heard(3)
    await b.post('{"type":"offer","sdp":"fresh"}')
    const c = await Client.join(webFinal, 'call')
    expect(c.params).toMatchObject({ is_initiator: 'false', messages: ['{"type":"offer","sdp":"fresh"}'] })
    await c.register()
    c.socket.send(ANSWER)
    expect((await b.socket.heard(4))[3]).toBe(ANSWER)
  })

  test('AR-5.2.2 reload in a current browser: only bye and a close frame arrive, and the page gets back in', async () => {
    const [a, b] = await connectedCall(webFinal, webFinal)
    a.socket.send(BYE)
    a.socket.socket.close(1000)
    expect((await b.socket.heard(3))[2]).toBe(BYE)
    await b.post(OFFER)
    const back = await Client.join(webFinal, 'call')
    expect(back.params).toMatchObject({ is_initiator: 'false', messages: [OFFER] })
    await back.register()
  })

  test('reload of a page that says no bye (1001): it gets back in at once', async () => {
    const [a, b] = await connectedCall(webFinal, webFinal)
    b.socket.socket.close(1001)
    await until(() => service.hub.counters.openSockets === 1)
    const back = await Client.join(webFinal, 'call')
    expect(back.params.is_initiator).toBe('false')
    expect((await a.socket.heard(3))[2]).toBe(BYE)
  })

  test('AR-4.33 a send before the socket is open goes to wss_post_url', async () => {
    const a = await Client.join(webFinal, 'call')
    await a.register()
    const b = await Client.join(webFinal, 'call')
    const answer = await fetch(`${b.params.wss_post_url}/call/${b.id}`, { method: 'POST', body: ANSWER })
    expect([answer.status, await answer.text()]).toEqual([200, 'OK\n'])
    expect(await a.socket.heard(1)).toEqual([ANSWER])
  })

  test('AR-4.32 AR-4.34 the register message has three keys; close after it is followed by DELETE', async () => {
    const a = await Client.join(webFinal, 'call')
    a.socket = await service.connect(a.params.wss_url)
    a.socket.say({ cmd: 'register', roomid: 'call', clientid: a.id })
    await until(() => service.hub.counters.openSockets === 1)
    a.socket.socket.close()
    await a.delete()
    expect((await service.rooms.look('call', '')).exists).toBe(false)
    expect(service.hub.counters.socketErrors).toBe(0)
  })

  test('AR-4.36 tt reaches the page, which filters; no document has an entry without URLs', async () => {
    const { params } = await service.join('call', '?tt=udp')
    expect(params['ice_server_transports']).toBe('udp')
    await shapeB(params.ice_server_url, { method: 'POST' })
  })

  test('a third visitor sees that the room is full, and the two talk on', async () => {
    const [a, b] = await connectedCall(webFinal, webFinal)
    expect((await service.join('call')).result).toBe('FULL')
    expect((await raw(service.url, { path: '/r/call' })).body).toContain('"view":"full"')
    b.socket.send(candidate(9))
    expect((await a.socket.heard(3))[2]).toBe(candidate(9))
  })

  test('AR-5.2.4 one or both were killed without a word: whoever comes a second later finds an empty room', async () => {
    for (const killed of [1, 2]) {
      const callers = await connectedCall(webFinal, android2023, `room-${killed}`)
      if (killed === 1) await callers.pop()!.hangUp()
      await callers[0]!.post('{"type":"offer","sdp":"stale"}')
      for (const { socket } of callers) socket.socket.terminate()
      await until(() => service.hub.counters.openSockets === 0)
      service.advance(1)
      const next = await Client.join(android2023, `room-${killed}`)
      expect(next.params).toMatchObject({ is_initiator: 'true', messages: [] })
      await next.register()
      service.advance(10)
      expect(next.socket.frames).toEqual([])
      await next.hangUp()
    }
  })

  test('AR-5.2.6 a peer that vanished: the other is told by bye, and the newcomer gets an offer', async () => {
    const [a, b] = await connectedCall(webFinal, webFinal)
    a.socket.socket.terminate()
    await until(() => service.hub.counters.openSockets === 1)
    service.advance(10)
    expect((await b.socket.heard(3))[2]).toBe(BYE)
    await b.post(OFFER)
    expect((await Client.join(webFinal, 'call')).params).toMatchObject({ is_initiator: 'false', messages: [OFFER] })
  })
})

describe('Android', () => {
  test.each([android2015, android2023])('AR-5.2.3 $name: leave and bye race, bye wins', async (generation) => {
    const [a, b] = await connectedCall(webFinal, generation)
    b.socket.send(generation.bye)
    expect((await a.socket.heard(3))[2]).toBe(generation.bye)
    await a.post('{"type":"offer","sdp":"fresh"}')
    await b.leave()
    await b.delete()
    const next = await Client.join(android2023, 'call')
    expect(next.params).toMatchObject({ is_initiator: 'false', messages: ['{"type":"offer","sdp":"fresh"}'] })
  })

  test('loopback inside the app needs an empty room', async () => {
    expect((await Client.join(android2023, '123456789')).params.is_initiator).toBe('true')
  })

  test('remove-candidates is relayed like everything else', async () => {
    const [a, b] = await connectedCall(android2023, ios2023)
    const text = '{"type":"remove-candidates","candidates":[{"label":0,"id":"audio","candidate":"c"}]}'
    await a.post(text)
    expect((await b.socket.heard(3))[2]).toBe(text)
  })
})

describe('iOS', () => {
  test.each([ios2015, ios2023])('$name: answers before it is registered go to wss_post_url', async (generation) => {
    const a = await Client.join(webFinal, 'call')
    await a.register()
    const b = await Client.join(generation, 'call')
    const answer = await fetch(`${b.params.wss_post_url}/call/${b.id}`, {
      method: 'POST',
      body: ANSWER,
      headers: { 'Content-Type': generation.messageType },
    })
    expect(answer.status).toBe(200)
    expect(await a.socket.heard(1)).toEqual([ANSWER])
  })

  test('unfragmented text frames without compression', async () => {
    const [, b] = await connectedCall(webFinal, ios2023)
    expect(b.socket.socket.extensions).toBe('')
  })
})

describe('loopback', () => {
  test.each([
    ['iOS', 'LOOPBACK_CLIENT_ID'],
    ['web', 'loopback_client_id'],
  ])('%s registers a second socket as %s and hears itself', async (_name, id) => {
    const { params, result } = await service.join('loop', '?debug=loopback')
    expect([result, params['is_loopback']]).toEqual(['SUCCESS', 'true'])
    const mirror = await service.register('loop', id)
    expect(await service.message('loop', params.client_id, OFFER)).toBe('SUCCESS')
    const real = await service.register('loop', params.client_id)
    expect(await mirror.heard(1)).toEqual([OFFER])
    mirror.send(ANSWER)
    expect(await real.heard(1)).toEqual([ANSWER])
    expect((await service.join('loop')).result).toBe('FULL')
    await service.post(`/leave/loop/${params.client_id}`)
    real.send(BYE)
    await mirror.closed
    expect((await service.join('loop', '?debug=loopback')).result).toBe('SUCCESS')
  })
})
