import { expect, test } from 'vitest'
import { recogniseFirstBytes, tlsRecordLength } from '../../../src/net/stream/first-bytes.ts'
import { bindingRequest, channelData } from '../../support/sockets.ts'

test.each([
  ['a TLS handshake', Buffer.from('160301', 'hex'), 'tls'],
  ['a Binding request', bindingRequest(), 'stun'],
  ['an Allocate request', Buffer.from('000300002112a442', 'hex'), 'stun'],
  ['GET', Buffer.from('GET / HTTP/1.1\r\n'), 'http'],
  ['HEAD', Buffer.from('HEAD / HTTP/1.1\r\n'), 'http'],
  ['POST', Buffer.from('POST / HTTP/1.1\r\n'), 'http'],
  ['OPTIONS', Buffer.from('OPTIONS * HTTP/1.1\r\n'), 'http'],
  ['a TLS record of no known version', Buffer.from('160001', 'hex'), 'unknown'],
  ['a TLS alert', Buffer.from('150301', 'hex'), 'unknown'],
  ['STUN with a wrong cookie', Buffer.from('000100002112a443', 'hex'), 'unknown'],
  ['classic STUN', Buffer.alloc(20), 'unknown'],
  ['a word that only begins like a method', Buffer.from('GETTING '), 'unknown'],
  ['a method in small letters', Buffer.from('get / '), 'unknown'],
  ['SSH', Buffer.from('SSH-2.0-x\r\n'), 'unknown'],
  ['a PROXY header', Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'), 'unknown'],
  ['DTLS', Buffer.from('16fefd', 'hex'), 'unknown'],
])('NET-DEMUX-03 recognises %s', (_name, bytes, expected) => {
  expect(recogniseFirstBytes(bytes)).toBe(expected)
})

test('NET-DEMUX-03 waits as long as the bytes may become something, and not longer', () => {
  for (const whole of [Buffer.from('1603', 'hex'), bindingRequest().subarray(0, 8), Buffer.from('OPTIONS ')]) {
    for (let length = 0; length < whole.length; length++) {
      expect(recogniseFirstBytes(whole.subarray(0, length))).toBe('more')
    }
    expect(recogniseFirstBytes(whole)).not.toBe('more')
  }
  expect(recogniseFirstBytes(Buffer.from('00010000ff', 'hex'))).toBe('unknown')
  expect(recogniseFirstBytes(Buffer.from('GEX'))).toBe('unknown')
})

test.each(['G', 'H', 'O'])('NET-DEMUX-04 ChannelData that begins with %s is not HTTP', (letter) => {
  expect(recogniseFirstBytes(channelData(letter.charCodeAt(0) << 8, Buffer.from('data')))).toBe('unknown')
})

test('reads the length of a TLS record, header included', () => {
  expect(tlsRecordLength(Buffer.from('1603010200', 'hex'))).toBe(5 + 0x200)
  expect(tlsRecordLength(Buffer.from('160301ff', 'hex'))).toBe(0)
})
