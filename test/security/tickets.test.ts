import { expect, test, vi } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, type TestServer, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import type { Login, Write } from '../support/turn-client.ts'

const ALICE: Login = { username: testUser.name, password: testUser.password }
const BOB: Login = { username: 'bob', password: 'over-the-hills' }

test("SEC-22 another user's ticket is a 441, whatever is asked with it, and the allocation stays as it was", async () => {
  const server = await startForTest({
    mobility: true,
    user: [ALICE, BOB].map(({ username, password }) => `${username}:${password}`),
  })
  const owner = await NetworkClient.udp({ port: server.ports.udp, login: ALICE })
  const allocated = await owner.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET))
  const ticket = allocated.message.value(Attribute.MOBILITY_TICKET)!
  expect(ticket.length).toBeGreaterThan(15)
  const peer = await UdpClient.open('127.0.8.4')
  expect((await owner.bind(0x4000, `127.0.8.4:${peer.port}`)).code).toBe(200)

  const before = await server.holds()
  for (const transport of ['udp', 'tcp'] as const) {
    const thief = await NetworkClient[transport]({ port: server.ports[transport], login: BOB })
    await thief.greet()
    for (const lifetime of [0, 600]) {
      const stolen: Write = (writer) =>
        writer.uint32(Attribute.LIFETIME, lifetime).bytes(Attribute.MOBILITY_TICKET, ticket)
      expect((await thief.ask(Method.REFRESH, stolen)).code).toBe(441)
    }
    thief.sendOn(0x4000, 'from the thief')
    await thief.settled()
  }
  expect(await server.holds()).toEqual(before)
  owner.sendOn(0x4000, 'from the owner')
  expect(String((await peer.inbox.next()).bytes)).toBe('from the owner')
  const own: Write = (writer) => writer.bytes(Attribute.MOBILITY_TICKET, ticket)
  expect((await owner.ask(Method.REFRESH, own)).code).toBe(200)
  expect((await owner.refresh(0)).code).toBe(200)
})

const tcp = (server: TestServer) => NetworkClient.tcp({ port: server.ports.tcp, login: ALICE })
const udp = (server: TestServer) => NetworkClient.udp({ port: server.ports.udp, login: ALICE })

test('SEC-27 an allocation whose connection is gone, and that a ticket could take along, still counts', async () => {
  const server = await startForTest({ mobility: true, 'user-quota': '2' })
  const mobile = await tcp(server)
  expect((await mobile.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET))).code).toBe(200)
  mobile.close()
  await vi.waitFor(async () => expect((await server.net()).openConnections.tcp).toBe(0))
  expect((await (await udp(server)).allocate()).code).toBe(200)
  expect((await (await udp(server)).allocate()).code).toBe(486)
})

test('SEC-29 two hundred moves in a row, each from another port, leave one allocation and one ticket', async () => {
  const server = await startForTest({ mobility: true, 'unauthorized-ratelimit': false })
  // Only this thread's can be looked at.
  const tickets = (otherwise: number) => server.turn.here?.driver.turn.allocations.tickets.size ?? otherwise
  let ticket = Buffer.alloc(0)
  const write: Write = (writer) => writer.bytes(Attribute.MOBILITY_TICKET, ticket)
  const first = await (await udp(server)).allocate(write)
  ticket = Buffer.from(first.message.value(Attribute.MOBILITY_TICKET)!)
  const used: Buffer[] = []
  const movers: NetworkClient[] = []
  for (let move = 0; move < 200; move++) {
    const mover = await (await udp(server)).greet()
    const answer = await mover.ask(Method.REFRESH, write)
    expect(answer.code, `move ${move}`).toBe(200)
    used.push(ticket)
    movers.push(mover)
    ticket = Buffer.from(answer.message.value(Attribute.MOBILITY_TICKET)!)
  }
  expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
  expect(tickets(1)).toBe(1)
  // Only the last one may go on: the others have neither a ticket nor an allocation.
  for (const old of [used[0]!, used.at(-1)!]) {
    const stranger = await (await udp(server)).greet()
    expect((await stranger.ask(Method.REFRESH, (writer) => writer.bytes(Attribute.MOBILITY_TICKET, old))).code).toBe(
      437,
    )
  }
  for (const mover of [movers[0]!, movers[100]!, movers[198]!])
    expect((await mover.permit('127.0.0.2:1')).code).toBe(437)
  expect((await movers[199]!.refresh(0)).code).toBe(200)
  expect(tickets(0)).toBe(0)
  await vi.waitFor(async () => expect(await server.holds()).toEqual({ allocations: 0, relays: 0 }))
})
