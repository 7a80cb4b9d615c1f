import { expect } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import type { Relay } from '../../src/turn/allocation.ts'
import type { ClientTransport } from '../../src/turn/five-tuple.ts'
import type { Answer } from './turn-client.ts'
import { ALICE, TurnWorld, type WorldClient, type WorldOptions } from './turn-world.ts'

export const PEER = '203.0.113.5:4000'
export const CHANNEL = 0x4000
/** How long a client may take to be heard on its new path. */
export const MOVE_SECONDS = 30

export const emptyTicket = (writer: StunWriter) => writer.empty(Attribute.MOBILITY_TICKET)

/** With mobility on. */
export function mobileWorld(options: WorldOptions = {}): TurnWorld {
  return new TurnWorld({ ...options, settings: { mobility: true, ...options.settings } })
}

export function ticketOf(answer: Answer): string {
  const ticket = answer.message.text(Attribute.MOBILITY_TICKET)
  if (ticket === null) throw new Error(`no ticket in an answer ${answer.code}`)
  return ticket
}

export function refreshWith(
  client: WorldClient,
  ticket: string,
  write: (writer: StunWriter) => unknown = () => {},
): Answer {
  return client.demand(Method.REFRESH, (writer) => write(writer.text(Attribute.MOBILITY_TICKET, ticket)))
}

/** A client with an allocation, a permission, a channel and a ticket. */
export function settled(world: TurnWorld, transport: ClientTransport = 'udp'): { client: WorldClient; ticket: string } {
  const client = world.client(ALICE, transport)
  const ticket = ticketOf(client.allocate(emptyTicket))
  client.bind(CHANNEL, PEER)
  return { client, ticket }
}

/** Who gets what the peer sends now; null when nobody does. */
export function receiver(world: TurnWorld): string | null {
  const before = world.effects.toClient.length
  world.peerData(relay(world), PEER, Buffer.from('hey'))
  const sent = world.effects.toClient[before]
  return sent === undefined ? null : sent.client.client.toString()
}

/** Whether the peer gets what this client sends by channel. */
export function reaches(client: WorldClient): boolean {
  const { toPeer } = client.world.effects
  const before = toPeer.length
  client.sendChannelData(CHANNEL, 'hello')
  return toPeer.length > before
}

/** The relayed address of the only allocation. */
export function relay(world: TurnWorld): Relay {
  return [...world.server.allocations][0]!.relays[0]!
}

export function nothingIsLeft(world: TurnWorld): void {
  expect(world.server.allocations.size).toBe(0)
  expect(world.server.allocations.moves).toBe(0)
  expect(world.server.allocations.tickets.size).toBe(0)
  expect(world.server.allocations.options.sources.size).toBe(0)
  expect(world.effects.open.size).toBe(0)
  expect(world.options.quota.total).toBe(0)
}

/** As `receiver` names it. */
export const at = ({ fiveTuple }: WorldClient): string => fiveTuple.client.toString()
