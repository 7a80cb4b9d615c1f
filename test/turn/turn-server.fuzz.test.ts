import { describe, expect, test } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { StunMessage } from '../../src/stun/message.ts'
import { channelData } from '../support/turn-client.ts'
import { ALICE, addressOf, TurnWorld, udp, type WorldClient, type WorldOptions } from '../support/turn-world.ts'

const DATAGRAMS = 50_000
/** A loaded machine gets through fewer of them. */
const MOST_MILLISECONDS = 5_000

/** A small generator with a seed, so that a failure can be had again. */
class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 1
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}

function validDatagrams(alice: WorldClient): Buffer[] {
  const peer = addressOf('203.0.113.5:4000')
  return [
    alice.request(Method.BINDING, () => {}, { login: null, fingerprint: true }),
    alice.request(Method.ALLOCATE, (writer) => udp(writer).uint32(Attribute.LIFETIME, 900)),
    alice.request(Method.ALLOCATE, (writer) => udp(writer).uint8(Attribute.EVEN_PORT, 0x80)),
    alice.request(Method.ALLOCATE, (w) => udp(w).uint32(Attribute.ADDITIONAL_ADDRESS_FAMILY, 0x02000000)),
    alice.request(Method.ALLOCATE, (writer) => udp(writer).bytes(Attribute.RESERVATION_TOKEN, Buffer.alloc(8))),
    alice.request(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0)),
    alice.request(Method.REFRESH, (writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x01000000)),
    alice.request(Method.CREATE_PERMISSION, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    ),
    alice.request(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    ),
    alice.indication(Method.SEND, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer).bytes(Attribute.DATA, Buffer.from('payload')),
    ),
    channelData(0x4000, Buffer.from('payload'), 1),
  ]
}

function mutate(bytes: Buffer, dice: Dice): Buffer {
  let mutated = Buffer.from(bytes)
  for (let times = dice.below(4); times >= 0; times--) {
    const at = dice.below(mutated.length || 1)
    const kind = dice.below(6)
    if (kind === 0) mutated = Buffer.concat([mutated.subarray(0, at), dice.bytes(dice.below(9)), mutated.subarray(at)])
    else if (kind === 1) mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(at + 1 + dice.below(8))])
    else if (mutated.length > 0) mutated[at] = kind === 2 ? dice.below(256) : mutated[at]! ^ (1 << dice.below(8))
  }
  // Half of them stay well-formed by length, so that the attributes behind are reached.
  if (mutated.length >= 20 && mutated[0]! < 4 && dice.below(2) === 0) {
    mutated = mutated.subarray(0, mutated.length & ~3)
    mutated.writeUInt16BE(mutated.length - 20, 2)
    mutated.writeUInt32BE(0x2112a442, 4)
  }
  return mutated
}

describe('no datagram makes the server throw', () => {
  test.each<[string, WorldOptions]>([
    ['with credentials asked for', {}],
    [
      'anonymous, so that mutations reach the methods',
      { auth: { anonymous: true }, settings: { rfc3489Compatibility: true } },
    ],
  ])('SEC-34 STUN-ERR-09 %s', (_name, options) => {
    const seed = 20_261_122
    const dice = new Dice(seed)
    const world = new TurnWorld({ ports: [50000, 50031], ...options })
    const clients = (['udp', 'udp', 'tcp', 'dtls'] as const).map((transport) => world.client(ALICE, transport))
    for (const client of clients) client.learn(client.ask(Method.ALLOCATE)!)
    const seeds = clients.map(validDatagrams)
    const startedAt = performance.now()
    let done = 0
    for (; done < DATAGRAMS && performance.now() - startedAt < MOST_MILLISECONDS; done++) {
      const which = dice.below(clients.length)
      const kind = dice.below(10)
      const valid = seeds[which]![dice.below(seeds[which]!.length)]!
      const bytes = kind === 0 ? dice.bytes(dice.below(80)) : kind === 1 ? valid : mutate(valid, dice)
      const client = clients[which]!
      try {
        client.send(bytes)
        if (client.relays.length > 0) world.peerData(client.relay, '203.0.113.5:4000', dice.bytes(dice.below(30)))
      } catch (error) {
        throw new Error(`datagram ${done} of seed ${seed}: ${bytes.toString('hex')}`, { cause: error })
      }
      world.clock.advance(dice.below(2000))
      if (done % 16 === 0) world.server.sweep(world.now)
      if (done % 256 === 0) {
        for (const { bytes } of world.effects.toClient) expectWellFormed(bytes)
        world.effects.clear()
      }
    }
    expect(done).toBeGreaterThan(1000)
    const { quota, relayPorts } = world.options
    expect(quota.total).toBe(world.server.allocations.size + relayPorts.reservations)
    world.clock.advanceSeconds(3600)
    world.server.sweep(world.now)
    expect(world.server.allocations.size).toBe(0)
    expect(world.effects.open.size).toBe(0)
    expect(quota.total).toBe(0)
  })
})

function expectWellFormed(bytes: Buffer): void {
  if (bytes[0]! >= 0x40) expect(bytes.length).toBeGreaterThanOrEqual(4 + bytes.readUInt16BE(2))
  else if (bytes.readUInt32BE(4) === 0x2112a442) expect(StunMessage.parse(bytes)).not.toBeNull()
}
