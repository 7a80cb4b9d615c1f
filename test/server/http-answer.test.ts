import { expect, test } from 'vitest'
import { startForTest, type TestOptions } from '../support/server.ts'
import { connectTcp, connectTls } from '../support/sockets.ts'

const CHALLENGES = 'http://192.0.2.80/.well-known/acme-challenge/'
const ACME: TestOptions = { 'acme-redirect': CHALLENGES }

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

test('acme-redirect sends a challenge on to where it is answered', async () => {
  const answer = await get('GET /.well-known/acme-challenge/to-Ken_1 HTTP/1.1', ACME)
  expect(answer).toMatch(/^HTTP\/1\.1 301 Moved Permanently\r\n/)
  expect(answer).toContain(`\r\nLocation: ${CHALLENGES}to-Ken_1\r\n`)
})

test('acme-redirect is for plain TCP', async () => {
  expect(await get('GET /.well-known/acme-challenge/token HTTP/1.1', ACME, 'tls')).toBe('')
})
