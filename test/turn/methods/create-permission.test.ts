import { describe, expect, test } from 'vitest'
import type { Address } from '../../../src/stun/address.ts'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { dual } from '../../support/turn-client.ts'
import { ALICE, addressOf, TurnWorld } from '../../support/turn-world.ts'

const PEER = '203.0.113.5:4000'
const OTHER = '203.0.113.6:4000'
const LOOPBACK = '127.0.0.1:4000'

function allocated(options = {}) {
  const world = new TurnWorld(options)
  const alice = world.client()
  alice.allocate()
  return { world, alice }
}

test('TURN-PERM-01 no peer is 400', () => {
  const { alice } = allocated()
  expect(alice.permit().code).toBe(400)
})

test.each([
  ['of an unknown family', '0003a14bc633640500000000'],
  ['an IPv6 one of 8 bytes', '0002a14bc6336405'],
  ['cut short', '0001a14b'],
])('TURN-PERM-01 SEC-06 a peer address %s is 400', (_name, hex) => {
  const { world, alice } = allocated()
  const answer = alice.demand(Method.CREATE_PERMISSION, (writer) =>
    writer
      .xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER))
      .bytes(Attribute.XOR_PEER_ADDRESS, Buffer.from(hex, 'hex')),
  )
  expect(answer.code).toBe(400)
  alice.sendIndication(PEER, 'x')
  expect(world.effects.toPeer).toEqual([])
})

test('TURN-PEER-06 a denied range in IPv6 notation refuses the IPv4 peer that is written so, and not the peer', () => {
  const { world, alice } = allocated()
  world.deny('::ffff:0:0-::ffff:ffff:ffff')
  const mapped = addressOf(PEER)
  mapped.family = 6
  mapped.w2 = 0xffff
  const permit = (...peers: Address[]) =>
    alice.demand(Method.CREATE_PERMISSION, (writer) => {
      for (const peer of peers) writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer)
    }).code
  const bind = (peer: Address) =>
    alice.demand(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, 0x40000000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    ).code
  expect([permit(mapped), permit(addressOf(OTHER), mapped), bind(mapped)]).toEqual([403, 403, 403])
  expect([permit(addressOf(PEER)), bind(addressOf(PEER))]).toEqual([200, 200])
  world.deny('198.51.100.99')
  expect([permit(mapped), bind(mapped)]).toEqual([200, 200])
})

test('TURN-PERM-02 it is for the ip, whatever the port', () => {
  const { world, alice } = allocated()
  expect(alice.permit('203.0.113.5:0').code).toBe(200)
  alice.sendIndication('203.0.113.5:1', 'a')
  alice.sendIndication('203.0.113.5:65535', 'b')
  world.effects.clear()
  world.peerData(alice.relay, '203.0.113.5:777', Buffer.from('c'))
  expect(world.effects.toClient).toHaveLength(1)
})

test('TURN-PERM-03 it lasts 300 s, and CreatePermission sets it anew', () => {
  const { world, alice } = allocated()
  alice.permit(PEER)
  world.pass(299)
  alice.sendIndication(PEER, 'a')
  alice.permit(PEER)
  world.pass(299)
  alice.sendIndication(PEER, 'b')
  world.pass(1)
  alice.sendIndication(PEER, 'c')
  expect(world.effects.toPeer.map((sent) => sent.data.toString())).toEqual(['a', 'b'])
})

test('TURN-PERM-03 permission-lifetime changes the 300 s', () => {
  const { world, alice } = allocated({ settings: { permissionLifetimeSeconds: 20 } })
  alice.permit(PEER)
  world.pass(20)
  alice.sendIndication(PEER, 'x')
  expect(world.dropped).toEqual({ 'no-permission': 1 })
})

test('TURN-PERM-04 traffic never extends it', () => {
  const { world, alice } = allocated()
  alice.permit(PEER)
  for (let i = 0; i < 300; i++) {
    alice.sendIndication(PEER, 'x')
    world.peerData(alice.relay, PEER, Buffer.from('x'))
    world.pass(1)
  }
  expect(world.effects.toPeer).toHaveLength(300)
  alice.sendIndication(PEER, 'x')
  world.peerData(alice.relay, PEER, Buffer.from('x'))
  expect(world.effects.toPeer).toHaveLength(300)
  expect(world.dropped).toEqual({ 'no-permission': 2 })
})

test('TURN-PERM-05 TURN-DUAL-04 a family that the allocation does not hold is 443', () => {
  const { world, alice } = allocated()
  expect(alice.permit('[2001:db8:5::5]:4000').code).toBe(443)
  const both = world.client()
  both.allocate(dual)
  expect(both.permit('[2001:db8:5::5]:4000', PEER).code).toBe(200)
  const six = world.client()
  six.allocate((writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000))
  expect(six.permit(PEER).code).toBe(443)
  expect(six.permit('[2001:db8:5::5]:4000').code).toBe(200)
})

test.each([
  ['loopback', '127.0.0.1:1'],
  ['unspecified', '0.0.0.0:1'],
  ['link-local, where clouds keep their metadata', '169.254.169.254:80'],
  ['multicast', '224.0.0.251:5353'],
  ['broadcast', '255.255.255.255:9'],
  ['a denied range', '10.1.2.3:80'],
])('TURN-PERM-06 SEC-01 %s is 403, with not one packet sent', (_name, peer) => {
  const { world, alice } = allocated({ denied: '10.0.0.0/8' })
  const answer = alice.permit(peer)
  expect(answer.code).toBe(403)
  expect(alice.isSigned(answer)).toBe(true)
  expect(world.effects.refusals.at(-1)?.reason).toContain(peer.split(':')[0])
  alice.sendIndication(peer, 'x')
  expect(world.effects.toPeer).toEqual([])
})

test.each(['::1', '::', 'fe80::1', 'fc00::1', 'fec0::1', 'ff02::1', '2002:101:101::1', '2001:0:1::1', '::7f00:1'])(
  'TURN-PERM-06 TURN-PEER-02 TURN-PEER-03 TURN-PEER-04 SEC-01 %s is 403',
  (host) => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate((writer) => writer.uint32(Attribute.REQUESTED_ADDRESS_FAMILY, 0x02000000))
    expect(alice.permit(`[${host}]:1`).code).toBe(403)
    expect(alice.bind(0x4000, `[${host}]:1`).code).toBe(403)
  },
)

describe('all or nothing', () => {
  test.each([
    ['a denied one', LOOPBACK, 403],
    ['one of another family', '[2001:db8:5::5]:1', 443],
  ])('TURN-PERM-07 SEC-06 D-15 with %s among them none is installed or extended', (_name, bad, code) => {
    const { world, alice } = allocated()
    alice.permit(PEER)
    world.pass(200)
    expect(alice.permit(PEER, OTHER, bad).code).toBe(code)
    alice.sendIndication(OTHER, 'never permitted')
    world.pass(100)
    alice.sendIndication(PEER, 'not extended')
    expect(world.effects.toPeer).toEqual([])
  })
})

test('TURN-PERM-08 SEC-29 D-21 the 1025th is 508, earlier ones are kept and can be refreshed', () => {
  const { world, alice } = allocated()
  const peers = Array.from({ length: 1024 }, (_, i) => `198.18.${i >> 8}.${i & 255}:1`)
  for (let i = 0; i < 1024; i += 128) expect(alice.permit(...peers.slice(i, i + 128)).code).toBe(200)
  expect(alice.permit(PEER).code).toBe(508)
  expect(alice.permit(peers[0]!, PEER).code).toBe(508)
  expect(alice.permit(...peers.slice(0, 10)).code).toBe(200)
  alice.sendIndication(peers[0]!, 'x')
  alice.sendIndication(PEER, 'x')
  expect(world.effects.toPeer).toHaveLength(1)
  world.clock.advanceSeconds(300)
  expect(alice.permit(PEER).code).toBe(200)
})

test('TURN-PERM-08 the same ip twice in one request takes one place', () => {
  const { alice } = allocated({ settings: { maxPermissions: 1 } })
  expect(alice.permit('203.0.113.5:1', '203.0.113.5:2').code).toBe(200)
  expect(alice.permit(PEER, OTHER).code).toBe(508)
})

test('TURN-PERM-09 a success has no attributes but its integrity', () => {
  const { alice } = allocated()
  expect(alice.permit(PEER).attributes).toEqual([Attribute.MESSAGE_INTEGRITY])
})

test('TURN-PERM-10 a datagram from a peer without permission is dropped and counted', () => {
  const { world, alice } = allocated()
  alice.permit(PEER)
  world.effects.clear()
  world.peerData(alice.relay, OTHER, Buffer.from('x'))
  expect(world.effects.toClient).toEqual([])
  expect(world.effects.refusals).toEqual([])
  expect(world.dropped).toEqual({ 'no-permission': 1 })
})

test('TURN-PERM-11 it means nothing to another allocation of the same user', () => {
  const { world, alice } = allocated()
  alice.permit(PEER)
  const second = world.client(ALICE)
  second.allocate()
  second.sendIndication(PEER, 'x')
  world.peerData(second.relay, PEER, Buffer.from('x'))
  expect(world.dropped).toEqual({ 'no-permission': 2 })
})

test('TURN-PERM-13 a thousand peers asked for one by one meet no 508 and no 500', () => {
  const { alice } = allocated()
  for (let i = 0; i < 1000; i++) expect(alice.permit(`198.18.${i >> 8}.${i & 255}:1`).code).toBe(200)
})

test('STUN-ATTR-03 every XOR-PEER-ADDRESS of one request counts', () => {
  const { world, alice } = allocated()
  alice.permit(PEER, OTHER, '203.0.113.7:1')
  for (const peer of [PEER, OTHER, '203.0.113.7:1']) alice.sendIndication(peer, 'x')
  expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual([PEER, OTHER, '203.0.113.7:1'])
})

test('SEC-20 STUN-ATTR-13 a peer appended behind MESSAGE-INTEGRITY gets no permission', () => {
  const { world, alice } = allocated()
  const answer = alice.demand(
    Method.CREATE_PERMISSION,
    (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)),
    {
      behind: (writer) =>
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(OTHER)).uint32(Attribute.LIFETIME, 0).end(),
    },
  )
  expect(answer.code).toBe(200)
  alice.sendIndication(OTHER, 'x')
  alice.sendIndication(PEER, 'x')
  expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual([PEER])
})
