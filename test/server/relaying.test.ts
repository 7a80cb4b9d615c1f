import { networkInterfaces } from 'node:os'
import { describe, expect, test } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, type TestServer, testUser } from '../support/server.ts'
import { bindingRequest, freePort, UdpClient } from '../support/sockets.ts'
import { Answer, channelData } from '../support/turn-client.ts'

const login = { username: testUser.name, password: testUser.password }
const TRANSPORTS = ['udp', 'tcp', 'tls'] as const

const connect = (server: TestServer, transport: (typeof TRANSPORTS)[number]) =>
  NetworkClient[transport]({ port: server.ports[transport], login })
const relayOf = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!

describe('answers leave from the address and port that was asked', () => {
  test('STUN-HDR-12 NET-UDP-01 on several addresses of both families', async () => {
    const server = await startForTest({ 'listening-ip': ['127.0.0.1', '127.0.0.2', '::1'] })
    const clients = { 4: await UdpClient.open('127.0.0.1'), 6: await UdpClient.open('::1') }
    const listeners = server.turn.bound.filter(({ transport }) => transport === 'udp')
    expect(new Set(listeners.map(({ address }) => address.host)).size).toBe(3)
    for (const { address } of listeners) {
      const client = clients[address.family]
      client.send(bindingRequest(), address.port, address.host)
      const { bytes, from } = await client.inbox.next()
      expect(`${from.address} ${from.port}`).toBe(`${address.host} ${address.port}`)
      expect(new Answer(bytes).address(Attribute.XOR_MAPPED_ADDRESS)).toMatchObject({ port: client.port })
    }
  })

  test('STUN-HDR-12 on a wildcard, whichever address of the machine it is', async () => {
    // One port for all, as in service.
    const port = await freePort()
    await startForTest({ 'listening-ip': '0.0.0.0', 'listening-port': String(port), 'no-tcp': true })
    const hosts = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family }) => family === 'IPv4')
      .map(({ address }) => address)
    const client = await UdpClient.open('0.0.0.0')
    for (const host of hosts) {
      client.send(bindingRequest(), port, host)
      expect((await client.inbox.next()).from).toMatchObject({ address: host, port })
    }
  })
})

describe.each(TRANSPORTS)('a client over %s', (transport) => {
  test('is relayed for both ways, in indications and on a channel', async () => {
    const server = await startForTest()
    const client = await connect(server, transport)
    const peer = await UdpClient.open()
    const at = `127.0.0.1:${peer.port}`
    const allocation = await client.allocate()
    expect(allocation.code).toBe(200)
    expect(client.isSigned(allocation)).toBe(true)
    const relay = relayOf(allocation)
    expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })

    expect((await client.permit(at)).code).toBe(200)
    client.sendTo(at, 'to the peer')
    const { bytes, from } = await peer.inbox.next()
    expect(bytes.toString()).toBe('to the peer')
    expect(from.port).toBe(relay.port)
    peer.send(Buffer.from('to the client'), relay.port)
    const data = new Answer(await client.data.next())
    expect(data.message.value(Attribute.DATA)!.toString()).toBe('to the client')
    expect(data.address(Attribute.XOR_PEER_ADDRESS)!.port).toBe(peer.port)

    expect((await client.bind(0x4000, at)).code).toBe(200)
    for (let length = 1; length < 10; length++) {
      const payload = 'A'.repeat(length)
      client.sendOn(0x4000, payload)
      expect((await peer.inbox.next()).bytes.toString()).toBe(payload)
      peer.send(Buffer.from(payload), relay.port)
      const frame = await client.data.next()
      expect(frame.subarray(0, 4 + length)).toEqual(channelData(0x4000, Buffer.from(payload)))
      // SEC-35: padding is zeros, or absent.
      expect(frame.subarray(4 + length).every((byte) => byte === 0)).toBe(true)
    }
    const { relay: traffic, clients } = await server.net()
    expect(traffic).toMatchObject({ receivedPackets: 10, sentPackets: 10 })
    expect(clients[transport]).toMatchObject({ receivedPackets: 14, sentPackets: 14 })
    await client.refresh(0)
    await server.expectNoAllocations()
  })

  test('NET-UDP-02 loses nothing of the largest datagrams', async () => {
    const server = await startForTest()
    const client = await connect(server, transport)
    const peer = await UdpClient.open()
    const relay = relayOf(await client.allocate())
    await client.bind(0x4000, `127.0.0.1:${peer.port}`)
    // Over UDP the ChannelData header has to fit in as well.
    const payload = Buffer.alloc(transport === 'udp' ? 65_503 : 65_507, 0x3c)
    peer.send(payload, relay.port)
    expect((await client.data.next()).subarray(4, 4 + payload.length).equals(payload)).toBe(true)
    client.send(channelData(0x4000, payload, transport === 'udp' ? 0 : -payload.length & 3))
    expect((await peer.inbox.next()).bytes.equals(payload)).toBe(true)
  })
})

test.each(['tcp', 'tls'] as const)(
  'NET-TCP-06 with its %s connection an allocation and its socket are gone at once',
  async (transport) => {
    const server = await startForTest()
    const client = await connect(server, transport)
    await client.allocate()
    expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
    client.close()
    await server.expectNoAllocations()
  },
)

test('clients of different transports and addresses reach each other through their relays', async () => {
  const server = await startForTest({ 'relay-threads': '3' })
  const one = await connect(server, 'udp')
  const two = await connect(server, 'tls')
  const [relayOfOne, relayOfTwo] = [relayOf(await one.allocate()), relayOf(await two.allocate())]
  await one.bind(0x4000, relayOfTwo.toString())
  await two.bind(0x4001, relayOfOne.toString())
  one.sendOn(0x4000, 'hello')
  expect((await two.data.next()).toString('latin1', 4, 9)).toBe('hello')
  two.sendOn(0x4001, 'world')
  expect((await one.data.next()).toString('latin1', 4, 9)).toBe('world')
})
