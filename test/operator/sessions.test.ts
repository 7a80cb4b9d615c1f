import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endSessions, listSessions, type SessionThreads } from '../../src/operator/sessions.ts'
import { Method } from '../../src/stun/constants.ts'
import { mint } from '../../src/turn/auth/credentials.ts'
import type { EndReason } from '../../src/turn/end-reason.ts'
import { NO_EVENTS } from '../../src/turn/events.ts'
import { readAddressFilter, type SessionFilter } from '../../src/turn/sessions/session-filter.ts'
import { MOST_ENDED, MOST_LISTED, MOST_LOOKED_AT, type SessionsAnswer } from '../../src/turn/sessions/sessions.ts'
import { CHANNEL, emptyTicket, mobileWorld, PEER, refreshWith, settled } from '../support/mobile-world.ts'
import { ServerGroup } from '../support/server-group.ts'
import { connected, TCP_PEER, tcpAllocated } from '../support/tcp-world.ts'
import { ALICE, BOB, TurnWorld, udp, type WorldOptions } from '../support/turn-world.ts'

/** The cores of several threads, and every answer that they gave. */
function threadsOf(...worlds: TurnWorld[]): SessionThreads & { readonly answers: SessionsAnswer[] } {
  const answers: SessionsAnswer[] = []
  return {
    answers,
    threads: worlds.length,
    sessions: async (thread, question) => {
      const { server, now } = worlds[thread]!
      const answer = structuredClone(server.sessions.answer(structuredClone(question), now))
      answers.push(answer)
      return answer
    },
  }
}

async function all(threads: SessionThreads, filter: SessionFilter = {}, limit = 200) {
  const found = []
  for (let cursor: string | null = null; ; ) {
    const page: Awaited<ReturnType<typeof listSessions>> = await listSessions(threads, filter, { cursor, limit })
    expect(page!.sessions.length).toBeLessThanOrEqual(limit)
    found.push(...page!.sessions)
    cursor = page!.cursor
    if (cursor === null) return found
  }
}

const OPERATOR = { reason: 'operator', detail: 'abuse' } as const

/** What has ended, and why. */
function recording(options: WorldOptions = {}) {
  const ended: [reason: EndReason, detail: string | null][] = []
  const events = {
    ...NO_EVENTS,
    allocationEnded: (_: unknown, reason: EndReason, detail: string | null) => void ended.push([reason, detail]),
  }
  return { ended, world: new TurnWorld({ ...options, events }) }
}

describe('a session in the list', () => {
  test('says who it is, where, since when, and what it has carried', async () => {
    const world = new TurnWorld()
    const alice = world.client(ALICE, 'tcp')
    alice.allocate()
    alice.bind(CHANNEL, PEER)
    alice.sendChannelData(CHANNEL, 'hello')
    world.peerData(alice.relay, PEER, Buffer.from('hey'))
    world.clock.advanceSeconds(90)
    expect(await all(threadsOf(world))).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{12}-1$/),
        thread: 0,
        transport: 'tcp',
        client: alice.fiveTuple.client.toString(),
        username: 'alice',
        relays: [alice.relay.advertised.toString()],
        ageSeconds: 90,
        expiresInSeconds: 510,
        permissions: 1,
        channels: 1,
        toPeerPackets: 1,
        toPeerBytes: 5,
        toClientPackets: 1,
        toClientBytes: 3,
      },
    ])
  })

  test('asked for by its id it tells all: peers, channels, what was dropped and why', async () => {
    const world = new TurnWorld()
    const alice = world.client()
    alice.allocate()
    alice.bind(CHANNEL, PEER)
    alice.permit('198.51.100.99:0')
    alice.sendIndication('203.0.113.77:4000', 'no permission')
    world.peerData(alice.relay, '203.0.113.66:4000', Buffer.from('nor here'))
    world.peerData(alice.relay, '203.0.113.66:4000', Buffer.from('nor here'))
    const threads = threadsOf(new TurnWorld(), world)
    const id = (await all(threads))[0]!.id
    const page = await listSessions(threads, { id }, { cursor: null, limit: 1, act: 'show' })
    expect(page!.sessions).toMatchObject([
      {
        id,
        thread: 1,
        more: {
          server: '192.0.2.1:3478',
          boundTo: [alice.relay.local.toString()],
          mobile: false,
          permittedPeers: [
            { ip: '203.0.113.5', expiresInSeconds: 600 },
            { ip: '198.51.100.99', expiresInSeconds: 300 },
          ],
          boundChannels: [{ number: CHANNEL, peer: PEER, expiresInSeconds: 600 }],
          droppedToPeer: { 'no-permission': 1 },
          droppedToClient: { 'no-permission': 2 },
        },
      },
    ])
  })
})

test('a TCP allocation shows its connections with peers, and is found by them', async () => {
  const { world, alice } = tcpAllocated()
  world.client(ALICE, 'tcp').bindConnection(connected(alice).id)
  connected(alice, '203.0.113.6:80')
  alice.connect('203.0.113.7:80')
  const threads = threadsOf(world)
  const [session] = await all(threads, { peer: '203.0.113.7:80' })
  const page = await listSessions(threads, { id: session!.id }, { cursor: null, limit: 1, act: 'show' })
  expect(page!.sessions[0]!.more?.peerConnections).toEqual([
    { peer: TCP_PEER, state: 'bound' },
    { peer: '203.0.113.6:80', state: 'waiting' },
    { peer: '203.0.113.7:80', state: 'connecting' },
  ])
  expect(await all(threads, { peer: '203.0.113.8' })).toEqual([])
})

describe('a filter', () => {
  const world = new TurnWorld({ auth: { secrets: ['north'] } })
  const temporary = mint('north', { userid: 'carol', lifetimeSeconds: 600, wallMs: world.clock.wall })
  const logins = [
    [ALICE, 'udp', '198.51.100.7'],
    [BOB, 'tcp', '198.51.100.8'],
    [temporary, 'tls', '2001:db8::7'],
  ] as const
  for (const [login, transport, address] of logins) {
    const client = world.client(login, transport, address)
    client.allocate()
    if (login === BOB) client.bind(CHANNEL, PEER)
    if (login === ALICE) client.permit('203.0.113.9:1')
    world.clock.advanceSeconds(10)
  }
  const names = async (filter: SessionFilter) => (await all(threadsOf(world), filter)).map(({ username }) => username)
  const carol = temporary.username

  test.each<[SessionFilter, string[]]>([
    [{}, ['alice', 'bob', carol]],
    [{ username: 'alice' }, ['alice']],
    [{ username: 'carol' }, [carol]],
    [{ username: carol }, [carol]],
    [{ username: 'ali' }, []],
    [{ transport: 'tcp' }, ['bob']],
    [{ address: '198.51.100.7' }, ['alice']],
    [{ address: '198.51.100.7:20000' }, ['alice']],
    [{ address: '198.51.100.7:20001' }, []],
    [{ address: '198.51.100.0/24' }, ['alice', 'bob']],
    [{ address: '198.51.100.8-198.51.100.9' }, ['bob']],
    [{ address: '2001:db8::7' }, [carol]],
    [{ address: '[2001:db8::7]:20002' }, [carol]],
    [{ peer: '203.0.113.5' }, ['bob']],
    [{ peer: PEER }, ['bob']],
    [{ peer: '203.0.113.5:4001' }, []],
    [{ peer: '203.0.113.0/24' }, ['alice', 'bob']],
    [{ olderThanSeconds: 20 }, ['alice', 'bob']],
    [{ olderThanSeconds: 21, transport: 'udp' }, ['alice']],
    [{ id: 'nobody' }, []],
  ])('%j means %j', async (filter, expected) => {
    expect(await names(filter)).toEqual(expected)
  })

  test.each([
    'x',
    '',
    '1.2.3',
    '1.2.3.4:99999',
    '1.2.3.4:x',
    '192.0.2.0/33',
    '192.0.2.9-192.0.2.1',
    'recommended',
    '[::1',
    '[::1]:',
  ])('an address "%s" is told to be wrong', (text) => {
    expect(readAddressFilter(text)).toMatch(/./)
  })

  test('no text of any kind throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void readAddressFilter(text)))
    fc.assert(fc.property(fc.stringMatching(/^[\][0-9a-f:./-]*$/), (text) => void readAddressFilter(text)))
  })
})

describe('pages', () => {
  test('hold each session that is there the whole time once, whatever comes and goes, over all threads', async () => {
    const limits = fc.integer({ min: 1, max: 5 })
    const changes = fc.array(fc.tuple(fc.nat(2), fc.boolean()), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.nat(8), fc.nat(8), limits, changes, async (first, second, limit, rest) => {
        const worlds = [new TurnWorld(), new TurnWorld(), new TurnWorld()]
        const stays = [first, second, 3].flatMap((count, i) => Array.from({ length: count }, () => opened(worlds[i]!)))
        const passing = worlds.map((world) => [opened(world)])
        const found: string[] = []
        const threads = threadsOf(...worlds)
        for (let cursor: string | null = null, turn = 0; ; turn++) {
          const page: Awaited<ReturnType<typeof listSessions>> = await listSessions(threads, {}, { cursor, limit })
          found.push(...page!.sessions.map(({ id }) => id))
          cursor = page!.cursor
          if (cursor === null) break
          const [at, comes] = rest[turn] ?? [0, false]
          if (comes) passing[at]!.push(opened(worlds[at]!))
          else if (passing[at]!.length > 0) release(worlds[at]!, passing[at]!.shift()!)
        }
        expect(new Set(found).size).toBe(found.length)
        expect(stays.filter((id) => !found.includes(id))).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  test('one answer lists, looks at and ends no more than a thread can do without pausing', async () => {
    const world = new TurnWorld({ ports: [10_000, 60_000], settings: { maxAllocationsPerAddress: 0 } })
    for (let i = 0; i < MOST_LOOKED_AT + 50; i++) opened(world)
    const threads = threadsOf(world)
    expect(await all(threads, {}, 1000)).toHaveLength(MOST_LOOKED_AT + 50)
    expect(Math.max(...threads.answers.map(({ sessions }) => sessions.length))).toBe(MOST_LISTED)
    threads.answers.length = 0
    expect(await all(threads, { username: 'nobody' })).toEqual([])
    expect(threads.answers).toHaveLength(2)
    threads.answers.length = 0
    expect(await endSessions(threads, { username: 'alice' }, OPERATOR)).toMatchObject({ ended: MOST_LOOKED_AT + 50 })
    expect(Math.max(...threads.answers.map(({ ended }) => ended))).toBe(MOST_ENDED)
    expect(world.server.allocations.size).toBe(0)
  })

  test('a thread that has died or does not answer is named, and the others are listed', async () => {
    const [one, two] = [new TurnWorld(), new TurnWorld()]
    const id = opened(two)
    const { sessions } = threadsOf(one, two)
    const threads: SessionThreads = {
      threads: 3,
      sessions: async (thread, question) => (thread === 1 ? sessions(1, question) : thread === 0 ? 'late' : 'gone'),
    }
    const page = await listSessions(threads, {}, { cursor: null, limit: 10 })
    expect(page).toMatchObject({ sessions: [{ id, thread: 1 }], cursor: null, silentThreads: [0, 2] })
    expect(await endSessions(threads, {}, OPERATOR)).toEqual({ ended: 1, silentThreads: [0, 2] })
  })

  test('a cursor of a thread that has begun a new life means the beginning of that; what is none is refused', async () => {
    const world = new TurnWorld()
    const [id] = [opened(world), opened(world)]
    const first = await listSessions(threadsOf(world), {}, { cursor: null, limit: 1 })
    expect(first!.sessions).toMatchObject([{ id }])
    const reborn = new TurnWorld()
    const another = opened(reborn)
    const next = await listSessions(threadsOf(reborn), {}, { cursor: first!.cursor, limit: 1 })
    expect(next!.sessions).toMatchObject([{ id: another }])
    for (const cursor of ['', 'x', '-1.', '0', '0.%', `0.${'a'.repeat(65)}`, '9999.'])
      expect(await listSessions(threadsOf(world), {}, { cursor, limit: 1 }), cursor).toBeNull()
    expect(await listSessions(threadsOf(world), {}, { cursor: '7.', limit: 1 })).toMatchObject({ sessions: [] })
  })
})

describe('to end sessions', () => {
  test("ends those that are meant, with the reason, an operator's words and the connection", async () => {
    const { world, ended } = recording()
    const alice = world.client(ALICE, 'tls')
    const bob = world.client(BOB)
    for (const client of [alice, bob]) client.allocate()
    expect(await endSessions(threadsOf(world), { username: 'alice' }, OPERATOR)).toEqual({
      ended: 1,
      silentThreads: [],
    })
    expect(ended).toEqual([['operator', 'abuse']])
    expect(world.effects.closedClients).toEqual([alice.fiveTuple])
    expect(world.server.counters.endedBy.operator).toBe(1)
    expect((await all(threadsOf(world))).map(({ username }) => username)).toEqual(['bob'])
    // It was no ban.
    expect(alice.allocate().code).toBe(200)
  })

  test('comes to an end, also with a client that allocates anew whenever it is ended', async () => {
    const world = new TurnWorld()
    for (let i = 0; i < 3 * MOST_ENDED; i++) opened(world)
    const { sessions } = threadsOf(world)
    const stubborn: SessionThreads = {
      threads: 1,
      sessions: async (thread, question) => {
        const answer = await sessions(thread, question)
        if (typeof answer !== 'string') for (let i = 0; i < answer.ended; i++) opened(world)
        return answer
      },
    }
    expect(await endSessions(stubborn, { username: 'alice' }, OPERATOR)).toMatchObject({ ended: 3 * MOST_ENDED })
  })

  test('ends those too whose Allocate is under way, without a count', async () => {
    const { world, ended } = recording()
    world.opensRelays = false
    const alice = world.client()
    alice.learn(alice.ask(Method.ALLOCATE, udp)!)
    expect(alice.ask(Method.ALLOCATE, udp)).toBeNull()
    expect(world.server.allocations.size).toBe(1)
    expect(await all(threadsOf(world))).toEqual([])
    expect(await endSessions(threadsOf(world), {}, OPERATOR)).toMatchObject({ ended: 0 })
    expect([world.server.allocations.size, ended.length]).toEqual([0, 0])
  })

  test('ends those too that move between threads at the moment, and nobody who came later', async () => {
    const group = new ServerGroup()
    const worlds = [0, 1].map(() => mobileWorld({ group }))
    const [home, away] = worlds as [TurnWorld, TurnWorld]
    const moving = away.client()
    refreshWith(moving, settled(home).ticket)
    group.isPrompt = false
    // It is heard: what it has is fetched, and is with neither of them.
    moving.sendChannelData(CHANNEL, 'hello')
    group.deliverOne()
    expect([home.server.allocations.size, away.server.allocations.size]).toEqual([0, 0])
    const later = away.client()
    expect(await endSessions(threadsOf(...worlds), { username: 'alice' }, OPERATOR)).toMatchObject({ ended: 0 })
    for (const { clock } of worlds) clock.advanceSeconds(1)
    later.allocate(emptyTicket)
    group.deliver()
    expect(away.server.counters.endedBy.operator).toBe(1)
    expect((await all(threadsOf(...worlds))).map(({ client }) => client)).toEqual([later.fiveTuple.client.toString()])
  })
})

function opened(world: TurnWorld): string {
  world.client().allocate()
  return [...world.server.allocations].at(-1)!.id
}

function release(world: TurnWorld, id: string): void {
  const found = [...world.server.allocations].find((allocation) => allocation.id === id)!
  world.server.allocations.release(found, 'expired', world.now)
}
