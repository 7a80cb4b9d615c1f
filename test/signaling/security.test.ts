import { once } from 'node:events'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { afterEach, describe, expect, test } from 'vitest'
import { type Peer, raw, Service, type ServiceOptions, until } from '../http/service.ts'

let service: Service
const start = async (options: ServiceOptions = {}) => {
  service = await Service.start(options)
}
afterEach(() => service.close())

/** The status of a handshake, 101 or not, and the socket behind it. */
function handshake(headers: Record<string, string> = {}, path = '/ws'): Promise<{ status: number; socket: Socket }> {
  return new Promise((resolve, reject) => {
    const asked = request(service.url + path, {
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      },
    })
    asked.on('upgrade', (response, socket) => resolve({ status: response.statusCode ?? 0, socket }))
    asked.on('response', (response) => {
      response.resume()
      resolve({ status: response.statusCode ?? 0, socket: response.socket })
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** What the server closes with after these bytes of a client's frame. */
async function closeCodeAfter(frame: Buffer): Promise<number> {
  const { socket } = await handshake()
  socket.write(frame)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  const answer = Buffer.concat(chunks)
  // The close frame of the server: FIN and opcode 8, unmasked, status in its first two bytes.
  expect(answer[0]).toBe(0x88)
  return answer.readUInt16BE(2)
}

describe('SEC-50 origins', () => {
  test.each(['https://appr.tc', 'null', 'http://evil.example', undefined])(
    'SEC-50 by default %s may open a socket',
    async (origin) => {
      await start()
      const { status, socket } = await handshake(origin === undefined ? {} : { Origin: origin })
      expect(status).toBe(101)
      socket.destroy()
    },
  )

  test.each([
    'null',
    'https://good.example.evil',
    'https://evil-good.example',
    'http://good.example',
    'https://good.example:444',
    'https://good.example/',
    undefined,
  ])('SEC-50 with allow-origin set %s gets 403 before the upgrade', async (origin) => {
    await start({ signaling: { allowOrigins: ['https://good.example'] } })
    expect((await handshake(origin === undefined ? {} : { Origin: origin })).status).toBe(403)
    expect(service.hub.connections).toBe(0)
  })

  test('SEC-50 with allow-origin set that one may', async () => {
    await start({ signaling: { allowOrigins: ['https://good.example'] } })
    const { status, socket } = await handshake({ Origin: 'https://good.example' })
    expect(status).toBe(101)
    socket.destroy()
  })

  test('only /ws is a WebSocket, and only a WebSocket upgrades', async () => {
    await start()
    for (const path of ['/', '/join/r', '/wss', '/ws/x']) expect((await handshake({}, path)).status).toBe(400)
    expect((await handshake({ Upgrade: 'h2c' })).status).toBe(400)
    expect((await handshake({}, '//ws')).status).toBe(101)
  })
})

describe('SEC-51 frames', () => {
  test('SEC-51 a message over 256 KiB ends with 1009', async () => {
    await start()
    const peer = await service.register('r', 'a')
    peer.send('x'.repeat(256 * 1024))
    expect(await peer.closed).toBe(1009)
  })

  test('SEC-51 a length over 256 KiB ends it before the message comes', async () => {
    await start()
    const header = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4])
    expect(await closeCodeAfter(header)).toBe(1009)
  })

  test('SEC-51 fragments count together', async () => {
    await start()
    const peer = await service.register('r', 'a')
    for (let i = 0; i < 5; i++) peer.socket.send('x'.repeat(64 * 1024), { fin: i === 4 })
    expect(await peer.closed).toBe(1009)
  })

  test('SEC-51 a flood of empty fragments ends it', async () => {
    await start()
    const peer = await service.register('r', 'a')
    for (let i = 0; i < 200_000 && peer.closeCode === null; i++) peer.socket.send('', { fin: false })
    expect([1008, 1006, 1009]).toContain(await peer.closed)
  })

  test.each([
    ['invalid UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]), 1007],
    ['an unmasked frame', Buffer.from([0x81, 0x02, 0x68, 0x69]), 1002],
    ['a reserved bit', Buffer.from([0xc1, 0x82, 0, 0, 0, 0, 0x68, 0x69]), 1002],
    ['a reserved opcode', Buffer.from([0x83, 0x82, 0, 0, 0, 0, 0x68, 0x69]), 1002],
    ['a ping of 126 bytes', Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), 1002],
  ])('SEC-51 %s ends with its code', async (_name, frame, code) => {
    await start()
    expect(await closeCodeAfter(frame)).toBe(code)
  })

  test('SEC-51 compression is not agreed to', async () => {
    await start()
    const peer = await service.connect(`ws://${service.host}/ws`, { 'Sec-WebSocket-Extensions': 'permessage-deflate' })
    expect(peer.socket.extensions).toBe('')
  })
})

describe('SEC-52 silence', () => {
  test('SEC-52 a socket that registers nobody is closed after 10 s', async () => {
    await start()
    const silent = await service.connect()
    const member = await service.register('r', 'a')
    service.advance(9)
    expect(silent.closeCode).toBeNull()
    service.advance(1)
    expect(await silent.closed).toBe(1000)
    expect(silent.errors).toHaveLength(1)
    expect(member.closeCode).toBeNull()
  })

  test('SEC-52 a ping every 25 s keeps those who answer', async () => {
    await start()
    const peer = await service.register('r', 'a')
    let pings = 0
    peer.socket.on('ping', () => pings++)
    for (let round = 1; round <= 4; round++) {
      service.advance(25)
      await until(() => pings === round)
      await raw(`${service.url}/healthz`)
    }
    expect(peer.closeCode).toBeNull()
  })

  test('SEC-52 300 silent sockets delay no call', async () => {
    await start()
    await Promise.all(Array.from({ length: 300 }, () => service.connect()))
    const a = await service.register('r', 'a')
    const b = await service.register('r', 'b')
    a.send('hello')
    expect(await b.heard(1)).toEqual(['hello'])
  })

  test('SEC-52 sockets have a limit in all and for one address', async () => {
    await start({ sockets: { perSource: 2 } })
    const first = await service.connect()
    await service.connect()
    expect((await handshake()).status).toBe(429)
    first.socket.close()
    await until(() => service.hub.connections === 1)
    expect((await handshake()).status).toBe(101)
    await service.close()
    await start({ sockets: { total: 1 } })
    await service.connect()
    expect((await handshake()).status).toBe(503)
  })
})

test('SEC-53 nobody takes over a member with a live socket, and no third gets in', async () => {
  await start()
  const ids = [await service.join('r'), await service.join('r')].map(({ params }) => params.client_id)
  const a = await service.register('r', ids[0]!)
  const b = await service.register('r', ids[1]!)
  for (const clientid of [ids[0], ids[1], 'stranger', '__proto__'])
    for (let attempt = 0; attempt < 3; attempt++) {
      const thief = await service.connect()
      thief.say({ cmd: 'register', roomid: 'r', clientid })
      expect(await thief.closed).toBe(1000)
      expect(thief.errors).toHaveLength(1)
      service.advance(5)
      await raw(`${service.url}/healthz`)
    }
  a.send('on')
  b.send('and on')
  expect(await b.heard(1)).toEqual(['on'])
  expect(await a.heard(1)).toEqual(['and on'])
})

describe('SEC-54 floods', () => {
  test('SEC-54 after the burst a socket is read slowly, in order, and nothing is lost', async () => {
    await start({ signaling: { messageBurst: 100, messagesPerSecond: 1000 } })
    const a = await service.register('r', 'a')
    const b = await service.register('r', 'b')
    const count = 3000
    for (let i = 0; i < count; i++) a.send(`${i} ${'x'.repeat(200)}`)
    const from = performance.now()
    await until(() => b.frames.length >= count, 15_000)
    // 2 900 of them at 1 000 a second: this must take a while, or nothing was held back.
    expect(performance.now() - from).toBeGreaterThan(1500)
    expect(b.texts.map((text) => Number(text.split(' ')[0]))).toEqual(Array.from({ length: count }, (_, i) => i))
  })

  test('SEC-54 a flood in one room leaves another room its speed', async () => {
    await start()
    const flooder = await service.register('flood', 'a')
    const flooded = await service.register('flood', 'b')
    const a = await service.register('r', 'a')
    const b = await service.register('r', 'b')
    for (let i = 0; i < 20_000; i++) flooder.send('x'.repeat(100))
    for (let i = 1; i <= 20; i++) {
      a.send('ping')
      await b.heard(i)
    }
    // The burst and what one read holds got through; the rest takes minutes, and the other room did not wait for it.
    await until(() => flooded.frames.length >= 2000)
    await new Promise((done) => setTimeout(done, 500))
    expect(flooded.frames.length).toBeLessThan(10_000)
  })

  test('SEC-54 a receiver with 1 MiB unread is closed, and its room goes on', async () => {
    await start({ signaling: { messagesPerSecond: 0 } })
    const sender = await service.register('r', 'a')
    const stuck = await service.register('r', 'b')
    stuck.socket.pause()
    const text = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 400 && service.hub.connections === 2; i++) {
      sender.send(text)
      await new Promise((done) => setTimeout(done, 1))
    }
    await until(() => service.hub.connections === 1)
    expect(sender.closeCode).toBeNull()
  })
})

describe('SEC-54 what one address does not read', () => {
  // So that sockets of one machine come from several addresses; texts come faster than anybody types.
  const setting = { http: { trustedProxies: ['127.0.0.1'] }, signaling: { messagesPerSecond: 0 } }
  const reader = async (room: string, client: string, address: string) => {
    const peer = await service.connect(undefined, { 'X-Forwarded-For': address })
    const before = service.hub.counters.openSockets
    peer.say({ cmd: 'register', roomid: room, clientid: client })
    await until(() => service.hub.counters.openSockets > before)
    return peer
  }
  const fill = async (sender: Peer, enough: () => boolean) => {
    for (let i = 0; i < 400 && !enough(); i++) {
      sender.send('x'.repeat(64 * 1024))
      await new Promise((done) => setTimeout(done, 1))
    }
    expect(enough()).toBe(true)
  }

  test('SEC-54 is bounded over all its sockets: the one that has read least is closed, and its neighbours go on', async () => {
    const perSource = 1 << 20
    await start({ ...setting, signaling: { ...setting.signaling, unreadBytes: { total: 0, perSource } } })
    const {
      hub,
      connections: { unread },
    } = service
    const senders: Peer[] = []
    const readers: Peer[] = []
    for (const [room, address] of [
      ['first', '192.0.2.1'],
      ['second', '192.0.2.1'],
      ['healthy', '192.0.2.1'],
      ['elsewhere', '192.0.2.2'],
    ] as const) {
      senders.push(await reader(room, 'a', '192.0.2.9'))
      readers.push(await reader(room, 'b', address))
    }
    for (const index of [0, 1, 3]) readers[index]!.socket.pause()
    await fill(senders[3]!, () => unread.bytes > 600_000)
    const elsewhere = unread.bytes
    await fill(senders[0]!, () => unread.bytes > elsewhere + 700_000)
    await fill(senders[1]!, () => unread.refused['too-many-from-source'] > 0)
    expect(unread.bytes).toBeLessThan(elsewhere + perSource)
    readers[0]!.socket.resume()
    await readers[0]!.closed
    senders[2]!.send('hello')
    await readers[2]!.heard(1)
    expect(readers.map(({ closeCode }) => closeCode === null)).toEqual([false, true, true, true])
    // What is read after all, or closed, counts no more.
    readers[1]!.socket.resume()
    readers[3]!.socket.terminate()
    await until(() => {
      hub.beat()
      return unread.bytes === 0
    })
  })
})

describe('SEC-55 frames that are no requests', () => {
  test.each([
    ['50 000 brackets', '['.repeat(50_000)],
    ['50 000 closed brackets', '['.repeat(50_000) + ']'.repeat(50_000)],
    ['nested objects', '{"cmd":'.repeat(30_000)],
    ['nothing', ''],
    ['half an object', '{"cmd":"send","msg":"'],
    ['a number', '7'],
    ['a list', '[]'],
    ['a text', '"register"'],
    ['cmd of a wrong type', '{"cmd":{"toString":"send"}}'],
    ['msg of a wrong type', '{"cmd":"send","msg":["x"]}'],
    ['a constructor', '{"cmd":"register","roomid":{"__proto__":{}},"clientid":"c"}'],
  ])('SEC-55 %s: an error frame and a close', async (_name, text) => {
    await start()
    const peer = await service.register('r', 'a')
    const from = performance.now()
    peer.socket.send(text)
    expect(await peer.closed).toBe(1000)
    expect(performance.now() - from).toBeLessThan(1000)
    expect(peer.errors).toHaveLength(1)
    expect(peer.frames[0]).toMatch(/^\{"msg":"","error":"websocket\.JSON\.Receive error: .+"\}\n$/)
  })

  test('SEC-55 a nested text is a text', async () => {
    await start()
    const a = await service.register('r', 'a')
    const b = await service.register('r', 'b')
    const text = `${'{"type":'.repeat(100)}"bye"${'}'.repeat(100)}`
    a.send(text)
    expect(await b.heard(1)).toEqual([text])
  })
})

test('closing the hub ends every socket with 1001 and takes no new one', async () => {
  await start()
  const peers = [await service.register('r', 'a'), await service.connect()]
  await service.hub.close()
  for (const peer of peers) expect(await peer.closed).toBe(1001)
  expect((await handshake()).status).toBe(503)
  expect(service.hub.connections).toBe(0)
})
