import { afterAll, expect, test } from 'vitest'
import { answerHttp, type HttpOptions } from '../../src/net/http-answer.ts'
import { localhostEc } from '../support/certificates.ts'
import { connectTcp, connectTls, expectNoSockets, localStream, portOf, startRecorder } from '../support/sockets.ts'

afterAll(expectNoSockets)

const acme = 'http://192.0.2.80/.well-known/acme-challenge/'
const quiet: HttpOptions = { respondUnsupported: false, acmeRedirect: null }

async function get(line: string, http = quiet, tls = false): Promise<string> {
  const driver = await startRecorder({ streams: [localStream], http, tls: { certificates: [localhostEc] } })
  const connection = await (tls ? connectTls : connectTcp)(portOf(driver, 'tcp'))
  connection.socket.write(`${line}\r\nHost: localhost\r\n\r\n`)
  return (await connection.readToEnd()).toString()
}

test('HTTP is closed without a word', async () => {
  expect(await get('GET / HTTP/1.1')).toBe('')
})

test('respond-http-unsupported says 400, over TCP and TLS', async () => {
  const http = { ...quiet, respondUnsupported: true }
  for (const tls of [false, true]) {
    const answer = await get('POST /x HTTP/1.1', http, tls)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    const [head, body] = answer.split('\r\n\r\n')
    expect(head).toContain(`Content-Length: ${body!.length}`)
  }
})

test('acme-redirect sends a challenge on to where it is answered', async () => {
  const http = { ...quiet, acmeRedirect: acme }
  const answer = await get('GET /.well-known/acme-challenge/to-Ken_1 HTTP/1.1', http)
  expect(answer).toMatch(/^HTTP\/1\.1 301 Moved Permanently\r\n/)
  expect(answer).toContain(`\r\nLocation: ${acme}to-Ken_1\r\n`)
})

test.each([
  'GET / HTTP/1.1',
  'POST /.well-known/acme-challenge/token HTTP/1.1',
  'GET /.well-known/acme-challenge/ HTTP/1.1',
  'GET /.well-known/acme-challenge/a/b HTTP/1.1',
  'GET /.well-known/acme-challenge/..%2f HTTP/1.1',
  'GET /.well-known/acme-challenge/a\u000bLocation:x HTTP/1.1',
])('acme-redirect has no answer to %j', async (line) => {
  expect(await get(line, { ...quiet, acmeRedirect: acme })).toBe('')
})

test('acme-redirect is for plain TCP', async () => {
  expect(await get('GET /.well-known/acme-challenge/token HTTP/1.1', { ...quiet, acmeRedirect: acme }, true)).toBe('')
})

test('waits for the first line, but not for ever', () => {
  const http = { respondUnsupported: false, acmeRedirect: acme }
  expect(answerHttp(Buffer.from('GET /.well-known/acme-ch'), false, http)).toBe('more')
  expect(answerHttp(Buffer.alloc(1024, 'G'), false, http)).toBe(null)
})
