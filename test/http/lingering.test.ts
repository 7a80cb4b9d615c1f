import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    'udp-io': 'dgram',
    prometheus: true,
    'prometheus-address': '127.0.0.1',
    'prometheus-port': '0',
  })
})
afterAll(() => server.close())

const LISTENERS = ['http', 'https', 'collider', 'metrics'] as const
type Listener = (typeof LISTENERS)[number]

async function open(listener: Listener): Promise<Socket> {
  const { web, metrics } = server.running
  const at = { port: { ...web!, metrics: metrics! }[listener]!.port, host: '127.0.0.1' }
  const encrypted = listener === 'https' || listener === 'collider'
  const socket = encrypted ? connectTls({ ...at, rejectUnauthorized: false }) : connect({ ...at, allowHalfOpen: true })
  await once(socket, encrypted ? 'secureConnect' : 'connect')
  return socket
}

const CHUNK = Buffer.alloc(64 * 1024, 'x')

/** Sends `head` and then `total` bytes, as fast as they are taken, and reads nothing before all of it is out; then all that came. */
async function send(listener: Listener, head: string, total: number, chunked: boolean): Promise<string> {
  const socket = await open(listener)
  const errors: Error[] = []
  socket.on('error', (error) => errors.push(error))
  socket.pause()
  socket.write(head)
  const frame = chunked ? `${CHUNK.length.toString(16)}\r\n${CHUNK}\r\n` : CHUNK
  for (let sent = 0; sent < total && errors.length === 0; sent += CHUNK.length) {
    // Slower than the answer comes.
    await new Promise((done) => setTimeout(done, 10))
    if (!socket.write(frame)) await Promise.race([once(socket, 'drain'), once(socket, 'error').catch(() => {})])
  }
  let answer = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  socket.resume()
  await once(socket, 'end')
  socket.destroy()
  expect(errors).toEqual([])
  return answer
}

describe.each(LISTENERS)('SEC-44 a sender reads its refusal: %s', (listener) => {
  // The port of metrics reads no bodies, and answers 404 to this path.
  const status = listener === 'metrics' ? /^HTTP\/1\.1 404 / : /^HTTP\/1\.1 413 /

  test.each([
    ['with a length', 'Content-Length: 3000000', false],
    ['in chunks', 'Transfer-Encoding: chunked', true],
  ])('%s', async (_name, field, chunked) => {
    for (const connection of ['close', 'keep-alive']) {
      if (listener === 'metrics' && connection === 'keep-alive') continue
      const head = `POST /room/client HTTP/1.1\r\nHost: a\r\n${field}\r\nConnection: ${connection}\r\n\r\n`
      expect(await send(listener, head, 1_500_000, chunked)).toMatch(status)
    }
  })

  test('of a header that is too large, while it is still coming', async () => {
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nX: '
    expect(await send(listener, head, 1_000_000, false)).toMatch(/^HTTP\/1\.1 431 /)
  })
})

test('SEC-44 it is not listened to for ever: so many bytes', async () => {
  const socket = await open('http')
  let ended = false
  socket.on('error', () => {})
  socket.on('close', () => {
    ended = true
  })
  socket.resume()
  socket.write('POST /room/client HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000000\r\n\r\n')
  let sent = 0
  for (; !ended && sent < 200_000_000; sent += CHUNK.length)
    if (!socket.write(CHUNK) && !ended)
      await Promise.race(['drain', 'close'].map((event) => once(socket, event).catch(() => {})))
  expect(ended).toBe(true)
  expect(sent).toBeGreaterThan(8_000_000)
})

test('a short body that nobody reads costs no connection', async () => {
  const socket = await open('http')
  socket.setEncoding('latin1')
  let answer = ''
  socket.on('data', (chunk: string) => {
    answer += chunk
  })
  for (let i = 1; i <= 3; i++) {
    socket.write('POST /leave/r/c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    socket.write('cde')
    await new Promise((done) => setTimeout(done, 50))
  }
  expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(3)
  socket.destroy()
})
