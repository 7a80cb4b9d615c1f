import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import type { Log } from '../../src/log.ts'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { ListenError } from '../../src/net/listen/listen-error.ts'
import { TURN_PLAN } from '../../src/start/plan/subjects.ts'
import type { TurnPlan } from '../../src/start/plan/turn-plan.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { RelayThreadsOptions } from '../../src/threads/relay-threads.ts'
import type { QuotaLimits } from '../../src/turn/limits/quota.ts'
import { defaultSettings } from '../support/default-settings.ts'
import { ALICE, type LoopbackClient } from '../support/loopback-turn.ts'
import { planFor, RELAY_HOST, startThreads } from '../support/relay-threads.ts'
import { sessionsOf } from '../support/sessions.ts'
import { UdpClient } from '../support/sockets.ts'
import { channelData } from '../support/turn-client.ts'

const UNLIMITED: QuotaLimits = { user: 0, total: 0, bytesPerSecond: 0 }

async function start(options: Partial<RelayThreadsOptions> = {}, quota = UNLIMITED, plan: Partial<TurnPlan> = {}) {
  const started = await startThreads({ workers: options, quota, plan })
  return { ...started, onEach: () => oneOnEach(started.client, started.created) }
}

const relayedOf = (answer: Awaited<ReturnType<LoopbackClient['allocate']>>) =>
  answer.address(Attribute.XOR_RELAYED_ADDRESS)!

/** Clients with an allocation until each thread has one; by thread. */
async function oneOnEach(client: () => Promise<LoopbackClient>, created: () => Promise<number[]>) {
  const found: { client: LoopbackClient; relayed: Address }[] = []
  for (let tries = 0; tries < 64; tries++) {
    const one = await client()
    const before = await created()
    const relayed = relayedOf(await one.allocate())
    const thread = (await created()).findIndex((count, i) => count > before[i]!)
    found[thread] ??= { client: one, relayed }
    if (found[0] !== undefined && found[1] !== undefined) return found
  }
  throw new Error('all clients came to one thread')
}

/** Binds a channel to a peer of our own and sends both ways. */
async function talk({ client, relayed }: { client: LoopbackClient; relayed: Address }, channel = 0x4000) {
  const peer = await UdpClient.open()
  expect((await client.bind(channel, Address.parse('127.0.0.1', peer.port)!)).code).toBe(200)
  client.send(channelData(channel, Buffer.from('to the peer')))
  expect((await peer.inbox.next()).bytes.toString()).toBe('to the peer')
  peer.send(Buffer.from('to the client'), relayed.port, relayed.host)
  expect((await client.inbox.next()).equals(channelData(channel, Buffer.from('to the client')))).toBe(true)
}

/** A log from info on that remembers what it is told. */
function recording() {
  const lines: { readonly relay?: string; readonly msg: string }[] = []
  const write = (fields: object, msg: string) => lines.push({ ...fields, msg })
  return { log: { level: 'info', info: write, warn: write, error: write } as unknown as Log, lines }
}

const descriptors = () => readdirSync('/proc/self/fd').length
const release = (client: LoopbackClient) => client.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))

describe.runIf(linuxSupport().available)('threads that relay', () => {
  test('share a port, and each relays for the clients that the kernel gives it', async () => {
    const { readings, workers, onEach } = await start()
    const each = await onEach()
    for (const one of each) await talk(one)
    const { turn, allocations, relays } = await readings()
    expect(turn).toMatchObject({ toPeerPackets: 2, toClientPackets: 2, toPeerBytes: 22, toClientBytes: 26 })
    expect(allocations.udp).toBe(turn.allocationsCreated)
    expect(relays.open).toBe(turn.allocationsCreated)
    expect(turn.errors.get(401)).toBeGreaterThanOrEqual(2)
    const sessions = await sessionsOf(workers)
    expect(sessions).toHaveLength(allocations.udp)
    expect(sessions).toContainEqual(
      expect.objectContaining({ username: ALICE.username, relays: [each[1]!.relayed.toString()], channels: 1 }),
    )
  })

  test('TURN-EVEN-04 a reservation is good in every thread, once', async () => {
    const { client, quota } = await start({}, { user: 100, total: 100, bytesPerSecond: 0 })
    for (let round = 0; round < 12; round++) {
      const even = await client()
      const pair = await even.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
      expect(pair.code).toBe(200)
      const token = pair.message.value(Attribute.RESERVATION_TOKEN)!
      const odd = await client()
      const reserved = await odd.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))
      expect(reserved.code).toBe(200)
      expect(relayedOf(reserved).port).toBe(relayedOf(pair).port + 1)
      expect(quota.total).toBe(2)
      const late = await client()
      expect((await late.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))).code).toBe(508)
      await release(even)
      await release(odd)
      await vi.waitFor(() => expect(quota.total).toBe(0))
    }
  })

  test('RES-04 quotas hold for all threads together', async () => {
    const { client, quota, readings } = await start({}, { user: 3, total: 0, bytesPerSecond: 0 })
    const clients = await Promise.all(Array.from({ length: 12 }, client))
    const codes = await Promise.all(clients.map(async (one) => (await one.allocate()).code))
    expect(codes.toSorted()).toEqual([200, 200, 200, ...new Array<number>(9).fill(486)])
    expect((await readings()).allocations.udp).toBe(3)
    expect(quota.total).toBe(3)
    await release(clients[codes.indexOf(200)]!)
    await vi.waitFor(() => expect(quota.total).toBe(2))
    expect((await clients[codes.indexOf(486)]!.allocate()).code).toBe(200)
    expect(quota.total).toBe(3)
  })

  test('one that dies takes only its own allocations along, and is replaced', async () => {
    const died: [thread: number, relays: string[]][] = []
    const told = (relays: readonly Address[], thread: number) => void died.push([thread, relays.map(String)])
    const limits = { user: 100, total: 0, bytesPerSecond: 0 }
    const { spawned, workers, readings, quota, onEach } = await start({ died: told }, limits)
    const each = await onEach()
    const before = descriptors()
    const held = (await sessionsOf(workers)).length
    const lost = (await sessionsOf(workers)).filter(({ relays }) => relays[0]!.endsWith(`:${each[0]!.relayed.port}`))
    expect(lost).toHaveLength(1)
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(workers.deaths.total).toBe(1))
    expect(died).toEqual([[0, expect.arrayContaining([each[0]!.relayed.toString()])]])
    // The other one did not notice.
    await talk(each[1]!)
    await vi.waitFor(() => expect(spawned).toHaveLength(3), { timeout: 5000 })
    const { allocations, turn } = await readings()
    expect(allocations.udp).toBe(held - died[0]![1].length)
    expect(allocations.udp).toBe((await sessionsOf(workers)).length)
    expect(quota.total).toBe(allocations.udp)
    // What it has counted stays counted.
    expect(turn.allocationsCreated).toBe(held)
    expect(turn.allocationsEnded).toBe(held - allocations.udp)
    // Its relay sockets are closed; talk() has opened a peer's.
    await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(before - (held - allocations.udp) + 3))
    // Its successor honours the nonce, so that a client loses no round trip.
    const again = await each[0]!.client.allocate()
    expect(again.code).toBe(200)
    await talk({ client: each[0]!.client, relayed: relayedOf(again) })
  })

  test('what the threads say last is logged, too', async () => {
    const { log, lines } = recording()
    const { client, workers } = await start({ log })
    for (let i = 0; i < 32; i++) expect((await (await client()).allocate()).code).toBe(200)
    const closed = workers.close()
    // Their end and what they say are there at one time.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
    await closed
    const count = (message: string) => lines.filter(({ msg }) => msg === message).length
    expect([count('allocation opened'), count('allocation ended')]).toEqual([32, 32])
  })

  test('each relay is in the log, when its thread has died, too', async () => {
    const { log, lines } = recording()
    const { onEach, spawned, workers } = await start({ log })
    const [one] = await onEach()
    const relays = (await sessionsOf(workers)).flatMap((session) => session.relays)
    const relaysIn = (msg: string) => lines.filter((line) => line.msg === msg).map(({ relay }) => relay)
    expect(relaysIn('allocation opened').toSorted()).toEqual(relays.toSorted())
    await release(one!.client)
    const last = relayedOf(await one!.client.allocate())
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(workers.deaths.total).toBe(1))
    expect(relaysIn('allocation opened').at(-1)).toBe(last.toString())
    const left = (await sessionsOf(workers)).flatMap((session) => session.relays)
    await workers.close()
    expect(relaysIn('allocation ended').toSorted()).toEqual([one!.relayed.toString(), ...left].toSorted())
  })

  test('SEC-28 every port serves whoever comes, whichever thread has had it, also one that died', async () => {
    const ports = { minPort: 50_000, maxPort: 50_019 }
    const { client, onEach, spawned, workers } = await start({}, UNLIMITED, { ports })
    const takeAll = async () => {
      for (;;) {
        const answer = await (await client()).allocate()
        if (answer.code !== 200) return answer.code
      }
    }
    await onEach()
    expect(await takeAll()).toBe(508)
    expect(await sessionsOf(workers)).toHaveLength(20)
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(spawned).toHaveLength(3), { timeout: 5000 })
    const left = (await sessionsOf(workers)).length
    expect(left).toBeLessThan(20)
    expect(await takeAll()).toBe(508)
    expect(await sessionsOf(workers)).toHaveLength(20)
  })

  test('RES-04 one address has as many allocations as allowed in all threads together, also when one has died', async () => {
    const settings = { ...defaultSettings, maxAllocationsPerAddress: 8 }
    const { client, spawned, workers } = await start({}, UNLIMITED, { settings })
    const codes = async () => {
      const answers: (number | null)[] = []
      for (let i = 0; i < 24; i++) answers.push((await (await client()).allocate()).code)
      return answers
    }
    const first = await codes()
    expect(first.filter((code) => code === 200)).toHaveLength(8)
    expect(first.filter((code) => code === 486)).toHaveLength(16)
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(spawned).toHaveLength(3), { timeout: 5000 })
    const left = (await sessionsOf(workers)).length
    expect((await codes()).filter((code) => code === 200)).toHaveLength(8 - left)
  })

  test('TURN-EVEN-07 the place of a reserved port is where the port is when the thread that reserved it dies', async () => {
    const { onEach, spawned, quota, workers } = await start({}, { user: 100, total: 0, bytesPerSecond: 0 })
    const [one, other] = await onEach()
    for (const { client } of [one!, other!]) await release(client)
    const pair = await one!.client.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
    const token = pair.message.value(Attribute.RESERVATION_TOKEN)!
    const reserved = await other!.client.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))
    expect(reserved.code).toBe(200)
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(spawned).toHaveLength(3), { timeout: 5000 })
    expect(quota.total).toBe((await sessionsOf(workers)).length)
    // The dead thread's hold of the port was another descriptor.
    await talk({ client: other!.client, relayed: relayedOf(reserved) })
    await release(other!.client)
    await vi.waitFor(async () => expect(quota.total).toBe((await sessionsOf(workers)).length))
  })

  test('TURN-EVEN-03 a port that a thread has reserved is held until that dies, and its token then is no good', async () => {
    const { onEach, spawned } = await start()
    const [one, other] = await onEach()
    for (const { client } of [one!, other!]) await release(client)
    const pair = await one!.client.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
    const token = pair.message.value(Attribute.RESERVATION_TOKEN)!
    const odd = relayedOf(pair).port + 1
    await expect(UdpClient.at(RELAY_HOST, odd)).rejects.toThrow('EADDRINUSE')
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(spawned).toHaveLength(3), { timeout: 5000 })
    await UdpClient.at(RELAY_HOST, odd)
    const late = await other!.client.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))
    expect(late.code).toBe(508)
  })

  test('TURN-EVEN-02 reservations, redeemed in any thread or not at all, leave no descriptor behind', async () => {
    const { client, workers } = await start()
    const before = descriptors()
    for (let round = 0; round < 12; round++) {
      const [even, odd] = [await client(), await client()]
      const pair = await even.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
      const token = pair.message.value(Attribute.RESERVATION_TOKEN)!
      expect((await odd.allocate((writer) => writer.bytes(Attribute.RESERVATION_TOKEN, token))).code).toBe(200)
      for (const one of [even, odd]) await release(one)
    }
    // Those of this test's own 24 clients.
    await vi.waitFor(async () => {
      await sessionsOf(workers)
      expect(descriptors()).toBe(before + 24)
    })
  })

  test('TURN-PEER-10 new peer rules and draining reach every thread', async () => {
    const { client, workers, portMemory, onEach } = await start()
    const each = await onEach()
    for (const one of each) await talk(one)
    const plan = planFor({ user: 0, total: 0, bytesPerSecond: 0 })
    const peers = { ...plan.peers, denied: ['127.0.0.0/8'], allowLoopback: false }
    workers.drain(true)
    expect(await workers.ask(TURN_PLAN, { turn: { ...plan, peers }, portMemory })).toEqual([true, true])
    for (const { client: one } of each) {
      expect((await one.permit(Address.parse('127.0.0.1', 9)!)).code).toBe(403)
      const late = await client()
      expect((await late.allocate()).code).toBe(403)
    }
  })

  test('SEC-34 no datagram of a client or a peer ends a thread', async () => {
    const { workers, onEach } = await start()
    const each = await onEach()
    const peer = await UdpClient.open()
    for (const { client: one } of each) await one.permit(Address.parse('127.0.0.1', peer.port)!)
    for (let i = 0; i < 2000; i++) {
      const bytes = randomBytes(i % 80)
      // Half of them look like the beginning of something that is ours.
      if (bytes.length >= 8 && i % 2 === 0) {
        bytes[0] = [0, 1, 0x16, 0x40][(i >> 1) % 4]!
        bytes.writeUInt16BE(bytes.length - 20 > 0 ? bytes.length - 20 : 4, 2)
        bytes.writeUInt32BE(0x2112a442, 4)
      }
      each[i % 2]!.client.send(bytes)
      peer.send(bytes, each[i % 2]!.relayed.port, RELAY_HOST)
    }
    await onEach()
    expect(workers.deaths.total).toBe(0)
  })

  test('close gives back every descriptor, also with allocations open, and may be called twice', async () => {
    const before = descriptors()
    const { workers, onEach } = await start()
    await onEach()
    await workers.close()
    await workers.close()
    // What remains are the clients' own sockets.
    const clients = 64
    expect(descriptors() - before).toBeLessThanOrEqual(clients)
    expect(workers.addresses).toEqual([])
  })

  test('an address that cannot be had stops the start and leaves nothing open', async () => {
    const { port } = await start()
    const before = descriptors()
    const error = await start({ endpoints: [{ host: '127.0.0.1', port }] }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', transport: 'udp', port })
    // Meanwhile somebody else in this process may have read a file, or been reading one before.
    await vi.waitFor(() => expect(descriptors()).toBeLessThanOrEqual(before))
  })
})
