import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { parseProxyHeader } from '../../../src/net/stream/proxy-protocol.ts'
import { proxyV2 as v2 } from '../../support/proxy-header.ts'
import { bindingRequest } from '../../support/sockets.ts'

const IPV4 = 'c0000207 c6336409 9c40 0d96'
const IPV6 = `20010db8${'0'.repeat(22)}07${'20010db8'}${'0'.repeat(22)}09${'9c400d96'}`

describe('a PROXY header', () => {
  test.each([
    ['v1 over IPv4', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 3478\r\n'), '192.0.2.7:40000'],
    ['v1 over IPv6', Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::9 40000 3478\r\n'), '[2001:db8::7]:40000'],
    ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN whatever\r\n'), null],
    ['v2 over IPv4', v2(0x21, 0x11, IPV4), '192.0.2.7:40000'],
    ['v2 over IPv6', v2(0x21, 0x21, IPV6), '[2001:db8::7]:40000'],
    ['v2 with TLVs', v2(0x21, 0x11, `${IPV4} 04000300aabb`), '192.0.2.7:40000'],
    ['v2 LOCAL', v2(0x20, 0x00, ''), null],
    ['v2 LOCAL with addresses', v2(0x20, 0x11, IPV4), null],
    ['v2 of no family', v2(0x21, 0x00, ''), null],
  ])('%s is read, and what follows is not', (_name, header, client) => {
    const parsed = parseProxyHeader(Buffer.concat([header, Buffer.from('more')]))
    expect(parsed).toMatchObject({ length: header.length })
    expect(typeof parsed === 'object' && (parsed.client?.toString() ?? null)).toBe(client)
    for (let length = 0; length < header.length; length++) {
      expect(parseProxyHeader(header.subarray(0, length))).toBe('more')
    }
  })

  test.each([
    ['STUN instead', bindingRequest()],
    ['HTTP instead', Buffer.from('GET / HTTP/1.1\r\n')],
    ['v1 without end', Buffer.from(`PROXY TCP4 ${'1'.repeat(120)}`)],
    ['v1 with a name', Buffer.from('PROXY TCP4 localhost 198.51.100.9 40000 3478\r\n')],
    ['v1 with a wrong family', Buffer.from('PROXY TCP6 192.0.2.7 198.51.100.9 40000 3478\r\n')],
    ['v1 with a port too high', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 65536 3478\r\n')],
    ['v1 with a port missing', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000\r\n')],
    ['v1 with more words', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 3478 x\r\n')],
    ['v1 of UDP', Buffer.from('PROXY UDP4 192.0.2.7 198.51.100.9 40000 3478\r\n')],
    ['v2 of another version', v2(0x11, 0x11, IPV4)],
    ['v2 with another command', v2(0x22, 0x11, IPV4)],
    ['v2 of UDP', v2(0x21, 0x12, IPV4)],
    ['v2 of a unix socket', v2(0x21, 0x31, '00'.repeat(216))],
    ['v2 too short for IPv6', v2(0x21, 0x21, IPV4)],
    ['v2 too short for IPv4', v2(0x21, 0x11, 'c0000207')],
    ['v2 longer than anybody needs', v2(0x21, 0x11, '00'.repeat(0xffff)).subarray(0, 16)],
  ])('NET-DEMUX-06 %s is refused', (_name, bytes) => {
    expect(parseProxyHeader(bytes)).toBe('bad')
  })

  property.prop([
    fc.constantFrom(
      Buffer.from('PROXY TCP4 '),
      Buffer.from('PROXY '),
      v2(0x21, 0, '').subarray(0, 13),
      Buffer.alloc(0),
    ),
    fc.uint8Array({ maxLength: 300 }),
  ])('SEC-34 no bytes make reading it throw', (start, rest) => {
    parseProxyHeader(Buffer.concat([start, rest]))
  })
})
