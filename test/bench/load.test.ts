import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Load, type LoadOptions } from '../../src/bench/load.ts'
import { openWire } from '../../src/client/wire.ts'
import { type LinuxSupport, linuxSupport } from '../../src/net/linux/system-calls.ts'
import { Address } from '../../src/stun/address.ts'
import { startTestServer, type TestServer, testUser } from '../support/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer({ rooms: false, signaling: false, 'user-quota': '4' })
})
afterAll(() => server.close())

const optionsOf = (allocations: number): LoadOptions => ({
  server: Address.parse('127.0.0.1', server.ports.udp)!,
  serverName: null,
  transport: 'udp',
  login: { username: testUser.name, password: testUser.password },
  allocations,
  rate: 401,
  size: 20,
  seconds: 1,
  directions: ['up', 'down'],
  peerAddress: Address.parse('127.0.0.1')!,
})

const io: [string, LinuxSupport][] = [
  ['node:dgram', { available: false, reason: 'asked for' }],
  ['batches', linuxSupport()],
]

describe.each(io)('a load over %s', (_name, support) => {
  test('counts each packet once at either end, and closes its sockets', async () => {
    const descriptors = readdirSync('/dev/fd').length
    const wire = openWire(support)
    const before = { ...(await server.counters()) }
    const result = await new Load(wire, optionsOf(2), new AbortController().signal).run()
    await wire.close()
    const { up, down } = result.directions
    expect([result.planned, up!.sent, down!.sent]).toEqual([401, 201, 200])
    expect([up!.received, down!.received]).toEqual([201, 200])
    expect((await server.counters()).toPeerBytes - before.toPeerBytes).toBe(201 * 20)
    expect((await server.counters()).toClientBytes - before.toClientBytes).toBe(200 * 20)
    await server.expectNoAllocations()
    await expect.poll(() => readdirSync('/dev/fd').length).toBe(descriptors)
  })

  test('goes on with the allocations that it got', async () => {
    const wire = openWire(support)
    const result = await new Load(wire, optionsOf(6), new AbortController().signal).run()
    await wire.close()
    expect(result.allocations).toBe(4)
    expect(result.failures).toEqual({ 'Allocate was refused with 486 Allocation Quota Reached': 2 })
    expect(result.directions.up).toMatchObject({ sent: 201, received: 201 })
    await server.expectNoAllocations()
  })

  test('allocates nothing more once it is stopped', async () => {
    const wire = openWire(support)
    const result = await new Load(wire, optionsOf(4), AbortSignal.abort()).run()
    await wire.close()
    expect(result).toMatchObject({ allocations: 1, planned: 0, seconds: 0 })
    expect(result.directions.up).toEqual({ sent: 0, received: 0, lost: 0, reordered: 0, delayMs: null })
    await server.expectNoAllocations()
  })
})

test('an upkeep that is under way at the end keeps no allocation from being given back', async () => {
  const roomy = await startTestServer({
    rooms: false,
    signaling: false,
    'max-allocations-per-address': '0',
    'unauthorized-ratelimit': 'off',
  })
  const every = vi.spyOn(globalThis, 'setInterval')
  const wire = openWire()
  const options = { ...optionsOf(400), server: Address.parse('127.0.0.1', roomy.ports.udp)! }
  const stop = new AbortController()
  const load = new Load(wire, options, stop.signal)
  const running = load.run()
  await expect.poll(() => load.progress.sent, { timeout: 15_000 }).toBeGreaterThan(0)
  const [upkeep] = every.mock.calls.find(([, ms]) => ms === 60_000)!
  every.mockRestore()
  upkeep()
  stop.abort()
  const { allocations, failures } = await running
  await wire.close()
  expect({ allocations, failures }).toEqual({ allocations: 400, failures: {} })
  await roomy.expectNoAllocations()
  await roomy.close()
})
