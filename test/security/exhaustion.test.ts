import { afterAll, expect, test, vi } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, type TestOptions, type TestServer, testUser } from '../support/server.ts'
import { expectNoSockets, UdpClient } from '../support/sockets.ts'
import { type Answer, channelData, type Write } from '../support/turn-client.ts'
import { udp } from '../support/turn-world.ts'

afterAll(expectNoSockets)

const login = { username: testUser.name, password: testUser.password }

/** A machine of its own for relays: ports of other programs, and of other tests, are never in the way. */
const RELAY = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.7`

function serve(options: TestOptions = {}): Promise<TestServer> {
  return startForTest({ 'relay-ip': RELAY, ...options })
}

function clientOf(server: TestServer, from?: string): Promise<NetworkClient> {
  return NetworkClient.udp({ port: server.ports.udp, login, ...(from === undefined ? {} : { from }) })
}

function clientsOf(server: TestServer, count: number): Promise<NetworkClient[]> {
  return Promise.all(Array.from({ length: count }, () => clientOf(server)))
}

const codesOf = (answers: readonly Answer[]) => answers.map(({ code }) => code)
const relayOf = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!
const evenPort =
  (reserve: boolean): Write =>
  (writer) =>
    writer.uint8(Attribute.EVEN_PORT, reserve ? 0x80 : 0)

test('SEC-27 the allocation behind the user quota is 486 from any address, and one that ends makes room', async () => {
  const server = await serve({ 'user-quota': '3' })
  const clients = await clientsOf(server, 3)
  for (const client of clients) expect((await client.allocate()).code).toBe(200)
  const late = await clientOf(server, '127.0.0.2')
  expect((await late.allocate()).code).toBe(486)
  expect((await clients[0]!.refresh(0)).code).toBe(200)
  expect((await late.allocate()).code).toBe(200)
})

test('SEC-27 Allocates that fail take no quota, and one that is repeated counts once', async () => {
  const [bob, carol] = ['bob', 'carol'].map((username) => ({ username, password: 'over-the-hills' }))
  const user = [login, bob!, carol!].map(({ username, password }) => `${username}:${password}`)
  const server = await serve({ user, 'user-quota': '2', 'min-port': '50000', 'max-port': '50002' })
  const others = await Promise.all(
    [bob!, bob!, carol!].map((other) => NetworkClient.udp({ port: server.ports.udp, login: other })),
  )
  for (const other of others) expect((await other.allocate()).code).toBe(200)
  const client = await (await clientOf(server)).greet()
  const wrong: readonly [number, Write][] = [
    // The others have all the ports.
    [508, udp],
    [400, () => {}],
    [442, (writer) => writer.uint32(Attribute.REQUESTED_TRANSPORT, 6 * 0x1000000)],
    [508, (writer) => udp(writer).bytes(Attribute.RESERVATION_TOKEN, Buffer.alloc(8))],
  ]
  for (let round = 0; round < 3; round++) {
    for (const [code, write] of wrong) expect((await client.ask(Method.ALLOCATE, write)).code).toBe(code)
  }
  for (const other of others) expect((await other.refresh(0)).code).toBe(200)
  const request = client.request(Method.ALLOCATE, udp)
  for (let copy = 0; copy < 5; copy++) client.send(request)
  const first = await client.answers.next()
  expect(first.code).toBe(200)
  const other = await clientOf(server)
  expect((await other.allocate()).code).toBe(200)
  expect((await (await clientOf(server)).allocate()).code).toBe(486)
  expect((await server.holds()).allocations).toBe(2)
})

test('SEC-27 TURN-ALLOC-12 a user over his quota is told so, also when no port is free either', async () => {
  const bob = { username: 'bob', password: 'over-the-hills' }
  const user = [login, bob].map(({ username, password }) => `${username}:${password}`)
  const server = await serve({ user, 'user-quota': '2', 'min-port': '50000', 'max-port': '50001' })
  for (const client of await clientsOf(server, 2)) expect((await client.allocate()).code).toBe(200)
  expect((await (await clientOf(server)).allocate()).code).toBe(486)
  expect((await (await NetworkClient.udp({ port: server.ports.udp, login: bob })).allocate()).code).toBe(508)
})

test('SEC-27 fifty Allocates at once cannot pass the quota', async () => {
  const server = await serve({ 'user-quota': '7' })
  const clients = await clientsOf(server, 50)
  for (const client of clients) await client.greet()
  const codes = codesOf(await Promise.all(clients.map((client) => client.allocate())))
  expect(codes.filter((code) => code === 200)).toHaveLength(7)
  expect(codes.filter((code) => code === 486)).toHaveLength(43)
  expect((await server.holds()).relays).toBe(7)
})

test('SEC-27 fifty Allocates at once, from several addresses to several threads, cannot pass the quota', async () => {
  const { udp: port } = (await serve({ 'user-quota': '7', 'relay-threads': '3' })).ports
  const from = (i: number) => `127.0.0.${2 + (i % 40)}`
  const clients = await Promise.all(
    Array.from({ length: 50 }, (_, i) => NetworkClient.udp({ port, login, from: from(i) })),
  )
  await Promise.all(clients.map((client) => client.greet()))
  const codes = codesOf(await Promise.all(clients.map((client) => client.allocate())))
  expect(codes.filter((code) => code === 200)).toHaveLength(7)
  expect(codes.filter((code) => code === 486)).toHaveLength(43)
  const winner = clients[codes.indexOf(200)]!
  expect((await winner.refresh(0)).code).toBe(200)
  await vi.waitFor(async () => expect((await clients[codes.indexOf(486)]!.allocate()).code).toBe(200))
})

test('SEC-28 EVEN-PORT without R keeps nothing back: a hundred rounds on twenty ports', async () => {
  const server = await serve({ 'min-port': '50000', 'max-port': '50019' })
  const client = await clientOf(server)
  for (let round = 0; round < 100; round++) {
    const answer = await client.allocate(evenPort(false))
    expect(answer.code, `round ${round}`).toBe(200)
    expect(relayOf(answer).port % 2).toBe(0)
    expect(answer.message.has(Attribute.RESERVATION_TOKEN)).toBe(false)
    expect((await client.refresh(0)).code).toBe(200)
  }
  // With the even ones in use the odd ones are still anybody's.
  const clients = await clientsOf(server, 20)
  for (const even of clients.slice(0, 10)) expect((await even.allocate(evenPort(false))).code).toBe(200)
  for (const odd of clients.slice(10)) expect((await odd.allocate()).code).toBe(200)
})

test('SEC-28 with all ports taken an Allocate is 508, and with one freed it works', async () => {
  const server = await serve({ 'min-port': '50000', 'max-port': '50019' })
  const clients = await clientsOf(server, 20)
  for (const client of clients) expect((await client.allocate()).code).toBe(200)
  const late = await clientOf(server)
  expect((await late.allocate()).code).toBe(508)
  expect((await clients[3]!.refresh(0)).code).toBe(200)
  expect((await late.allocate()).code).toBe(200)
})

test('SEC-28 all ports serve clients, whichever thread a client has come to', async () => {
  const { udp: port } = (await serve({ 'min-port': '50000', 'max-port': '50019', 'relay-threads': '3' })).ports
  const clients = await Promise.all(Array.from({ length: 24 }, () => NetworkClient.udp({ port, login })))
  for (const [i, client] of clients.entries()) expect((await client.allocate()).code).toBe(i < 20 ? 200 : 508)
  expect((await clients[3]!.refresh(0)).code).toBe(200)
  await vi.waitFor(async () => expect((await clients[23]!.allocate()).code).toBe(200))
})

test('SEC-29 the 1025th permission is 508, and the earlier ones are kept', async () => {
  const server = await serve()
  const client = await clientOf(server)
  const peer = await UdpClient.open('127.1.0.0')
  const relay = relayOf(await client.allocate())
  const peers = Array.from({ length: 1024 }, (_, i) => `127.1.${i >> 8}.${i & 255}:1`)
  for (let at = 0; at < 1024; at += 256) expect((await client.permit(...peers.slice(at, at + 256))).code).toBe(200)
  expect((await client.permit('127.2.0.0:1')).code).toBe(508)
  expect((await client.permit(...peers.slice(0, 256))).code).toBe(200)
  peer.send(Buffer.from('kept'), relay.port, RELAY)
  expect((await client.data.next()).includes('kept')).toBe(true)
  client.sendTo('127.2.0.0:9', 'refused')
  await client.settled()
  expect((await server.counters()).dropped['no-permission']).toBe(1)
})

test('SEC-29 the 1025th channel is 508, and the earlier ones are kept', async () => {
  const server = await serve()
  const client = await clientOf(server)
  const peer = await UdpClient.open()
  await client.allocate()
  expect((await client.bind(0x4000, `127.0.0.1:${peer.port}`)).code).toBe(200)
  for (let i = 1; i < 1024; i++) expect((await client.bind(0x4000 + i, `127.3.0.1:${i}`)).code).toBe(200)
  expect((await client.bind(0x4400, '127.3.0.1:2000')).code).toBe(508)
  client.sendOn(0x4000, 'kept')
  expect((await peer.inbox.next()).bytes.toString()).toBe('kept')
})

test('SEC-30 a lifetime is never below 600 s and never above 3600 s', async () => {
  const server = await serve()
  const granted = async (asked: number | null) => {
    const client = await clientOf(server)
    const answer = await client.allocate((writer) => asked !== null && writer.uint32(Attribute.LIFETIME, asked))
    const refreshed = asked === 0 || asked === null ? answer : await client.refresh(asked)
    return [answer.lifetime, refreshed.lifetime]
  }
  for (const [asked, wanted] of [
    [null, 600],
    [0, 600],
    [1, 600],
    [599, 600],
    [601, 601],
    [3600, 3600],
    [3601, 3600],
    [0xffffffff, 3600],
  ] as const) {
    expect(await granted(asked), `asked for ${asked}`).toEqual([wanted, wanted])
  }
})

test('SEC-30 of 200 relay ports no difference between neighbours occurs more than five times', async () => {
  const server = await serve({ 'unauthorized-ratelimit': false, 'min-port': '20000', 'max-port': '32000' })
  const clients = await clientsOf(server, 200)
  const ports: number[] = []
  for (const client of clients) ports.push(relayOf(await client.allocate()).port)
  const differences = new Map<number, number>()
  ports.slice(1).forEach((port, i) => {
    const difference = port - ports[i]!
    differences.set(difference, (differences.get(difference) ?? 0) + 1)
  })
  expect(Math.max(...differences.values())).toBeLessThanOrEqual(5)
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(20_000)
  expect(Math.max(...ports)).toBeLessThanOrEqual(32_000)
})

/** Two clients with a peer each, each on channel 0x4000. */
async function relaying(options: TestOptions) {
  const server = await serve(options)
  const sides = []
  for (let side = 0; side < 2; side++) {
    const [client, peer] = [await clientOf(server), await UdpClient.open()]
    const relay = relayOf(await client.allocate())
    await client.bind(0x4000, `127.0.0.1:${peer.port}`)
    sides.push({ client, peer, relay })
  }
  const [alice, bob] = sides as [(typeof sides)[0], (typeof sides)[0]]
  return { server, alice, bob }
}

test.each([
  ['max-pps', '100', 150, 1, 100],
  ['max-bps', '1000', 50, 100, 10],
])(
  'SEC-31 %s holds each way for each allocation, and costs the others nothing',
  async (key, limit, sent, size, passed) => {
    const { server, alice, bob } = await relaying({ [key]: limit })
    const payload = Buffer.alloc(size, 'x')
    const began = performance.now()
    for (let i = 0; i < sent; i++) alice.client.send(channelData(0x4000, payload))
    await alice.client.settled()
    for (let i = 0; i < sent; i++) alice.peer.send(payload, alice.relay.port, RELAY)
    const came = () => [alice.peer.inbox.length, alice.client.data.length] as const
    const dropped = async () => (await server.counters()).dropped['over-limit']
    await vi.waitFor(async () => expect((await dropped()) + came()[0] + came()[1]).toBe(2 * sent))
    for (const count of came()) {
      expect(count).toBeGreaterThanOrEqual(passed)
      // The last one may overdraw.
      expect(count).toBeLessThanOrEqual(passed * refills(began) + 1)
    }

    const before = await dropped()
    for (let i = 0; i < passed; i++) bob.client.send(channelData(0x4000, payload))
    for (let i = 0; i < passed; i++) bob.peer.send(payload, bob.relay.port, RELAY)
    await vi.waitFor(() => expect([bob.peer.inbox.length, bob.client.data.length]).toEqual([passed, passed]))
    expect(await dropped()).toBe(before)
  },
)

/** How often a bucket that was full at `began` has been filled by now. */
function refills(began: number): number {
  return 1 + (performance.now() - began) / 1000
}

test('SEC-31 two allocations that relay to each other in a ring stay under the limit', async () => {
  const server = await serve({ 'max-pps': '100' })
  const [alice, bob] = (await clientsOf(server, 2)) as [NetworkClient, NetworkClient]
  const [a, b] = [relayOf(await alice.allocate()), relayOf(await bob.allocate())]
  await alice.bind(0x4000, `${RELAY}:${b.port}`)
  await bob.bind(0x4000, `${RELAY}:${a.port}`)
  const began = performance.now()
  let hops = 0
  const passOn = async (client: NetworkClient) => {
    while (hops < 5_000) {
      const frame = await client.data.next()
      hops++
      client.send(frame)
      client.send(frame)
    }
  }
  void passOn(alice)
  void passOn(bob)
  alice.sendOn(0x4000, 'round')
  await vi.waitFor(async () => expect((await server.counters()).dropped['over-limit']).toBeGreaterThan(50))
  await alice.settled()
  await bob.settled()
  expect(hops).toBeGreaterThan(20)
  expect(hops).toBeLessThanOrEqual(200 * refills(began))
})
