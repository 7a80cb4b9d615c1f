import { describe, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../../src/stun/constants.ts'
import type { Relay } from '../../../src/turn/allocation.ts'
import { Answer } from '../../support/turn-client.ts'
import { TurnWorld } from '../../support/turn-world.ts'

const PEER = Address.parse('203.0.113.5', 7000)!
const UNREACHABLE = { type: 3, code: 3, data: 1234 }

function allocated(peer = PEER) {
  const world = new TurnWorld()
  const alice = world.client()
  expect(alice.allocate().code).toBe(200)
  expect(alice.permit(peer.toString()).code).toBe(200)
  const [relay] = [...world.effects.open] as [Relay]
  world.effects.clear()
  const told = () => world.effects.toClient.map(({ bytes }) => new Answer(bytes))
  return { world, alice, relay, told }
}

describe('ICMP errors about peers', () => {
  test('TURN-ICMP-01 reach the client as a Data indication without DATA', () => {
    const { world, relay, told } = allocated()
    world.server.peerError(relay, PEER, UNREACHABLE, world.now)
    const [data, more] = told()
    expect(more).toBeUndefined()
    expect(data!.message).toMatchObject({ method: Method.DATA, messageClass: MessageClass.INDICATION })
    expect(data!.attributes).toEqual([Attribute.XOR_PEER_ADDRESS, Attribute.ICMP])
    expect(data!.address(Attribute.XOR_PEER_ADDRESS)!.toString()).toBe(PEER.toString())
  })

  test.each([
    ['port unreachable', 3, 3, '0000030300000000'],
    ['fragmentation needed, with the MTU', 3, 4, '00000304000004d2'],
    ['time exceeded', 11, 0, '00000b0000000000'],
  ])('TURN-ICMP-03 %s', (_name, type, code, value) => {
    const { world, relay, told } = allocated()
    world.server.peerError(relay, PEER, { type, code, data: 1234 }, world.now)
    expect(told()[0]!.message.value(Attribute.ICMP)!.toString('hex')).toBe(value)
  })

  test.each([0, 4, 5, 8, 12])('TURN-ICMP-01 ICMPv4 type %i is none of the clients', (type) => {
    const { world, relay, told } = allocated()
    world.server.peerError(relay, PEER, { type, code: 0, data: 0 }, world.now)
    expect(told()).toEqual([])
  })

  test('TURN-ICMP-02 only about peers with a permission, while it lasts', () => {
    const { world, relay, told } = allocated()
    world.server.peerError(relay, Address.parse('203.0.113.6', 7000)!, UNREACHABLE, world.now)
    expect(told()).toEqual([])
    world.pass(301)
    world.server.peerError(relay, PEER, UNREACHABLE, world.now)
    expect(told()).toEqual([])
  })

  test('TURN-ICMP-04 the allocation lives on', () => {
    const { world, relay } = allocated()
    world.server.peerError(relay, PEER, UNREACHABLE, world.now)
    expect(world.server.allocations.size).toBe(1)
    expect(world.effects.open.size).toBe(1)
  })

  test('TURN-ICMP-05 at most ten a second for one allocation', () => {
    const { world, relay, told } = allocated()
    for (let i = 0; i < 100; i++) world.server.peerError(relay, PEER, UNREACHABLE, world.now + i * 10)
    expect(told()).toHaveLength(10)
  })
})
