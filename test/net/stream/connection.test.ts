import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { NetCounters } from '../../../src/net/counters.ts'
import { SocketErrors } from '../../../src/net/socket-errors.ts'
import { StreamConnection } from '../../../src/net/stream/connection.ts'
import { defaultNet } from '../../support/default-net.ts'
import { bindingRequest, channelData, localStream, silentLog } from '../../support/sockets.ts'

/** A socket whose other end takes nothing that is written. */
class Stuck extends Duplex {
  readonly remoteAddress = '127.0.0.1'
  readonly remotePort = 4711
  readonly localAddress = '127.0.0.1'
  readonly localPort = 3478

  override _read(): void {}

  override _write(): void {}
}

/** A client that has said STUN, and reads nothing. */
async function stuck() {
  const counters = new NetCounters()
  const socket = new Stuck()
  const connection = new StreamConnection(socket as unknown as Socket, localStream, {
    counters,
    limits: defaultNet.limits,
    http: { respondUnsupported: false, acmeRedirect: null },
    errors: new SocketErrors(silentLog, () => 0),
    clock: () => 0,
    tls: () => null,
    admits: () => true,
    opened: () => {},
    receive: () => {},
    hasAllocation: () => true,
    handshakeWaits: () => true,
    handshakeOver: () => {},
    pushed: () => connection.flush(),
    closed: () => {},
    nextConnection: () => 1,
  })
  socket.push(bindingRequest())
  await new Promise(setImmediate)
  expect(connection.client).not.toBeNull()
  return { connection, socket, traffic: counters.clients.tcp, closed: counters.closedConnections }
}

function kept(): number {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return arrayBuffers + heapUsed
}

test.each([12, 1200, 60_000])(
  'SEC-32 of datagrams of %i bytes no more is kept for a client than its queue holds, and the others are counted',
  async (length) => {
    const { connection, socket, traffic } = await stuck()
    const { queueBytes } = defaultNet.limits
    const frame = channelData(0x4000, Buffer.alloc(length))
    const before = kept()
    const offered = Math.ceil((64 << 20) / frame.length)
    for (let i = 0; i < offered; i++) connection.send(frame, 0, frame.length)
    expect(traffic.sentBytes).toBeLessThanOrEqual(queueBytes)
    // Small datagrams count for more than their bytes, because each has an object of its own.
    expect(traffic.sentPackets).toBeLessThan(queueBytes / 100)
    expect(traffic.sentBytes).toBeGreaterThan((queueBytes - frame.length) * (frame.length / (frame.length + 300)))
    expect(traffic.sentPackets * frame.length).toBe(traffic.sentBytes)
    expect(traffic.sentPackets + traffic.overflowPackets).toBe(offered)
    expect(socket.writableLength).toBeLessThan(queueBytes)
    // The queue, and what else may live in this process.
    expect(kept() - before).toBeLessThan(queueBytes + (8 << 20))
    expect(socket.destroyed).toBe(false)
  },
)

test('SEC-32 a client that asks and asks, and reads no answer, is closed before its answers fill the memory', async () => {
  const { connection, socket, traffic, closed } = await stuck()
  const response = Buffer.alloc(2020)
  Buffer.from('010107d02112a442', 'hex').copy(response)
  for (let i = 0; i < 10_000; i++) connection.send(response, 0, response.length)
  expect(traffic.sentBytes).toBeLessThan(defaultNet.limits.queueBytes + 128 * 1024)
  expect(socket.destroyed).toBe(true)
  await new Promise(setImmediate)
  expect(closed.stalled).toBe(1)
})
