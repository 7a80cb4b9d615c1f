import { expect, test } from 'vitest'
import { answerHttp } from '../../../src/net/stream/http-answer.ts'

const http = { respondUnsupported: false, acmeRedirect: 'http://192.0.2.80/.well-known/acme-challenge/' }

test.each([
  'GET / HTTP/1.1',
  'POST /.well-known/acme-challenge/token HTTP/1.1',
  'GET /.well-known/acme-challenge/ HTTP/1.1',
  'GET /.well-known/acme-challenge/a/b HTTP/1.1',
  'GET /.well-known/acme-challenge/..%2f HTTP/1.1',
  'GET /.well-known/acme-challenge/a\u000bLocation:x HTTP/1.1',
])('acme-redirect has no answer to %j', (line) => {
  expect(answerHttp(Buffer.from(`${line}\r\nHost: localhost\r\n\r\n`), false, http)).toBe(null)
})

test('waits for the header, but not for ever', () => {
  expect(answerHttp(Buffer.from('GET /.well-known/acme-ch'), false, http)).toBe('more')
  expect(answerHttp(Buffer.from('GET /.well-known/acme-challenge/a HTTP/1.1\r\nHost: a\r\n'), false, http)).toBe('more')
  expect(answerHttp(Buffer.alloc(4096, 'G'), false, http)).toBe(null)
})

test.each([
  ['', '301 Moved Permanently'],
  ['Host: a\r\n', '301 Moved Permanently'],
  ['Host: a\r\nHost: b\r\n', '400 Bad Request'],
  ['host: a\nX: Host:\nHOST:\n', '400 Bad Request'],
])('acme-redirect on a challenge with %j: %s (RFC 9112 §3.2)', (hosts, status) => {
  const request = Buffer.from(`GET /.well-known/acme-challenge/token HTTP/1.1\r\n${hosts}\r\n`)
  expect(answerHttp(request, false, http)).toMatch(`HTTP/1.1 ${status}\r\n`)
})
