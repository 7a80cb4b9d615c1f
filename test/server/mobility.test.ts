import { expect, test, vi } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { type Connection, NetworkClient } from '../support/network-client.ts'
import { startForTest, type TestServer, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Answer, Write } from '../support/turn-client.ts'

const login = { username: testUser.name, password: testUser.password }
const MOVES = 16

const start = () =>
  startForTest({ mobility: true, dtls: true, 'relay-threads': '3', 'user-quota': '1', 'unauthorized-ratelimit': false })

const clientOf = (server: TestServer, transport: 'udp' | 'tcp' | 'tls' | 'dtls') => {
  const connection: Connection = { port: server.ports[transport]!, login }
  return NetworkClient[transport](connection)
}

const ticketOf = (answer: Answer) => Buffer.from(answer.message.value(Attribute.MOBILITY_TICKET)!)

async function refreshWith(client: NetworkClient, ticket: Buffer, lifetime = 600): Promise<Answer> {
  const write: Write = (writer) => writer.uint32(Attribute.LIFETIME, lifetime).bytes(Attribute.MOBILITY_TICKET, ticket)
  if (client.nonce === null) await client.greet()
  return client.ask(Method.REFRESH, write)
}

/** What the peer gets from this client, and what the client gets for its answer. */
async function exchange(client: NetworkClient, peer: UdpClient): Promise<void> {
  client.sendOn(0x4000, 'ping')
  const { bytes, from } = await peer.inbox.next()
  expect(String(bytes)).toBe('ping')
  peer.send(Buffer.from('pong'), from.port, from.address)
  expect(String((await client.data.next()).subarray(4, 8))).toBe('pong')
}

test.each([
  ['udp', 'udp', 'udp'],
  ['tcp', 'tcp', 'tcp'],
  ['udp', 'tls', 'tcp'],
] as const)(
  'TURN-MOB-03 TURN-MOB-06 RUN-05 a client moves on and on over %s, %s and %s, and what it has comes along',
  async (...transports) => {
    const server = await start()
    const peer = await UdpClient.open('127.0.8.4')
    const first = await clientOf(server, transports[0])
    let ticket = ticketOf(await first.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET)))
    expect((await first.bind(0x4000, `127.0.8.4:${peer.port}`)).code).toBe(200)
    let last = first
    for (let move = 0; move < MOVES; move++) {
      const client = await clientOf(server, transports[move % 3]!)
      const answer = await refreshWith(client, ticket)
      expect(answer.code, `move ${move}`).toBe(200)
      ticket = ticketOf(answer)
      // The old path is good until the new one is used.
      await exchange(last, peer)
      await exchange(client, peer)
      last = client
    }
    expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
    const { moves, handovers } = await server.counters()
    expect(moves).toEqual({ begun: MOVES, completed: MOVES, abandoned: 0 })
    // With threads, one of so many moves leads to another of them.
    if (server.udpIo === 'batch') expect(handovers.in).toBeGreaterThan(0)
    expect(handovers.out).toBe(handovers.in)
    expect((await (await clientOf(server, 'udp')).allocate()).code).toBe(486)
    expect((await last.refresh(0)).code).toBe(200)
    await server.expectNoAllocations()
    await vi.waitFor(async () => expect((await (await clientOf(server, 'udp')).allocate()).code).toBe(200))
  },
)

test('TURN-MOB-02 SEC-24 wherever it is shown, a used ticket is 437, and so is one that nobody has given out', async () => {
  const server = await start()
  const first = await clientOf(server, 'udp')
  const used = ticketOf(await first.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET)))
  const moved = await clientOf(server, 'udp')
  const next = ticketOf(await refreshWith(moved, used))
  for (let i = 0; i < 8; i++) {
    const client = await clientOf(server, i % 2 === 0 ? 'udp' : 'tcp')
    for (const ticket of [used, Buffer.from('A'.repeat(24))]) {
      for (const lifetime of [0, 600]) expect((await refreshWith(client, ticket, lifetime)).code).toBe(437)
    }
  }
  expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
  expect((await refreshWith(await clientOf(server, 'tcp'), next, 0)).code).toBe(200)
  await server.expectNoAllocations()
})

test('TURN-MOB-07 a connection that breaks loses nothing: its allocation waits, for any thread', async () => {
  const server = await start()
  const peer = await UdpClient.open('127.0.8.4')
  let client = await clientOf(server, 'tcp')
  let ticket = ticketOf(await client.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET)))
  expect((await client.bind(0x4000, `127.0.8.4:${peer.port}`)).code).toBe(200)
  for (let i = 0; i < 8; i++) {
    client.close()
    await vi.waitFor(async () => expect((await server.net()).openConnections.tcp).toBe(0))
    client = await clientOf(server, 'tcp')
    ticket = ticketOf(await refreshWith(client, ticket))
    await exchange(client, peer)
  }
  expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
})
