import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ThreadSession } from '../../src/operator/sessions.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { SessionFilter } from '../../src/turn/sessions/session-filter.ts'
import { NetworkClient } from '../support/network-client.ts'
import { describeWith } from '../support/peers.ts'
import { startForTest, type TestServer, testSecret, testUser } from '../support/server.ts'
import { startEchoPeer, uclient } from '../support/turnutils.ts'

const login = { username: testUser.name, password: testUser.password }

async function sessionsOf(server: TestServer, filter: SessionFilter = {}, limit = 1000): Promise<ThreadSession[]> {
  const found: ThreadSession[] = []
  let cursor: string | null = null
  do {
    const page = await server.running.operations.sessions(filter, cursor, limit)
    expect(page.silentThreads).toEqual([])
    found.push(...page.sessions)
    cursor = page.cursor
  } while (cursor !== null)
  return found
}

/** Clients with allocations, over UDP from addresses that the kernel spreads over the threads. */
async function clients(server: TestServer, count: number): Promise<NetworkClient[]> {
  const made = Array.from({ length: count }, () => NetworkClient.udp({ port: server.ports.udp, login }))
  const all = await Promise.all(made)
  for (const client of all) expect((await client.allocate()).code).toBe(200)
  return all
}

describe('sessions of all threads', () => {
  test('are one list, whose pages hold each once, and each is found by its id', async () => {
    const server = await startForTest({ 'relay-threads': '2' })
    await clients(server, 24)
    const all = await sessionsOf(server)
    expect(all).toHaveLength(24)
    if (server.udpIo === 'batch') expect(new Set(all.map(({ thread }) => thread)).size).toBe(2)
    const paged = await sessionsOf(server, {}, 5)
    expect(paged.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
    expect(new Set(all.map(({ id }) => id)).size).toBe(24)
    for (const { id, client } of all.slice(-3))
      expect(await server.running.operations.session(id)).toMatchObject({ id, client, more: { mobile: false } })
  })

  test('are ended by id and by user, on every thread, and each leaves its reason in log and metrics', async () => {
    const server = await startForTest({ 'relay-threads': '2', user: ['alice:under-the-mountain', 'bob:hush'] })
    const all = await clients(server, 8)
    const bob = await NetworkClient.tcp({ port: server.ports.tcp, login: { username: 'bob', password: 'hush' } })
    expect((await bob.allocate()).code).toBe(200)
    const [{ id } = { id: '' }] = await sessionsOf(server, { username: 'alice' })
    expect(await server.running.operations.disconnect({ id }, null)).toMatchObject({ ended: 1 })
    await expect(server.running.operations.disconnect({ id }, null)).rejects.toMatchObject({ code: 'not-found' })
    expect(await server.running.operations.disconnect({ username: 'alice' }, 'spam')).toMatchObject({ ended: 7 })
    expect(await sessionsOf(server)).toMatchObject([{ username: 'bob', transport: 'tcp' }])
    for (const client of all) expect((await client.ask(Method.REFRESH)).code).toBe(437)
    const { endedBy } = await server.counters()
    expect(endedBy.operator).toBe(8)
    const ended = (await server.log()).filter(({ msg }) => msg === 'allocation ended')
    expect(ended).toHaveLength(8)
    expect(ended.filter(({ reason, detail }) => reason === 'operator' && detail === 'spam')).toHaveLength(7)
    expect(ended.map(({ id }) => id)).toContain(id)
    // A connection is closed with what came by it.
    await server.running.operations.disconnect({ username: 'bob' }, null)
    await bob.closed
  })

  test('a drain with a deadline refuses new ones, and ends the others when it is over', async () => {
    const server = await startForTest({ 'relay-threads': '2' })
    const [one] = await clients(server, 6)
    const { operations } = server.running
    expect(operations.drain(60)).toMatchObject({ isOver: false })
    const late = await NetworkClient.udp({ port: server.ports.udp, login })
    await vi.waitFor(async () => expect((await late.allocate()).code).toBe(403))
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
    expect((await one!.ask(Method.REFRESH)).code).toBe(200)
    operations.undrain()
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    await server.readings()
    expect((await late.allocate()).code).toBe(200)
    operations.drain(0)
    await vi.waitFor(() => expect(operations.status().draining).toMatchObject({ isOver: true }))
    expect(await sessionsOf(server)).toEqual([])
    expect((await server.counters()).endedBy.draining).toBe(7)
  })

  test('each that ends is an event: who, where, how long, why, and what it carried', async () => {
    const server = await startForTest({ 'relay-threads': '2' })
    const all = await clients(server, 5)
    const before = await sessionsOf(server)
    const [one] = all
    await one!.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))
    await server.running.operations.disconnect({ username: testUser.name }, 'enough')
    const { events } = server.running.operations
    const found = await vi.waitFor(() => {
      const page = events.read(events.begin(null).next)
      expect(page.events).toHaveLength(5)
      return page.events.map((event) => (event.type === 'session-ended' ? event : null))
    })
    expect(found.map((event) => event?.session.id).toSorted()).toEqual(before.map(({ id }) => id).toSorted())
    const [own] = found.filter((event) => event?.session.reason === 'refreshed-to-0')
    expect(own?.session).toMatchObject({ detail: null, username: testUser.name, transport: 'udp' })
    const others = found.filter((event) => event !== own)
    expect(others.map((event) => event?.session.reason)).toEqual(['operator', 'operator', 'operator', 'operator'])
    for (const event of others) expect(event?.session.detail).toBe('enough')
    for (const event of found) {
      const session = before.find(({ id }) => id === event?.session.id)!
      expect(event).toMatchObject({
        thread: session.thread,
        session: { client: session.client, relays: session.relays },
      })
    }
  })

  test('ids of one run are none of another', async () => {
    const ids: string[] = []
    for (let run = 0; run < 2; run++) {
      const server = await startForTest()
      await clients(server, 4)
      ids.push(...(await sessionsOf(server)).map(({ id }) => id))
    }
    expect(new Set(ids).size).toBe(8)
  })
})

describeWith(['coturn'], "coturn's client", () => {
  test.each([
    ['udp', []],
    ['tcp', ['-t']],
  ] as const)(
    "a session of coturn's client over %s is listed with its user, addresses and counts, and can be ended",
    async (transport, words) => {
      const server = await startForTest({ 'relay-threads': '2' })
      const peer = await startEchoPeer()
      onTestFinished(() => peer.close())
      const to = ['-e', '127.0.0.1', '-r', String(peer.port), '-n', '300', '-l', '100', '-z', '20', '-c']
      const from = ['-u', 'carol', '-W', testSecret, ...words, '-p', String(server.ports[transport]), '127.0.0.1']
      const ended = uclient([...to, ...from], 9000)
      const found = await vi.waitFor(async () => {
        const [first] = await sessionsOf(server, { username: 'carol', transport, peer: `127.0.0.1:${peer.port}` })
        expect(first?.toPeerPackets).toBeGreaterThan(3)
        return first!
      }, 10_000)
      expect(found.username).toMatch(/^\d+:carol$/)
      expect(found.client).toMatch(/^127\.0\.0\.1:\d+$/)
      expect(found.relays).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)])
      const { more, ...whole } = await server.running.operations.session(found.id)
      expect(more?.boundChannels.map((channel) => channel.peer)).toContain(`127.0.0.1:${peer.port}`)
      expect(whole.toPeerBytes).toBe(whole.toPeerPackets * 100)
      const address = found.client.replace(/:\d+$/, '')
      const { ended: count } = await server.running.operations.disconnect({ address, username: 'carol' }, 'enough')
      expect(count).toBeGreaterThan(0)
      expect(await sessionsOf(server, { username: 'carol' })).toEqual([])
      const lines = (await server.log()).filter(
        ({ msg, reason }) => msg === 'allocation ended' && reason === 'operator',
      )
      expect(lines.map(({ id, detail }) => [id, detail])).toContainEqual([found.id, 'enough'])
      await ended
    },
  )
})
