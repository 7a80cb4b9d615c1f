import { expect, test, vi } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { proxyV1, proxyV2 } from '../support/proxy-header.ts'
import { startForTest } from '../support/server.ts'
import { bindingRequest, connectTcp, connectTls, freePort, type StreamClient } from '../support/sockets.ts'
import { Answer } from '../support/turn-client.ts'

const proxied = async () => {
  const port = await freePort()
  const server = await startForTest({ 'tcp-proxy-port': String(port) })
  return { server, port }
}

test('clients are told of the ports of the proxy, not of the one behind it', async () => {
  const [behind, front] = [await freePort(), await freePort()]
  const { turn } = await startForTest({ 'tcp-proxy-port': String(behind), 'listening-port': String(front) })
  expect(turn.ports.tcp).toBe(front)
})

/** Where the server takes the client to be. */
async function mapped(connection: StreamClient, length = 32): Promise<string> {
  return new Answer(await connection.read(length)).address(Attribute.XOR_MAPPED_ADDRESS)!.toString()
}

const IPV4 = 'c0000207 c6336409 9c40 0d96'
const IPV6 = `20010db8${'0'.repeat(22)}07${'20010db8'}${'0'.repeat(22)}09${'9c400d96'}`

test('STUN-BIND-06 behind a proxy the client is where the header says', async () => {
  const { port } = await proxied()
  for (const header of [proxyV1('TCP4 192.0.2.7 198.51.100.9 40000 3478'), proxyV2(0x21, 0x11, IPV4)]) {
    const connection = await connectTcp(port)
    connection.socket.write(Buffer.concat([header, bindingRequest()]))
    expect(await mapped(connection)).toBe('192.0.2.7:40000')
  }
})

test('STUN-BIND-06 a header that comes byte by byte, and TLS behind it, work too', async () => {
  const { port } = await proxied()
  const plain = await connectTcp(port)
  for (const byte of Buffer.concat([proxyV2(0x21, 0x21, IPV6), bindingRequest()])) plain.socket.write(Buffer.of(byte))
  expect(await mapped(plain, 44)).toBe('[2001:db8::7]:40000')
  const front = await connectTcp(port)
  front.socket.write(proxyV2(0x21, 0x11, IPV4))
  front.socket.removeAllListeners('data')
  const inside = await connectTls(0, { socket: front.socket })
  inside.socket.write(bindingRequest())
  expect(await mapped(inside)).toBe('192.0.2.7:40000')
})

test("a proxy's own health check is served under its own address", async () => {
  const { port } = await proxied()
  const connection = await connectTcp(port)
  connection.socket.write(Buffer.concat([proxyV2(0x20, 0x00, ''), bindingRequest()]))
  expect(await mapped(connection)).toMatch(/^127\.0\.0\.1:/)
})

test('NET-DEMUX-06 without a valid header the connection closes', async () => {
  const { server, port } = await proxied()
  const connection = await connectTcp(port)
  connection.socket.write(bindingRequest())
  expect(await connection.readToEnd()).toHaveLength(0)
  await vi.waitFor(async () => expect((await server.net()).closedConnections['bad-proxy-header']).toBe(1))
})

test('NET-DEMUX-06 on other ports a header is no protocol and the connection closes', async () => {
  const server = await startForTest()
  for (const header of [proxyV1('TCP4 192.0.2.7 198.51.100.9 40000 3478'), proxyV2(0x21, 0x11, IPV4)]) {
    const connection = await connectTcp(server.ports.tcp)
    connection.socket.write(Buffer.concat([header, bindingRequest()]))
    expect(await connection.readToEnd()).toHaveLength(0)
  }
  await vi.waitFor(async () => expect((await server.net()).closedConnections['bad-first-bytes']).toBe(2))
})

test('SEC-15 behind a proxy the source is the client, not the proxy', async () => {
  const port = await freePort()
  const server = await startForTest({ 'tcp-proxy-port': String(port), 'max-tcp-connections-per-address': '1' })
  const from = async (host: string) => {
    const client = await connectTcp(port)
    client.socket.write(Buffer.concat([proxyV1(`TCP4 ${host} 198.51.100.9 40000 3478`), bindingRequest()]))
    return client
  }
  const first = await from('192.0.2.1')
  await first.read(32)
  await (await from('192.0.2.2')).read(32)
  await (await from('192.0.2.1')).closed
  await vi.waitFor(async () => expect((await server.net()).closedConnections['too-many-from-source']).toBe(1))
  expect(first.ended).toBe(false)
})
