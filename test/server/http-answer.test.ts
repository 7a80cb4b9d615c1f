import { connect } from 'node:net'
import { connect as connectToTls } from 'node:tls'
import { expect, test } from 'vitest'
import { startForTest, type TestOptions } from '../support/server.ts'
import { connectTcp, connectTls } from '../support/sockets.ts'

const CHALLENGES = 'http://192.0.2.80/.well-known/acme-challenge/'
const ACME: TestOptions = { 'acme-redirect': CHALLENGES }

const CHUNK = Buffer.alloc(64 * 1024)

async function get(line: string, options: TestOptions = {}, over: 'tcp' | 'tls' = 'tcp'): Promise<string> {
  const server = await startForTest(options)
  const connection = await { tcp: connectTcp, tls: connectTls }[over](server.ports[over])
  connection.socket.write(`${line}\r\nHost: localhost\r\n\r\n`)
  return (await connection.readToEnd()).toString()
}

test('HTTP on a TURN port is closed without a word', async () => {
  expect(await get('GET / HTTP/1.1')).toBe('')
})

test('respond-http-unsupported says 400, over TCP and TLS', async () => {
  for (const over of ['tcp', 'tls'] as const) {
    const answer = await get('POST /x HTTP/1.1', { 'respond-http-unsupported': true }, over)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    const [head, body] = answer.split('\r\n\r\n')
    expect(head).toContain(`Content-Length: ${body!.length}`)
  }
})

test.each(['tcp', 'tls'] as const)(
  'SEC-44 who sends on after a 400 over %s is listened to for 256 KiB, and then cut off',
  async (over) => {
    const server = await startForTest({ 'respond-http-unsupported': true })
    const answered = await { tcp: connectTcp, tls: connectTls }[over](server.ports[over])
    answered.socket.write('POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n')
    for (let i = 0; i < 4; i++) answered.socket.write(Buffer.alloc(50_000))
    expect((await answered.readToEnd()).toString()).toMatch(/^HTTP\/1\.1 400 /)

    // Reads nothing, so that it does not hear that its answer is out.
    const at = { port: server.ports[over], host: '127.0.0.1' }
    const socket = over === 'tcp' ? connect(at) : connectToTls({ ...at, rejectUnauthorized: false })
    const cut = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.write('POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000000\r\n\r\n')
    const endless = () => {
      while (!socket.destroyed && socket.write(CHUNK));
    }
    socket.on('drain', endless)
    endless()
    await cut
    // What the kernels of both sides hold is out as well.
    expect(socket.bytesWritten).toBeLessThan(64 << 20)
  },
)

test('acme-redirect sends a challenge on to where it is answered', async () => {
  const answer = await get('GET /.well-known/acme-challenge/to-Ken_1 HTTP/1.1', ACME)
  expect(answer).toMatch(/^HTTP\/1\.1 301 Moved Permanently\r\n/)
  expect(answer).toContain(`\r\nLocation: ${CHALLENGES}to-Ken_1\r\n`)
})

test('acme-redirect is for plain TCP', async () => {
  expect(await get('GET /.well-known/acme-challenge/token HTTP/1.1', ACME, 'tls')).toBe('')
})
