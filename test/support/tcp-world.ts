import { Attribute } from '../../src/stun/constants.ts'
import type { ClientTransport } from '../../src/turn/five-tuple.ts'
import type { PeerConnection } from '../../src/turn/tcp/peer-connection.ts'
import { ALICE, TurnWorld, type WorldClient, type WorldOptions } from './turn-world.ts'

export const TCP_PEER = '203.0.113.5:4000'

/** With TCP relaying on. */
export function tcpWorld(options: WorldOptions = {}): TurnWorld {
  return new TurnWorld({ ...options, settings: { tcpRelay: true, ...options.settings } })
}

/** A client with a TCP allocation. */
export function tcpAllocated(options: WorldOptions = {}, transport: ClientTransport = 'tcp') {
  const world = tcpWorld(options)
  const alice = world.client(ALICE, transport)
  alice.allocateTcp((writer) => writer.uint32(Attribute.LIFETIME, 3600))
  return { world, alice }
}

/** Connects to a peer that accepts at once. */
export function connected(client: WorldClient, peer = TCP_PEER): PeerConnection {
  client.connect(peer)
  return client.world.acceptPeer()
}

/** The CONNECTION-ID of the last message to this client. */
export function connectionIdOf(client: WorldClient): number {
  return client.lastAnswer.message.uint32(Attribute.CONNECTION_ID)!
}
