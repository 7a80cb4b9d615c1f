import { describe, expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import type { ClientTransport } from '../../../src/turn/five-tuple.ts'
import {
  at,
  CHANNEL,
  emptyTicket,
  MOVE_SECONDS,
  mobileWorld,
  nothingIsLeft,
  PEER,
  reaches,
  receiver,
  refreshWith,
  relay,
  settled,
  ticketOf,
} from '../../support/mobile-world.ts'
import { Answer, dual } from '../../support/turn-client.ts'
import { ALICE, BOB, udp, type WorldClient } from '../../support/turn-world.ts'

describe('moving', () => {
  test.each<[ClientTransport, ClientTransport, string]>([
    ['udp', 'udp', '198.51.100.99'],
    ['udp', 'tcp', '198.51.100.99'],
    ['tcp', 'udp', '198.51.100.99'],
    ['tls', 'dtls', '198.51.100.99'],
    ['dtls', 'tls', '2001:db8:7::7'],
    ['tcp', 'tcp', '2001:db8:7::7'],
    ['udp', 'udp', '2001:db8:7::7'],
  ])('TURN-MOB-03 TURN-MOB-06 from %s to %s at %s everything comes along', (from, to, host) => {
    const world = mobileWorld({ userQuota: 1 })
    const { client, ticket } = settled(world, from)
    const before = relay(world)
    const moved = world.client(ALICE, to, host)
    const answer = refreshWith(moved, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 900))
    expect([answer.code, answer.lifetime]).toEqual([200, 900])
    expect(moved.isSigned(answer)).toBe(true)
    expect(reaches(moved)).toBe(true)
    expect(receiver(world)).toBe(at(moved))
    // The padding of a stream follows the transport of the new path.
    expect(world.effects.toClient.at(-1)!.bytes.length).toBe(moved.fiveTuple.isStream ? 8 : 7)
    expect(relay(world)).toBe(before)
    expect(moved.relay).toBe(before)
    expect(world.options.quota.of('account alice\nexample.org')).toBe(1)
    expect(world.client().allocate().code).toBe(486)
    expect(reaches(client)).toBe(false)
    expect(world.server.hasAllocation(client.fiveTuple)).toBe(false)
    expect(world.server.hasAllocation(moved.fiveTuple)).toBe(true)
    expect(world.server.counters.moves).toEqual({ begun: 1, completed: 1, abandoned: 0 })
    expect(world.server.allocations.open).toEqual({ udp: 0, dtls: 0, tcp: 0, tls: 0, [to]: 1 })
    world.pass(899)
    expect(world.server.allocations.size).toBe(1)
    world.pass(1)
    nothingIsLeft(world)
    expect(world.server.allocations.open[to]).toBe(0)
  })

  test('TURN-MOB-04 until it is heard on the new path, a client is served on the old one', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    expect(world.server.hasAllocation(moved.fiveTuple)).toBe(true)
    for (let i = 0; i < 3; i++) {
      expect(receiver(world)).toBe(at(client))
      expect(reaches(client)).toBe(true)
      expect(client.permit('203.0.113.9:1').code).toBe(200)
      expect(client.refresh().code).toBe(200)
    }
    expect(world.server.allocations.moves).toBe(1)
  })

  test.each<[string, (client: WorldClient) => unknown]>([
    ['ChannelData', (client) => client.sendChannelData(CHANNEL, 'hello')],
    ['a Send indication', (client) => client.sendIndication(PEER, 'hello')],
    ['CreatePermission', (client) => client.permit(PEER)],
    ['ChannelBind', (client) => client.bind(CHANNEL, PEER)],
    ['Refresh', (client) => client.refresh()],
  ])('TURN-MOB-04 the first packet on the new path may be %s; the old path is then forgotten', (_name, speak) => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    speak(moved)
    expect(receiver(world)).toBe(at(moved))
    expect(world.server.allocations.moves).toBe(0)
    expect(reaches(client)).toBe(false)
    expect(client.refresh().code).toBe(437)
    world.pass(MOVE_SECONDS)
    expect(receiver(world)).toBe(at(moved))
  })

  test.each<[string, (client: WorldClient) => unknown]>([
    ['a Binding request', (client) => client.ask(Method.BINDING, undefined, { login: null })],
    ['a request without credentials', (client) => client.ask(Method.REFRESH, undefined, { login: null })],
    [
      'a request with a wrong password',
      (client) => client.ask(Method.REFRESH, undefined, { login: { ...ALICE, password: 'x' } }),
    ],
    ['a request of another user', (client) => client.ask(Method.REFRESH, undefined, { login: BOB })],
  ])('TURN-MOB-04 SEC-22 %s on the new path completes no move', (_name, speak) => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    speak(moved)
    expect(world.server.allocations.moves).toBe(1)
    expect(receiver(world)).toBe(at(client))
  })

  test('TURN-MOB-05 30 s without a packet on the new path, and it is the old one again', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    world.pass(MOVE_SECONDS - 1)
    expect(world.server.allocations.moves).toBe(1)
    world.pass(1)
    expect(world.server.allocations.moves).toBe(0)
    expect(reaches(moved)).toBe(false)
    expect(moved.refresh().code).toBe(437)
    expect(reaches(client)).toBe(true)
    expect(receiver(world)).toBe(at(client))
    expect(world.server.counters.moves).toEqual({ begun: 1, completed: 0, abandoned: 1 })
  })

  test.each([
    ['ChannelData', (client: WorldClient) => expect(reaches(client)).toBe(false)],
    ['a request', (client: WorldClient) => expect(client.refresh().code).toBe(437)],
  ])('TURN-MOB-05 exactly 30 s later, be it swept or not, %s comes too late', (_name, comesTooLate) => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    world.clock.advanceSeconds(MOVE_SECONDS)
    comesTooLate(moved)
    expect(receiver(world)).toBe(at(client))
  })

  test('TURN-MOB-05 one move at a time: the next takes the place of the one before', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const [second, third] = [world.client(), world.client(ALICE, 'tcp')]
    const next = ticketOf(refreshWith(second, ticket))
    refreshWith(third, next)
    expect(world.server.allocations.moves).toBe(1)
    expect(reaches(second)).toBe(false)
    expect(second.refresh().code).toBe(437)
    expect(receiver(world)).toBe(at(client))
    expect(reaches(third)).toBe(true)
    expect(receiver(world)).toBe(at(third))
  })

  test('TURN-MOB-05 with its newest ticket a client stays where it was after all', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    const next = ticketOf(refreshWith(moved, ticket))
    const answer = refreshWith(client, next)
    expect(answer.code).toBe(200)
    expect(ticketOf(answer)).not.toBe(next)
    expect(world.server.allocations.moves).toBe(0)
    expect(reaches(moved)).toBe(false)
    expect(receiver(world)).toBe(at(client))
  })

  test('TURN-MOB-04 its newest ticket on the new path completes the move', () => {
    const world = mobileWorld()
    const { ticket } = settled(world)
    const moved = world.client()
    expect(refreshWith(moved, ticketOf(refreshWith(moved, ticket))).code).toBe(200)
    expect(world.server.allocations.moves).toBe(0)
    expect(receiver(world)).toBe(at(moved))
  })

  test('TURN-GEN-04 TURN-MOB-02 the same Refresh again gets the same ticket, before and after the move', () => {
    const world = mobileWorld()
    const { ticket } = settled(world)
    const moved = world.client()
    moved.learn(moved.ask(Method.REFRESH)!)
    const request = moved.request(Method.REFRESH, (writer) =>
      writer.text(Attribute.MOBILITY_TICKET, ticket).uint32(Attribute.LIFETIME, 700),
    )
    const answers = [new Answer(moved.send(request)[0]!), new Answer(moved.send(request)[0]!)]
    expect(world.server.allocations.moves).toBe(1)
    moved.sendChannelData(CHANNEL, 'hello')
    answers.push(new Answer(moved.send(request)[0]!))
    expect(answers.map(({ code, lifetime }) => [code, lifetime])).toEqual(Array.from({ length: 3 }, () => [200, 700]))
    expect(new Set(answers.map(ticketOf)).size).toBe(1)
    expect(refreshWith(world.client(), ticketOf(answers[0]!)).code).toBe(200)
  })

  test("TURN-GEN-04 SEC-22 another user with the same transaction id doesn't get it", () => {
    const world = mobileWorld()
    const { ticket } = settled(world)
    const moved = world.client()
    moved.learn(moved.ask(Method.REFRESH)!)
    const write = (writer: StunWriter) => writer.text(Attribute.MOBILITY_TICKET, ticket)
    const transactionId = Buffer.alloc(12, 7)
    expect(moved.ask(Method.REFRESH, write, { transactionId })!.code).toBe(200)
    const answer = moved.ask(Method.REFRESH, write, { transactionId, login: BOB })!
    expect(answer.code).toBe(437)
    expect(answer.attributes).not.toContain(Attribute.MOBILITY_TICKET)
  })

  test('TURN-REFRESH-02 a Refresh with ticket and lifetime 0 ends the allocation from wherever it comes', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const answer = refreshWith(world.client(), ticket, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    expect([answer.code, answer.lifetime]).toEqual([200, 0])
    nothingIsLeft(world)
    expect(client.refresh().code).toBe(437)
  })

  test('TURN-DUAL-05 half of a dual allocation may be given back on the way', () => {
    const world = mobileWorld()
    const ticket = ticketOf(world.client().allocate((writer) => dual(emptyTicket(writer))))
    const moved = world.client()
    const answer = refreshWith(moved, ticket, (writer) =>
      writer.uint32(Attribute.LIFETIME, 0).uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x01000000),
    )
    expect([answer.code, answer.lifetime]).toEqual([200, 0])
    moved.refresh()
    expect(moved.relays.map(({ local }) => local.family)).toEqual([6])
  })

  test('TURN-ALLOC-03 an Allocate on the path that a client is moving to is 437', () => {
    const world = mobileWorld()
    const { ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    expect(moved.allocate().code).toBe(437)
  })

  test('the path that was left can be given to a new allocation', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    moved.sendChannelData(CHANNEL, 'hello')
    expect(client.allocate().code).toBe(200)
    expect(world.server.allocations.size).toBe(2)
    expect(moved.refresh().code).toBe(200)
  })

  test('TURN-MOB-09 SEC-29 200 moves on from fresh ports leave one pending and no orphan', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const stops = Array.from({ length: 200 }, (_, i) => world.client(ALICE, i % 2 === 0 ? 'udp' : 'tcp'))
    const last = stops.reduce((current, stop) => ticketOf(refreshWith(stop, current)), ticket)
    expect([
      world.server.allocations.moves,
      world.server.allocations.tickets.size,
      world.server.allocations.size,
    ]).toEqual([1, 1, 1])
    expect(stops.filter(({ fiveTuple }) => world.server.hasAllocation(fiveTuple))).toEqual([stops.at(-1)])
    expect(receiver(world)).toBe(at(client))
    world.pass(MOVE_SECONDS)
    expect(world.server.allocations.moves).toBe(0)
    expect(reaches(client)).toBe(true)
    expect(refreshWith(stops[7]!, last).code).toBe(200)
    world.server.allocations.release([...world.server.allocations][0]!, 'operator', world.now)
    nothingIsLeft(world)
  })

  test('RES-07 an allocation that ends on its way leaves nothing behind', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client()
    refreshWith(moved, ticket)
    client.refresh(0)
    nothingIsLeft(world)
    expect(reaches(moved)).toBe(false)
    expect(moved.allocate().code).toBe(200)
  })
})

describe('connections that close', () => {
  const close = (client: WorldClient) => client.world.server.clientClosed(client.fiveTuple, client.world.now)

  test.each<ClientTransport>(['tcp', 'tls', 'dtls'])(
    'TURN-MOB-07 SEC-27 over %s with a ticket the allocation waits',
    (over) => {
      const world = mobileWorld({ userQuota: 1 })
      const { client, ticket } = settled(world, over)
      close(client)
      expect(receiver(world)).toBeNull()
      expect(world.dropped).toEqual({ 'client-away': 1 })
      expect(world.client().allocate().code).toBe(486)
      world.pass(300)
      const moved = world.client()
      expect(refreshWith(moved, ticket).code).toBe(200)
      // There is no old path to stay on.
      expect(world.server.allocations.moves).toBe(0)
      expect(receiver(world)).toBe(at(moved))
    },
  )

  test('TURN-MOB-07 it waits until its lifetime is over, and no longer', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world, 'tcp')
    close(client)
    world.pass(599)
    expect(world.server.allocations.size).toBe(1)
    world.pass(1)
    nothingIsLeft(world)
    expect(refreshWith(world.client(), ticket).code).toBe(437)
  })

  test('NET-TCP-06 D-23 TURN-MOB-07 without a ticket it ends, also where others have one', () => {
    const world = mobileWorld()
    const client = world.client(ALICE, 'tcp')
    client.allocate()
    close(client)
    nothingIsLeft(world)
  })

  test('TURN-MOB-07 a connection that closes while its relay opens leaves nothing', () => {
    const world = mobileWorld()
    const client = world.client(ALICE, 'tcp')
    client.learn(client.ask(Method.ALLOCATE, udp)!)
    world.opensRelays = false
    client.ask(Method.ALLOCATE, (writer) => emptyTicket(udp(writer)))
    close(client)
    nothingIsLeft(world)
  })

  test('TURN-MOB-07 NET-TCP-04 a connection that is cut off for bad bytes counts as closed', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world, 'tcp')
    client.send(Buffer.from('80000000', 'hex'))
    expect(world.effects.closedClients).toHaveLength(1)
    close(client)
    expect(refreshWith(world.client(), ticket).code).toBe(200)
  })

  test('TURN-MOB-04 the new connection closes before anything came over it: the old path stays', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world)
    const moved = world.client(ALICE, 'tcp')
    const next = ticketOf(refreshWith(moved, ticket))
    close(moved)
    expect(world.server.allocations.moves).toBe(0)
    expect(receiver(world)).toBe(at(client))
    expect(refreshWith(world.client(), next).code).toBe(200)
  })

  test('TURN-MOB-04 the old connection closes during the move: the new path is the only one', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world, 'tls')
    const moved = world.client()
    refreshWith(moved, ticket)
    close(client)
    expect(receiver(world)).toBe(at(moved))
    world.pass(MOVE_SECONDS)
    expect(reaches(moved)).toBe(true)
  })

  test('the old connection closes after the move: nothing happens', () => {
    const world = mobileWorld()
    const { client, ticket } = settled(world, 'tcp')
    const moved = world.client(ALICE, 'tcp')
    refreshWith(moved, ticket)
    moved.sendChannelData(CHANNEL, 'hello')
    close(client)
    expect(receiver(world)).toBe(at(moved))
    close(moved)
    expect(receiver(world)).toBeNull()
    expect(world.server.allocations.size).toBe(1)
  })
})
