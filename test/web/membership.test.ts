import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket as NodeSocket } from 'ws'
import { callPages } from '../../src/http/page/page.ts'
import { type Browser, Membership, type MembershipEvents } from '../../src/web/room/membership.ts'
import type { Message } from '../../src/web/room/message.ts'
import { Service, until } from '../http/service.ts'

const offer: Message = { type: 'offer', sdp: 'v=0 offer' }
const answer: Message = { type: 'answer', sdp: 'v=0 answer' }
const candidate = (n: number): Message => ({ type: 'candidate', label: 0, id: '0', candidate: `candidate:${n}` })
const bye: Message = { type: 'bye' }

/** A page in a room of the real server; what it sends is written down in `wire`. */
class Page {
  readonly heard: Message[] = []
  readonly states: boolean[] = []
  readonly wire: string[] = []
  readonly sockets: NodeSocket[] = []
  evictions = 0
  closed = ''
  inCall = false
  readonly membership: Membership

  constructor(service: Service, room: string, search = '', change: Partial<Browser> = {}) {
    const events: MembershipEvents = {
      message: (message) => this.heard.push(message),
      online: (online) => this.states.push(online),
      inCall: () => this.inCall,
      evicted: () => this.evictions++,
      closed: (notice) => {
        this.closed = notice
      },
    }
    const browser: Browser = {
      fetch: (url, init) => {
        this.wire.push(`${init.method} ${shape(url)}`)
        return fetch(new URL(url, service.url), init)
      },
      openSocket: (url) => {
        const socket = new NodeSocket(url)
        const send = socket.send.bind(socket) as (text: string) => void
        socket.send = (text: unknown) => {
          this.wire.push(`ws ${String(text)}`)
          send(String(text))
        }
        socket.on('error', () => {})
        socket.on('close', () => this.wire.push('ws closed'))
        this.sockets.push(socket)
        return socket as unknown as WebSocket
      },
      sendBeacon: (url) => {
        this.wire.push(`beacon ${shape(url)}`)
        void fetch(new URL(url, service.url), { method: 'POST' })
        return true
      },
      // Reconnecting at once instead of after half a second; requests never time out here.
      setTimeout: (callback, ms) => (ms < 5000 ? setTimeout(callback, 0) : undefined),
      now: () => performance.now(),
      ...change,
    }
    this.membership = new Membership(room, search, events, browser)
  }

  async enter(): Promise<this> {
    const outcome = await this.membership.join()
    expect(outcome.kind).toBe('joined')
    expect(await this.membership.connect()).toBe(true)
    return this
  }
}

/** Paths with the eight digits of the client id left out. */
function shape(url: string): string {
  return url.replace(/^https?:\/\/[^/]+/, '').replace(/\/\d{8}(?=$|\?)/, '/ID')
}

describe('membership in a room', () => {
  let service: Service
  beforeEach(async () => {
    service = await Service.start({ pages: callPages })
  })
  afterEach(() => service.close())

  test('joins, registers and posts as initiator; the second answers through its socket', async () => {
    const a = await new Page(service, 'room-1').enter()
    await a.membership.send(offer)
    await a.membership.send(candidate(1))
    const b = new Page(service, 'room-1')
    const joined = await b.membership.join()
    expect(joined).toMatchObject({ kind: 'joined', parameters: { is_initiator: 'false' } })
    if (joined.kind === 'joined')
      expect(joined.parameters.messages.map((text) => JSON.parse(text))).toEqual([offer, candidate(1)])
    await b.membership.connect()
    await b.membership.send(answer)
    await until(() => a.heard.length === 1)
    expect(a.heard).toEqual([answer])
    await a.membership.send(candidate(2))
    await until(() => b.heard.length === 1)
    expect(b.heard).toEqual([candidate(2)])
    expect(a.wire.filter((line) => line.includes('/message/'))).toEqual(Array(3).fill('POST /message/room-1/ID'))
    expect(b.wire.filter((line) => line.includes('/message/'))).toEqual([])
  })

  test('AR-4.32 the register message has exactly cmd, roomid and clientid', async () => {
    const a = await new Page(service, 'room-1').enter()
    const register = JSON.parse(a.wire.find((line) => line.startsWith('ws {'))!.slice(3)) as Record<string, string>
    expect(Object.keys(register)).toEqual(['cmd', 'roomid', 'clientid'])
    expect(register).toMatchObject({ cmd: 'register', roomid: 'room-1', clientid: expect.stringMatching(/^\d{8}$/) })
  })

  test("appends the link's query to join and message, not to leave", async () => {
    const a = await new Page(service, 'room-1', '?it=relay').enter()
    await a.membership.send(offer)
    await a.membership.leave()
    expect(a.wire.filter((line) => line.includes('?'))).toEqual([
      'POST /join/room-1?it=relay',
      'POST /message/room-1/ID?it=relay',
    ])
    expect(a.wire).toContain('POST /leave/room-1/ID')
  })

  test('AR-4.33 sends as a bare POST to the hub while the socket is not open', async () => {
    const a = await new Page(service, 'room-1').enter()
    const b = new Page(service, 'room-1')
    await b.membership.join()
    await b.membership.send(answer)
    expect(b.wire).toContain('POST /collider/room-1/ID')
    await until(() => a.heard.length === 1)
    expect(a.heard).toEqual([answer])
  })

  test('AR-4.34 AR-4.35 hang-up is one leave, one bye, the end of the socket and one DELETE, in this order', async () => {
    const a = await new Page(service, 'room-1').enter()
    const b = await new Page(service, 'room-1').enter()
    a.wire.length = 0
    await a.membership.leave()
    await until(() => a.wire.length === 4)
    expect(a.wire.filter((line) => line !== 'ws closed')).toEqual([
      'POST /leave/room-1/ID',
      'ws {"cmd":"send","msg":"{\\"type\\":\\"bye\\"}"}',
      'DELETE /collider/room-1/ID',
    ])
    expect(a.wire).toContain('ws closed')
    await until(() => b.heard.length === 1)
    expect(b.heard).toEqual([bye])
    expect(await new Page(service, 'room-1').membership.join()).toMatchObject({ kind: 'joined' })
  })

  test('AR-4.34 leaving before joining asks nobody', async () => {
    const a = new Page(service, 'room-1')
    await a.membership.leave()
    expect(a.wire).toEqual([])
  })

  test('hanging up while the join is on its way gives the place back', async () => {
    const a = new Page(service, 'room-1')
    const joining = a.membership.join()
    await a.membership.leave()
    expect((await joining).kind).toBe('refused')
    expect(a.wire).toEqual(['POST /join/room-1', 'POST /leave/room-1/ID'])
    expect(service.rooms.readings.rooms).toBe(0)
  })

  test('who leaves quietly says no bye', async () => {
    const a = await new Page(service, 'room-1').enter()
    await a.membership.leave('quietly')
    expect(a.wire).toContain('POST /leave/room-1/ID')
    await until(() => a.wire.includes('ws closed'))
    expect(a.wire.join()).not.toContain('bye')
  })

  test('a page that goes away leaves by beacon and bye, so a reload finds its place free', async () => {
    const a = await new Page(service, 'room-1').enter()
    const b = await new Page(service, 'room-1').enter()
    a.wire.length = 0
    a.membership.leaveAtOnce()
    expect(a.wire).toEqual(['beacon /leave/room-1/ID', 'ws {"cmd":"send","msg":"{\\"type\\":\\"bye\\"}"}'])
    await until(() => b.heard.length === 1)
    expect(await new Page(service, 'room-1').membership.join()).toMatchObject({ kind: 'joined' })
  })

  test('a third visitor is told that the room is full', async () => {
    await new Page(service, 'room-1').enter()
    await new Page(service, 'room-1').enter()
    expect(await new Page(service, 'room-1').membership.join()).toEqual({ kind: 'full' })
  })

  test('a lost socket is opened and registered again, and messages sent meanwhile arrive', async () => {
    const a = await new Page(service, 'room-1').enter()
    let reopen = () => {}
    const held: Partial<Browser> = {
      setTimeout: (callback, ms) => {
        if (ms < 5000) reopen = callback
      },
    }
    const b = await new Page(service, 'room-1', '', held).enter()
    await until(() => service.hub.counters.openSockets === 2)
    b.sockets[0]!.terminate()
    await until(() => b.states.includes(false) && service.hub.counters.openSockets === 1)
    await a.membership.send(offer)
    reopen()
    await until(() => b.heard.length === 1)
    expect(b.heard).toEqual([offer])
    expect(b.states).toEqual([true, false, true])
    expect(b.sockets).toHaveLength(2)
  })

  test('a client whose place is gone learns it from its next message', async () => {
    const a = await new Page(service, 'room-1').enter()
    const id = JSON.parse(a.wire.find((line) => line.startsWith('ws {'))!.slice(3)).clientid as string
    await service.post(`/leave/room-1/${id}`)
    await a.membership.send(offer)
    expect(a.evictions).toBe(1)
  })

  test('a socket that finds the room taken by two others counts as evicted', async () => {
    const a = await new Page(service, 'room-1').enter()
    const id = JSON.parse(a.wire.find((line) => line.startsWith('ws {'))!.slice(3)).clientid as string
    await service.post(`/leave/room-1/${id}`)
    await new Page(service, 'room-1').enter()
    await new Page(service, 'room-1').enter()
    a.sockets[0]!.terminate()
    await until(() => a.evictions > 0)
    await a.membership.leave()
  })

  test('a room that an operator closes is over: the page is told why and does not come back', async () => {
    const a = await new Page(service, 'room-1').enter()
    const b = await new Page(service, 'room-1').enter()
    a.inCall = true
    b.inCall = true
    await until(() => service.hub.counters.openSockets === 2)
    expect(await service.rooms.closeRoom('room-1', 'maintenance')).toEqual({ result: 'SUCCESS', clients: 2 })
    await until(() => a.closed !== '' && b.closed !== '')
    expect(a.closed).toBe('Room closed: maintenance')
    expect(a.heard.at(-1)).toEqual(bye)
    await until(() => [a, b].every((page) => page.wire.includes('ws closed')))
    // Another second registers nothing.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([a.sockets.length, b.sockets.length, service.rooms.readings.rooms]).toEqual([1, 1, 0])
    expect(service.hub.counters.openSockets).toBe(0)
  })

  test('frames that mean nothing to it are ignored', async () => {
    const a = await new Page(service, 'room-1').enter()
    const b = await service.join('room-1')
    const phone = await service.register('room-1', b.params.client_id)
    for (const text of ['no JSON', '{"type":"remove-candidates","candidates":[]}', '{"type":"offer"}', '7'])
      phone.send(text)
    phone.send('{ "type" : "bye" }')
    await until(() => a.heard.length > 0)
    expect(a.heard).toEqual([bye])
  })

  test('candidates do not overtake their offer', async () => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const bodies: string[] = []
    const a = new Page(service, 'room-1', '', {
      fetch: async (url, init) => {
        const body = typeof init.body === 'string' ? (JSON.parse(init.body) as Message).type : null
        if (body === 'offer') await held
        if (body !== null) bodies.push(body)
        return fetch(new URL(url, service.url), init)
      },
    })
    await a.enter()
    const sent = [a.membership.send(offer), a.membership.send(candidate(1)), a.membership.send(candidate(2))]
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(bodies).toEqual([])
    release()
    await Promise.all(sent)
    expect(bodies).toEqual(['offer', 'candidate', 'candidate'])
  })

  test('a message is sent again when the server does not answer', async () => {
    let failures = 2
    const a = new Page(service, 'room-1', '', {
      fetch: (url, init) => {
        if (url.includes('/message/') && failures-- > 0) return Promise.reject(new TypeError('offline'))
        return fetch(new URL(url, service.url), init)
      },
    })
    await a.enter()
    await a.membership.send(offer)
    const b = await service.join('room-1')
    expect(b.params.messages.map((text) => JSON.parse(text))).toEqual([offer])
  })
})

describe('a join that fails', () => {
  const page = (answer: () => Promise<Response>) =>
    new Page({ url: 'http://127.0.0.1' } as Service, 'room-1', '', { fetch: answer }).membership.join()

  test('without any answer is unreachable', async () => {
    expect(await page(() => Promise.reject(new TypeError('offline')))).toEqual({ kind: 'unreachable' })
  })

  test.each([
    ['an error status', new Response('', { status: 429 }), 'HTTP 429'],
    ['another result', Response.json({ result: 'DUPLICATE_CLIENT', params: { messages: [] } }), 'DUPLICATE_CLIENT'],
    ['a page instead of JSON', new Response('<!doctype html>'), 'no JSON'],
  ])('with %s names the reason', async (_name, response, reason) => {
    expect(await page(() => Promise.resolve(response))).toEqual({ kind: 'refused', reason })
  })
})

test.each([1, 4, 10, 30, 60])(
  'a server that comes back after %d s finds us registered within 2.5 s',
  async (awaySeconds) => {
    // A clock of its own: time passes only when nothing else is to be done.
    let now = 0
    const timers: { readonly at: number; readonly run: () => void }[] = []
    const sockets: { up: boolean; socket: WebSocket }[] = []
    let back = Number.POSITIVE_INFINITY
    let registeredAt = 0
    const browser: Browser = {
      fetch: async () => Response.json({ result: 'SUCCESS', params: { client_id: '1', wss_url: 'ws://server/ws' } }),
      openSocket: () => {
        const up = now >= back || sockets.length === 0
        const socket = {
          readyState: 0,
          close: () => {},
          send: (text: string) => {
            if (text.includes('"register"')) registeredAt = now
          },
        } as unknown as WebSocket
        sockets.push({ up, socket })
        timers.push({ at: now, run: () => (up ? socket.onopen : socket.onclose)?.call(socket, {} as CloseEvent) })
        return socket
      },
      sendBeacon: () => true,
      setTimeout: (run, ms) => timers.push({ at: now + ms, run }),
      now: () => now,
    }
    const pass = (until: number) => {
      for (;;) {
        timers.sort((a, b) => a.at - b.at)
        if (timers[0] === undefined || timers[0].at > until) break
        const { at, run } = timers.shift()!
        now = at
        run()
      }
      now = until
    }
    const ignore = () => {}
    const events = { message: ignore, online: ignore, inCall: () => true, evicted: ignore, closed: ignore }
    const membership = new Membership('room-1', '', events, browser)
    await membership.join()
    void membership.connect()
    pass(1000)
    back = now + awaySeconds * 1000
    sockets[0]!.socket.onclose?.call(sockets[0]!.socket, {} as CloseEvent)
    pass(back + 2500)
    expect(registeredAt).toBeGreaterThanOrEqual(back)
  },
)
