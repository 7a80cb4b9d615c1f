import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { localhostEc } from '../support/certificates.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  connectTls,
  echo,
  expectNoSockets,
  localStream,
  localUdp,
  portOf,
  RecordingCore,
  type StreamClient,
  startPortable,
  startRecorder,
  UdpClient,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

const tls = { certificates: [localhostEc] } as const
const streams = [localStream]

async function greeted(client: StreamClient): Promise<StreamClient> {
  client.socket.write(bindingRequest())
  await client.read(20)
  return client
}

test('SEC-15 a connection without a first message is closed, in each of its stages', async () => {
  const portable = await startRecorder({
    streams: [localStream, { ...localStream, proxy: true }],
    tls,
    limits: { firstMessageMs: 50 },
    http: { respondUnsupported: true, acmeRedirect: null },
  })
  const ports = portable.addresses.map(({ address }) => address.port)
  const mute = await connectTcp(ports[0]!)
  const begun = await connectTcp(ports[0]!)
  begun.socket.write(bindingRequest().subarray(0, 12))
  const muteInside = await connectTls(ports[0]!)
  const muteProxy = await connectTcp(ports[1]!)
  await Promise.all([mute, begun, muteInside, muteProxy].map(({ closed }) => closed))
  await vi.waitFor(() => expect(portable.driver.counters.closedConnections.silent).toBe(4))
})

test('NET-TCP-11 SEC-15 a TLS handshake has ten seconds from the connect, however it is stretched', async () => {
  let now = 0
  const portable = await startRecorder({ streams, tls, clock: () => now })
  const client = await connectTcp(portOf(portable, 'tcp'))
  // A whole record that begins a ClientHello longer than itself.
  const record = Buffer.concat([Buffer.from('1603010040' + '010003fc0303', 'hex'), Buffer.alloc(58)])
  for (const [at, byte] of record.entries()) {
    now = Math.min(9_000, at * 200)
    portable.sweep()
    client.socket.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  await vi.waitFor(() => expect(portable.driver.counters.tls.handshakes).toBe(1))
  now = 9_999
  client.socket.write(Buffer.from('16030100', 'hex'))
  portable.sweep()
  expect(client.ended).toBe(false)
  now = 10_000
  portable.sweep()
  await client.closed
  await vi.waitFor(() => expect(portable.driver.counters.closedConnections.handshake).toBe(1))
  expect(portable.driver.counters.tls.handshakes).toBe(0)
})

test('NET-TCP-11 SEC-15 the first bytes have ten seconds from the connect, behind a PROXY header, too', async () => {
  let now = 0
  const portable = await startRecorder({ streams: [{ ...localStream, proxy: true }], clock: () => now })
  const client = await connectTcp(portOf(portable, 'tcp'))
  now = 9_000
  client.socket.write('PROXY TCP4 192.0.2.1 192.0.2.2 4711 3478\r\n')
  client.socket.write(Buffer.of(0))
  await vi.waitFor(() => expect(portable.driver.counters.openConnections.tcp).toBe(1))
  await new Promise(setImmediate)
  now = 10_000
  portable.sweep()
  await client.closed
  await vi.waitFor(() => expect(portable.driver.counters.closedConnections.silent).toBe(1))
})

test('SEC-15 a message that stays half is closed, even with an allocation', async () => {
  const portable = await startRecorder({ streams, limits: { halfMessageMs: 50 } })
  echo(portable.driver.turn)
  portable.driver.turn.allocated = true
  const client = await greeted(await connectTcp(portOf(portable, 'tcp')))
  client.socket.write(channelData(0x4000, Buffer.alloc(100)).subarray(0, 50))
  await client.closed
  await vi.waitFor(() => expect(portable.driver.counters.closedConnections['half-message']).toBe(1))
})

test('SEC-15 the time for half a message begins with the message, not with the silence before it', async () => {
  let now = 0
  const portable = await startRecorder({ streams, clock: () => now })
  echo(portable.driver.turn)
  portable.driver.turn.allocated = true
  const client = await greeted(await connectTcp(portOf(portable, 'tcp')))
  now = 14_000
  client.socket.write(bindingRequest(2).subarray(0, 10))
  // Its answer comes when the half message has been read, too.
  const second = await greeted(await connectTcp(portOf(portable, 'tcp')))
  now = 16_000
  portable.sweep()
  client.socket.write(bindingRequest(2).subarray(10))
  expect((await client.read(20)).equals(bindingRequest(2))).toBe(true)
  expect(second.ended).toBe(false)
})

test('SEC-15 NET-TCP-08 a client without allocation is closed when it falls silent, and kept while it sends', async () => {
  let now = 0
  const portable = await startRecorder({ streams, clock: () => now })
  echo(portable.driver.turn)
  const client = await greeted(await connectTcp(portOf(portable, 'tcp')))
  for (let i = 0; i < 3; i++) {
    now += 59_000
    portable.sweep()
    await greeted(client)
  }
  now += 59_999
  portable.sweep()
  expect(client.ended).toBe(false)
  now += 1
  portable.sweep()
  await client.closed
  await vi.waitFor(() => expect(portable.driver.counters.closedConnections['no-allocation']).toBe(1))
})

test('SEC-15 NET-TCP-08 a client with an allocation may be silent', async () => {
  let now = 0
  const portable = await startRecorder({ streams, clock: () => now })
  echo(portable.driver.turn)
  const client = await greeted(await connectTcp(portOf(portable, 'tcp')))
  portable.driver.turn.allocated = true
  now = 3_600_000
  portable.sweep()
  await greeted(client)
})

test('SEC-15 a source has so many connections and not one more, until one of them ends', async () => {
  const portable = await startRecorder({ streams, limits: { perSource: 3 } })
  echo(portable.driver.turn)
  const port = portOf(portable, 'tcp')
  const clients = [await connectTcp(port), await connectTcp(port), await connectTcp(port)]
  for (const client of clients) await greeted(client)
  await (await connectTcp(port)).closed
  expect(portable.driver.counters.closedConnections['too-many-from-source']).toBe(1)
  for (const client of clients) {
    client.socket.destroy()
    await portable.driver.turn.closed.next()
  }
  for (let i = 0; i < 3; i++) await greeted(await connectTcp(port))
  await (await connectTcp(port)).closed
  expect(portable.driver.counters.closedConnections['too-many-from-source']).toBe(2)
})

/** A client that has stopped reading, and as many peer datagrams as it takes to fill every buffer on the way. */
async function stuffed(options: Parameters<typeof startRecorder>[0] = {}) {
  const portable = await startRecorder({ streams, ...options })
  echo(portable.driver.turn)
  portable.driver.turn.allocated = true
  const client = await greeted(await connectTcp(portOf(portable, 'tcp')))
  const tuple = (await portable.driver.turn.received.next()).client
  client.socket.pause()
  const traffic = portable.driver.counters.clients.tcp
  const datagram = channelData(0x4000, Buffer.alloc(60_000))
  for (let i = 0; i < 5000 && traffic.overflowPackets === 0; i++) {
    portable.driver.sendToClient(tuple, datagram, 0, datagram.length)
    if (i % 10 === 0) await new Promise(setImmediate)
  }
  return { portable, client, tuple, traffic, datagram }
}

test('SEC-32 NET-TCP-10 a client that stops reading loses what peers send, but no response', async () => {
  const { portable, client, tuple, traffic, datagram } = await stuffed()
  expect(traffic.overflowPackets).toBe(1)
  const before = traffic.sentPackets
  for (let i = 0; i < 100; i++) portable.driver.sendToClient(tuple, datagram, 0, datagram.length)
  expect(traffic.sentPackets - before).toBeLessThanOrEqual(1)
  const response = Buffer.from('010100002112a442000000000000000000000000', 'hex')
  portable.driver.sendToClient(tuple, response, 0, response.length)
  const queued = traffic.sentBytes
  client.socket.resume()
  const everything = await client.read(queued - 20)
  expect(everything.subarray(-20).equals(response)).toBe(true)
})

test('SEC-32 responses do not grow without end either', async () => {
  const { portable, client, tuple } = await stuffed()
  const response = Buffer.alloc(2020)
  Buffer.from('010107d02112a442', 'hex').copy(response)
  for (let i = 0; i < 100; i++) portable.driver.sendToClient(tuple, response, 0, response.length)
  client.socket.resume()
  await client.closed
  expect(portable.driver.counters.closedConnections.stalled).toBe(1)
})

test('NET-TCP-07 half a close ends a connection that still has much to write', async () => {
  const { portable, client } = await stuffed()
  client.socket.end()
  await portable.driver.turn.closed.next()
  expect(portable.driver.counters.closedConnections.client).toBe(1)
  client.socket.destroy()
})

test('SEC-32 a client that does not read at all is closed in the end', async () => {
  let now = 0
  const { portable, client } = await stuffed({ clock: () => now, sweepIntervalMs: 3_600_000 })
  portable.sweep()
  now = 29_000
  portable.sweep()
  expect(portable.driver.counters.closedConnections.stalled).toBe(0)
  now = 30_000
  portable.sweep()
  await portable.driver.turn.closed.next()
  expect(portable.driver.counters.closedConnections.stalled).toBe(1)
  client.socket.destroy()
})

test('SEC-32 a client that reads slowly is not closed', async () => {
  let now = 0
  const { portable, client, tuple, traffic, datagram } = await stuffed({ clock: () => now, sweepIntervalMs: 3_600_000 })
  portable.sweep()
  for (let i = 0; i < 3; i++) {
    client.socket.resume()
    await client.read(Math.floor(traffic.sentBytes / 4))
    client.socket.pause()
    for (const before = traffic.overflowPackets; traffic.overflowPackets === before; ) {
      portable.driver.sendToClient(tuple, datagram, 0, datagram.length)
      await new Promise(setImmediate)
    }
    now += 29_000
    portable.sweep()
  }
  expect(portable.driver.counters.closedConnections.stalled).toBe(0)
  expect(client.ended).toBe(false)
})

test('NET-DEMUX-01 on UDP DTLS goes to its endpoint, all else to the core, and nothing remembers a source', async () => {
  const records: string[] = []
  const portable = await startPortable(
    {
      udp: [localUdp],
      dtls: (world) => ({
        receive: (bytes, start, end, source) => {
          records.push(bytes.toString('hex', start, end))
          world.sendDatagram(source, Buffer.from('hello'), 0, 5)
        },
        send: () => {},
        has: () => false,
        hasClients: () => false,
        closeClient: () => {},
        isWaiting: false,
        work: () => false,
        sweep: () => {},
        close: () => {},
      }),
    },
    (effects) => new RecordingCore(effects),
  )
  const client = await UdpClient.open()
  for (const first of [20, 22, 63]) client.send(Buffer.from([first, 1]), portOf(portable, 'udp'))
  expect((await client.inbox.next()).bytes.toString()).toBe('hello')
  for (const first of [0, 3, 4, 19, 64, 127, 128, 255]) client.send(Buffer.from([first]), portOf(portable, 'udp'))
  client.send(Buffer.alloc(0), portOf(portable, 'udp'))
  for (const first of [0, 3, 4, 19, 64, 127, 128, 255]) {
    expect((await portable.driver.turn.received.next()).bytes).toEqual(Buffer.from([first]))
  }
  expect(records).toEqual(['1401', '1601', '3f01'])
  await vi.waitFor(() => expect(portable.driver.counters.dropped.empty).toBe(1))
})

test('without DTLS its records are counted and dropped', async () => {
  const portable = await startRecorder({ udp: [localUdp] })
  const client = await UdpClient.open()
  client.send(Buffer.from([22, 254, 253]), portOf(portable, 'udp'))
  await vi.waitFor(() => expect(portable.driver.counters.dropped['no-dtls']).toBe(1))
  expect(portable.driver.turn.received.length).toBe(0)
})

test('closing stops the sweeps', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const portable = await startRecorder({ udp: [localUdp] })
  expect(vi.getTimerCount()).toBe(1)
  await portable.close()
  expect(vi.getTimerCount()).toBe(0)
})

test('closing leaves no socket behind', async () => {
  const portable = await startRecorder({ udp: [localUdp], streams, tls })
  echo(portable.driver.turn)
  const port = portOf(portable, 'tcp')
  const clients = [await connectTcp(port), await greeted(await connectTcp(port)), await greeted(await connectTls(port))]
  portable.driver.openRelay({
    local: Address.parse('127.0.0.1')!,
    handle: -1,
    allocation: { request: { transport: 'udp' } },
  } as never)
  await Promise.all([portable.close(), portable.close()])
  await Promise.all(clients.map(({ closed }) => closed))
  await expectNoSockets()
  expect(portable.driver.turn.closedCount).toBe(2)
  expect(portable.driver.plane.openRelays).toBe(0)
})
