import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Log } from '../../../src/log.ts'
import { NetCounters } from '../../../src/net/counters.ts'
import { linuxSupport } from '../../../src/net/linux/system-calls.ts'
import { SocketErrors } from '../../../src/net/socket-errors.ts'
import { StreamListeners } from '../../../src/net/stream/listeners.ts'
import { LoopStreams } from '../../../src/net/stream/loop-streams.ts'
import { StreamPlaces, sharedPlaces } from '../../../src/net/stream/places.ts'
import { defaultNet } from '../../support/default-net.ts'
import { connectTcp, localStream, silentLog } from '../../support/sockets.ts'

const world = vi.hoisted(() => ({ hasProc: true }))

vi.mock('../../../src/net/linux/event-loop.ts', async (original) => {
  const module = await original<typeof import('../../../src/net/linux/event-loop.ts')>()
  return { ...module, pollerOf: (fd: number) => (world.hasProc ? module.pollerOf(fd) : null) }
})

function listening() {
  const counters = new NetCounters()
  const warnings: string[] = []
  const watched: number[] = []
  const listeners = new StreamListeners(
    1,
    { listen: () => {}, stop: () => {} },
    new SocketErrors(silentLog, () => 0),
    silentLog,
  )
  listeners.prepare([localStream], 'all').commit()
  const streams = new LoopStreams({
    listeners: listeners.of(0),
    limits: defaultNet.limits,
    places: new StreamPlaces(defaultNet.limits, sharedPlaces(1, randomBytes), 0),
    handshakes: defaultNet.handshakes,
    http: { respondUnsupported: false, acmeRedirect: null },
    tls: null,
    counters,
    errors: new SocketErrors(silentLog, () => 0),
    clock: () => 0,
    nextConnection: () => 1,
    receive: () => {},
    hasAllocation: () => false,
    limited: () => {},
    closed: () => {},
    watch: (poller) => watched.push(poller),
    // The one line that it has to say.
    log: { warn: (_fields: object, message: string) => warnings.push(message) } as unknown as Log,
  })
  onTestFinished(async () => {
    await streams.close()
    listeners.close()
  })
  /** How long the thread may sleep once its event loop is at rest. */
  const rest = async () => {
    for (;;) {
      const wait = streams.rest(50)
      if (wait > 0) return wait
      await new Promise(setImmediate)
    }
  }
  return { counters, warnings, watched, rest, port: listeners.addresses[0]!.port }
}

test.runIf(linuxSupport().available)('a thread that its event loop can wake sleeps as long as it likes', async () => {
  const { counters, warnings, watched, rest, port } = listening()
  expect(await rest()).toBe(50)
  await connectTcp(port)
  await vi.waitFor(() => expect(counters.openConnections.tcp).toBe(1))
  expect(await rest()).toBe(50)
  expect([watched.length, warnings]).toEqual([1, []])
})

test.runIf(linuxSupport().available)(
  'one that it cannot wake looks after it often while there are connections',
  async () => {
    world.hasProc = false
    onTestFinished(() => {
      world.hasProc = true
    })
    const { counters, warnings, watched, rest, port } = listening()
    expect(await rest()).toBe(50)
    await connectTcp(port)
    await vi.waitFor(() => expect(counters.openConnections.tcp).toBe(1))
    expect(await rest()).toBe(2)
    expect([watched.length, warnings.length]).toEqual([0, 1])
  },
)
