import { expect, test } from 'vitest'
import { Attribute, Method } from '../../../src/stun/constants.ts'
import { addressOf, TurnWorld, type WorldOptions } from '../../support/turn-world.ts'

const PEER = '203.0.113.5:4000'
const OTHER = '203.0.113.6:4000'

function allocated(options: WorldOptions = {}) {
  const world = new TurnWorld(options)
  const alice = world.client()
  alice.allocate((writer) => writer.uint32(Attribute.LIFETIME, 3600))
  return { world, alice }
}

const NUMBER = [Attribute.CHANNEL_NUMBER, 0x40000000] as const

test('TURN-CHAN-01 without number or peer, or with an invalid peer, it is 400', () => {
  const { alice } = allocated()
  const codes = [
    alice.demand(Method.CHANNEL_BIND, (writer) => writer.uint32(...NUMBER)),
    alice.demand(Method.CHANNEL_BIND, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER))),
    alice.demand(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(...NUMBER).bytes(Attribute.XOR_PEER_ADDRESS, Buffer.from('0002a14bc6336405', 'hex')),
    ),
    alice.demand(Method.CHANNEL_BIND, (writer) =>
      writer.uint8(Attribute.CHANNEL_NUMBER, 0x40).xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)),
    ),
  ].map((answer) => answer.code)
  expect(codes).toEqual([400, 400, 400, 400])
})

test.each([
  [0x0000, 400, 400],
  [0x3fff, 400, 400],
  [0x4000, 200, 200],
  [0x4fff, 200, 200],
  [0x5000, 200, 400],
  [0x7ffe, 200, 400],
  [0x7fff, 200, 400],
  [0x8000, 400, 400],
  [0xffff, 400, 400],
])('TURN-CHAN-02 D-11 number %i is %i, with rfc8656-channel-numbers %i', (number, code, narrowCode) => {
  expect(allocated().alice.bind(number, PEER).code).toBe(code)
  expect(allocated({ settings: { rfc8656ChannelNumbers: true } }).alice.bind(number, PEER).code).toBe(narrowCode)
})

test('TURN-CHAN-02 the last channel number of RFC 5766 carries data both ways', () => {
  const { world, alice } = allocated()
  alice.bind(0x7fff, PEER)
  alice.sendChannelData(0x7fff, 'out')
  expect(world.effects.toPeer[0]?.data.toString()).toBe('out')
  world.effects.clear()
  world.peerData(alice.relay, PEER, Buffer.from('in'))
  expect(world.effects.toClient[0]?.bytes.toString('hex')).toBe('7fff0002696e')
})

test('TURN-CHAN-03 a number or a peer that is bound otherwise is 400, and the binding stays', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  expect(alice.bind(0x4000, OTHER).code).toBe(400)
  expect(alice.bind(0x4000, '203.0.113.5:4001').code).toBe(400)
  expect(alice.bind(0x4001, PEER).code).toBe(400)
  expect(alice.bind(0x4001, '203.0.113.5:4001').code).toBe(200)
  alice.sendChannelData(0x4000, 'x')
  expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual([PEER])
})

test('TURN-CHAN-04 TURN-CHAN-09 the same number and peer count 600 s anew', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  for (let i = 0; i < 6; i++) {
    world.pass(599)
    alice.sendChannelData(0x4000, 'x')
    alice.refresh(3600)
    if (i < 5) expect(alice.bind(0x4000, PEER).code).toBe(200)
  }
  expect(world.effects.toPeer).toHaveLength(6)
  world.pass(1)
  alice.sendChannelData(0x4000, 'x')
  expect(world.effects.toPeer).toHaveLength(6)
})

test('TURN-CHAN-05 D-12 it makes a permission for the ip that lives as long as the channel', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  world.pass(599)
  world.effects.clear()
  world.peerData(alice.relay, PEER, Buffer.from('x'))
  world.peerData(alice.relay, '203.0.113.5:9', Buffer.from('x'))
  expect(world.effects.toClient).toHaveLength(2)
  alice.sendIndication('203.0.113.5:9', 'x')
  expect(world.effects.toPeer).toHaveLength(1)
  world.pass(1)
  alice.sendIndication('203.0.113.5:9', 'x')
  expect(world.effects.toPeer).toHaveLength(1)
})

test('TURN-CHAN-05 a CreatePermission in between does not shorten it, and a refreshed channel lengthens it', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  alice.permit(PEER)
  world.pass(400)
  alice.sendIndication('203.0.113.5:9', 'a')
  alice.bind(0x4000, PEER)
  world.pass(599)
  alice.sendIndication('203.0.113.5:9', 'b')
  expect(world.effects.toPeer).toHaveLength(2)
})

test('TURN-CHAN-06 TURN-CHAN-10 after 600 s the number and the peer are free at once, swept or not', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  world.clock.advanceSeconds(599)
  alice.refresh(3600)
  expect(alice.bind(0x4001, PEER).code).toBe(400)
  alice.sendChannelData(0x4000, 'in time')
  world.clock.advanceSeconds(1)
  alice.sendChannelData(0x4000, 'late')
  expect(world.effects.toPeer.map((sent) => sent.data.toString())).toEqual(['in time'])
  world.effects.clear()
  expect(alice.bind(0x4000, OTHER).code).toBe(200)
  expect(alice.bind(0x4001, PEER).code).toBe(200)
  world.clock.advanceSeconds(600)
  expect(alice.bind(0x4001, PEER).code).toBe(200)
  alice.sendChannelData(0x4001, 'x')
  expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual([PEER])
})

test('TURN-CHAN-06 channel-lifetime changes the 600 s', () => {
  const { world, alice } = allocated({ settings: { channelLifetimeSeconds: 30 } })
  alice.bind(0x4000, PEER)
  world.pass(29)
  alice.sendChannelData(0x4000, 'x')
  world.pass(1)
  alice.sendChannelData(0x4000, 'x')
  expect(world.effects.toPeer).toHaveLength(1)
  alice.sendIndication(PEER, 'the permission has its own 300 s')
  expect(world.effects.toPeer).toHaveLength(2)
})

test('TURN-CHAN-07 TURN-DUAL-04 a family that is not held is 443', () => {
  expect(allocated().alice.bind(0x4000, '[2001:db8:5::5]:1').code).toBe(443)
})

test('TURN-CHAN-07 D-14 a denied peer is 403, and no permission comes of it', () => {
  const { world, alice } = allocated({ denied: '203.0.113.0/24' })
  expect(alice.bind(0x4000, PEER).code).toBe(403)
  alice.sendChannelData(0x4000, 'x')
  alice.sendIndication(PEER, 'x')
  expect(world.effects.toPeer).toEqual([])
})

test('TURN-CHAN-07 SEC-29 the 1025th channel is 508, and the earlier ones work on', () => {
  const { world, alice } = allocated()
  for (let i = 0; i < 1024; i++) expect(alice.bind(0x4000 + i, `203.0.113.5:${i + 1}`).code).toBe(200)
  expect(alice.bind(0x4400, '203.0.113.5:2000').code).toBe(508)
  expect(alice.bind(0x4000, '203.0.113.5:1').code).toBe(200)
  alice.sendChannelData(0x43ff, 'x')
  expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual(['203.0.113.5:1024'])
})

test('TURN-CHAN-07 SEC-29 a channel that would need one permission too many is 508', () => {
  const { alice } = allocated({ settings: { maxPermissions: 2 } })
  alice.permit(PEER, OTHER)
  expect(alice.bind(0x4000, '203.0.113.7:1').code).toBe(508)
  expect(alice.bind(0x4000, PEER).code).toBe(200)
})

test('TURN-CHAN-11 ChannelData right behind the request is relayed', () => {
  const { world, alice } = allocated()
  const bind = alice.request(Method.CHANNEL_BIND, (writer) =>
    writer.uint32(...NUMBER).xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)),
  )
  alice.send(bind)
  alice.sendChannelData(0x4000, 'at once')
  expect(world.effects.toPeer[0]?.data.toString()).toBe('at once')
})

test('TURN-PEER-09 SEC-08 port 0 is 400', () => {
  const { world, alice } = allocated()
  expect(alice.bind(0x4000, '203.0.113.5:0').code).toBe(400)
  expect(world.effects.refusals.at(-1)?.reason).toBe('peer port 0')
})

test('a success has no attributes but its integrity', () => {
  const { alice } = allocated()
  const answer = alice.bind(0x4000, PEER)
  expect(answer.attributes).toEqual([Attribute.MESSAGE_INTEGRITY])
  expect(alice.isSigned(answer)).toBe(true)
})

test('TURN-CHAN-05 a binding that is renewed for less time than it had is gone with the first sweep behind its new end', () => {
  const { world, alice } = allocated()
  alice.bind(0x4000, PEER)
  world.server.apply({ channelLifetimeSeconds: 60 })
  alice.bind(0x4000, PEER)
  const [allocation] = world.server.allocations
  world.pass(59)
  expect(allocation!.channels.size).toBe(1)
  world.pass(1)
  expect(allocation!.channels.size).toBe(0)
})
