import { readdirSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { closeDescriptor, localAddress, openUdpDescriptor } from '../../src/net/linux/descriptors.ts'
import { Poll } from '../../src/net/linux/poll.ts'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { QuotaLimits } from '../../src/turn/limits/quota.ts'
import { defaultSettings } from '../support/default-settings.ts'
import { LoopbackClient } from '../support/loopback-turn.ts'
import { startThreads } from '../support/relay-threads.ts'
import { sessionsOf } from '../support/sessions.ts'
import { connectTcp, localStream, UdpClient } from '../support/sockets.ts'
import { Answer, channelData } from '../support/turn-client.ts'

const CHANNEL = 0x4000

async function start(quota: QuotaLimits = { user: 1, total: 0, bytesPerSecond: 0 }) {
  const settings = { ...defaultSettings, dontFragment: true, mobility: true }
  const threads = await startThreads({ plan: { settings }, quota, streams: [localStream] })
  const overTcp = async () => LoopbackClient.over(await connectTcp(threads.streamPort))
  return { ...threads, overTcp }
}

type Started = Awaited<ReturnType<typeof start>>

const ticketOf = (answer: Answer) => answer.message.text(Attribute.MOBILITY_TICKET)!
const release = (client: LoopbackClient) => client.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))
const descriptors = () => readdirSync('/proc/self/fd').length

async function refreshWith(client: LoopbackClient, ticket: string): Promise<Answer> {
  if (client.nonce === null) client.learn(await client.ask(Method.REFRESH))
  return client.ask(Method.REFRESH, (writer) => writer.text(Attribute.MOBILITY_TICKET, ticket))
}

/** A client with a ticket and a channel to a peer of its own. */
async function settled({ client }: Started) {
  const first = await client()
  const answer = await first.allocate((writer) => writer.empty(Attribute.MOBILITY_TICKET))
  const peer = await UdpClient.open()
  expect((await first.bind(CHANNEL, Address.parse('127.0.0.1', peer.port)!)).code).toBe(200)
  return { first, ticket: ticketOf(answer), relayed: answer.address(Attribute.XOR_RELAYED_ADDRESS)!, peer }
}

/** Both ways, beginning with the client. */
async function exchange(client: LoopbackClient, peer: UdpClient, relayed: Address): Promise<void> {
  client.send(channelData(CHANNEL, Buffer.from('ping')))
  const { bytes, from } = await peer.inbox.next()
  expect([bytes.toString(), from.port]).toEqual(['ping', relayed.port])
  peer.send(Buffer.from('pong'), relayed.port, relayed.host)
  expect(await client.inbox.next()).toEqual(channelData(CHANNEL, Buffer.from('pong')))
}

/** Moves on until the allocation has come from one thread to the other; where the client is then. */
async function moveAcross(started: Started, from: Awaited<ReturnType<typeof settled>>) {
  let { ticket } = from
  for (let tries = 0; tries < 64; tries++) {
    const client = await started.client()
    const before = (await started.readings()).turn.handovers.in
    ticket = ticketOf(await refreshWith(client, ticket))
    await exchange(client, from.peer, from.relayed)
    if ((await started.readings()).turn.handovers.in > before) return { client, ticket }
  }
  throw new Error('all clients came to one thread')
}

test.runIf(linuxSupport().available)(
  'a descriptor that is let go of wakes nobody, and another thread at once',
  async () => {
    const [before, after] = [new Poll(), new Poll()]
    const fd = openUdpDescriptor(Address.parse('127.0.0.1')!, { bufferSize: 1 << 16, reusePort: false })
    before.add(fd, 7)
    const sender = await UdpClient.open()
    sender.send(Buffer.from('hello'), localAddress(fd).port)
    await vi.waitFor(() => expect(before.wait(0)).toBe(1))
    before.remove(fd)
    after.add(fd, 8)
    expect([before.wait(0), after.wait(0), after.token(0)]).toEqual([0, 1, 8])
    for (const open of [fd, before.fd, after.fd]) closeDescriptor(open)
  },
)

describe.runIf(linuxSupport().available)('clients that move from thread to thread', () => {
  test.each(['udp', 'tcp'] as const)(
    'TURN-MOB-03 TURN-MOB-06 over %s find what they have, wherever the kernel brings them',
    async (transport) => {
      const started = await start()
      const { ticket: first, relayed, peer } = await settled(started)
      let ticket = first
      let client = await started.client()
      for (let move = 0; move < 24; move++) {
        client = await (transport === 'udp' ? started.client() : started.overTcp())
        const answer = await refreshWith(client, ticket)
        expect(answer.code).toBe(200)
        ticket = ticketOf(answer)
        await exchange(client, peer, relayed)
        expect(await sessionsOf(started.workers)).toMatchObject([{ transport, channels: 1, permissions: 1 }])
      }
      const { turn, relays, allocations } = await started.readings()
      expect(turn.handovers.in).toBeGreaterThan(0)
      expect(turn.handovers.out).toBe(turn.handovers.in)
      expect(turn.moves).toEqual({ begun: 24, completed: 24, abandoned: 0 })
      expect([relays.open, allocations[transport], started.quota.total]).toEqual([1, 1, 1])
      // The quota counts what has moved, wherever it is.
      expect((await (await started.client()).allocate()).code).toBe(486)
      expect((await release(client)).code).toBe(200)
      await vi.waitFor(() => expect(started.quota.total).toBe(0))
      const after = await started.readings()
      expect([after.relays.open, after.turn.allocationsEnded]).toEqual([0, 1])
    },
  )

  test('TURN-MOB-04 a burst on the new path arrives whole', async () => {
    const started = await start()
    const { peer, ticket: first } = await settled(started)
    let ticket = first
    for (let move = 0; move < 12; move++) {
      const client = await started.client()
      ticket = ticketOf(await refreshWith(client, ticket))
      const sent = Array.from({ length: 30 }, (_, i) => `${move} ${i}`)
      for (const text of sent) client.send(channelData(CHANNEL, Buffer.from(text)))
      const received: string[] = []
      for (const _ of sent) received.push((await peer.inbox.next()).bytes.toString())
      expect(received).toEqual(sent)
    }
    expect((await started.readings()).turn.handovers.in).toBeGreaterThan(0)
  })

  test('RES-07 a thread that dies takes what has come to it along, its sockets and its place in the quota', async () => {
    const started = await start()
    const all = await settled(started)
    const { client, ticket } = await moveAcross(started, all)
    const before = descriptors()
    const threads = await started.readingsByThread()
    const holder = threads.findIndex(({ relays }) => relays.open === 1)
    await started.spawned[holder]!.terminate()
    await vi.waitFor(() => expect(started.spawned).toHaveLength(3), { timeout: 5000 })
    await vi.waitFor(() => expect(started.quota.total).toBe(0))
    expect(descriptors()).toBeLessThanOrEqual(before)
    const { turn, relays } = await started.readings()
    expect([relays.open, turn.allocationsCreated, turn.allocationsEnded]).toEqual([0, 1, 1])
    // Nobody has the ticket any more, and nobody waits for the dead.
    for (let i = 0; i < 8; i++) expect((await refreshWith(await started.client(), ticket)).code).toBe(437)
    expect((await client.ask(Method.REFRESH)).code).toBe(437)
    expect((await client.allocate()).code).toBe(200)
  })

  test('RES-07 the thread where an allocation was made dies after it has gone: nobody notices', async () => {
    const started = await start()
    const all = await settled(started)
    const { client } = await moveAcross(started, all)
    const threads = await started.readingsByThread()
    const left = threads.findIndex(({ relays }) => relays.open === 0)
    await started.spawned[left]!.terminate()
    await vi.waitFor(() => expect(started.spawned).toHaveLength(3), { timeout: 5000 })
    await exchange(client, all.peer, all.relayed)
    expect((await (await started.client()).allocate()).code).toBe(486)
    expect((await release(client)).code).toBe(200)
    const { turn } = await started.readings()
    expect([turn.allocationsCreated, turn.allocationsEnded]).toEqual([1, 1])
  })

  test('close gives back every descriptor, also while clients move', async () => {
    const before = descriptors()
    const started = await start({ user: 0, total: 0, bytesPerSecond: 0 })
    for (let i = 0; i < 8; i++) {
      const { ticket } = await settled(started)
      const client = await started.client()
      await refreshWith(client, ticket)
      client.send(channelData(CHANNEL, Buffer.from('on its way')))
    }
    await started.workers.close()
    // What remains are the sockets of clients and peers.
    expect(descriptors() - before).toBeLessThanOrEqual(8 * 3)
  })

  test('SEC-24 SEC-29 a flood of tickets that lead nowhere stops nobody', async () => {
    const started = await start()
    const { ticket, peer, relayed } = await settled(started)
    const flooder = await started.client()
    flooder.learn(await flooder.ask(Method.REFRESH))
    const pacer = await started.client()
    for (let burst = 0; burst < 40; burst++) {
      for (let i = 0; i < 50; i++) {
        const unknown = `${burst} ${i}`.padStart(24, 'x')
        flooder.send(flooder.request(Method.REFRESH, (writer) => writer.text(Attribute.MOBILITY_TICKET, unknown)))
      }
      expect(new Answer(await flooder.inbox.next()).code).toBe(437)
      await pacer.ask(Method.BINDING)
    }
    const client = await started.client()
    expect((await refreshWith(client, ticket)).code).toBe(200)
    await exchange(client, peer, relayed)
    expect(started.workers.deaths.total).toBe(0)
    await expect((await started.client()).ask(Method.BINDING)).resolves.toMatchObject({ code: 200 })
  })
})
