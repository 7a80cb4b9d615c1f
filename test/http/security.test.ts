import { mkdtempSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { callPages } from '../../src/http/page/page.ts'
import { createLog } from '../../src/log.ts'
import { raw, Service, type ServiceOptions, until } from './service.ts'

let service: Service
const start = async (options: ServiceOptions = {}) => {
  service = await Service.start({ pages: callPages, ...options })
}
afterEach(() => service.close())

/** Sends bytes as they are and gives all that comes back until the server closes. */
function bytes(text: string, port = service.listener.address.port): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

describe('SEC-38 ids', () => {
  const odd = [
    'a.b',
    'a%20b',
    '%C3%A9',
    'a%00',
    "a'b",
    'a"b',
    'a<b>',
    'a%2Fb',
    'a%252e',
    'x'.repeat(257),
    'x'.repeat(5000),
  ]

  test.each(odd)('SEC-38 %.20s is no room and no client, and is not echoed', async (id) => {
    await start()
    const paths = [
      `/join/${id}`,
      `/register/${id}`,
      `/message/${id}/c`,
      `/message/r/${id}`,
      `/leave/r/${id}`,
      `/r/${id}`,
    ]
    for (const path of paths) {
      const { status, body } = await raw(service.url, { method: 'POST', path, body: 'x' })
      expect([path.slice(0, 20), status]).toEqual([path.slice(0, 20), 404])
      expect(body).not.toContain(decodeURIComponent(id).slice(0, 100))
    }
    for (const path of [`/room1/${id}`, `/${id}/c`, `/collider/r/${id}`])
      expect((await raw(service.url, { method: 'POST', path, body: 'x' })).status).toBe(404)
    expect(service.rooms.readings.rooms).toBe(0)
  })

  test.each(['a', '_', '-', 'x'.repeat(256), '__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'SEC-38 %.20s is an ordinary room',
    async (room) => {
      await start()
      const { params } = await service.join(room)
      expect(params).toMatchObject({ room_id: room, is_initiator: 'true', messages: [] })
      expect(await service.message(room, '__proto__', 'x')).toBe('UNKNOWN_CLIENT')
      expect(await service.message(room, params.client_id, 'x')).toBe('SUCCESS')
      expect((await service.join(room)).params.messages).toEqual(['x'])
    },
  )

  test('SEC-38 the hub takes no room of 257 letters and none with a control character', async () => {
    await start()
    for (const roomid of ['x'.repeat(257), 'a\nb', 'a/b']) {
      const peer = await service.connect()
      peer.say({ cmd: 'register', roomid, clientid: 'c' })
      expect(await peer.closed).toBe(1000)
      expect(peer.errors).toHaveLength(1)
    }
    expect(service.rooms.readings.rooms).toBe(0)
  })
})

describe('SEC-39 pages', () => {
  const attack = `</script><script>alert(1)</script><img src=x onerror='"'>\u2028`

  test('SEC-39 nothing of a URL, a header or the configuration is markup in a page', async () => {
    await start({ http: { headerMessage: attack, urlOverrides: 'compat' } })
    const query = ['video', 'audio', 'hd', 'tt', 'it', 'ts', 'wshpp', 'apikey', 'x']
      .map((name) => `${name}=${encodeURIComponent(attack)}`)
      .join('&')
    for (const path of [`/?${query}`, `/r/room?${query}`]) {
      const { body } = await raw(service.url, {
        path,
        headers: { 'User-Agent': attack.slice(0, -1), Referer: attack.slice(0, -1) },
      })
      expect(body).not.toContain('<script>alert')
      expect(body).not.toContain('<img src=x')
      expect(body).not.toContain('\u2028')
      expect(body.match(/<script/g)).toHaveLength(2)
    }
  })

  test('SEC-39 error pages repeat nothing', async () => {
    await start()
    const { body } = await raw(service.url, { path: `/${encodeURIComponent('<script>')}/<x>` })
    expect(body).not.toContain('<script')
    expect(body).not.toContain('<x>')
  })
})

describe('SEC-40 headers', () => {
  test.each(['/', '/r/room'])('SEC-40 of the page %s', async (path) => {
    await start()
    const { headers } = await raw(service.url, { path })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toMatch(/script-src 'self'(;|$)/)
    expect(policy).not.toMatch(/unsafe-(inline|eval)/)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'permissions-policy': expect.stringMatching(/camera=\(self\), microphone=\(self\), display-capture=\(self\)/),
    })
    expect(headers['x-powered-by']).toBeUndefined()
    expect(headers['server']).toBeUndefined()
  })

  test.each([
    ['POST', '/join/r'],
    ['POST', '/message/r/c'],
    ['POST', '/leave/r/c'],
    ['GET', '/params'],
    ['GET', '/v1alpha/iceconfig'],
    ['GET', '/turn'],
    ['GET', '/status'],
    ['GET', '/nowhere'],
    ['GET', '/healthz'],
  ])('SEC-40 of %s %s', async (method, path) => {
    await start()
    const { headers } = await raw(service.url, { method, path })
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'/)
  })

  test('SEC-40 frame-ancestors is a key', async () => {
    await start({ http: { frameAncestors: 'https://school.example' } })
    const { headers } = await raw(service.url, { path: '/r/room' })
    expect(headers['content-security-policy']).toContain('frame-ancestors https://school.example')
  })
})

describe('SEC-41 links', () => {
  const params = async (query: string) => service.json(`/params?${query}`)

  test.each([
    'evil.example',
    'evil.example:443',
    '127.0.0.1.evil.example',
    'user@127.0.0.1',
    '127.0.0.1/x',
    '127.0.0.1:99999',
    '[::1',
    '127.0.0.1#',
  ])('SEC-41 wshpp=%s changes nothing', async (host) => {
    await start()
    expect(await params(`wshpp=${encodeURIComponent(host)}`)).toMatchObject({
      wss_url: `ws://${service.host}/ws`,
      wss_post_url: `http://${service.host}/collider`,
    })
  })

  test.each([
    'http://evil.example',
    'https://127.0.0.1@evil.example',
    'https://x@127.0.0.1',
    'javascript:127.0.0.1',
    '//127.0.0.1',
    'ftp://127.0.0.1',
    'x',
  ])('SEC-41 ts=%s changes nothing', async (base) => {
    await start()
    const answer = await params(`ts=${encodeURIComponent(base)}`)
    expect(answer['ice_server_url']).toBe(`${service.url}/v1alpha/iceconfig?key=`)
    expect(answer['turn_url']).toMatch(new RegExp(`^${service.url}/turn\\?username=`))
  })

  test('SEC-41 hosts of ours may be named: the one of the request, and configured ones', async () => {
    await start({ http: { allowedHosts: ['hub.example'] } })
    expect(await params('wshpp=127.0.0.1:8089')).toMatchObject({ wss_url: 'ws://127.0.0.1:8089/ws' })
    expect(await params('wshpp=hub.example&wstls=true')).toMatchObject({ wss_url: 'wss://hub.example/ws' })
    expect(await params('ts=https://hub.example/base/&apikey=a%26b')).toMatchObject({
      ice_server_url: 'https://hub.example/base/v1alpha/iceconfig?key=a%26b',
    })
    expect(await params('ts=')).toMatchObject({ ice_server_url: '', turn_url: '' })
  })

  test('SEC-41 the page may connect to the announced hosts only', async () => {
    await start({ http: { wssHostPortPair: 'hub.example:8089', wssTls: true } })
    const { headers } = await raw(service.url, { path: '/r/room?wshpp=evil.example&ts=http://evil.example' })
    const connectSources = /connect-src ([^;]*)/.exec(String(headers['content-security-policy']))?.[1]?.split(' ')
    expect(new Set(connectSources)).toEqual(
      new Set(["'self'", 'wss://hub.example:8089', 'https://hub.example:8089', service.url]),
    )
  })
})

describe('SEC-42 Host and forwarded headers', () => {
  test.each([
    '',
    'a b',
    'a/b',
    'a@b',
    '<script>',
    'a:b',
    'a:0',
    'a:65536',
    'a:1:2',
    '[::1',
    '[zz]',
    '-a',
    'a"b',
    'é',
    'a?b',
    'a#b',
    'x'.repeat(300),
  ])('SEC-42 Host %j is 400', async (host) => {
    await start()
    const answer = await bytes(`GET /params HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    if (host !== '') expect(answer.split('\r\n\r\n')[1]).not.toContain(host)
  })

  test.each(['call.example', 'CALL.example:8443', '10.0.0.1:8080', '[2001:db8::1]:8080', '[::1]'])(
    'SEC-42 Host %s is repeated',
    async (host) => {
      await start()
      const { body } = await raw(service.url, { path: '/params', headers: { Host: host } })
      expect(JSON.parse(body).wss_url).toBe(`ws://${host.toLowerCase()}/ws`)
    },
  )

  test('SEC-42 with a public name no URL has another, whatever is asked', async () => {
    await start({ http: { publicHost: 'call.example' } })
    const headers = { Host: 'evil.example', 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' }
    const query = '?wshpp=evil.example&ts=http://evil.example'
    for (const [method, path] of [
      ['POST', '/join/r'],
      ['GET', '/params'],
      ['GET', '/v1alpha/iceconfig'],
      ['GET', '/r/x'],
    ] as const) {
      const { body } = await raw(service.url, { method, path: path + query, headers })
      // The link to the room holds the arguments it was opened with, as arguments.
      expect(body.replace(/[?&](wshpp|ts)=[^&"]*/g, '')).not.toContain('evil.example')
    }
    const { body } = await raw(service.url, { method: 'POST', path: '/join/s', headers })
    expect(JSON.parse(body).params).toMatchObject({
      room_link: 'http://call.example/r/s',
      wss_url: 'ws://call.example/ws',
      wss_post_url: 'http://call.example/collider',
    })
  })

  test('SEC-42 X-Forwarded-Host and Forwarded are never used', async () => {
    await start({ http: { trustedProxies: ['127.0.0.1'] } })
    const headers = {
      'X-Forwarded-Host': 'evil.example',
      Forwarded: 'host=evil.example;proto=https',
      'X-Forwarded-Port': '1',
    }
    const { body } = await raw(service.url, { path: '/params', headers })
    expect(JSON.parse(body).wss_url).toBe(`ws://${service.host}/ws`)
  })

  test.each([
    [[], 'https', 'ws'],
    [['192.0.2.1'], 'https', 'ws'],
    [['127.0.0.0/8'], 'https', 'wss'],
    [['127.0.0.1'], 'HTTPS', 'wss'],
    [['127.0.0.1'], 'http', 'ws'],
    [['127.0.0.1'], 'javascript', 'ws'],
    [['127.0.0.1'], 'https, http', 'ws'],
  ])('SEC-42 trusted-proxy %j, X-Forwarded-Proto %s → %s', async (trustedProxies, proto, scheme) => {
    await start({ http: { trustedProxies } })
    const { body } = await raw(service.url, { path: '/params', headers: { 'X-Forwarded-Proto': proto } })
    expect(JSON.parse(body).wss_url).toBe(`${scheme}://${service.host}/ws`)
  })

  test.each([
    ['nobody trusted: all requests are of one address', [], 429],
    ['a trusted proxy speaks for its clients', ['127.0.0.1'], 200],
  ])('SEC-42 %s', async (_name, trustedProxies, status) => {
    await start({ http: { trustedProxies, iceConfigPerMinute: 1 } })
    const ask = (chain: string) => raw(service.url, { path: '/turn', headers: { 'X-Forwarded-For': chain } })
    expect((await ask('198.51.100.1')).status).toBe(200)
    expect((await ask('198.51.100.2')).status).toBe(status)
    // The last hop that is no proxy counts; what stands before it anybody can write.
    expect((await ask('203.0.113.9, 198.51.100.1, 127.0.0.1')).status).toBe(429)
  })
})

test('SEC-43 every page may ask, and none with credentials', async () => {
  await start({ metrics: async () => ({ contentType: 'text/plain', body: 'm' }) })
  for (const path of ['/params', '/join/r', '/turn', '/collider/r/c', '/status', '/metrics', '/nowhere'])
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const { headers } = await raw(service.url, { method, path, headers: { Origin: 'https://evil.example' } })
      expect(headers['access-control-allow-credentials']).toBeUndefined()
      expect(headers['access-control-allow-origin']).toBe(path === '/metrics' ? undefined : '*')
    }
})

describe('SEC-44 sizes', () => {
  test.each(['/message/r/c', '/join/r', '/a/', '/collider/r/c', '/room1/c', '/leave/r/c'])(
    'SEC-44 a body over 256 KiB to %s is 413',
    async (path) => {
      await start()
      const body = 'x'.repeat(256 * 1024 + 1)
      expect((await raw(service.url, { method: 'POST', path, body })).status).toBe(413)
      const chunked = await bytes(
        `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      )
      expect(chunked).toMatch(/^HTTP\/1\.1 413 /)
    },
  )

  test('SEC-44 a length over 256 KiB is refused before the body comes', async () => {
    await start()
    const answer = await bytes(
      'POST /message/r/c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 999999999\r\n\r\nx',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('SEC-44 on the Collider port, too', async () => {
    await start()
    expect((await raw(`${service.colliderUrl}/r/c`, { method: 'POST', body: 'x'.repeat(256 * 1024 + 1) })).status).toBe(
      413,
    )
  })

  test('SEC-44 a body of 256 KiB is taken', async () => {
    await start()
    const { client_id } = (await service.join('r')).params
    expect(await service.message('r', client_id, 'x'.repeat(256 * 1024))).toBe('SUCCESS')
  })

  test('SEC-44 a room stores 1 024 messages and 1 MiB', async () => {
    await start()
    const { client_id } = (await service.join('r')).params
    for (let i = 0; i < 4; i++) expect(await service.message('r', client_id, 'x'.repeat(256 * 1024))).toBe('SUCCESS')
    expect(await service.message('r', client_id, 'x')).toBe('ERROR')
  })

  test('SEC-44 new rooms from one address: the burst, then 429; known rooms stay open', async () => {
    await start({ http: { newRoomsPerMinute: 2, newRoomsBurst: 5 } })
    const statuses: number[] = []
    for (let i = 0; i < 6; i++) statuses.push((await service.post(`/join/r${i}`)).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    expect((await service.join('r0')).result).toBe('SUCCESS')
    expect((await raw(`${service.colliderUrl}/new/c`, { method: 'POST', body: 'x' })).status).toBe(429)
    const peer = await service.connect()
    peer.say({ cmd: 'register', roomid: 'new', clientid: 'c' })
    await peer.closed
    expect(peer.errors).toHaveLength(1)
    expect((await service.rooms.look('new', '')).exists).toBe(false)
  })

  test('SEC-44 so many rooms and no more', async () => {
    await start({ rooms: { rooms: { total: 1, perSource: 0 } } })
    await service.join('one')
    expect((await service.post('/join/two')).status).toBe(429)
  })
})

describe('SEC-45 requests', () => {
  test.each([
    ['two lengths', 'POST /join/r HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'a length and chunks',
      'POST /join/r HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['NUL in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
    ['NUL in the path', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\nX y: z\n\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a chunk size that is none', 'POST /join/r HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('SEC-45 %s: 400 and closed', async (_name, text) => {
    await start()
    expect(await bytes(text)).toMatch(/^HTTP\/1\.1 400 /)
    expect(service.rooms.readings.rooms).toBe(0)
  })

  test('SEC-45 headers over 16 KiB: 431 and closed', async () => {
    await start()
    expect(await bytes(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('SEC-45 __proto__ as the name of a header or an argument is harmless', async () => {
    await start()
    const answer = await bytes(
      'GET /params?__proto__=1&constructor=2 HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nconstructor: y\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  test('SEC-45 a request that never ends is closed after its time; 50 of them delay nobody', async () => {
    await start({ listener: { headersTimeoutSeconds: 1, requestTimeoutSeconds: 2 } })
    const halves = Array.from({ length: 50 }, (_, i) =>
      bytes(
        i % 2
          ? 'GET / HTTP/1.1\r\nHost: a\r\nX: '
          : 'POST /message/r/c HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx',
      ),
    )
    expect((await raw(service.url, { path: '/params' })).status).toBe(200)
    for (const answer of await Promise.all(halves)) expect(answer).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  test('SEC-45 connections of one address have a limit', async () => {
    await start({ connections: { perSource: 3 } })
    const open = Array.from({ length: 3 }, () => connect(service.listener.address.port, '127.0.0.1'))
    await Promise.all(open.map((socket) => new Promise((done) => socket.once('connect', done))))
    expect(await bytes('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toBe('')
    for (const socket of open) socket.destroy()
    let answer = ''
    for (let i = 0; i < 100 && answer === ''; i++)
      answer = await bytes('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })
})

test('SEC-46 leave, message and DELETE of unknown ids change nothing for those in the room', async () => {
  await start()
  const ids = [await service.join('r'), await service.join('r')].map(({ params }) => params.client_id)
  const a = await service.register('r', ids[0]!)
  const b = await service.register('r', ids[1]!)
  for (const id of ['00000000', 'x', 'LOOPBACK_CLIENT_ID', 'loopback_client_id', `${ids[0]}0`]) {
    expect(await raw(service.url, { method: 'POST', path: `/leave/r/${id}` })).toMatchObject({ status: 200, body: '' })
    expect(await raw(service.url, { method: 'DELETE', path: `/collider/r/${id}` })).toMatchObject({ status: 200 })
    expect(await raw(service.url, { method: 'POST', path: `/collider/r/${id}`, body: 'x' })).toMatchObject({
      status: 500,
    })
    expect(await service.message('r', id, 'x')).toBe('UNKNOWN_CLIENT')
  }
  a.send('from a')
  expect(await service.message('r', ids[1]!, 'from b')).toBe('SUCCESS')
  expect(await b.heard(1)).toEqual(['from a'])
  expect(await a.heard(1)).toEqual(['from b'])
})

test('SEC-46 what everybody may read names no room, client or address', async () => {
  await start({ metrics: async () => ({ contentType: 'text/plain', body: 'webrtc_rooms 1' }) })
  const { client_id } = (await service.join('very-secret-room')).params
  await service.register('very-secret-room', client_id)
  for (const path of [
    '/',
    '/params',
    '/status',
    '/metrics',
    '/healthz',
    '/readyz',
    '/turn',
    '/v1alpha/iceconfig',
    '/nowhere',
  ]) {
    const { body, headers } = await raw(service.url, { path })
    for (const secret of ['very-secret-room', client_id]) expect(body + JSON.stringify(headers)).not.toContain(secret)
  }
})

describe('SEC-47 paths', () => {
  test.each([
    '/../package.json',
    '/assets/../../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets/%252e%252e/package.json',
    '/assets/%00',
    '/assets//',
    '/%',
    '/%ff',
  ])('SEC-47 %s is nowhere', async (path) => {
    await start()
    const { status, body } = await raw(service.url, { path })
    expect([400, 404]).toContain(status)
    expect(body).not.toContain('webrtc-stack"')
  })

  test.each(['/metrics', '//metrics', '/%6detrics', '/%6Detrics', '/./metrics', '/x/../metrics', '//%6detrics'])(
    'SEC-47 %s meets the guard of /metrics',
    async (path) => {
      const metrics = async () => ({ contentType: 'text/plain', body: 'the metrics' })
      await start({ metrics, http: { metricsFrom: ['192.0.2.1'] } })
      const { status, body } = await raw(service.url, { path })
      expect(status).toBe(404)
      expect(body).not.toContain('the metrics')
      await service.close()
      await start({ metrics })
      expect((await raw(service.url, { path })).body).toBe('the metrics')
      // Through a proxy on this machine everybody would look like us.
      expect((await raw(service.url, { path, headers: { 'X-Forwarded-For': '198.51.100.1' } })).status).toBe(404)
    },
  )
})

describe('SEC-48 logs and errors', () => {
  test('SEC-48 one event is one line, whatever is in it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'log-')), 'log')
    await start({ log: createLog({ level: 'debug', pretty: false, destination: file }) })
    const event = {
      type: 'event',
      request_time_ms: 1,
      event: { event_type: 'a\r\n{"level":"error"}\u001b[31m', event_time_ms: 1 },
    }
    await service.post('/a/', JSON.stringify(event))
    await service.join('room')
    await until(() => readFileSync(file, 'utf8').includes('client joined'))
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      expect(line).not.toMatch(/[\x00-\x1f]/)
      expect(JSON.parse(line)).toMatchObject({ level: 'debug' })
    }
  })

  test('SEC-48 an error of ours is 500 without a word about it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'log-')), 'log')
    await start({
      log: createLog({ level: 'error', pretty: false, destination: file }),
      pages: {
        ...callPages,
        renderPage: () => {
          throw new Error('a secret detail')
        },
      },
    })
    const { status, body } = await raw(service.url, { path: '/' })
    expect(status).toBe(500)
    expect(body).not.toMatch(/secret|Error:|\.ts|node_modules/)
    await until(() => readFileSync(file, 'utf8').includes('a secret detail'))
  })
})
