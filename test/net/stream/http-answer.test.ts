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

test('waits for the first line, but not for ever', () => {
  expect(answerHttp(Buffer.from('GET /.well-known/acme-ch'), false, http)).toBe('more')
  expect(answerHttp(Buffer.alloc(1024, 'G'), false, http)).toBe(null)
})
