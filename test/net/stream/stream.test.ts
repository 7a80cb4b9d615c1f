import { createServer } from 'node:net'
import { fc, test as property } from '@fast-check/vitest'
import { afterAll, expect, test, vi } from 'vitest'
import { FrameReader } from '../../../src/net/stream/frame-reader.ts'
import { rawMessage } from '../../support/raw-message.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  echo,
  expectNoSockets,
  localStream,
  portOf,
  startRecorder,
} from '../../support/sockets.ts'

afterAll(expectNoSockets)

/** An echoing driver with a client that has already sent a Binding request and had its answer. */
async function connected(options: Parameters<typeof startRecorder>[0] = {}) {
  const portable = await startRecorder({ streams: [localStream], ...options })
  echo(portable.driver.turn)
  const client = await connectTcp(portOf(portable, 'tcp'))
  client.socket.write(bindingRequest())
  await client.read(20)
  await portable.driver.turn.received.next()
  return { portable, client, core: portable.driver.turn }
}

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

test('NET-TCP-06 the core hears of the end of a connection once, whether it was closed, reset or refused', async () => {
  const { portable, client, core } = await connected()
  client.socket.destroy()
  const { connection } = await core.closed.next()
  expect(connection).toBeGreaterThan(0)
  const reset = await connectTcp(portOf(portable, 'tcp'))
  reset.socket.write(bindingRequest())
  await reset.read(20)
  reset.socket.resetAndDestroy()
  expect((await core.closed.next()).connection).not.toBe(connection)
  await portable.close()
  expect(core.closedCount).toBe(2)
})

test('NET-TCP-09 small frames are not held back', async () => {
  const seen: unknown[] = []
  const spy = vi.spyOn(createServer().constructor.prototype, 'listen')
  const { portable } = await connected()
  for (const server of spy.mock.contexts) seen.push((server as { noDelay?: boolean }).noDelay)
  spy.mockRestore()
  expect(seen).toEqual(portable.addresses.map(() => true))
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
  const { client, core, portable } = await connected()
  core.answer = (bytes, start, end, tuple) => {
    core.effects.sendToClient(tuple, bytes, start, end)
    core.effects.closeClient(tuple)
  }
  client.socket.write(Buffer.concat([bindingRequest(7), bindingRequest(8)]))
  expect((await client.readToEnd()).equals(bindingRequest(7))).toBe(true)
  await core.closed.next()
  expect(portable.driver.counters.closedConnections.server).toBe(1)
})

test('an answer for a connection that has gone is counted and dropped', async () => {
  const { client, core, portable } = await connected()
  client.socket.destroy()
  const gone = await core.closed.next()
  portable.driver.sendToClient(gone, bindingRequest(), 0, 20)
  portable.driver.closeClient(gone)
  expect(portable.driver.counters.dropped['client-gone']).toBe(1)
})
