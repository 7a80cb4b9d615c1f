import { once } from 'node:events'
import { Agent, get } from 'node:https'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({
    'udp-io': 'dgram',
    prometheus: true,
    'prometheus-address': '127.0.0.1',
    'prometheus-port': '0',
    // Both are 10 s by default, which would be this test's time.
    'handshake-timeout-seconds': '1',
    'http-headers-timeout-seconds': '1',
  })
})
afterAll(() => server.close())

const portOf = (name: string) => {
  const { web, turn, metrics } = server.running
  return { ...web!, metrics: metrics!, turn: { port: turn!.ports.tls! } }[name as 'http']!.port
}

async function open(name: string): Promise<Socket> {
  const socket = connect(portOf(name), '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** By a reset, too. */
function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}

// A handshake that says it is 500 bytes long, and a request header: of both one byte now and then.
const BEGINNINGS = {
  handshake: Buffer.concat([Buffer.from('16030101f4010001f00303', 'hex'), Buffer.alloc(490)]),
  header: Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(500)}`),
}

test.each([
  ['https', 'handshake'],
  ['collider', 'handshake'],
  ['http', 'header'],
  ['metrics', 'header'],
] as const)('SEC-15 SEC-45 on %s a byte of a %s now and then gains nothing', async (name, beginning) => {
  const bytes = BEGINNINGS[beginning]
  const socket = await open(name)
  let sent = 0
  const trickle = setInterval(() => socket.write(bytes.subarray(sent, ++sent)), 20)
  await closed(socket)
  clearInterval(trickle)
  // It was cut off, not through.
  expect(sent).toBeLessThan(bytes.length)
})

test.each(['https', 'collider', 'turn', 'http', 'metrics'])('SEC-15 SEC-45 on %s silence is closed', async (name) => {
  const socket = await open(name)
  await closed(socket)
})

test.each(['https', 'collider'])(
  'SEC-15 on %s a handshake that stops after its ClientHello is closed',
  async (name) => {
    const socket = await open(name)
    socket.write(await clientHello())
    await closed(socket)
  },
)

test.each(['https', 'collider'])('SEC-15 on %s who is through may go on for longer', async (name) => {
  const early = await fetchTwice(name)
  expect(early).toEqual([200, 200])
})

/** As OpenSSL sends it. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read: () => {}, write: (bytes: Buffer) => resolve(bytes) })
    connectTls({ socket }).on('error', () => {})
  })
}

async function fetchTwice(name: string): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  const ask = () =>
    new Promise<{ status: number; socket: Socket }>((resolve, reject) => {
      get({ host: '127.0.0.1', port: portOf(name), path: '/healthz', agent }, (response) => {
        const { socket } = response
        response.resume().on('end', () => resolve({ status: response.statusCode!, socket }))
      }).on('error', reject)
    })
  const first = await ask()
  // Longer than a handshake may take.
  await new Promise((done) => setTimeout(done, 1500))
  const second = await ask()
  expect(second.socket).toBe(first.socket)
  agent.destroy()
  return [first.status, second.status]
}
