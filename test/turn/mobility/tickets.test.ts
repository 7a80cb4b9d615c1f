import { expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import { mint } from '../../../src/turn/auth/credentials.ts'
import {
  emptyTicket,
  MOVE_SECONDS,
  mobileWorld,
  nothingIsLeft,
  reaches,
  refreshWith,
  settled,
  ticketOf,
} from '../../support/mobile-world.ts'
import { Answer } from '../../support/turn-client.ts'
import { ALICE, BOB, TurnWorld, udp } from '../../support/turn-world.ts'

test('TURN-MOB-01 an Allocate with an empty ticket is answered with one, whenever it is repeated', () => {
  const world = mobileWorld()
  const alice = world.client()
  alice.learn(alice.ask(Method.ALLOCATE, udp)!)
  const request = alice.request(Method.ALLOCATE, (writer) => emptyTicket(udp(writer)))
  const answers = [0, 1].map(() => {
    alice.send(request)
    return new Answer(world.effects.toClient.at(-1)!.bytes)
  })
  expect(answers.map(({ code }) => code)).toEqual([200, 200])
  expect(alice.isSigned(answers[0]!)).toBe(true)
  expect(ticketOf(answers[1]!)).toBe(ticketOf(answers[0]!))
})

test('TURN-MOB-01 who does not ask gets none', () => {
  const world = mobileWorld()
  const alice = world.client()
  const answers = [alice.allocate(), alice.refresh()]
  for (const answer of answers) expect(answer.attributes).not.toContain(Attribute.MOBILITY_TICKET)
  expect(world.server.allocations.tickets.size).toBe(0)
})

test('TURN-MOB-01 an Allocate with a ticket that is not empty is 400, a Refresh with an empty one too', () => {
  const world = mobileWorld()
  expect(world.client().allocate((writer) => writer.text(Attribute.MOBILITY_TICKET, 'x')).code).toBe(400)
  nothingIsLeft(world)
  const { client } = settled(world)
  expect(client.demand(Method.REFRESH, emptyTicket).code).toBe(400)
})

test('TURN-MOB-01 D-07 with mobility off a ticket is 405, also where there is no allocation', () => {
  const world = new TurnWorld()
  expect(refreshWith(world.client(), 'anything').code).toBe(405)
})

test('TURN-MOB-02 they are short texts of at least 128 random bits', () => {
  const world = mobileWorld()
  const tickets = Array.from({ length: 200 }, () => settled(world).ticket)
  expect(new Set(tickets).size).toBe(200)
  // coturn's client keeps at most 32 characters.
  for (const ticket of tickets) expect(ticket).toMatch(/^[\w-]{22,32}$/)
  const seen = Array.from({ length: 24 }, (_, i) => new Set(tickets.map((ticket) => ticket[i])).size)
  for (const different of seen) expect(different).toBeGreaterThan(40)
})

test('TURN-MOB-02 each works once, and is replaced by the answer to its use', () => {
  const world = mobileWorld()
  const { ticket: first } = settled(world)
  const [second, third] = [world.client(), world.client()]
  const next = ticketOf(refreshWith(second, first))
  expect(next).not.toBe(first)
  expect(refreshWith(third, first).code).toBe(437)
  expect(refreshWith(third, next).code).toBe(200)
  expect(world.server.allocations.tickets.size).toBe(1)
})

test('TURN-MOB-02 a used one stays useless when the move comes to nothing', () => {
  const world = mobileWorld()
  const { ticket } = settled(world)
  refreshWith(world.client(), ticket)
  world.pass(MOVE_SECONDS)
  expect(refreshWith(world.client(), ticket).code).toBe(437)
})

test('TURN-MOB-02 a plain Refresh tells the good one again, so that a lost answer loses nothing', () => {
  const world = mobileWorld()
  const { client, ticket } = settled(world)
  expect(ticketOf(client.refresh())).toBe(ticket)
  const next = ticketOf(refreshWith(world.client(), ticket))
  world.pass(MOVE_SECONDS)
  expect(ticketOf(client.refresh())).toBe(next)
})

test.each(['x', 'A'.repeat(24), 'A'.repeat(700), '__proto__', '\u0000'])(
  'TURN-MOB-03 SEC-24 an unknown ticket is 437 and changes nothing',
  (unknown) => {
    const world = mobileWorld()
    const { client } = settled(world)
    const other = world.client()
    const answer = refreshWith(other, unknown)
    expect(answer.code).toBe(437)
    expect(other.isSigned(answer)).toBe(true)
    expect([world.server.allocations.moves, reaches(client)]).toEqual([0, true])
  },
)

test('TURN-MOB-03 the ticket of an allocation that is over is 437', () => {
  const world = mobileWorld()
  const { client, ticket } = settled(world)
  const other = world.client()
  other.learn(other.ask(Method.REFRESH)!)
  world.clock.advanceSeconds(600)
  expect(refreshWith(other, ticket).code).toBe(437)
  client.refresh()
  nothingIsLeft(world)
})

test("TURN-MOB-03 SEC-22 another user's is 441, and stays good for its owner", () => {
  const world = mobileWorld()
  const { client, ticket } = settled(world)
  const bob = world.client(BOB)
  const answer = refreshWith(bob, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 0))
  expect(answer.code).toBe(441)
  expect(bob.isSigned(answer)).toBe(true)
  expect([world.server.allocations.size, world.server.allocations.moves, reaches(client)]).toEqual([1, 0, true])
  expect(refreshWith(world.client(), ticket).code).toBe(200)
})

test('TURN-MOB-03 a 5-tuple that has an allocation of its own is 400, and the ticket stays good', () => {
  const world = mobileWorld()
  const { ticket } = settled(world)
  const { client: other } = settled(world)
  expect(refreshWith(other, ticket).code).toBe(400)
  expect(refreshWith(world.client(), ticket).code).toBe(200)
})

test('TURN-MOB-03 TURN-REFRESH-05 a Refresh that is refused uses no ticket up', () => {
  const world = mobileWorld()
  const { client, ticket } = settled(world)
  const other = world.client()
  const ipv6 = (writer: StunWriter) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000)
  expect(refreshWith(other, ticket, ipv6).code).toBe(443)
  expect([world.server.allocations.moves, reaches(client)]).toEqual([0, true])
  expect(refreshWith(other, ticket).code).toBe(200)
})

test('TURN-MOB-08 STUN-NONCE-02 the nonce of the old address is 438 at the new one', () => {
  const world = mobileWorld()
  const { client, ticket } = settled(world)
  const moved = world.client(ALICE, 'udp', '198.51.100.99')
  const write = (writer: StunWriter) => writer.text(Attribute.MOBILITY_TICKET, ticket)
  const answer = moved.ask(Method.REFRESH, write, { realm: client.realm!, nonce: client.nonce! })!
  expect(answer.code).toBe(438)
  moved.learn(answer)
  expect(moved.ask(Method.REFRESH, write)!.code).toBe(200)
})

test('TURN-MOB-03 an expired temporary name may move what it has, and nothing else', () => {
  const secret = 'north'
  const world = mobileWorld({ auth: { secrets: [secret] } })
  const login = mint(secret, { userid: 'carol', lifetimeSeconds: 60, wallMs: world.clock.wall })
  const ticket = ticketOf(world.client(login).allocate(emptyTicket))
  world.pass(120)
  expect(refreshWith(world.client(login), 'another').code).toBe(401)
  expect(refreshWith(world.client(login), ticket).code).toBe(200)
})
