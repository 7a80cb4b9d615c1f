import { describe, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { Attribute } from '../../../src/stun/constants.ts'
import type { StunWriter } from '../../../src/stun/writer.ts'
import { FiveTuple } from '../../../src/turn/five-tuple.ts'
import { dual } from '../../support/turn-client.ts'
import { ALICE, TurnWorld, WorldClient } from '../../support/turn-world.ts'

const LAN = '192.168.1.5'
const DOCKER = '172.17.0.1'
const LAN_6 = '2001:db8::5'
const EVERY_ADDRESS = [DOCKER, LAN, LAN_6, '127.0.0.1', '::1']

const ipv6 = (writer: StunWriter) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000)

let clients = 0

/** A client that reached us at `host`. */
function clientAt(world: TurnWorld, host: string): WorldClient {
  const server = Address.parse(host, 3478)!
  const client = Address.parse(server.family === 4 ? '192.168.1.77' : '2001:db8::77', 30_000 + clients++)!
  return new WorldClient(world, ALICE, new FiveTuple('udp', client, server, 0, 0))
}

function relayHosts(client: WorldClient, write?: (writer: StunWriter) => unknown): string[] {
  return client
    .allocate(write)
    .addresses(Attribute.XOR_RELAYED_ADDRESS)
    .map(({ host }) => host)
}

describe('when nobody chose relay addresses', () => {
  const everywhere = { relayAddresses: EVERY_ADDRESS, relayWhereReached: true } as const

  test.each([LAN, DOCKER, '127.0.0.1'])(
    'TURN-ALLOC-18 a client that reached %s relays from there, each time',
    (host) => {
      const world = new TurnWorld(everywhere)
      for (let i = 0; i < 6; i++) expect(relayHosts(clientAt(world, host))).toEqual([host])
    },
  )

  test('TURN-ALLOC-18 TURN-DUAL-01 of the other family it gets the first that is no loopback', () => {
    const world = new TurnWorld({ ...everywhere, relayAddresses: ['::1', '127.0.0.1', LAN_6, DOCKER, LAN] })
    expect(relayHosts(clientAt(world, LAN), ipv6)).toEqual([LAN_6])
    expect(relayHosts(clientAt(world, LAN), dual)).toEqual([LAN, LAN_6])
    expect(relayHosts(clientAt(world, LAN_6))).toEqual([DOCKER])
  })

  test('TURN-ALLOC-10 a family of which there is nothing but loopback is 440 to others, and served to loopback', () => {
    const world = new TurnWorld({ ...everywhere, relayAddresses: [LAN, '127.0.0.1', '::1'] })
    expect(clientAt(world, LAN).allocate(ipv6).code).toBe(440)
    expect(relayHosts(clientAt(world, LAN), dual)).toEqual([LAN])
    expect(relayHosts(clientAt(world, '127.0.0.1'), ipv6)).toEqual(['::1'])
  })

  test('an address that is no relay address, such as the one a proxy was reached at, counts for nothing', () => {
    const world = new TurnWorld({ ...everywhere, relayAddresses: [LAN, DOCKER] })
    expect(relayHosts(clientAt(world, '203.0.113.1'))).toEqual([LAN])
  })

  test('TURN-ALLOC-13 a full address is 508, never another interface', () => {
    const world = new TurnWorld({ ...everywhere, ports: [50000, 50000] })
    expect(relayHosts(clientAt(world, LAN))).toEqual([LAN])
    expect(clientAt(world, LAN).allocate().code).toBe(508)
  })
})

test('chosen relay addresses are used in turn, wherever a client reached us', () => {
  const world = new TurnWorld({ relayAddresses: [LAN, DOCKER, LAN_6] })
  const hosts = Array.from({ length: 4 }, () => relayHosts(clientAt(world, LAN))[0])
  expect(hosts.toSorted()).toEqual([DOCKER, DOCKER, LAN, LAN])
  expect(relayHosts(clientAt(world, LAN), ipv6)).toEqual([LAN_6])
})
