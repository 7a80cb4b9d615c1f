import { strict as assert } from 'node:assert'
import { FrameReader, type Framing } from '../../../src/net/stream/frame-reader.ts'
import { parseProxyHeader } from '../../../src/net/stream/proxy-protocol.ts'
import { Address } from '../../../src/stun/address.ts'
import { Method } from '../../../src/stun/constants.ts'
import { StunMessage } from '../../../src/stun/message.ts'
import { NatBehaviour } from '../../../src/turn/methods/nat-behaviour.ts'
import { ALICE, TurnWorld, type WorldClient, type WorldOptions } from '../../support/turn-world.ts'
import { corpus } from './corpus.ts'
import { type Dice, mutate } from './mutator.ts'

/** One way into the program that strangers have. `step` feeds it once, and throws when something is wrong. */
export interface Target {
  readonly step: () => void
  /** Nothing is left behind when all that was begun has run out. */
  readonly end: () => void
}

const PEER = '203.0.113.5:4000'
const PORTS = [50_000, 50_031] as const

/** All that changes which code a message reaches. */
const WORLDS: Readonly<Record<string, WorldOptions>> = {
  'with credentials asked for': {},
  'anonymous, so that mutations reach the methods': {
    auth: { anonymous: true },
    settings: { rfc3489Compatibility: true, mobility: true },
    natBehaviour: new NatBehaviour(
      ['192.0.2.1', '192.0.2.2'].map((host) => Address.parse(host)!),
      [[3478, 3479]],
    ),
  },
}

export const targets: Readonly<Record<string, (dice: Dice) => Target>> = {
  ...Object.fromEntries(
    Object.entries(WORLDS).map(([name, options]) => [`datagrams, ${name}`, (dice: Dice) => datagrams(dice, options)]),
  ),
  'streams, in any pieces': streams,
  'PROXY protocol headers': proxyHeaders,
}

function datagrams(dice: Dice, options: WorldOptions): Target {
  const world = new TurnWorld({ ports: PORTS, ...options })
  const clients = (['udp', 'udp', 'tcp', 'dtls'] as const).map((transport) => world.client(ALICE, transport))
  const seeds = new Map(clients.map((client) => [client, seedsOf(client)]))
  let steps = 0
  return {
    step: () => {
      const client = dice.of(clients)
      const kind = dice.below(10)
      const valid = dice.of(seeds.get(client)!)
      const bytes = kind === 0 ? dice.bytes(dice.below(80)) : kind === 1 ? valid : mutate(valid, dice)
      named(bytes, () => {
        client.send(bytes)
        if (client.relays.length > 0) world.peerData(client.relay, PEER, dice.bytes(dice.below(30)))
      })
      world.clock.advance(dice.below(2000))
      if (++steps % 16 === 0) world.server.sweep(world.now)
      if (steps % 256 === 0) takeAnswers(world)
      // Nonces run out: a client that never learnt another one would be refused for ever.
      if (steps % 4096 === 0) for (const each of clients) seeds.set(each, seedsOf(each))
    },
    end: () => {
      const { quota, relayPorts } = world.options
      assert.equal(quota.total, world.server.allocations.size + relayPorts.reservations)
      world.clock.advanceSeconds(3600)
      world.server.sweep(world.now)
      assert.equal(world.server.allocations.size, 0)
      assert.equal(world.effects.open.size, 0)
      assert.equal(quota.total, 0)
    },
  }
}

/** Streams of good and bad frames; cut anywhere, they have the same frames. */
function streams(dice: Dice): Target {
  const world = new TurnWorld({ ports: PORTS, auth: { anonymous: true } })
  const client = world.client(ALICE, 'tcp')
  const frames = corpus(client)
  let steps = 0
  return {
    step: () => {
      const parts = Array.from({ length: 1 + dice.below(4) }, () =>
        dice.below(3) === 0 ? mutate(dice.of(frames), dice) : dice.of(frames),
      )
      const stream = Buffer.concat(parts)
      named(stream, () => {
        const whole = framesOf(stream, [stream])
        const cut = framesOf(stream, pieces(stream, dice))
        assert.deepEqual(cut, whole)
        for (const frame of whole.frames) client.send(frame)
      })
      world.clock.advance(dice.below(2000))
      if (++steps % 16 === 0) world.server.sweep(world.now)
      if (steps % 256 === 0) takeAnswers(world)
    },
    end: () => {
      world.server.clientClosed(client.fiveTuple, world.now)
      assert.equal(world.server.allocations.size, 0)
      assert.equal(world.effects.open.size, 0)
    },
  }
}

function proxyHeaders(dice: Dice): Target {
  const headers = [
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1000 3478\r\n'),
    Buffer.from('PROXY TCP6 2001:db8::1 2001:db8::2 1000 3478\r\n'),
    Buffer.from('PROXY UNKNOWN\r\n'),
    Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c000020203e80d96', 'hex'),
    Buffer.from(`0d0a0d0a000d0a515549540a21210024${'20010db8'.repeat(8)}03e80d96`, 'hex'),
    Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
  ]
  return {
    step: () => {
      const bytes = mutate(dice.of(headers), dice)
      named(bytes, () => {
        const header = parseProxyHeader(bytes)
        if (typeof header === 'string') return
        assert.ok(header.length <= bytes.length)
        // What has been read is read in the same way when more has come.
        assert.deepEqual(parseProxyHeader(Buffer.concat([bytes, dice.bytes(9)])), header)
      })
    },
    end: () => {},
  }
}

function seedsOf(client: WorldClient): readonly Buffer[] {
  const challenge = client.ask(Method.ALLOCATE)
  if (challenge?.code === 401) client.learn(challenge)
  return corpus(client)
}

function framesOf(stream: Buffer, chunks: readonly Buffer[]): { readonly frames: Buffer[]; readonly framing: Framing } {
  const frames: Buffer[] = []
  const reader = new FrameReader(
    (bytes, start, end) => {
      frames.push(Buffer.from(bytes.subarray(start, end)))
      return true
    },
    () => stream.length % 2 === 0,
    2048,
  )
  for (const chunk of chunks) {
    const framing = reader.read(chunk)
    if (framing !== 'ok') return { frames, framing }
  }
  return { frames, framing: 'ok' }
}

function pieces(stream: Buffer, dice: Dice): Buffer[] {
  const cut: Buffer[] = []
  for (let at = 0; at < stream.length; ) {
    const next = Math.min(stream.length, at + 1 + dice.below(dice.below(2) === 0 ? 4 : 400))
    cut.push(Buffer.from(stream.subarray(at, next)))
    at = next
  }
  return cut
}

function takeAnswers(world: TurnWorld): void {
  for (const { bytes } of world.effects.toClient) {
    if (bytes[0]! >= 0x40) assert.ok(bytes.length >= 4 + bytes.readUInt16BE(2))
    else if (bytes.readUInt32BE(4) === 0x2112a442) assert.notEqual(StunMessage.parse(bytes), null)
  }
  world.effects.clear()
}

function named(bytes: Buffer, action: () => void): void {
  try {
    action()
  } catch (error) {
    throw new Error(`fed with ${bytes.toString('hex')}`, { cause: error })
  }
}
