import fc from 'fast-check'
import { expect, test } from 'vitest'
import { channelData } from '../support/turn-client.ts'
import { TurnWorld, type WorldClient } from '../support/turn-world.ts'

/** What ought to be alive, and until when, in seconds. */
interface Model {
  now: number
  allocation: number
  readonly permissions: Map<string, number>
  readonly channels: Map<number, { peer: string; until: number }>
}

interface Real {
  readonly world: TurnWorld
  readonly alice: WorldClient
}

type Command = fc.Command<Model, Real>

const ips = ['203.0.113.1', '203.0.113.2', '203.0.113.3']
const ip = fc.constantFrom(...ips)
const peer = fc.tuple(ip, fc.constantFrom(1000, 2000)).map(([host, port]) => `${host}:${port}`)
const number = fc.constantFrom(0x4000, 0x4001, 0x4fff)

const lives = (model: Model) => model.allocation > model.now
const permitted = (model: Model, host: string) => lives(model) && (model.permissions.get(host) ?? 0) > model.now
const channelTo = (model: Model, target: string) =>
  [...model.channels].find(([, { peer, until }]) => peer === target && until > model.now)?.[0]
const hostOf = (target: string) => target.slice(0, target.indexOf(':'))
const extend = (model: Model, host: string, until: number) =>
  model.permissions.set(host, Math.max(model.permissions.get(host) ?? 0, until))

function command(text: string, run: (model: Model, real: Real) => void): Command {
  return { check: () => true, run, toString: () => text }
}

const allocate = fc.constant('allocate').map((text) =>
  command(text, (model, { alice }) => {
    expect(alice.allocate().code).toBe(lives(model) ? 437 : 200)
    if (lives(model)) return
    model.permissions.clear()
    model.channels.clear()
    model.allocation = model.now + 600
  }),
)

const refresh = fc.constantFrom(0, 600, 1200).map((seconds) =>
  command(`refresh ${seconds}`, (model, { alice }) => {
    expect(alice.refresh(seconds).code).toBe(lives(model) ? 200 : 437)
    if (lives(model)) model.allocation = model.now + seconds
  }),
)

const permit = ip.map((host) =>
  command(`permit ${host}`, (model, { alice }) => {
    expect(alice.permit(`${host}:0`).code).toBe(lives(model) ? 200 : 437)
    if (lives(model)) extend(model, host, model.now + 300)
  }),
)

const bind = fc.tuple(number, peer).map(([channel, target]) =>
  command(`bind ${channel} ${target}`, (model, { alice }) => {
    const held = model.channels.get(channel)
    const other = channelTo(model, target)
    const conflict =
      (held !== undefined && held.until > model.now && held.peer !== target) ||
      (other !== undefined && other !== channel)
    expect(alice.bind(channel, target).code).toBe(!lives(model) ? 437 : conflict ? 400 : 200)
    if (!lives(model) || conflict) return
    model.channels.set(channel, { peer: target, until: model.now + 600 })
    extend(model, hostOf(target), model.now + 600)
  }),
)

const send = peer.map((target) =>
  command(`send ${target}`, (model, { world, alice }) => {
    world.effects.clear()
    alice.sendIndication(target, 'x')
    expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual(permitted(model, hostOf(target)) ? [target] : [])
  }),
)

const sendChannelData = number.map((channel) =>
  command(`channel data ${channel}`, (model, { world, alice }) => {
    world.effects.clear()
    alice.sendChannelData(channel, 'x')
    const bound = model.channels.get(channel)
    const relayed = lives(model) && bound !== undefined && bound.until > model.now
    expect(world.effects.toPeer.map((sent) => sent.peer)).toEqual(relayed ? [bound.peer] : [])
  }),
)

const receive = peer.map((target) =>
  command(`receive ${target}`, (model, { world, alice }) => {
    const { relays } = alice
    if (relays.length === 0) return
    world.effects.clear()
    world.peerData(relays[0]!, target, Buffer.from('x'))
    const sent = world.effects.toClient.map(({ bytes }) => bytes)
    const channel = lives(model) ? channelTo(model, target) : undefined
    if (channel !== undefined) expect(sent).toEqual([channelData(channel, Buffer.from('x'))])
    else expect(sent).toHaveLength(permitted(model, hostOf(target)) ? 1 : 0)
  }),
)

const pass = fc.tuple(fc.constantFrom(1, 100, 299, 300, 301, 599, 600), fc.boolean()).map(([seconds, swept]) =>
  command(`pass ${seconds}${swept ? ' with sweep' : ''}`, (model, { world }) => {
    model.now += seconds
    world.clock.advanceSeconds(seconds)
    if (!swept) return
    world.server.sweep(world.now)
    for (const allocation of world.server.allocations) {
      const kept = [allocation, ...allocation.permissions, ...allocation.channels.values()]
      expect(kept.filter(({ expiresAt }) => expiresAt <= world.now)).toEqual([])
    }
  }),
)

test('TURN-GEN-08 lifetimes of allocations, permissions and channels are those of the model, swept or not', () => {
  const all = [allocate, refresh, permit, bind, bind, send, sendChannelData, receive, pass, pass]
  fc.assert(
    fc.property(fc.commands(all, { maxCommands: 60 }), (commands) => {
      const world = new TurnWorld({ auth: { anonymous: true }, ports: [50000, 50063] })
      const real = { world, alice: world.client(null) }
      fc.modelRun(
        () => ({ model: { now: 0, allocation: 0, permissions: new Map(), channels: new Map() }, real }),
        commands,
      )
      world.clock.advanceSeconds(1200)
      world.server.sweep(world.now)
      expect(world.server.allocations.size).toBe(0)
      expect(world.server.allocations.open.udp).toBe(0)
      expect(world.effects.open.size).toBe(0)
      expect(world.options.quota.total).toBe(0)
    }),
    { numRuns: 300 },
  )
})
