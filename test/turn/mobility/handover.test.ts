import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import { mint } from '../../../src/turn/auth/credentials.ts'
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
import { ServerGroup } from '../../support/server-group.ts'
import { Answer, dual, type Login } from '../../support/turn-client.ts'
import { ALICE, BOB, type TurnWorld, type WorldClient, type WorldOptions } from '../../support/turn-world.ts'

/** Several servers whose clocks differ, and a client with an allocation on the first. */
function group(count = 2, options: WorldOptions = {}) {
  const all = new ServerGroup()
  const worlds = Array.from({ length: count }, () => mobileWorld({ ...options, group: all }))
  for (const [i, world] of worlds.entries()) world.clock.advanceSeconds(1000 * i)
  return { all, worlds, home: worlds[0]!, away: worlds[1]! }
}

const pass = (worlds: readonly TurnWorld[], seconds: number) => {
  for (let i = 0; i < seconds; i++) for (const world of worlds) world.pass(1)
}

/** Nothing of what was here is here any more; the quota is the same everywhere. */
function hasLeft(world: TurnWorld): void {
  const { server, effects } = world
  expect([
    server.allocations.size,
    server.allocations.moves,
    server.handover.arriving,
    server.allocations.tickets.size,
  ]).toEqual([0, 0, 0, 0])
  expect([server.allocations.options.sources.size, effects.open.size]).toEqual([0, 0])
}

/** A Refresh with a ticket as bytes, from a client that has met its challenge. */
function request(client: WorldClient, ticket: string, write: (writer: StunWriter) => unknown = () => {}): Buffer {
  if (client.nonce === null) client.learn(client.ask(Method.REFRESH)!)
  return client.request(Method.REFRESH, (writer) => write(writer.text(Attribute.MOBILITY_TICKET, ticket)))
}

/** What this client has been sent since `before`. */
const answersSince = ({ world, fiveTuple }: WorldClient, before: number) =>
  world.effects.toClient
    .slice(before)
    .filter(({ client }) => client.client.equals(fiveTuple.client))
    .map(({ bytes }) => new Answer(bytes))

describe('from server to server', () => {
  test.each<[ClientTransport, ClientTransport, string]>([
    ['udp', 'udp', '198.51.100.99'],
    ['udp', 'tcp', '2001:db8:7::7'],
    ['tcp', 'udp', '2001:db8:7::7'],
    ['tls', 'dtls', '198.51.100.99'],
    ['tcp', 'tls', '198.51.100.99'],
  ])(
    'TURN-MOB-03 TURN-MOB-04 TURN-MOB-06 over %s and %s everything comes along, once it is heard there',
    (from, to, host) => {
      const { worlds, home, away } = group(2, { userQuota: 1 })
      const { client, ticket } = settled(home, from)
      const { local } = relay(home)
      const moved = away.client(ALICE, to, host)
      const answer = refreshWith(moved, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 900))
      expect([answer.code, answer.lifetime]).toEqual([200, 900])
      expect(moved.isSigned(answer)).toBe(true)
      expect(ticketOf(answer)).not.toBe(ticket)
      // Served where it was, until it is heard where it is.
      expect([receiver(home), reaches(client)]).toEqual([at(client), true])
      expect(away.server.hasAllocation(moved.fiveTuple)).toBe(true)
      expect(reaches(moved)).toBe(true)
      expect(receiver(away)).toBe(at(moved))
      expect(away.effects.toClient.at(-1)!.bytes.length).toBe(moved.fiveTuple.isStream ? 8 : 7)
      expect(relay(away).local).toEqual(local)
      expect(away.client().allocate().code).toBe(486)
      hasLeft(home)
      expect(reaches(client)).toBe(false)
      expect(client.refresh().code).toBe(437)
      expect(home.server.allocations.open).toEqual({ udp: 0, dtls: 0, tcp: 0, tls: 0 })
      expect(away.server.allocations.open).toEqual({ udp: 0, dtls: 0, tcp: 0, tls: 0, [to]: 1 })
      expect(home.server.counters.moves).toEqual({ begun: 1, completed: 1, abandoned: 0 })
      expect([home.server.counters.handovers, away.server.counters.handovers]).toEqual([
        { in: 0, out: 1 },
        { in: 1, out: 0 },
      ])
      pass(worlds, 899)
      expect(away.server.allocations.size).toBe(1)
      pass(worlds, 1)
      nothingIsLeft(away)
      expect(away.server.counters.allocationsEnded).toBe(1)
    },
  )

  test.each<[string, (client: WorldClient) => unknown]>([
    ['ChannelData', (client) => client.sendChannelData(CHANNEL, 'hello')],
    ['a Send indication', (client) => client.sendIndication(PEER, 'hello')],
    ['CreatePermission', (client) => expect(client.permit(PEER).code).toBe(200)],
    ['ChannelBind', (client) => expect(client.bind(CHANNEL, PEER).code).toBe(200)],
    ['Refresh', (client) => expect(client.refresh().code).toBe(200)],
    ['Allocate', (client) => expect(client.allocate().code).toBe(437)],
  ])('TURN-MOB-04 the first packet may be %s: it is answered or relayed like any other', (_name, speak) => {
    const { home, away } = group()
    const { ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    speak(moved)
    hasLeft(home)
    expect(receiver(away)).toBe(at(moved))
  })

  test.each<[string, (client: WorldClient) => unknown]>([
    ['a Binding request', (client) => client.ask(Method.BINDING, undefined, { login: null })],
    ['a request without credentials', (client) => client.ask(Method.REFRESH, undefined, { login: null })],
    [
      'a request with a wrong password',
      (client) => client.ask(Method.REFRESH, undefined, { login: { ...ALICE, password: 'x' } }),
    ],
    ['a request of another user', (client) => client.ask(Method.REFRESH, undefined, { login: BOB })],
  ])('TURN-MOB-04 SEC-22 %s brings nothing here', (_name, speak) => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    speak(moved)
    expect([away.server.allocations.size, away.server.handover.arriving]).toEqual([0, 1])
    expect(receiver(home)).toBe(at(client))
  })

  test.each([
    ['ChannelData', (client: WorldClient) => expect(reaches(client)).toBe(false)],
    ['a request', (client: WorldClient) => expect(client.refresh().code).toBe(437)],
  ])('TURN-MOB-05 30 s later %s comes too late', (_name, comesTooLate) => {
    const { worlds, home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    const next = ticketOf(refreshWith(moved, ticket))
    for (const { clock } of worlds) clock.advanceSeconds(MOVE_SECONDS)
    comesTooLate(moved)
    pass(worlds, 1)
    expect([home.server.allocations.moves, away.server.handover.arriving]).toEqual([0, 0])
    expect(home.server.counters.moves).toEqual({ begun: 1, completed: 0, abandoned: 1 })
    expect([receiver(home), reaches(client)]).toEqual([at(client), true])
    expect(refreshWith(moved, next).code).toBe(200)
  })

  test('TURN-MOB-05 one move at a time: whoever is heard from an earlier one has nothing', () => {
    const { worlds, home, away } = group(3)
    const { client, ticket } = settled(home)
    const [second, third] = [away.client(), worlds[2]!.client(ALICE, 'tcp')]
    refreshWith(third, ticketOf(refreshWith(second, ticket)))
    expect(reaches(second)).toBe(false)
    expect(second.refresh().code).toBe(437)
    expect(away.server.handover.arriving).toBe(0)
    expect(receiver(home)).toBe(at(client))
    expect(reaches(third)).toBe(true)
    hasLeft(home)
    hasLeft(away)
  })

  test('TURN-MOB-05 with its newest ticket a client stays where it was after all', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    expect(refreshWith(client, ticketOf(refreshWith(moved, ticket))).code).toBe(200)
    expect(home.server.allocations.moves).toBe(0)
    expect(reaches(moved)).toBe(false)
    expect(receiver(home)).toBe(at(client))
  })

  test('TURN-MOB-04 its newest ticket on the new path completes the move', () => {
    const { home, away } = group()
    const { ticket } = settled(home)
    const moved = away.client()
    expect(refreshWith(moved, ticketOf(refreshWith(moved, ticket))).code).toBe(200)
    hasLeft(home)
    expect(receiver(away)).toBe(at(moved))
  })

  test('TURN-GEN-04 TURN-MOB-02 the same Refresh again asks nobody, and gets one answer: the same, also after the move', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const moved = away.client()
    const bytes = request(moved, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 700))
    all.isPrompt = false
    const before = away.effects.toClient.length
    expect([...moved.send(bytes), ...moved.send(bytes)]).toEqual([])
    expect(all.questions).toHaveLength(1)
    all.deliver()
    all.isPrompt = true
    moved.send(bytes)
    moved.sendChannelData(CHANNEL, 'hello')
    moved.send(bytes)
    const answers = answersSince(moved, before)
    expect(answers.map(({ code, lifetime }) => [code, lifetime])).toEqual(Array.from({ length: 3 }, () => [200, 700]))
    expect(new Set(answers.map(ticketOf)).size).toBe(1)
    expect(refreshWith(home.client(), ticketOf(answers[0]!)).code).toBe(200)
  })

  test('TURN-MOB-04 nothing that the client sends while its allocation comes is lost, nor does it come in another order', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    all.isPrompt = false
    for (let i = 0; i < 50; i++) moved.sendChannelData(CHANNEL, `${i}`)
    moved.sendIndication(PEER, '50')
    const before = away.effects.toClient.length
    moved.send(moved.request(Method.REFRESH))
    expect(all.questions).toHaveLength(2)
    all.deliver()
    expect(away.effects.toPeer.map(({ data }) => data.toString())).toEqual(Array.from({ length: 51 }, (_, i) => `${i}`))
    expect(answersSince(moved, before).map(({ code }) => code)).toEqual([200])
  })

  test.each([1, 5000])(
    'SEC-29 of packets of %d bytes only so many are kept for an allocation that does not come',
    (size) => {
      const { all, home, away } = group()
      const { ticket } = settled(home)
      const moved = away.client()
      refreshWith(moved, ticket)
      all.isPrompt = false
      for (let i = 0; i < 500; i++) moved.sendChannelData(CHANNEL, Buffer.alloc(size))
      all.deliver()
      expect(away.effects.toPeer.length).toBe(size === 1 ? 64 : 13)
      expect(away.dropped).toEqual({ opening: 500 - away.effects.toPeer.length })
      expect(reaches(moved)).toBe(true)
    },
  )

  test('TURN-REFRESH-02 lifetime 0 ends the allocation from wherever it comes', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    const answer = refreshWith(moved, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    expect([answer.code, answer.lifetime]).toEqual([200, 0])
    nothingIsLeft(home)
    nothingIsLeft(away)
    expect(away.server.handover.arriving).toBe(0)
    expect(client.refresh().code).toBe(437)
    expect(moved.allocate().code).toBe(200)
  })

  test('TURN-DUAL-05 both relayed addresses come along, or the half that is left', () => {
    const { home, away } = group()
    const ticket = ticketOf(home.client().allocate((writer) => dual(emptyTicket(writer))))
    const before = [...home.server.allocations][0]!.relays.map(({ local }) => local.toString())
    const moved = away.client()
    const next = ticketOf(refreshWith(moved, ticket))
    expect(moved.permit(PEER, '[2001:db8:9::9]:9').code).toBe(200)
    expect(moved.relays.map(({ local }) => local.toString())).toEqual(before)
    const back = home.client()
    const half = (writer: StunWriter) =>
      writer.uint32(Attribute.LIFETIME, 0).uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x01000000)
    expect(refreshWith(back, next, half).code).toBe(200)
    back.refresh()
    expect(back.relays.map(({ local }) => local.toString())).toEqual([before[1]])
    hasLeft(away)
  })

  test('TURN-EVEN-07 the port above a pair stays reserved, and its token good', () => {
    const { home, away } = group()
    const client = home.client()
    const answer = client.allocate((writer) => emptyTicket(writer).uint8(Attribute.EVEN_PORT, 0x80))
    const moved = away.client()
    refreshWith(moved, ticketOf(answer))
    moved.refresh()
    expect(home.options.quota.total).toBe(2)
    const token = Buffer.from(answer.message.value(Attribute.RESERVATION_TOKEN)!)
    const odd = home.client()
    expect(odd.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token)).code).toBe(200)
    expect(odd.relay.local.port).toBe(moved.relay.local.port + 1)
    expect(home.options.quota.total).toBe(2)
  })

  test('SEC-29 200 moves to and fro leave one allocation and one ticket', () => {
    const { all, worlds } = group(3, { userQuota: 1 })
    let { ticket } = settled(worlds[0]!)
    for (let i = 1; i <= 200; i++) {
      const moved = worlds[(i * 7) % 3]!.client(ALICE, i % 2 === 0 ? 'udp' : 'tcp')
      ticket = ticketOf(refreshWith(moved, ticket))
      if (i % 5 !== 0) expect(reaches(moved)).toBe(true)
    }
    const sum = (count: (world: TurnWorld) => number) => worlds.reduce((total, world) => total + count(world), 0)
    expect(sum(({ server }) => server.allocations.size)).toBe(1)
    expect(sum(({ server }) => server.allocations.tickets.size)).toBe(1)
    expect(sum(({ effects }) => effects.open.size)).toBe(1)
    expect(all.tickets.size).toBe(1)
    pass(worlds, 600)
    for (const world of worlds) {
      hasLeft(world)
      nothingIsLeft(world)
    }
    expect([all.tickets.size, all.detached.size]).toEqual([0, 0])
  })

  test('SEC-29 moves from fresh ports that nobody completes leave one client expected', () => {
    const { home, away } = group()
    let { ticket } = settled(home)
    for (let i = 0; i < 100; i++) ticket = ticketOf(refreshWith(away.client(), ticket))
    expect([home.server.allocations.moves, away.server.handover.arriving]).toEqual([1, 1])
  })

  test('TURN-MOB-06 any number of permissions and channels come along with what is left of their time', () => {
    const peer = fc.tuple(fc.integer({ min: 1, max: 250 }), fc.boolean()).map(([last, isIpv6]) => ({
      host: isIpv6 ? `2001:db8:5::${last.toString(16)}` : `203.0.113.${last}`,
      isIpv6,
    }))
    const step = fc.record({
      peer,
      channel: fc.boolean(),
      port: fc.integer({ min: 1, max: 3 }),
      seconds: fc.integer({ min: 0, max: 90 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), fc.integer({ min: 0, max: 60 }), (steps, wait) => {
        const { worlds, home, away } = group()
        const client = home.client()
        const ticket = ticketOf(client.allocate((writer) => dual(emptyTicket(writer))))
        let number = CHANNEL
        for (const { peer: to, channel, port, seconds } of steps) {
          const text = to.isIpv6 ? `[${to.host}]:${port}` : `${to.host}:${port}`
          if (channel) client.bind(number++, text)
          else client.permit(text)
          client.sendIndication(text, 'counted')
          pass(worlds, seconds)
          client.refresh()
        }
        const moved = away.client()
        const next = ticketOf(refreshWith(moved, ticket))
        pass(worlds, Math.min(wait, 29))
        const before = everything(home)
        moved.sendIndication('203.0.113.251:9', 'nobody permitted')
        expect(everything(away)).toEqual(before)
        expect(before.ticket).toBe(next)
        hasLeft(home)
      }),
      { numRuns: 30 },
    )
  })
})

/** All that an allocation has, in times relative to now. */
function everything({ server, now }: TurnWorld) {
  const [allocation] = [...server.allocations]
  const { permissions, channels, relays, user, request: asked, source, ticket, fingerprint, quotaPlaces } = allocation!
  return {
    ...{ user, asked, source: source.host, ticket, fingerprint, quotaPlaces },
    leftMs: allocation!.expiresAt - now,
    ageMs: now - allocation!.createdAt,
    last: allocation!.lastTicketRefresh,
    relays: relays.map(({ local, advertised, state }) => [`${local}`, `${advertised}`, state]),
    permissions: Array.from(permissions, ({ peer, expiresAt }) => [peer.host, expiresAt - now]).toSorted(),
    channels: Array.from(channels.values(), ({ number, peer, relay: { local }, permission, expiresAt }) => {
      return [number, `${peer}`, `${local}`, permission.peer.host, permission.expiresAt - now, expiresAt - now]
    }).toSorted(),
    traffic: [
      allocation!.toPeerPackets,
      allocation!.toPeerBytes,
      allocation!.toClientPackets,
      allocation!.toClientBytes,
    ],
    limits: [allocation!.toPeerLimit.spent(now), allocation!.toClientLimit.spent(now)],
  }
}

test('SEC-31 a move gives no fresh second of the bandwidth limit', () => {
  const { home, away } = group(2, { settings: { maxBytesPerSecond: 1000 } })
  const { client, ticket } = settled(home)
  client.sendChannelData(CHANNEL, Buffer.alloc(1000))
  const moved = away.client()
  refreshWith(moved, ticket)
  expect(reaches(moved)).toBe(false)
  expect(away.dropped).toEqual({ 'over-limit': 1 })
})

describe('tickets that lead nowhere', () => {
  test.each(['x', 'A'.repeat(24), 'A'.repeat(700), '\u0000'])(
    'TURN-MOB-03 SEC-24 an unknown ticket is 437',
    (unknown) => {
      const { all, home, away } = group()
      settled(home)
      const other = away.client()
      const answer = refreshWith(other, unknown)
      expect(answer.code).toBe(437)
      expect(other.isSigned(answer)).toBe(true)
      expect([home.server.allocations.moves, away.server.handover.arriving]).toEqual([0, 0])
      // What is no ticket of ours is not worth a question.
      expect(all.questions).toHaveLength(unknown.length === 24 ? 1 : 0)
    },
  )

  test('TURN-MOB-02 a used one is 437', () => {
    const { home, away } = group()
    const { ticket } = settled(home)
    expect(refreshWith(away.client(), ticket).code).toBe(200)
    expect(refreshWith(away.client(), ticket).code).toBe(437)
    expect(refreshWith(home.client(), ticket).code).toBe(437)
  })

  test("TURN-MOB-03 SEC-22 another user's is 441, and stays good for its owner", () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const bob = away.client(BOB)
    const answer = refreshWith(bob, ticket, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    expect(answer.code).toBe(441)
    expect(bob.isSigned(answer)).toBe(true)
    expect([home.server.allocations.moves, away.server.handover.arriving, reaches(client)]).toEqual([0, 0, true])
    expect(refreshWith(away.client(), ticket).code).toBe(200)
  })

  test('TURN-MOB-03 TURN-REFRESH-05 a Refresh that is refused uses no ticket up', () => {
    const { home, away } = group()
    const { ticket } = settled(home)
    const ipv6 = (writer: StunWriter) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000)
    expect(refreshWith(away.client(), ticket, ipv6).code).toBe(443)
    expect(home.server.allocations.moves).toBe(0)
    expect(refreshWith(away.client(), ticket).code).toBe(200)
  })

  test('TURN-MOB-03 that of an allocation that is over is 437', () => {
    const { home, away } = group()
    const { ticket } = settled(home)
    home.clock.advanceSeconds(600)
    expect(refreshWith(away.client(), ticket).code).toBe(437)
  })

  test('SEC-29 nobody without credentials makes a server ask another', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const write = (writer: StunWriter) => writer.text(Attribute.MOBILITY_TICKET, ticket)
    for (const login of [null, { ...ALICE, password: 'wrong' }, { username: 'nobody', password: 'x' }]) {
      const stranger = away.client(login)
      expect(stranger.demand(Method.REFRESH, write).code).toBe(401)
    }
    expect(all.questions).toEqual([])
  })

  test('SEC-29 only so many questions are open at a time; the others are refused at once', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const clients = Array.from({ length: 100 }, () => away.client())
    const requests = clients.map((client, i) => request(client, String(i).padStart(24, 'x')))
    all.isPrompt = false
    const refused = clients.flatMap((client, i) => client.send(requests[i]!))
    expect(all.questions).toHaveLength(64)
    expect(refused.map((bytes) => new Answer(bytes).code)).toEqual(new Array(36).fill(437))
    all.deliver()
    expect(away.server.handover.arriving).toBe(0)
    all.isPrompt = true
    expect(refreshWith(away.client(), ticket).code).toBe(200)
  })

  test('SEC-29 one client has one question open, and what it sends meanwhile costs nobody anything', () => {
    const { all, home, away } = group()
    settled(home)
    const flooder = away.client()
    const requests = Array.from({ length: 100 }, (_, i) => request(flooder, String(i).padStart(24, 'x')))
    all.isPrompt = false
    const before = away.effects.toClient.length
    for (const bytes of requests) flooder.send(bytes)
    expect(all.questions).toHaveLength(1)
    all.deliver()
    expect(all.questions).toHaveLength(1)
    expect(answersSince(flooder, before).map(({ code }) => code)).toEqual([437])
    expect(away.dropped).toEqual({ opening: 99 })
  })

  test('SEC-23 SEC-29 whoever guesses too many asks no more, and others do', () => {
    const { all, home, away } = group(2, { guessesPerMinute: 5 })
    const { ticket } = settled(home)
    const guesser = away.client()
    const codes = Array.from({ length: 20 }, (_, i) => refreshWith(guesser, String(i).padStart(24, 'x')).code)
    expect(codes).toEqual(new Array(20).fill(437))
    expect(all.questions).toHaveLength(5)
    expect(refreshWith(away.client(), ticket).code).toBe(437)
    expect(refreshWith(away.client(ALICE, 'udp', '198.51.100.99'), ticket).code).toBe(200)
  })

  test('a server that all clients come to asks nobody', () => {
    const world = mobileWorld()
    expect(refreshWith(world.client(), 'A'.repeat(24)).code).toBe(437)
    expect(world.server.handover.arriving).toBe(0)
  })
})

test('TURN-MOB-03 an expired temporary name may bring what it has, and nothing else', () => {
  const secret = 'north'
  const { worlds, home, away } = group(2, { auth: { secrets: [secret] } })
  const login: Login = mint(secret, { userid: 'carol', lifetimeSeconds: 60, wallMs: home.clock.wall })
  const ticket = ticketOf(home.client(login).allocate(emptyTicket))
  pass(worlds, 120)
  expect(away.client(login).allocate().code).toBe(401)
  expect(refreshWith(away.client(login), 'A'.repeat(24)).code).toBe(437)
  const moved = away.client(login)
  expect(refreshWith(moved, ticket).code).toBe(200)
  expect(moved.permit(PEER).code).toBe(200)
  expect(moved.refresh().code).toBe(200)
})

test('TURN-MOB-03 an expired temporary name brings nothing that was not signed for with its key', () => {
  const { worlds, home, away } = group(2, { auth: { secrets: ['north'] } })
  const name = { userid: 'carol', lifetimeSeconds: 60, wallMs: home.clock.wall }
  const ticket = ticketOf(home.client(mint('north', name)).allocate(emptyTicket))
  for (const world of worlds) world.authenticate({ secrets: ['south'] })
  pass(worlds, 120)
  expect(refreshWith(away.client(mint('south', name)), ticket).code).toBe(437)
})

describe('what goes wrong on the way', () => {
  const close = (client: WorldClient) => client.world.server.clientClosed(client.fiveTuple, client.world.now)

  test('TURN-MOB-07 an allocation whose connection is closed waits for nothing: it comes with its ticket', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home, 'tcp')
    close(client)
    const moved = away.client()
    expect(refreshWith(moved, ticket).code).toBe(200)
    hasLeft(home)
    expect(receiver(away)).toBe(at(moved))
  })

  test('TURN-MOB-04 the old connection closes during the move: the allocation waits for the new one', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home, 'tls')
    const moved = away.client()
    refreshWith(moved, ticket)
    close(client)
    expect(reaches(moved)).toBe(true)
    expect(receiver(away)).toBe(at(moved))
  })

  test.each(['before its ticket is found', 'before it is heard', 'before its allocation is there'])(
    'TURN-MOB-07 the new connection closes %s: the allocation lives on, for whoever has the ticket',
    (when) => {
      const { all, worlds, home, away } = group()
      const { ticket } = settled(home)
      const moved = away.client(ALICE, 'tcp')
      const bytes = request(moved, ticket)
      all.isPrompt = false
      moved.send(bytes)
      if (when === 'before its ticket is found') close(moved)
      all.deliver()
      if (when === 'before it is heard') close(moved)
      if (when === 'before its allocation is there') {
        moved.sendChannelData(CHANNEL, 'hello')
        close(moved)
      }
      all.deliver()
      expect(away.server.hasAllocation(moved.fiveTuple)).toBe(when === 'before its allocation is there')
      expect(away.server.handover.arriving).toBe(0)
      if (away.server.allocations.size === 1) expect(receiver(away)).toBeNull()
      const [holder] = worlds.filter(({ server }) => server.allocations.size === 1)
      all.isPrompt = true
      const next = [...holder!.server.allocations][0]!.ticket!
      const again = away.client()
      expect(refreshWith(again, next).code).toBe(200)
      expect(reaches(again)).toBe(true)
      pass(worlds, 600)
      for (const world of worlds) nothingIsLeft(world)
    },
  )

  test('RES-07 a socket that cannot be served here ends the allocation, and nothing is left of it', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    all.canAttach = false
    const moved = away.client()
    refreshWith(moved, ticket)
    expect(reaches(moved)).toBe(false)
    hasLeft(home)
    nothingIsLeft(away)
    expect(all.tickets.size).toBe(0)
    expect(moved.allocate().code).toBe(200)
  })

  test('RES-07 an allocation that reaches nobody is ended by who gave it away', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const next = ticketOf(refreshWith(away.client(), ticket))
    const { port } = relay(home).local
    const outgoing = { holder: 0, ticket: next, relay: relay(home).local.toString() }
    const answer = home.server.handover.answer({ kind: 'allocation', outgoing }, home.now)
    if (answer.kind !== 'moved') throw new Error('not given away')
    expect(home.options.quota.total).toBe(1)
    home.server.handover.returned(structuredClone(answer.allocation), home.now)
    hasLeft(home)
    expect(home.options.quota.total).toBe(0)
    expect(all.detached.size).toBe(1)
    expect(home.server.counters.allocationsEnded).toBe(1)
    home.pass(31)
    expect(home.options.relayPorts.takeOver(Address.parse('192.0.2.1', port)!, 0)).toBe(false)
  })

  test('SEC-22 a outgoing is good for its own move, and for nothing after it', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const next = ticketOf(refreshWith(away.client(), ticket))
    const { local } = relay(home)
    const ask = (shown: string) => {
      const outgoing = { holder: 0, ticket: shown, relay: local.toString() }
      return home.server.handover.answer({ kind: 'allocation', outgoing }, home.now)
    }
    expect([ask(ticket).kind, ask('').kind]).toEqual(['refused', 'refused'])
    const last = ticketOf(refreshWith(client, next))
    expect([ask(next).kind, ask(last).kind]).toEqual(['refused', 'refused'])
    expect(reaches(client)).toBe(true)
  })

  test('RES-04 the address of a client counts all the while, and once when it has moved', () => {
    const { all, home, away } = group(2, { settings: { maxAllocationsPerAddress: 1 } })
    const { ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    all.isPrompt = false
    moved.sendChannelData(CHANNEL, 'hello')
    expect(home.client().allocate().code).toBe(486)
    all.deliver()
    expect([home.server.allocations.options.sources.size, away.server.allocations.options.sources.size]).toEqual([0, 1])
    expect(away.client().allocate().code).toBe(486)
  })

  test('RES-07 an allocation whose ports are lost on the way ends, and takes no place that another one has', () => {
    const { all, home, away } = group()
    const { ticket } = settled(home)
    const other = away.client()
    other.allocate()
    const moved = away.client()
    refreshWith(moved, ticket)
    all.isPrompt = false
    moved.sendChannelData(CHANNEL, 'hello')
    // As when a thread dies.
    home.options.relayPorts.forgetThread(0)
    home.options.quota.forgetThread(0)
    all.deliver()
    expect([away.server.allocations.size, away.options.quota.total]).toEqual([1, 1])
    expect(other.refresh(0).code).toBe(200)
    nothingIsLeft(away)
  })

  test('TURN-MOB-05 it is the time of the server with the allocation that counts', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    home.clock.advanceSeconds(MOVE_SECONDS)
    expect(reaches(moved)).toBe(false)
    expect(receiver(home)).toBe(at(client))
  })

  test('RES-07 an allocation that ends while its client moves away is not found there', () => {
    const { home, away } = group()
    const { client, ticket } = settled(home)
    const moved = away.client()
    refreshWith(moved, ticket)
    client.refresh(0)
    nothingIsLeft(home)
    expect(reaches(moved)).toBe(false)
    expect(away.server.handover.arriving).toBe(0)
    expect(moved.allocate().code).toBe(200)
  })
})
