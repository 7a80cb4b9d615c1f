import { describe, expect, test } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { Attribute, MessageClass, Method } from '../../src/stun/constants.ts'
import { verifyFingerprint } from '../../src/stun/integrity.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import { HEADROOM, TAILROOM } from '../../src/turn/effects.ts'
import type { ClientTransport } from '../../src/turn/five-tuple.ts'
import { Answer, channelData, dual } from '../support/turn-client.ts'
import { ALICE, addressOf, BOB, TurnWorld, type WorldClient, type WorldOptions } from '../support/turn-world.ts'

const PEER = '203.0.113.5:4000'
const OTHER = '203.0.113.6:4000'
const PEER6 = '[2001:db8:5::5]:4000'

/** A client with a permission for PEER's ip and channel 0x4000 bound to OTHER. */
function relaying(options: WorldOptions = {}, transport: ClientTransport = 'udp') {
  const world = new TurnWorld(options)
  const alice = world.client(ALICE, transport)
  alice.allocate(dual)
  alice.permit(PEER, PEER6)
  alice.bind(0x4000, OTHER)
  world.effects.clear()
  return { world, alice, relay: alice.relay }
}

function sent(world: TurnWorld): [string, string][] {
  return world.effects.toPeer.map(({ peer, data }) => [peer, data.toString()])
}

function received(world: TurnWorld): Buffer[] {
  return world.effects.toClient.map(({ bytes }) => bytes)
}

describe('Send', () => {
  test('relays what a permission allows, from the relayed address', () => {
    const { world, alice, relay } = relaying()
    alice.sendIndication(PEER, 'hello')
    expect(sent(world)).toEqual([[PEER, 'hello']])
    expect(world.effects.toPeer[0]?.relay).toBe(relay)
    expect(world.effects.toClient).toEqual([])
  })

  test('TURN-SEND-01 TURN-PEER-09 SEC-08 without peer, port or data, or with an invalid peer, it is dropped', () => {
    const { world, alice } = relaying()
    const data = Buffer.from('x')
    const invalid = Buffer.from('0002a14bc6336405', 'hex')
    const writes: ((writer: StunWriter) => unknown)[] = [
      (writer) => writer.bytes(Attribute.DATA, data),
      (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)),
      (writer) => writer.bytes(Attribute.XOR_PEER_ADDRESS, invalid).bytes(Attribute.DATA, data),
      (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf('203.0.113.5:0')).bytes(Attribute.DATA, data),
    ]
    for (const write of writes) alice.send(alice.indication(Method.SEND, write))
    expect(sent(world)).toEqual([])
    expect(world.effects.toClient).toEqual([])
    expect(world.dropped).toEqual({ 'bad-indication': 4 })
  })

  test('TURN-SEND-02 empty DATA sends an empty datagram', () => {
    const { world, alice } = relaying()
    alice.sendIndication(PEER, '')
    expect(sent(world)).toEqual([[PEER, '']])
  })

  test('TURN-SEND-03 an ip without permission is dropped', () => {
    const { world, alice } = relaying()
    alice.sendIndication('203.0.113.7:4000', 'x')
    expect(sent(world)).toEqual([])
    expect(world.dropped).toEqual({ 'no-permission': 1 })
  })

  test('TURN-SEND-04 it leaves from the relayed address of the family of the peer', () => {
    const { world, alice } = relaying()
    alice.sendIndication(PEER, 'four')
    alice.sendIndication(PEER6, 'six')
    expect(world.effects.toPeer.map(({ relay }) => relay.local.family)).toEqual([4, 6])
  })

  test('TURN-SEND-04 a family without relayed address is dropped', () => {
    const world = new TurnWorld({ settings: { serverRelay: true } })
    const alice = world.client()
    alice.allocate()
    alice.sendIndication(PEER6, 'x')
    expect(sent(world)).toEqual([])
  })

  test('TURN-SEND-05 works also to a peer that has a channel', () => {
    const { world, alice } = relaying()
    alice.sendIndication(OTHER, 'x')
    expect(sent(world)).toEqual([[OTHER, 'x']])
  })

  test('TURN-SEND-06 DONT-FRAGMENT without a way to set DF is dropped, else relayed', () => {
    const { world, alice } = relaying()
    alice.sendIndication(PEER, 'x', (writer) => writer.empty(Attribute.DONT_FRAGMENT))
    expect(sent(world)).toEqual([])
    const able = relaying({ settings: { dontFragment: true } })
    able.alice.sendIndication(PEER, 'x', (writer) => writer.empty(Attribute.DONT_FRAGMENT))
    expect(sent(able.world)).toEqual([[PEER, 'x']])
    able.alice.sendIndication(PEER, 'x', (writer) => writer.uint32(Attribute.DONT_FRAGMENT, 0))
    expect(sent(able.world)).toHaveLength(1)
  })

  test.each([false, true])('TURN-SEND-06 DONT-FRAGMENT from IPv4 to IPv6 is ignored (able: %o)', (able) => {
    const { world, alice } = relaying({ settings: { dontFragment: able } })
    const asked: (boolean | undefined)[] = []
    world.effects.sendToPeer = (_relay, _peer, _bytes, _start, _end, dontFragment) => asked.push(dontFragment)
    alice.sendIndication(PEER6, 'x', (writer) => writer.empty(Attribute.DONT_FRAGMENT))
    expect(asked).toEqual([false])
  })

  test('STUN-ERR-05 an unknown required attribute drops it, an optional one does not', () => {
    const { world, alice } = relaying()
    alice.sendIndication(PEER, 'x', (writer) => writer.uint32(0x7abc, 1))
    expect(sent(world)).toEqual([])
    alice.sendIndication(PEER, 'y', (writer) => writer.uint32(0xff05, 1))
    expect(sent(world)).toEqual([[PEER, 'y']])
  })

  test('STUN-AUTH-11 integrity in an indication is ignored, right or wrong', () => {
    const { world, alice } = relaying()
    alice.sendIndication(PEER, 'x', (writer) => writer.bytes(Attribute.MESSAGE_INTEGRITY, Buffer.alloc(20)))
    expect(sent(world)).toEqual([[PEER, 'x']])
  })
})

describe('Data', () => {
  test('TURN-DATA-01 a datagram of a permitted peer comes as an indication', () => {
    const { world, relay } = relaying()
    world.peerData(relay, PEER, Buffer.from('hello'))
    world.peerData(relay, PEER, Buffer.from('again'))
    const [first, second] = received(world).map((bytes) => new Answer(bytes))
    expect(first?.message.method).toBe(Method.DATA)
    expect(first?.message.messageClass).toBe(MessageClass.INDICATION)
    expect(first?.attributes).toEqual([Attribute.XOR_PEER_ADDRESS, Attribute.DATA])
    expect(first?.address(Attribute.XOR_PEER_ADDRESS)?.toString()).toBe(PEER)
    expect(first?.message.value(Attribute.DATA)?.toString()).toBe('hello')
    expect(first?.message.transactionId()).not.toEqual(second?.message.transactionId())
  })

  test('TURN-DATA-01 STUN-HDR-11 a thousand indications have a thousand transaction ids', () => {
    const { world, relay } = relaying()
    for (let i = 0; i < 1000; i++) world.peerData(relay, PEER, Buffer.from('x'))
    expect(new Set(received(world).map((bytes) => bytes.toString('hex', 8, 20))).size).toBe(1000)
  })

  test.each(['a', 'ab', 'abc', 'abcd', 'abcde'])(
    'TURN-DATA-01 STUN-ATTR-14 %o comes from an IPv6 peer, padded with zeros',
    (text) => {
      const { world, alice } = relaying()
      world.peerData(alice.relays[1]!, PEER6, Buffer.from(text))
      const bytes = received(world)[0]!
      const answer = new Answer(bytes)
      expect(answer.address(Attribute.XOR_PEER_ADDRESS)?.toString()).toBe(PEER6)
      expect(answer.message.value(Attribute.DATA)?.toString()).toBe(text)
      expect(bytes.subarray(20 + 24 + 4 + text.length).every((byte) => byte === 0)).toBe(true)
    },
  )

  test('TURN-DATA-02 TURN-CDATA-01 a bound peer comes as ChannelData', () => {
    const { world, relay } = relaying()
    world.peerData(relay, OTHER, Buffer.from('hello'))
    expect(received(world).map((bytes) => bytes.toString('hex'))).toEqual([
      `40000005${Buffer.from('hello').toString('hex')}`,
    ])
  })

  test('TURN-DATA-03 another port of a bound ip comes as Data', () => {
    const { world, relay } = relaying()
    world.peerData(relay, '203.0.113.6:4001', Buffer.from('x'))
    const answer = new Answer(received(world)[0]!)
    expect(answer.address(Attribute.XOR_PEER_ADDRESS)?.toString()).toBe('203.0.113.6:4001')
  })

  test('TURN-DATA-04 TURN-CDATA-06 empty datagrams are forwarded both ways', () => {
    const { world, relay } = relaying()
    world.peerData(relay, PEER, Buffer.alloc(0))
    world.peerData(relay, OTHER, Buffer.alloc(0))
    const [data, channel] = received(world)
    expect(new Answer(data!).message.value(Attribute.DATA)).toHaveLength(0)
    expect(channel?.toString('hex')).toBe('40000000')
  })

  test('TURN-DATA-05 NET-UDP-02 D-24 the largest datagram goes through whole', () => {
    const { world, alice, relay } = relaying()
    const large = Buffer.alloc(65_507 - 36, 0x61)
    world.peerData(relay, PEER, large)
    world.peerData(relay, OTHER, Buffer.alloc(65_507, 0x62))
    const [data, channel] = received(world)
    expect(new Answer(data!).message.value(Attribute.DATA)?.equals(large)).toBe(true)
    expect(channel).toHaveLength(65_511)
    alice.sendChannelData(0x4000, Buffer.alloc(65_507, 0x63))
    expect(world.effects.toPeer[0]?.data).toHaveLength(65_507)
  })

  test('TURN-DATA-05 over a stream the largest IPv4 datagram fits a Data indication, with FINGERPRINT too', () => {
    const { world, relay } = relaying({ settings: { fingerprint: true } }, 'tcp')
    world.peerData(relay, PEER, Buffer.alloc(65_507, 0x61))
    const answer = new Answer(received(world)[0]!)
    expect(answer.message.value(Attribute.DATA)).toHaveLength(65_507)
    expect(verifyFingerprint(answer.message)).toBe('right')
  })

  test('TURN-DATA-05 a datagram that no STUN length can tell is dropped and counted', () => {
    const { world, alice } = relaying()
    world.peerData(alice.relays[1]!, PEER6, Buffer.alloc(65_527))
    expect(received(world)).toEqual([])
    expect(world.dropped).toEqual({ 'too-large': 1 })
  })

  test('TURN-DATA-06 a relay of ours is shown by its public address', () => {
    const { alice, bob, world, relayedTo } = twoBehindExternalIp()
    alice.permit(String(bob.relay.advertised))
    bob.permit(String(alice.relay.advertised))
    world.effects.clear()
    alice.sendIndication(String(bob.relay.advertised), 'hi')
    relayedTo(bob)
    const answer = new Answer(received(world)[0]!)
    expect(answer.address(Attribute.XOR_PEER_ADDRESS)?.toString()).toBe(String(alice.relay.advertised))
  })

  test('TURN-DATA-07 media that is early for the channel comes as Data', () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate()
    alice.permit(PEER)
    world.effects.clear()
    world.peerData(alice.relay, PEER, Buffer.from('early'))
    alice.bind(0x4000, PEER)
    world.peerData(alice.relay, PEER, Buffer.from('late'))
    const [early, , late] = received(world)
    expect(new Answer(early!).message.value(Attribute.DATA)?.toString()).toBe('early')
    expect(late?.toString('latin1', 4)).toBe('late')
  })
})

describe('ChannelData', () => {
  test('TURN-CDATA-01 is relayed to the peer of the channel', () => {
    const { world, alice } = relaying()
    alice.sendChannelData(0x4000, 'hello')
    expect(sent(world)).toEqual([[OTHER, 'hello']])
  })

  test('TURN-CDATA-02 SEC-35 a datagram shorter than its length says is dropped', () => {
    const { world, alice } = relaying()
    for (const claimed of [6, 7, 100, 65_535]) {
      const bytes = channelData(0x4000, Buffer.from('hello'))
      bytes.writeUInt16BE(claimed, 2)
      alice.send(bytes)
    }
    expect(sent(world)).toEqual([])
    expect(world.dropped).toEqual({ malformed: 4 })
  })

  test.each([1, 2, 3, 40])('TURN-CDATA-02 %i surplus bytes are ignored', (surplus) => {
    const { world, alice } = relaying()
    alice.sendChannelData(0x4000, 'hello', surplus)
    expect(sent(world)).toEqual([[OTHER, 'hello']])
  })

  test.each([
    ['TURN-CDATA-03', 'tcp', ['61000000', '61620000', '61626300', '61626364']],
    ['TURN-CDATA-03', 'tls', ['61000000', '61620000', '61626300', '61626364']],
    ['TURN-CDATA-04', 'udp', ['61', '6162', '616263', '61626364']],
    ['TURN-CDATA-04', 'dtls', ['61', '6162', '616263', '61626364']],
  ] as const)('%s over %s, padding is as it should be', (_id, transport, expected) => {
    const { world, relay } = relaying({}, transport)
    for (const text of ['a', 'ab', 'abc', 'abcd']) world.peerData(relay, OTHER, Buffer.from(text))
    expect(received(world).map((bytes) => bytes.toString('hex', 4))).toEqual(expected)
    expect(received(world).map((bytes) => bytes.readUInt16BE(2))).toEqual([1, 2, 3, 4])
  })

  test('TURN-CDATA-03 the padding of a stream is expected and not relayed', () => {
    const { world, alice } = relaying({}, 'tcp')
    alice.sendChannelData(0x4000, 'abc', 1)
    expect(sent(world)).toEqual([[OTHER, 'abc']])
  })

  test('TURN-CDATA-05 an unbound number is dropped', () => {
    const { world, alice } = relaying()
    alice.sendChannelData(0x4001, 'x')
    expect(world.dropped).toEqual({ 'unbound-channel': 1 })
  })

  test('TURN-CDATA-06 length 0 sends an empty datagram', () => {
    const { world, alice } = relaying()
    alice.sendChannelData(0x4000, '')
    expect(sent(world)).toEqual([[OTHER, '']])
  })

  test.each([
    ['udp', 0x5000, 0],
    ['udp', 0x7fff, 0],
    ['udp', 0x8000, 0],
    ['udp', 0xffff, 0],
    ['tcp', 0x5000, 0],
    ['tcp', 0x7fff, 0],
    ['tcp', 0x8000, 1],
    ['tcp', 0xffff, 1],
  ] as const)('TURN-CDATA-07 over %s number %i is dropped and closes %i connections', (transport, number, closed) => {
    const { world, alice } = relaying({}, transport)
    alice.sendChannelData(number, 'x')
    expect(sent(world)).toEqual([])
    expect(received(world)).toEqual([])
    expect(world.effects.closedClients).toHaveLength(closed)
    expect(world.server.allocations.size).toBe(1 - closed)
  })

  test('TURN-CDATA-08 extends neither channel nor permission nor allocation', () => {
    const { world, alice } = relaying()
    for (let i = 0; i < 599; i++) {
      alice.sendChannelData(0x4000, 'x')
      world.pass(1)
    }
    alice.sendIndication('203.0.113.6:1', 'x')
    expect(world.effects.toPeer).toHaveLength(600)
    world.pass(1)
    alice.sendChannelData(0x4000, 'x')
    expect(world.effects.toPeer).toHaveLength(600)
    expect(world.server.allocations.size).toBe(0)
  })

  test('TURN-CDATA-10 payloads go out where they came in, in both directions', () => {
    const { world, alice, relay } = relaying()
    const calls: [Buffer, number, number][] = []
    world.effects.sendToPeer = (_relay, _peer, bytes, start, end) => calls.push([bytes, start, end])
    world.effects.sendToClient = (_client, bytes, start, end) => calls.push([bytes, start, end])
    const outbound = channelData(0x4000, Buffer.from('hello'))
    const inbound = Buffer.alloc(HEADROOM + 5 + TAILROOM)
    const send = alice.indication(Method.SEND, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)).bytes(Attribute.DATA, Buffer.from('hello')),
    )
    world.server.receive(outbound, 0, outbound.length, alice.fiveTuple, world.now)
    world.server.receive(send, 0, send.length, alice.fiveTuple, world.now)
    world.server.peerData(relay, addressOf(OTHER), inbound, HEADROOM, HEADROOM + 5, world.now)
    world.server.peerData(relay, addressOf(PEER), inbound, HEADROOM, HEADROOM + 5, world.now)
    expect(calls.map(([bytes]) => bytes)).toEqual([outbound, send, inbound, inbound])
    expect(calls.every(([bytes], i) => bytes === [outbound, send, inbound, inbound][i])).toBe(true)
    expect(calls.map(([, start, end]) => [start, end])).toEqual([
      [4, 9],
      [36, 41],
      [HEADROOM - 4, HEADROOM + 5],
      [HEADROOM - 36, HEADROOM + 8],
    ])
  })

  test('TURN-IP-01 only a Send indication with DONT-FRAGMENT forbids fragments', () => {
    const { world, alice } = relaying({ settings: { dontFragment: true } })
    const calls: (boolean | undefined)[] = []
    world.effects.sendToPeer = (_relay, _peer, _bytes, _start, _end, dontFragment) => calls.push(dontFragment)
    const send = (dontFragment: boolean) =>
      alice.indication(Method.SEND, (writer) => {
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(PEER)).bytes(Attribute.DATA, Buffer.from('hello'))
        return dontFragment ? writer.empty(Attribute.DONT_FRAGMENT) : writer
      })
    for (const bytes of [send(false), send(true), channelData(0x4000, Buffer.from('hello'))])
      world.server.receive(bytes, 0, bytes.length, alice.fiveTuple, world.now)
    expect(calls).toEqual([false, true, false])
  })

  test('TURN-CDATA-10 a packet costs no garbage but the number that its Map look-up needs', () => {
    const { world, alice, relay } = relaying({ settings: { maxPacketsPerSecond: 0 } })
    let relayed = 0
    world.effects.sendToPeer = () => relayed++
    world.effects.sendToClient = () => relayed++
    const outbound = channelData(0x4000, Buffer.alloc(160))
    const inbound = Buffer.alloc(HEADROOM + 160 + TAILROOM)
    const peer = addressOf(OTHER)
    const run = (packets: number) => {
      for (let i = 0; i < packets; i++) {
        world.server.receive(outbound, 0, outbound.length, alice.fiveTuple, world.now)
        world.server.peerData(relay, peer, inbound, HEADROOM, HEADROOM + 160, world.now)
      }
    }
    run(50_000)
    // The least of several rounds: a compilation in between allocates, the packets must not.
    const growth = Array.from({ length: 5 }, () => {
      const before = process.memoryUsage().heapUsed
      run(20_000)
      return Math.abs(process.memoryUsage().heapUsed - before)
    })
    expect(relayed).toBe(2 * 150_000)
    // A boxed key is 16 bytes; the next object would make it 32 or more.
    expect(Math.min(...growth) / 40_000).toBeLessThan(24)
  })
})

describe('rules that change', () => {
  test('TURN-PEER-10 TURN-CDATA-09 SEC-04 traffic to and from a newly denied peer stops with the next datagram', () => {
    const { world, alice, relay } = relaying()
    const traffic = () => {
      alice.sendIndication(PEER, 'x')
      alice.sendChannelData(0x4000, 'x')
      world.peerData(relay, PEER, Buffer.from('x'))
      world.peerData(relay, OTHER, Buffer.from('x'))
    }
    traffic()
    traffic()
    expect([world.effects.toPeer.length, world.effects.toClient.length]).toEqual([4, 4])
    world.deny('203.0.113.0/24')
    traffic()
    expect([world.effects.toPeer.length, world.effects.toClient.length]).toEqual([4, 4])
    expect(world.dropped).toEqual({ 'peer-denied': 4 })
    expect(alice.permit(PEER).code).toBe(403)
    expect(alice.bind(0x4000, OTHER).code).toBe(403)
    world.deny('203.0.113.5')
    traffic()
    expect(world.dropped).toEqual({ 'peer-denied': 6 })
    expect(world.effects.toPeer).toHaveLength(5)
  })

  test('TURN-PEER-01 SEC-04 a Send to a denied ip is dropped also where no permission is needed', () => {
    const { world, alice, relay } = relaying({ settings: { serverRelay: true } })
    alice.sendIndication('203.0.113.77:5', 'x')
    world.peerData(relay, '203.0.113.78:5', Buffer.from('x'))
    expect(sent(world)).toHaveLength(1)
    expect(received(world)).toHaveLength(1)
    alice.sendIndication('127.0.0.1:22', 'x')
    world.peerData(relay, '127.0.0.1:22', Buffer.from('x'))
    expect(world.dropped).toEqual({ 'peer-denied': 2 })
  })
})

describe('peers that are ourselves', () => {
  test('TURN-PEER-05 TURN-PEER-08 SEC-05 relayed addresses of ours are peers, what else is on this machine is not', () => {
    const world = new TurnWorld({ ports: [50000, 50999] })
    const alice = world.client()
    alice.allocate()
    expect(alice.permit('192.0.2.1:0').code).toBe(200)
    const others = [world.client(), world.client()]
    for (const other of others) other.allocate()
    const [one, two] = others.map(({ relay }) => String(relay.local)) as [string, string]
    const relayed = [alice, ...others].map(({ relay }) => relay.local.port)
    const foreign = [50_000, 50_001, 50_002, 50_003].find((port) => !relayed.includes(port))!
    for (const port of [3478, 5349, 22, 49999, 51000, foreign]) {
      alice.sendIndication(`192.0.2.1:${port}`, 'x')
      expect(alice.bind(0x4000, `192.0.2.1:${port}`).code).toBe(403)
    }
    expect(world.effects.toPeer).toEqual([])
    alice.sendIndication(one, 'x')
    alice.sendIndication('192.0.2.1:3478', 'y')
    expect(alice.bind(0x4000, two).code).toBe(200)
    alice.sendChannelData(0x4000, 'z')
    expect(sent(world)).toEqual([
      [one, 'x'],
      [two, 'z'],
    ])
  })

  test('TURN-PEER-07 behind external-ip our public address is turned into the local one', () => {
    const { world, alice, bob, relayedTo } = twoBehindExternalIp()
    const [aliceAt, bobAt] = [String(alice.relay.advertised), String(bob.relay.advertised)]
    alice.permit(bobAt)
    bob.bind(0x4001, aliceAt)
    world.effects.clear()
    alice.sendIndication(bobAt, 'to bob')
    expect(world.effects.toPeer[0]?.peer).toBe(String(bob.relay.local))
    relayedTo(bob)
    expect(received(world)[0]?.toString('latin1', 4)).toBe('to bob')
    world.effects.clear()
    bob.sendChannelData(0x4001, 'to alice')
    expect(world.effects.toPeer[0]?.peer).toBe(String(alice.relay.local))
    relayedTo(alice)
    expect(new Answer(received(world)[0]!).message.value(Attribute.DATA)?.toString()).toBe('to alice')
  })

  test('TURN-PEER-07 a channel is the same by either address', () => {
    const { alice, bob } = twoBehindExternalIp()
    expect(alice.bind(0x4000, String(bob.relay.advertised)).code).toBe(200)
    expect(alice.bind(0x4000, String(bob.relay.local)).code).toBe(200)
    expect(alice.bind(0x4001, String(bob.relay.local)).code).toBe(400)
  })
})

/** alice and bob on one server whose 10.0.0.5 is 203.0.113.9 from outside; `relayedTo` closes the circle on the host. */
function twoBehindExternalIp() {
  const world = new TurnWorld({
    relayAddresses: ['10.0.0.5'],
    externalIps: [{ public: Address.parse('203.0.113.9')!, private: Address.parse('10.0.0.5')! }],
    denied: '10.0.0.0/8',
  })
  const [alice, bob] = [world.client(ALICE), world.client(BOB)]
  alice.allocate()
  bob.allocate()
  const relayedTo = (client: WorldClient) => {
    for (const { relay, peer, data } of world.effects.toPeer) {
      if (peer === String(client.relay.local)) world.peerData(client.relay, String(relay.local), data)
    }
  }
  return { world, alice, bob, relayedTo }
}

describe('limits', () => {
  test('SEC-31 RES-03 max-bps holds each way for each allocation, and requests are not held up by it', () => {
    const { world, alice, relay } = relaying({ settings: { maxBytesPerSecond: 1000 } })
    const kilobyte = Buffer.alloc(100)
    for (let i = 0; i < 50; i++) alice.sendChannelData(0x4000, kilobyte)
    expect(world.effects.toPeer).toHaveLength(10)
    for (let i = 0; i < 50; i++) world.peerData(relay, PEER, kilobyte)
    expect(world.effects.toClient).toHaveLength(10)
    expect(world.dropped).toEqual({ 'over-limit': 80 })
    expect(alice.permit(PEER).code).toBe(200)
    world.clock.advanceSeconds(1)
    alice.sendChannelData(0x4000, kilobyte)
    expect(world.effects.toPeer).toHaveLength(11)
  })

  test('SEC-31 ten thousand packets a second pass, the next does not, and others lose nothing', () => {
    const { world, alice } = relaying()
    const bob = world.client(BOB)
    bob.allocate()
    bob.bind(0x4000, OTHER)
    let relayed = 0
    world.effects.sendToPeer = () => relayed++
    for (let i = 0; i < 10_050; i++) alice.sendChannelData(0x4000, 'x')
    expect(relayed).toBe(10_000)
    expect(world.dropped).toEqual({ 'over-limit': 50 })
    bob.sendChannelData(0x4000, 'x')
    expect(relayed).toBe(10_001)
  })

  test('SEC-31 RES-08 two allocations that relay to each other in a ring stay under the limit', () => {
    const world = new TurnWorld({ settings: { maxPacketsPerSecond: 100 } })
    const [alice, bob] = [world.client(), world.client(BOB)]
    for (const client of [alice, bob]) client.allocate()
    alice.bind(0x4000, String(bob.relay.local))
    bob.bind(0x4000, String(alice.relay.local))
    let hops = 0
    // Each client sends back what it gets: a circle that only the limit can end.
    alice.sendChannelData(0x4000, 'round')
    for (let next = world.effects.toPeer.shift(); next !== undefined; next = world.effects.toPeer.shift()) {
      const at = next.peer === String(bob.relay.local) ? bob : alice
      world.peerData(at.relay, String(next.relay.local), next.data)
      const back = world.effects.toClient.at(-1)!.bytes
      if (++hops < 10_000) at.send(back)
    }
    expect(hops).toBeLessThanOrEqual(202)
  })
})

describe('FINGERPRINT', () => {
  test('STUN-FP-04 a client that sent one gets one in Data indications, over any payload', () => {
    const { world, alice, relay } = relaying()
    world.peerData(relay, PEER, Buffer.from('none yet'))
    alice.send(alice.indication(Method.BINDING, () => {}, { fingerprint: true }))
    alice.demand(Method.REFRESH, () => {}, { fingerprint: true })
    for (const text of ['', 'a', 'ab', 'abc', 'abcd']) world.peerData(relay, PEER, Buffer.from(text))
    world.peerData(alice.relays[1]!, PEER6, Buffer.from('six'))
    const data = received(world)
      .filter((bytes) => bytes[1] === 0x17)
      .map((bytes) => new Answer(bytes))
    expect(data.map((answer) => verifyFingerprint(answer.message))).toEqual(['absent', ...Array(6).fill('right')])
  })

  test('STUN-FP-04 with `fingerprint` on everybody gets one', () => {
    const { world, relay } = relaying({ settings: { fingerprint: true } })
    world.peerData(relay, PEER, Buffer.from('abc'))
    expect(verifyFingerprint(new Answer(received(world)[0]!).message)).toBe('right')
  })
})

test('counters tell packets and payload bytes each way', () => {
  const { world, alice, relay } = relaying()
  alice.sendChannelData(0x4000, 'four')
  alice.sendIndication(PEER, 'sixsix')
  world.peerData(relay, OTHER, Buffer.from('x'))
  world.peerData(relay, PEER, Buffer.from('yy'))
  const { toPeerPackets, toPeerBytes, toClientPackets, toClientBytes } = world.server.counters
  expect([toPeerPackets, toPeerBytes, toClientPackets, toClientBytes]).toEqual([2, 10, 2, 3])
  const { allocation } = relay
  expect([allocation.toPeerPackets, allocation.toPeerBytes]).toEqual([2, 10])
  expect([allocation.toClientPackets, allocation.toClientBytes]).toEqual([2, 3])
})
