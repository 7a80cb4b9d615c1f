import { fc, test as propertyTest } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Method } from '../../src/stun/constants.ts'
import type { Allocation, Channel } from '../../src/turn/allocation.ts'
import type { TurnEvents } from '../../src/turn/events.ts'
import { emptyTicket, mobileWorld, refreshWith, ticketOf } from '../support/mobile-world.ts'
import { ServerGroup } from '../support/server-group.ts'
import { TurnWorld, udp, type WorldClient } from '../support/turn-world.ts'

const PEER = '203.0.113.5:4000'

/** Keeps what it is told as words, and what is open by what it was told alone. */
class Recorder implements TurnEvents {
  readonly told: string[] = []
  readonly allocations = new Set<Allocation>()
  readonly channels = new Set<Channel>()

  allocationOpened(allocation: Allocation): void {
    this.told.push('opened')
    expect(this.allocations.has(allocation)).toBe(false)
    this.allocations.add(allocation)
  }

  allocationMoved(allocation: Allocation, from: unknown): void {
    this.told.push(from === null ? 'arrived' : 'moved')
    if (from === null) this.allocations.add(allocation)
    expect(this.allocations.has(allocation)).toBe(true)
  }

  allocationEnded(allocation: Allocation, reason: string, detail: string | null): void {
    this.told.push(detail === null ? reason : `${reason}: ${detail}`)
    expect(this.allocations.delete(allocation)).toBe(true)
    for (const channel of this.channels) expect(channel.relay.allocation).not.toBe(allocation)
  }

  channelOpened(channel: Channel): void {
    this.told.push('channel opened')
    expect(this.channels.has(channel)).toBe(false)
    this.channels.add(channel)
  }

  channelRenewed(channel: Channel): void {
    this.told.push('channel renewed')
    expect(this.channels.has(channel)).toBe(true)
  }

  channelClosed(channel: Channel): void {
    this.told.push('channel closed')
    expect(this.channels.delete(channel)).toBe(true)
  }
}

function listened(options: ConstructorParameters<typeof TurnWorld>[0] = {}) {
  const events = new Recorder()
  return { events, world: new TurnWorld({ ...options, events }) }
}

test('a call is opened, its channel opened, renewed and closed, and it ends with a reason', () => {
  const { events, world } = listened()
  const alice = world.client()
  alice.allocate()
  alice.bind(0x4000, PEER)
  alice.bind(0x4000, PEER)
  alice.refresh(0)
  expect(events.told).toEqual(['opened', 'channel opened', 'channel renewed', 'channel closed', 'refreshed-to-0'])
})

test.each<[string, (client: WorldClient, world: TurnWorld) => void]>([
  ['expired', (_, world) => world.pass(601)],
  ['client-gone', (client, world) => world.server.clientClosed(client.fiveTuple, world.now)],
  [
    'operator: abuse',
    (_, world) => {
      const [allocation] = [...world.server.allocations]
      world.server.allocations.release(allocation!, 'operator', world.now, 'abuse')
    },
  ],
  [
    'account-gone',
    (client, world) => {
      world.authenticate({ users: { hasSha256Keys: true, find: () => null, findByHash: () => null } })
      client.refresh()
    },
  ],
])('the reason for an end is %s', (reason, end) => {
  const { events, world } = listened()
  const client = world.client(undefined, 'tcp')
  client.allocate()
  end(client, world)
  expect(events.told).toEqual(['opened', reason])
})

test('an Allocate that gets no relay is never opened, and ends without a word', () => {
  const { events, world } = listened()
  world.opensRelays = false
  const alice = world.client()
  alice.learn(alice.ask(Method.ALLOCATE, udp)!)
  expect(alice.ask(Method.ALLOCATE, udp)).toBeNull()
  world.pass(11)
  expect(events.told).toEqual([])
})

test('RFC 8016 a client that moves keeps its allocation, and one that moves to another server its id', () => {
  const group = new ServerGroup()
  const here = new Recorder()
  const there = new Recorder()
  const settings = { mobility: true }
  const from = new TurnWorld({ group, settings, events: here })
  const to = new TurnWorld({ group, settings, events: there })
  const alice = from.client()
  const ticket = ticketOf(alice.allocate(emptyTicket))
  alice.bind(0x4000, PEER)
  const [{ id } = { id: '' }] = [...from.server.allocations]
  const again = to.client()
  refreshWith(again, ticket)
  again.sendChannelData(0x4000, 'hello')
  expect(here.told).toEqual(['opened', 'channel opened', 'channel closed', 'moved'])
  expect(there.told).toEqual(['channel opened', 'arrived'])
  expect([...to.server.allocations].map((allocation) => allocation.id)).toEqual([id])
})

test('RES-07 one that was given away and has reached nobody comes back, and ends', () => {
  const group = new ServerGroup()
  const events = new Recorder()
  const from = mobileWorld({ group, events })
  const alice = from.client()
  const ticket = ticketOf(alice.allocate(emptyTicket))
  alice.bind(0x4000, PEER)
  const [allocation] = from.server.allocations
  const { id, client, relays } = allocation!
  const next = ticketOf(refreshWith(mobileWorld({ group }).client(), ticket))
  const outgoing = { holder: 0, ticket: next, relay: relays[0]!.local.toString() }
  const answer = from.server.handover.answer({ kind: 'allocation', outgoing }, from.now)
  if (answer.kind !== 'moved') throw new Error('not given away')
  events.told.length = 0
  let ended: Allocation | undefined
  const tell = events.allocationEnded.bind(events)
  events.allocationEnded = (lost, reason, detail) => {
    ended = lost
    tell(lost, reason, detail)
  }
  from.server.handover.returned(structuredClone(answer.allocation), from.now)
  expect(events.told).toEqual(['channel opened', 'arrived', 'channel closed', 'no-relay'])
  expect([ended?.id, `${ended?.client.client}`]).toEqual([id, `${client.client}`])
})

test('RFC 8016 a move on one server is told with where the client was', () => {
  const events = new Recorder()
  const world = mobileWorld({ events })
  const alice = world.client()
  const ticket = ticketOf(alice.allocate(emptyTicket))
  const again = world.client()
  refreshWith(again, ticket)
  again.refresh()
  expect(events.told).toEqual(['opened', 'moved'])
})

test('no two allocations have one id, whichever server and run they are of', () => {
  const ids = [new TurnWorld(), new TurnWorld()].flatMap((world) => {
    for (let i = 0; i < 50; i++) world.client().allocate()
    return Array.from(world.server.allocations, ({ id }) => id)
  })
  expect(new Set(ids).size).toBe(100)
})

const commands = fc.array(
  fc.oneof(
    fc.constant('allocate' as const),
    fc.constant('end' as const),
    fc.constant('close' as const),
    fc.constant('sweep' as const),
    fc.tuple(fc.integer({ min: 0x4000, max: 0x4003 }), fc.integer({ min: 4000, max: 4003 })),
    fc.integer({ min: 1, max: 700 }),
  ),
  { maxLength: 60 },
)

propertyTest.prop([commands])('whoever listens knows at any time what there is', (words) => {
  const { events, world } = listened()
  let client = world.client(undefined, 'tcp')
  for (const word of words) {
    if (word === 'allocate') {
      client = world.client(undefined, 'tcp')
      client.allocate()
    } else if (word === 'end') client.refresh(0)
    else if (word === 'close') world.server.clientClosed(client.fiveTuple, world.now)
    else if (word === 'sweep') world.server.sweep(world.now)
    else if (typeof word === 'number') world.clock.advanceSeconds(word)
    else client.bind(word[0], `203.0.113.5:${word[1]}`)
    const now = Array.from(world.server.allocations)
    expect(new Set(events.allocations)).toEqual(new Set(now))
    const channels = now.flatMap((allocation) => [...allocation.channels.values()])
    expect(new Set(events.channels)).toEqual(new Set(channels))
  }
})
