import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { describe, expect, test, vi } from 'vitest'
import { Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { rawMessage } from '../support/raw-message.ts'
import { startForTest, type TestServer, testUser } from '../support/server.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  connectTls,
  expectBindingAnswer,
  StreamClient,
  UdpClient,
} from '../support/sockets.ts'

const login = { username: testUser.name, password: testUser.password }
const OVER = { tcp: connectTcp, tls: connectTls } as const
const streams = ['tcp', 'tls'] as const

const closedFor = async (server: TestServer) => (await server.net()).closedConnections

/** A client without an allocation, whose first message has been answered. */
async function greeted(server: TestServer): Promise<StreamClient> {
  const client = await connectTcp(server.ports.tcp)
  await expectBindingAnswer(client)
  return client
}

/** A client with an allocation and a peer on a channel. */
async function bound(server: TestServer, transport: 'tcp' | 'tls', channel = 0x4000) {
  const client = await NetworkClient[transport]({ port: server.ports[transport], login })
  const peer = await UdpClient.open()
  await client.allocate()
  expect((await client.bind(channel, `127.0.0.1:${peer.port}`)).code).toBe(200)
  return { client, peer }
}

describe('what a connection begins with', () => {
  test('NET-DEMUX-05 plain STUN and TLS are both recognised on every port', async () => {
    const server = await startForTest()
    for (const port of [server.ports.tcp, server.ports.tls]) {
      for (const connection of [await connectTcp(port), await connectTls(port)]) await expectBindingAnswer(connection)
    }
    const { openedConnections, openConnections, clients } = await server.net()
    expect(openedConnections).toMatchObject({ tcp: 4, tls: 2 })
    expect(openConnections).toMatchObject({ tcp: 2, tls: 2 })
    const twice = { receivedPackets: 2, receivedBytes: 40, sentPackets: 2, sentBytes: 64 }
    expect(clients.tcp).toMatchObject(twice)
    expect(clients.tls).toMatchObject(twice)
  })

  test('NET-DEMUX-05 without plain TCP there is TLS on every port, and without TLS there is TCP', async () => {
    const tlsOnly = await startForTest({ 'no-tcp': true })
    const plain = await connectTcp(tlsOnly.ports.tls)
    plain.socket.write(bindingRequest())
    await plain.closed
    await expectBindingAnswer(await connectTls(tlsOnly.ports.tls))
    await vi.waitFor(async () => expect((await closedFor(tlsOnly))['bad-first-bytes']).toBe(1))
    const plainOnly = await startForTest({ 'no-tls': true })
    await expect(connectTls(plainOnly.ports.tcp)).rejects.toThrow()
    await expectBindingAnswer(await connectTcp(plainOnly.ports.tcp))
    await vi.waitFor(async () => expect((await closedFor(plainOnly))['bad-first-bytes']).toBe(1))
  })

  test('NET-DEMUX-03 what is neither STUN, TLS nor HTTP is closed, inside TLS too', async () => {
    const server = await startForTest()
    for (const bytes of [Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(20), channelData(0x4000, Buffer.alloc(8))]) {
      for (const transport of streams) {
        const connection = await OVER[transport](server.ports[transport])
        connection.socket.write(bytes)
        expect(await connection.readToEnd()).toHaveLength(0)
      }
    }
    await vi.waitFor(async () => expect((await closedFor(server))['bad-first-bytes']).toBe(6))
  })

  test('NET-DEMUX-04 ChannelData that begins like an HTTP method is a frame once the client is known', async () => {
    const server = await startForTest()
    for (const method of ['GET / HTTP/1.1', 'HEAD / HTTP/1.1', 'OPTIONS * HTTP/1.1']) {
      const begin = Buffer.from(method)
      const { client, peer } = await bound(server, 'tcp', begin.readUInt16BE(0))
      const length = begin.readUInt16BE(2)
      client.send(Buffer.concat([begin, Buffer.alloc(length + 4 - begin.length + (-length & 3), '.')]))
      const { bytes } = await peer.inbox.next()
      expect(bytes).toHaveLength(length)
      expect(bytes.subarray(0, begin.length - 4).equals(begin.subarray(4))).toBe(true)
    }
  })
})

describe.each(streams)('frames over %s', (transport) => {
  test('NET-TCP-02 may come byte by byte, several at once, or with the beginning of the next', async () => {
    const server = await startForTest()
    const { client, peer } = await bound(server, transport)
    const stream = Buffer.concat([
      channelData(0x4000, Buffer.from('12345')),
      client.indication(Method.BINDING, () => {}),
      channelData(0x4000, Buffer.from('the next')),
    ])
    for (const byte of stream) client.send(Buffer.of(byte))
    client.send(stream)
    client.send(stream.subarray(0, 11))
    for (const payload of ['12345', 'the next', '12345', 'the next']) {
      expect((await peer.inbox.next()).bytes.toString()).toBe(payload)
    }
    client.send(stream.subarray(11))
    for (const payload of ['12345', 'the next']) expect((await peer.inbox.next()).bytes.toString()).toBe(payload)
  })

  test('NET-TCP-02 of thousands none is lost or overtaken', async () => {
    const server = await startForTest()
    const client = await OVER[transport](server.ports[transport])
    const COUNT = 4000
    const stream = Buffer.concat(
      Array.from({ length: COUNT }, (_, i) => {
        const id = Buffer.alloc(12)
        id.writeUInt32BE(i, 8)
        return rawMessage(0x0001, [[0x8022, Buffer.alloc(i % 300, i)]], id)
      }),
    )
    // In writes of all sizes, so that records and segments begin anywhere in a frame.
    for (let at = 0, size = 1; at < stream.length; at += size, size = (size * 7) % 4999) {
      client.socket.write(stream.subarray(at, at + size))
    }
    for (let i = 0; i < COUNT; i++) {
      const answer = await client.read(32)
      expect([answer.readUInt16BE(0), answer.readUInt32BE(16)]).toEqual([0x0101, i])
    }
    expect((await server.net()).clients[transport]).toMatchObject({ receivedPackets: COUNT, sentPackets: COUNT })
  })

  test('NET-TCP-03 the longest ChannelData is taken whole, although no datagram holds it', async () => {
    const server = await startForTest()
    const { client, peer } = await bound(server, transport)
    client.send(channelData(0x4000, Buffer.alloc(65_535, 0x77)))
    client.sendOn(0x4000, 'the next')
    expect((await peer.inbox.next()).bytes.toString()).toBe('the next')
  })
})

describe('a connection is closed', () => {
  test.each([
    ['neither STUN nor ChannelData', 'ff000000ffffffff'],
    ['STUN with a wrong cookie', '000100002112a443'],
    ['STUN of a length that is no multiple of 4', '000100022112a442'],
  ])('NET-TCP-04 by a frame that is %s', async (_name, hex) => {
    const server = await startForTest()
    const client = await greeted(server)
    client.socket.write(Buffer.from(hex, 'hex'))
    await client.closed
    await vi.waitFor(async () => expect((await closedFor(server))['bad-frame']).toBe(1))
  })

  test('NET-TCP-05 by a frame above 4 KiB without an allocation, before it is there', async () => {
    const server = await startForTest()
    const client = await greeted(server)
    client.socket.write(channelData(0x4000, Buffer.alloc(4092)))
    await expectBindingAnswer(client)
    client.socket.write(Buffer.from('40000ffd', 'hex'))
    await client.closed
    await vi.waitFor(async () => expect((await closedFor(server))['frame-too-long']).toBe(1))
  })

  test('NET-TCP-06 NET-TCP-07 by its client: with half a close, at once, or by a reset', async () => {
    const server = await startForTest()
    for (const transport of streams) {
      for (const end of ['end', 'destroy', 'reset'] as const) {
        const socket = connectSocket({ port: server.ports[transport], host: '127.0.0.1' })
        const client = await (transport === 'tls' ? connectTls(0, { socket }) : connected(socket))
        await expectBindingAnswer(client)
        if (end === 'reset') socket.resetAndDestroy()
        else client.socket[end]()
        await client.closed
      }
    }
    await vi.waitFor(async () => expect((await server.net()).openConnections).toMatchObject({ tcp: 0, tls: 0 }))
    const { client, error } = await closedFor(server)
    expect(client + error).toBe(6)
  })
})

test('RES-04 there is a limit of connections for all sources together, and it is logged once', async () => {
  const server = await startForTest({ 'max-tcp-connections': '2' })
  const clients = [await greeted(server), await greeted(server)]
  for (let i = 0; i < 2; i++) await (await connectTcp(server.ports.tcp)).closed
  await vi.waitFor(async () => expect((await closedFor(server))['too-many']).toBe(2))
  const refusals = (await server.log()).filter(({ msg }) => msg === 'connection refused')
  expect(refusals).toMatchObject([{ level: 'warn', reason: 'too-many' }])
  for (const client of clients) await expectBindingAnswer(client)
})

async function connected(socket: Socket): Promise<StreamClient> {
  await once(socket, 'connect')
  return new StreamClient(socket)
}
