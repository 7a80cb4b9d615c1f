import { createServer } from 'node:net'
import { fc, test as property } from '@fast-check/vitest'
import { afterAll, expect, test, vi } from 'vitest'
import { FrameReader } from '../../src/net/frame-reader.ts'
import { localhostEc } from '../support/certificates.ts'
import { rawMessage } from '../support/raw-message.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  connectTls,
  echo,
  expectNoSockets,
  localStream,
  portOf,
  startRecorder,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

/** An echoing driver with a client that has already sent a Binding request and had its answer. */
async function connected(options: Parameters<typeof startRecorder>[0] = {}) {
  const driver = await startRecorder({ streams: [localStream], ...options })
  echo(driver.turn)
  const client = await connectTcp(portOf(driver, 'tcp'))
  client.socket.write(bindingRequest())
  await client.read(20)
  await driver.turn.received.next()
  return { driver, client, core: driver.turn }
}

test('NET-DEMUX-05 plain STUN and TLS are both recognised on every port', async () => {
  const driver = await startRecorder({ streams: [localStream, localStream], tls: { certificates: [localhostEc] } })
  echo(driver.turn)
  for (const { address } of driver.addresses) {
    for (const connection of [await connectTcp(address.port), await connectTls(address.port)]) {
      connection.socket.write(bindingRequest())
      expect((await connection.read(20)).equals(bindingRequest())).toBe(true)
    }
  }
  expect(driver.counters.openedConnections).toEqual({ tcp: 4, tls: 2 })
  expect(driver.counters.openConnections).toEqual({ tcp: 2, tls: 2 })
})

test('NET-DEMUX-05 a port can be told to take one of them only', async () => {
  const driver = await startRecorder({
    streams: [
      { ...localStream, plain: false },
      { ...localStream, tls: false },
    ],
    tls: { certificates: [localhostEc] },
  })
  const [tlsOnly, plainOnly] = driver.addresses
  const plain = await connectTcp(tlsOnly!.address.port)
  plain.socket.write(bindingRequest())
  await plain.closed
  await expect(connectTls(plainOnly!.address.port)).rejects.toThrow()
  expect(driver.counters.closedConnections['bad-first-bytes']).toBe(2)
})

test('NET-DEMUX-03 what is neither STUN, TLS nor HTTP is closed', async () => {
  const driver = await startRecorder({ streams: [localStream], tls: { certificates: [localhostEc] } })
  for (const bytes of [Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(20), channelData(0x4000, Buffer.alloc(8))]) {
    const connection = await connectTcp(portOf(driver, 'tcp'))
    connection.socket.write(bytes)
    expect(await connection.readToEnd()).toHaveLength(0)
  }
  expect(driver.counters.closedConnections['bad-first-bytes']).toBe(3)
  expect(driver.turn.closedCount).toBe(0)
})

test('NET-DEMUX-03 the same holds inside TLS', async () => {
  const driver = await startRecorder({ streams: [localStream], tls: { certificates: [localhostEc] } })
  const connection = await connectTls(portOf(driver, 'tcp'))
  connection.socket.write('SSH-2.0-x\r\n')
  await connection.closed
  expect(driver.counters.closedConnections['bad-first-bytes']).toBe(1)
})

test('NET-DEMUX-04 ChannelData that begins like an HTTP method is a frame once the client is known', async () => {
  const { client, core } = await connected()
  for (const letter of ['G', 'H', 'O']) {
    const frame = channelData(letter.charCodeAt(0) << 8, Buffer.from('ET / HTTP'))
    client.socket.write(frame)
    expect((await core.received.next()).bytes.equals(frame)).toBe(true)
  }
})

test('NET-TCP-02 frames may come byte by byte, several at once, or with the beginning of the next', async () => {
  const { client, core } = await connected()
  const frames = [
    bindingRequest(2),
    channelData(0x4001, Buffer.from('12345')),
    rawMessage(0x0001, [[0x0006, '61626364']]),
  ]
  const stream = Buffer.concat(frames)
  for (const byte of stream) client.socket.write(Buffer.from([byte]))
  client.socket.write(stream)
  client.socket.write(stream.subarray(0, 23))
  await core.received.next().then(({ bytes }) => expect(bytes.equals(frames[0]!)).toBe(true))
  for (const frame of [frames[1]!, frames[2]!, ...frames, frames[0]!]) {
    expect((await core.received.next()).bytes.equals(frame)).toBe(true)
  }
  client.socket.write(stream.subarray(23))
  for (const frame of frames.slice(1)) expect((await core.received.next()).bytes.equals(frame)).toBe(true)
})

property.prop([
  fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(65_535)), { minLength: 1, maxLength: 12 }),
  fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }),
])('NET-TCP-02 however a stream is cut, the same frames come out', (lengths, cuts) => {
  const frames = lengths.map((length, i) =>
    i % 2 === 0
      ? channelData(0x4000 + i, Buffer.alloc(length, i))
      : rawMessage(0x0001, [[0x0006, Buffer.alloc(length % 512, i)]]),
  )
  const stream = Buffer.concat(frames)
  const seen: Buffer[] = []
  const keep = (bytes: Buffer, start: number, end: number) => seen.push(Buffer.from(bytes.subarray(start, end))) > 0
  const reader = new FrameReader(keep, () => true, 4096)
  for (let at = 0, i = 0; at < stream.length; i++) {
    const next = at + cuts[i % cuts.length]! * (stream.length > 60_000 ? 7 : 1)
    // A copy each: what a reader holds on to must not be the caller's memory.
    const chunk = Buffer.from(stream.subarray(at, next))
    expect(reader.read(chunk)).toBe('ok')
    chunk.fill(0xee)
    at = next
  }
  expect(Buffer.concat(seen).equals(stream)).toBe(true)
  expect(seen).toHaveLength(frames.length)
  expect(reader.isHalfway).toBe(false)
})

test('NET-TCP-03 the longest ChannelData of a known client comes through whole, both ways', async () => {
  const { client, core } = await connected()
  core.allocated = true
  const longest = channelData(0x4000, Buffer.alloc(65_535, 0x77))
  expect(longest).toHaveLength(65_540)
  client.socket.write(longest)
  expect((await core.received.next()).bytes.equals(longest)).toBe(true)
  expect((await client.read(65_540)).equals(longest)).toBe(true)
})

test.each([
  ['neither STUN nor ChannelData', Buffer.from('ff000000ffffffff', 'hex')],
  ['STUN with a wrong cookie', Buffer.from('000100002112a443', 'hex')],
  ['STUN of a length that is no multiple of 4', Buffer.from('000100022112a442', 'hex')],
])('NET-TCP-04 a frame that is %s closes the connection', async (_name, bytes) => {
  const { driver, client, core } = await connected()
  client.socket.write(bytes)
  await client.closed
  await core.closed.next()
  expect(driver.counters.closedConnections['bad-frame']).toBe(1)
})

test('NET-TCP-05 frames above 4 KiB close the connection of a client without allocation, before they are there', async () => {
  const { driver, client, core } = await connected()
  client.socket.write(channelData(0x4000, Buffer.alloc(4092)))
  expect((await core.received.next()).bytes).toHaveLength(4096)
  client.socket.write(Buffer.from('40000ffd', 'hex'))
  await client.closed
  expect(driver.counters.closedConnections['frame-too-long']).toBe(1)
})

test('NET-TCP-06 the core hears of the end of a connection once, whether it was closed, reset or refused', async () => {
  const { driver, client, core } = await connected()
  client.socket.destroy()
  const { connection } = await core.closed.next()
  expect(connection).toBeGreaterThan(0)
  const reset = await connectTcp(portOf(driver, 'tcp'))
  reset.socket.write(bindingRequest())
  await reset.read(20)
  reset.socket.resetAndDestroy()
  expect((await core.closed.next()).connection).not.toBe(connection)
  await driver.close()
  expect(core.closedCount).toBe(2)
})

test('NET-TCP-07 half a close is a close', async () => {
  const { client, core, driver } = await connected()
  client.socket.end()
  await core.closed.next()
  await client.closed
  expect(driver.counters.closedConnections.client).toBe(1)
})

test('NET-TCP-09 small frames are not held back', async () => {
  const seen: unknown[] = []
  const spy = vi.spyOn(createServer().constructor.prototype, 'listen')
  const { driver } = await connected()
  for (const server of spy.mock.contexts) seen.push((server as { noDelay?: boolean }).noDelay)
  spy.mockRestore()
  expect(seen).toEqual(driver.addresses.map(() => true))
})

test('pads ChannelData with zeros to a multiple of 4 and leaves STUN alone', async () => {
  const { client, core } = await connected()
  const writer = Buffer.alloc(100, 0xee)
  core.answer = (_bytes, _start, _end, tuple) => {
    Buffer.from('4000000161', 'hex').copy(writer, 10)
    core.effects.sendToClient(tuple, writer, 10, 15)
    writer.fill(0xdd)
  }
  client.socket.write(bindingRequest())
  expect((await client.read(8)).toString('hex')).toBe('4000000161000000')
})

test('closes for the core after the answer before it has been written', async () => {
  const { client, core, driver } = await connected()
  core.answer = (bytes, start, end, tuple) => {
    core.effects.sendToClient(tuple, bytes, start, end)
    core.effects.closeClient(tuple)
  }
  client.socket.write(Buffer.concat([bindingRequest(7), bindingRequest(8)]))
  expect((await client.readToEnd()).equals(bindingRequest(7))).toBe(true)
  await core.closed.next()
  expect(driver.counters.closedConnections.server).toBe(1)
})

test('an answer for a connection that has gone is counted and dropped', async () => {
  const { client, core, driver } = await connected()
  client.socket.destroy()
  const gone = await core.closed.next()
  driver.sendToClient(gone, bindingRequest(), 0, 20)
  driver.closeClient(gone)
  expect(driver.counters.dropped['client-gone']).toBe(1)
})

test('counts frames and bytes of TCP and TLS apart', async () => {
  const { driver } = await connected({ tls: { certificates: [localhostEc] } })
  const inside = await connectTls(portOf(driver, 'tcp'))
  inside.socket.write(bindingRequest())
  await inside.read(20)
  const once = { receivedPackets: 1, receivedBytes: 20, sentPackets: 1, sentBytes: 20 }
  expect(driver.counters.clients.tcp).toMatchObject(once)
  expect(driver.counters.clients.tls).toMatchObject(once)
})

test.each([
  ['tcp', connectTcp],
  ['tls', connectTls],
] as const)(
  'NET-TCP-02 of thousands of frames over %s none is lost, changed or overtaken',
  async (transport, connect) => {
    const driver = await startRecorder({ streams: [localStream], tls: { certificates: [localhostEc] } })
    echo(driver.turn)
    const client = await connect(portOf(driver, 'tcp'))
    const frames = Array.from({ length: 4000 }, (_, i) => channelData(0x4000 + i, Buffer.alloc(i % 300, i)))
    const stream = Buffer.concat([bindingRequest(), ...frames])
    // In writes of all sizes, so that records and segments begin anywhere in a frame.
    for (let at = 0, size = 1; at < stream.length; at += size, size = (size * 7) % 4999) {
      client.socket.write(stream.subarray(at, at + size))
    }
    expect((await client.read(stream.length)).equals(stream)).toBe(true)
    expect(driver.counters.clients[transport]).toMatchObject({
      receivedPackets: 4001,
      sentPackets: 4001,
    })
  },
)
