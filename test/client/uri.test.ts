import { expect, test } from 'vitest'
import { formatServerUri, parseServerUri } from '../../src/client/uri.ts'

test.each([
  ['turn:turn.example.org', 'turn', 'turn.example.org', 3478, 'udp'],
  ['turn:turn.example.org?transport=tcp', 'turn', 'turn.example.org', 3478, 'tcp'],
  ['turn:192.0.2.1:19302?transport=udp', 'turn', '192.0.2.1', 19_302, 'udp'],
  ['turns:turn.example.org', 'turns', 'turn.example.org', 5349, 'tls'],
  ['turns:turn.example.org:443?transport=tcp', 'turns', 'turn.example.org', 443, 'tls'],
  ['turns:turn.example.org?transport=udp', 'turns', 'turn.example.org', 5349, 'dtls'],
  ['TURN:turn.example.org?transport=TCP', 'turn', 'turn.example.org', 3478, 'tcp'],
  ['stun:[2001:db8::1]:3478', 'stun', '2001:db8::1', 3478, 'udp'],
  ['stuns:turn.example.org', 'stuns', 'turn.example.org', 5349, 'tls'],
  ['turn.example.org', 'stun', 'turn.example.org', 3478, 'udp'],
  ['127.0.0.1:4000', 'stun', '127.0.0.1', 4000, 'udp'],
  ['2001:db8::1', 'stun', '2001:db8::1', 3478, 'udp'],
  ['[::1]', 'stun', '::1', 3478, 'udp'],
])('reads %s (RFC 7064, RFC 7065)', (text, scheme, host, port, transport) => {
  expect(parseServerUri(text, { bare: 'stun' })).toEqual({ scheme, host, port, transport })
})

test.each([
  ['turn://turn.example.org', 'turn URIs have no "//"; write turn:HOST'],
  ['turn:alice@turn.example.org', 'a login is not part of the URI'],
  ['https://turn.example.org', 'is no URI of a TURN server'],
  ['turn:', 'names no host'],
  ['turn:[fe80]:1', 'names no host'],
  ['turn:a:b:c', 'names no host'],
  ['turn:host:0', 'names port 0; ports are 1 to 65535'],
  ['turn:host:65536', 'names port 65536; ports are 1 to 65535'],
  ['turn:host:', 'names port ""; ports are 1 to 65535'],
  ['turn:host?transport=sctp', 'behind "?" stands transport=udp or transport=tcp'],
  ['turn:host?x=1', 'behind "?" stands transport=udp or transport=tcp'],
])('says what is wrong with %s', (text, complaint) => {
  expect(parseServerUri(text, { bare: 'turn' })).toContain(complaint)
})

test('a transport that is asked for apart decides the port, too', () => {
  expect(parseServerUri('turn:host', { bare: 'turn', transport: 'tls' })).toMatchObject({
    port: 5349,
    transport: 'tls',
  })
})

test.each(['turn:host:3478?transport=udp', 'turns:host:5349?transport=tcp', 'stun:[::1]:3478'])('writes %s', (text) => {
  const uri = parseServerUri(text, { bare: 'turn' })
  expect(typeof uri === 'string' ? uri : formatServerUri(uri)).toBe(text)
})
