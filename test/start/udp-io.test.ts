import { afterEach, describe, expect, test } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startTestServer, type TestServer, testUser } from '../support/server.ts'

let server: TestServer | null = null

afterEach(async () => {
  await server?.close()
  server = null
})

const choices = async () => (await server!.log()).filter(({ msg }) => String(msg).startsWith('UDP packets are moved'))
const threadsInMetrics = async () =>
  /webrtc_stack_relay_threads\{io="(\w+)"\} (\d+)/.exec(await (await fetch(`${server!.url}/metrics`)).text())?.slice(1)

describe('how UDP packets are moved', () => {
  test.runIf(linuxSupport().available)('in batches where that works, by as many threads as asked for', async () => {
    server = await startTestServer({ 'udp-io': 'auto', 'relay-threads': '3' })
    expect(server.turn.workers?.size).toBe(3)
    expect(await choices()).toMatchObject([{ level: 'info', threads: 3 }])
    expect(await threadsInMetrics()).toEqual(['batch', '3'])
  })

  test.runIf(linuxSupport().available)('by one thread for each of the processors that cpus names', async () => {
    server = await startTestServer({ 'udp-io': 'auto', cpus: '3' })
    expect(server.turn.workers?.size).toBe(3)
  })

  test.runIf(linuxSupport().available)('in batches too where there are fewer ports than threads', async () => {
    // An address of its own: other tests have ports too.
    const relay = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.8`
    const range = { 'min-port': '50000', 'max-port': '50001' }
    server = await startTestServer({ 'udp-io': 'batch', 'relay-threads': '3', 'relay-ip': relay, ...range })
    expect(server.turn.workers?.size).toBe(3)
    const login = { username: testUser.name, password: testUser.password }
    const codes = []
    for (let i = 0; i < 8; i++) {
      codes.push((await (await NetworkClient.udp({ port: server.ports.udp, login })).allocate()).code)
    }
    expect(codes).toEqual([200, 200, 508, 508, 508, 508, 508, 508])
  })

  test.each([
    ['udp-io=dgram', 'info', { 'udp-io': 'dgram' }],
    ['relay-threads=0', 'info', { 'udp-io': 'auto', 'relay-threads': '0' }],
    ['relay-threads=0', 'warn', { 'udp-io': 'batch', 'relay-threads': '0' }],
  ])('one by one with %s, which the log names (%s)', async (reason, level, options) => {
    server = await startTestServer(options)
    expect(server.turn.workers).toBeNull()
    expect(await choices()).toMatchObject([{ level, reason }])
    expect(await threadsInMetrics()).toEqual(['dgram', '1'])
  })

  test.runIf(linuxSupport().available)('by as many threads with mobility as without', async () => {
    server = await startTestServer({ 'udp-io': 'auto', mobility: true, 'relay-threads': '3' })
    expect(server.turn.workers?.size).toBe(3)
    expect(await choices()).toMatchObject([{ level: 'info', threads: 3 }])
  })

  test('RES-04 the quota of a user counts what he has in every thread', async () => {
    server = await startTestServer({ 'udp-io': 'auto', 'user-quota': '2', 'relay-threads': '2' })
    const login = { username: testUser.name, password: testUser.password }
    const { ports } = server
    const allocate = async (transport: 'udp' | 'tcp') => {
      const client = await NetworkClient[transport]({ port: ports[transport], login })
      return { client, code: (await client.allocate()).code }
    }
    const first = await allocate('tcp')
    expect([first.code, (await allocate('udp')).code, (await allocate('udp')).code]).toEqual([200, 200, 486])
    expect((await allocate('tcp')).code).toBe(486)
    await first.client.refresh(0)
    expect((await allocate('udp')).code).toBe(200)
  })
})
