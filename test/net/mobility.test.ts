import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { PortableTurn } from '../../src/net/portable-turn.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { TurnServer } from '../../src/turn/turn-server.ts'
import { LoopbackClient, startTurn } from '../support/loopback-turn.ts'
import { type Answer, channelData } from '../support/turn-client.ts'

const CHANNEL = 0x4001
const PAYLOAD = Buffer.from('across')

let portable: PortableTurn<TurnServer>
let peer: Socket
let peerAddress: Address

beforeEach(async () => {
  portable = await startTurn({}, { mobility: true })
  peer = createSocket('udp4')
  peer.bind(0, '127.0.0.1')
  await once(peer, 'listening')
  peerAddress = Address.parse('127.0.0.1', peer.address().port)!
})
afterEach(async () => {
  await new Promise<void>((resolve) => peer.close(() => resolve()))
  await portable.close()
})

const ticketOf = (answer: Answer): string => answer.message.text(Attribute.MOBILITY_TICKET)!

/** Meets the challenge of its own address first, as every client does. */
async function refreshWith(client: LoopbackClient, ticket: string): Promise<Answer> {
  client.learn(await client.ask(Method.REFRESH))
  return client.ask(Method.REFRESH, (writer) => writer.text(Attribute.MOBILITY_TICKET, ticket))
}

/** What the peer gets from this client, and what the client gets for its answer. */
async function exchange(client: LoopbackClient): Promise<void> {
  const heard = once(peer, 'message')
  client.send(channelData(CHANNEL, PAYLOAD, 2))
  const [bytes, from] = (await heard) as [Buffer, { port: number }]
  expect(bytes).toEqual(PAYLOAD)
  peer.send(bytes, from.port, '127.0.0.1')
  const back = await client.inbox.next()
  expect(back.subarray(0, 4 + PAYLOAD.length)).toEqual(channelData(CHANNEL, PAYLOAD))
}

test.each([
  ['udp', 'udp'],
  ['udp', 'tcp'],
  ['tcp', 'udp'],
  ['tcp', 'tls'],
  ['tls', 'udp'],
] as const)('TURN-MOB-03 TURN-MOB-07 packets follow a client from %s to %s over real sockets', async (from, to) => {
  const client = await LoopbackClient.connect(portable, from)
  const ticket = ticketOf(await client.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET)))
  await client.bind(CHANNEL, peerAddress)
  await exchange(client)
  const moved = await LoopbackClient.connect(portable, to)
  expect((await refreshWith(moved, ticket)).code).toBe(200)
  await exchange(moved)
  client.close()
  await exchange(moved)
  expect(portable.driver.turn.allocations.size).toBe(1)
  expect(portable.driver.plane.openRelays).toBe(1)
  await moved.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))
  expect(portable.driver.plane.openRelays).toBe(0)
  moved.close()
})

test('TURN-MOB-07 a closed connection leaves the relay open until somebody comes with the ticket', async () => {
  const client = await LoopbackClient.connect(portable, 'tcp')
  const ticket = ticketOf(await client.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET)))
  await client.bind(CHANNEL, peerAddress)
  client.close()
  await vi.waitFor(() => expect(portable.driver.counters.openConnections.tcp).toBe(0))
  expect(portable.driver.plane.openRelays).toBe(1)
  const moved = await LoopbackClient.connect(portable, 'udp')
  expect((await refreshWith(moved, ticket)).code).toBe(200)
  await exchange(moved)
})
