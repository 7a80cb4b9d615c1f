import { fc } from '@fast-check/vitest'
import { expect, test, vi } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { hostileBeginnings } from '../support/hostile-bytes.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, testUser } from '../support/server.ts'
import { bindingRequest, connectTcp, connectTls, expectBindingAnswer, UdpClient } from '../support/sockets.ts'

const login = { username: testUser.name, password: testUser.password }

test('SEC-34 no datagram ends the server or keeps it from answering', async () => {
  const server = await startForTest({ dtls: true })
  const client = await UdpClient.open()
  for (const bytes of fc.sample(hostileBeginnings, 2000)) client.send(bytes, server.ports.udp)
  await vi.waitFor(async () => expect((await server.net()).clients.udp.receivedPackets).toBeGreaterThan(1000))
  await (await NetworkClient.udp({ port: server.ports.udp })).settled()
  expect(await server.holds()).toEqual({ allocations: 0, relays: 0 })
})

test.each(['tcp', 'tls'] as const)(
  'SEC-34 no stream over %s ends the server, in pieces or behind a good message',
  async (transport) => {
    const server = await startForTest()
    for (const bytes of fc.sample(hostileBeginnings, 150)) {
      const connection = await { tcp: connectTcp, tls: connectTls }[transport](server.ports[transport])
      if (bytes.length % 2 === 0) connection.socket.write(bindingRequest())
      connection.socket.write(bytes.subarray(0, 7))
      connection.socket.end(bytes.subarray(7))
      await connection.closed
    }
    await vi.waitFor(async () => expect((await server.net()).openConnections).toMatchObject({ tcp: 0, tls: 0 }))
    await expectBindingAnswer(await connectTcp(server.ports.tcp))
  },
)

test.each(['udp', 'tcp'] as const)(
  'SEC-34 a client over %s gets any datagram of a peer as it is',
  async (transport) => {
    const server = await startForTest()
    const client = await NetworkClient[transport]({ port: server.ports[transport], login })
    const peer = await UdpClient.open()
    const relay = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    await client.bind(0x4000, `127.0.0.1:${peer.port}`)
    for (const bytes of fc.sample(hostileBeginnings, 200)) {
      peer.send(bytes, relay.port)
      const frame = await client.data.next()
      expect(frame.subarray(4, 4 + bytes.length).equals(bytes)).toBe(true)
    }
  },
)
