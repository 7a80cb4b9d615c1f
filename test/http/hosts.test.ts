import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostOf, isOwnHost, parseHost } from '../../src/http/caller/host.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    'udp-io': 'dgram',
    prometheus: true,
    'prometheus-address': '127.0.0.1',
    'prometheus-port': '0',
    realm: 'calls.example',
    'allowed-host': 'scraped.example:9641',
    // The only thing that speaks HTTP on a TURN port.
    'acme-redirect': 'http://192.0.2.80/.well-known/acme-challenge/',
  })
})
afterAll(() => server.close())

const LISTENERS = ['http', 'https', 'collider', 'metrics'] as const
type Listener = (typeof LISTENERS)[number] | 'turn'

/** All that comes back for `request` until the server closes, which is asked for. */
function ask(listener: Listener, request: string, headers: readonly string[] = []): Promise<string> {
  const { web, metrics, turn } = server.running
  const ports = { ...web!, metrics: metrics!, turn: { port: turn!.ports.tcp! } }
  const port = ports[listener]!.port
  const encrypted = listener === 'https' || listener === 'collider'
  const at = { port, host: '127.0.0.1' }
  const socket = encrypted ? connectTls({ ...at, rejectUnauthorized: false }) : connectTcp(at)
  socket.setEncoding('latin1')
  socket.write([request, ...headers, 'Connection: close', '', ''].join('\r\n'))
  return new Promise((resolve, reject) => {
    let answer = ''
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])

describe.each(LISTENERS)('what needs no link needs no Host (RFC 9112 §3.2): %s', (listener) => {
  test.each(['GET /healthz HTTP/1.0', 'HEAD /healthz HTTP/1.0', 'GET /readyz HTTP/1.0'])('%s is 200', async (line) => {
    expect(statusOf(await ask(listener, line))).toBe(200)
  })

  test.each(['OPTIONS / HTTP/1.0', 'OPTIONS * HTTP/1.0'])('%s, as load balancers ask, succeeds', async (line) => {
    expect(statusOf(await ask(listener, line))).toBeOneOf([200, 204])
  })

  test('in HTTP/1.1 it may be empty, and must be there', async () => {
    expect(statusOf(await ask(listener, 'GET /healthz HTTP/1.1', ['Host:']))).toBe(200)
    expect(statusOf(await ask(listener, 'OPTIONS * HTTP/1.1', ['Host: ']))).toBeOneOf([200, 204])
    expect(statusOf(await ask(listener, 'GET /healthz HTTP/1.1'))).toBe(400)
  })

  test.each([
    ['two', ['Host: a', 'Host: b']],
    ['two of the same', ['Host: a', 'X: y', 'host: a']],
    ['an empty one and another', ['Host:', 'Host: a']],
    ['two names in one', ['Host: a, b']],
  ])('%s is 400', async (_name, headers) => {
    for (const version of ['1.0', '1.1'])
      expect(statusOf(await ask(listener, `GET /healthz HTTP/${version}`, headers))).toBe(400)
  })
})

test.each(['http', 'https'] as const)('what has links in it needs one: %s', async (listener) => {
  for (const line of ['GET /', 'GET /r/room', 'GET /params', 'POST /join/room'])
    expect([line, statusOf(await ask(listener, `${line} HTTP/1.0`))]).toEqual([line, 400])
  expect(await ask(listener, 'GET /params HTTP/1.0', ['Host: call.example'])).toContain('//call.example/ws"')
  expect(statusOf(await ask(listener, 'POST /message/room/12345678 HTTP/1.0'))).toBe(200)
})

test('a client of the Collider needs none', async () => {
  expect(await ask('collider', 'DELETE /r/c HTTP/1.0')).toContain('\r\n\r\nOK\n')
  expect(statusOf(await ask('collider', 'GET /status HTTP/1.0'))).toBe(200)
})

test('the host of the target wins over the header (RFC 9112 §3.2.2)', async () => {
  const answer = await ask('http', 'GET http://one.example/params HTTP/1.1', ['Host: two.example'])
  expect(answer).toContain('ws://one.example/ws')
  expect(answer).not.toContain('two.example')
})

test('two Host headers are 400 where a TURN port answers HTTP, too', async () => {
  const line = 'GET /.well-known/acme-challenge/token HTTP/1.1'
  expect(statusOf(await ask('turn', line, ['Host: a']))).toBe(301)
  expect(statusOf(await ask('turn', line, ['Host: a', 'Host: b']))).toBe(400)
})

describe.each(['http', 'metrics'] as const)('/metrics answers no foreign Host (DNS rebinding): %s', (listener) => {
  test.each([
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'xlocal.example',
  ])('%s is 421', async (host) => {
    const answer = await ask(listener, 'GET /metrics HTTP/1.1', [`Host: ${host}`])
    expect(statusOf(answer)).toBe(421)
    expect(answer).toContain('allowed-host=')
    expect(answer).not.toContain('webrtc_stack_')
  })

  test.each([
    '127.0.0.1:8080',
    '[::1]',
    'localhost:8080',
    'turn',
    'turn.prod.svc.cluster.local',
    'scraped.example',
    'calls.example:1',
    '',
  ])('%j is served', async (host) => {
    expect(await ask(listener, 'GET /metrics HTTP/1.1', [`Host: ${host}`])).toContain('webrtc_stack_info')
  })
})

test('hosts that several spellings name', () => {
  const at = (url: string, ...host: string[]) => hostOf({ url, headersDistinct: { host } })
  expect(at('/')).toBeNull()
  expect(at('/', '')).toBeNull()
  expect(at('/', 'a', 'a')).toBe('bad')
  expect(at('http:///x', 'a')).toBeNull()
  expect(at('http://user@a/x', 'a')).toBe('bad')
  expect(at('/', 'Call.Example:80')).toEqual({ name: 'call.example', port: 80, text: 'call.example:80' })
  expect(isOwnHost(parseHost('Call.Example.')!, ['call.example:8443'])).toBe(true)
  expect(isOwnHost(parseHost('x.call.example')!, ['call.example'])).toBe(false)
})
