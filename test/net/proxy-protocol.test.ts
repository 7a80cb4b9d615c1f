import { fc, test as property } from '@fast-check/vitest'
import { afterAll, describe, expect, test } from 'vitest'
import { parseProxyHeader } from '../../src/net/proxy-protocol.ts'
import { Address } from '../../src/stun/address.ts'
import { localhostEc } from '../support/certificates.ts'
import {
  bindingRequest,
  connectTcp,
  connectTls,
  echo,
  expectNoSockets,
  localStream,
  portOf,
  startRecorder,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

const SIGNATURE = '0d0a0d0a000d0a515549540a'

function v2(command: number, family: number, addresses: string, extra = ''): Buffer {
  const body = Buffer.from(addresses + extra, 'hex')
  const header = Buffer.concat([Buffer.from(SIGNATURE, 'hex'), Buffer.from([command, family, 0, 0])])
  header.writeUInt16BE(body.length, 14)
  return Buffer.concat([header, body])
}

const IPV4 = 'c0000207 c6336409 9c40 0d96'.replaceAll(' ', '')
const IPV6 = `20010db8${'0'.repeat(22)}07${'20010db8'}${'0'.repeat(22)}09${'9c400d96'}`

describe('a PROXY header', () => {
  test.each([
    ['v1 over IPv4', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 3478\r\n'), '192.0.2.7:40000'],
    ['v1 over IPv6', Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::9 40000 3478\r\n'), '[2001:db8::7]:40000'],
    ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN whatever\r\n'), null],
    ['v2 over IPv4', v2(0x21, 0x11, IPV4), '192.0.2.7:40000'],
    ['v2 over IPv6', v2(0x21, 0x21, IPV6), '[2001:db8::7]:40000'],
    ['v2 with TLVs', v2(0x21, 0x11, IPV4, '04000300aabb'), '192.0.2.7:40000'],
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
    ['v2 longer than anybody needs', Buffer.from(`${SIGNATURE}2111ffff`, 'hex')],
  ])('NET-DEMUX-06 %s is refused', (_name, bytes) => {
    expect(parseProxyHeader(bytes)).toBe('bad')
  })

  property.prop([
    fc.constantFrom(
      Buffer.from('PROXY TCP4 '),
      Buffer.from('PROXY '),
      Buffer.from(`${SIGNATURE}21`, 'hex'),
      Buffer.alloc(0),
    ),
    fc.uint8Array({ maxLength: 300 }),
  ])('SEC-34 no bytes make reading it throw', (start, rest) => {
    parseProxyHeader(Buffer.concat([start, rest]))
  })
})

const proxied = { ...localStream, proxy: true }

test('STUN-BIND-06 behind a proxy the client is where the header says', async () => {
  const driver = await startRecorder({ streams: [proxied] })
  for (const header of [Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 3478\r\n'), v2(0x21, 0x11, IPV4)]) {
    const { socket } = await connectTcp(portOf(driver, 'tcp'))
    socket.write(Buffer.concat([header, bindingRequest()]))
    const { bytes, client } = await driver.turn.received.next()
    expect(bytes.equals(bindingRequest())).toBe(true)
    expect(client.client.equals(Address.parse('192.0.2.7', 40_000)!)).toBe(true)
    expect(client.server.toString()).toBe(`127.0.0.1:${portOf(driver, 'tcp')}`)
  }
})

test('STUN-BIND-06 a header that comes byte by byte, and TLS behind it, work too', async () => {
  const driver = await startRecorder({ streams: [proxied], tls: { certificates: [localhostEc] } })
  echo(driver.turn)
  const plain = await connectTcp(portOf(driver, 'tcp'))
  for (const byte of Buffer.concat([v2(0x21, 0x21, IPV6), bindingRequest()])) plain.socket.write(Buffer.from([byte]))
  expect((await driver.turn.received.next()).client.client.toString()).toBe('[2001:db8::7]:40000')
  const front = await connectTcp(portOf(driver, 'tcp'))
  front.socket.write(v2(0x21, 0x11, IPV4))
  front.socket.removeAllListeners('data')
  const inside = await connectTls(0, { socket: front.socket })
  inside.socket.write(bindingRequest())
  expect((await inside.read(20)).equals(bindingRequest())).toBe(true)
  const { client } = await driver.turn.received.next()
  expect([client.transport, client.client.toString()]).toEqual(['tls', '192.0.2.7:40000'])
})

test("a proxy's own health check is served under its own address", async () => {
  const driver = await startRecorder({ streams: [proxied] })
  const { socket } = await connectTcp(portOf(driver, 'tcp'))
  socket.write(Buffer.concat([v2(0x20, 0x00, ''), bindingRequest()]))
  expect((await driver.turn.received.next()).client.client.host).toBe('127.0.0.1')
})

test('NET-DEMUX-06 without a valid header the connection closes', async () => {
  const driver = await startRecorder({ streams: [proxied] })
  const connection = await connectTcp(portOf(driver, 'tcp'))
  connection.socket.write(bindingRequest())
  await connection.closed
  expect(driver.counters.closedConnections['bad-proxy-header']).toBe(1)
  expect(driver.turn.received.length).toBe(0)
})

test('NET-DEMUX-06 on other ports a header is no protocol and the connection closes', async () => {
  const driver = await startRecorder({ streams: [localStream] })
  for (const header of [Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.9 40000 3478\r\n'), v2(0x21, 0x11, IPV4)]) {
    const connection = await connectTcp(portOf(driver, 'tcp'))
    connection.socket.write(Buffer.concat([header, bindingRequest()]))
    await connection.closed
  }
  expect(driver.counters.closedConnections['bad-first-bytes']).toBe(2)
  expect(driver.turn.received.length).toBe(0)
})
