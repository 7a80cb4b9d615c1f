import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import type { ClientTransport } from '../../../src/turn/five-tuple.ts'
import type { AlternateServer } from '../../../src/turn/methods/alternate-servers.ts'
import type { Answer } from '../../support/turn-client.ts'
import { ALICE, TurnWorld, udp, type WorldClient } from '../../support/turn-world.ts'

const server = (host: string, domain: string | null = null): AlternateServer => {
  return { address: Address.parse(host, 3478)!, domain }
}
const [FIRST, SECOND, SIX] = [server('198.18.0.1'), server('198.18.0.2'), server('2001:db8:a::1')]
/** Where the worlds' clients come to. */
const OURS = server('192.0.2.1')

function alternate(answer: Answer | null): string | null {
  const address = new Address()
  return answer?.message.address(Attribute.ALTERNATE_SERVER, address) ? address.toString() : null
}

/** Where a client of its own that has not logged in is sent. */
function sentTo(world: TurnWorld, transport: ClientTransport = 'udp', host?: string): string | null {
  return alternate(world.client(ALICE, transport, host).ask(Method.ALLOCATE, udp))
}

test('STUN-ALT-01 STUN-ALT-02 an Allocate without credentials is 300 with one server, and nothing to log in with', () => {
  const world = new TurnWorld({ alternateServers: { udp: [FIRST] } })
  const answer = world.client().ask(Method.ALLOCATE, udp)!
  expect(answer.code).toBe(300)
  expect(answer.attributes).toEqual([Attribute.ERROR_CODE, Attribute.ALTERNATE_SERVER])
  expect(alternate(answer)).toBe('198.18.0.1:3478')
  expect(world.server.counters.errors.get(300)).toBe(1)
})

test('STUN-ALT-01 each gets the next, and an entry that is there twice gets two shares', () => {
  const world = new TurnWorld({ alternateServers: { udp: [FIRST, SECOND, SECOND] } })
  const all = Array.from({ length: 6 }, () => sentTo(world))
  expect(all.filter((address) => address === '198.18.0.1:3478')).toHaveLength(2)
  expect(all.filter((address) => address === '198.18.0.2:3478')).toHaveLength(4)
})

test("STUN-ALT-01 only servers of the client's family are named", () => {
  const world = new TurnWorld({ alternateServers: { udp: [FIRST, SIX] } })
  for (let i = 0; i < 3; i++) expect(sentTo(world)).toBe('198.18.0.1:3478')
  for (let i = 0; i < 3; i++) expect(sentTo(world, 'udp', '2001:db8:7::7')).toBe('[2001:db8:a::1]:3478')
  const without = new TurnWorld({ alternateServers: { udp: [SIX] } })
  expect(without.client().allocate().code).toBe(200)
})

test('STUN-ALT-01 every transport has a list of its own', () => {
  const world = new TurnWorld({ alternateServers: { tcp: [FIRST], tls: [SECOND] } })
  expect(sentTo(world, 'tcp')).toBe('198.18.0.1:3478')
  expect(sentTo(world, 'tls')).toBe('198.18.0.2:3478')
  expect(sentTo(world, 'udp')).toBeNull()
  expect(sentTo(world, 'dtls')).toBeNull()
})

test('STUN-ALT-04 a list with our own address redirects nobody until we drain, and then never to us', () => {
  const world = new TurnWorld({ alternateServers: { udp: [OURS, FIRST] } })
  const alice = world.client()
  expect(alice.allocate().code).toBe(200)
  world.server.drain(true)
  for (let i = 0; i < 4; i++) expect(sentTo(world)).toBe('198.18.0.1:3478')
  expect(alice.refresh(900).lifetime).toBe(900)
})

test('STUN-ALT-04 behind external-ip our own address is the one outside', () => {
  const world = new TurnWorld({
    alternateServers: { udp: [server('203.0.113.9')] },
    externalIps: [{ public: Address.parse('203.0.113.9')!, private: Address.parse('192.0.2.1')! }],
  })
  expect(world.client().allocate().code).toBe(200)
})

test('TURN-ALLOC-22 while draining without any other server in the list it is 403 as without a list', () => {
  const world = new TurnWorld({ alternateServers: { udp: [OURS] } })
  world.server.drain(true)
  expect(world.client().allocate().code).toBe(403)
})

test('STUN-ALT-05 over TLS and DTLS the name in the other certificate is told, too', () => {
  const list = [server('198.18.0.1', 'turn2.example.org')]
  const world = new TurnWorld({ alternateServers: { udp: list, tcp: list, tls: list, dtls: list } })
  const domain = (transport: ClientTransport) =>
    world.client(ALICE, transport).ask(Method.ALLOCATE, udp)?.message.text(Attribute.ALTERNATE_DOMAIN)
  expect((['udp', 'tcp', 'tls', 'dtls'] as const).map(domain)).toEqual([
    null,
    null,
    'turn2.example.org',
    'turn2.example.org',
  ])
})

test('STUN-ALT-06 Binding is never redirected, and no other request of a running allocation', () => {
  const world = new TurnWorld({ alternateServers: { udp: [FIRST] } })
  const alice: WorldClient = world.client()
  expect(alice.ask(Method.BINDING)?.code).toBe(200)
  expect(alice.ask(Method.REFRESH)?.code).toBe(401)
})

test('TURN-ALLOC-01 an allocation that is there is 437 and its repetition 200, whatever the list says now', () => {
  const world = new TurnWorld()
  const alice = world.client()
  const transactionId = Buffer.from('repeated one')
  alice.allocate(() => {}, { transactionId })
  const { alternateServers } = new TurnWorld({ alternateServers: { udp: [FIRST] } }).options
  world.server.apply({ alternateServers })
  expect(alice.allocate(() => {}, { transactionId }).code).toBe(200)
  expect(alice.allocate().code).toBe(437)
  expect(sentTo(world)).toBe('198.18.0.1:3478')
})

test('STUN-ALT-02 with authenticated-redirect the client logs in first, and the 300 is signed', () => {
  const world = new TurnWorld({
    alternateServers: { udp: [FIRST, SECOND] },
    settings: { authenticatedRedirect: true },
  })
  const [alice, other] = [world.client(), world.client()]
  const answers = [alice.allocate(), other.allocate()]
  expect(answers.map(({ code }) => code)).toEqual([300, 300])
  // What has not logged in yet takes no turn of the list.
  expect(answers.map(alternate)).toEqual(['198.18.0.1:3478', '198.18.0.2:3478'])
  expect(alice.isSigned(answers[0]!)).toBe(true)
})

test('SEC-12 redirects over UDP are limited for each source', () => {
  const world = new TurnWorld({ alternateServers: { udp: [FIRST] }, challengesPerSecond: 2 })
  expect([sentTo(world), sentTo(world), sentTo(world)]).toEqual(['198.18.0.1:3478', '198.18.0.1:3478', null])
  expect(world.dropped).toEqual({ 'challenge-limit': 1 })
})
