import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { SendQueue } from '../../../src/net/stream/send-queue.ts'

/** A socket that takes one piece each time it is told to. */
class Slow extends Writable {
  readonly taken: Buffer[] = []
  #next: (() => void) | null = null

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#next = () => {
      this.taken.push(bytes)
      done()
    }
  }

  async take(): Promise<void> {
    const next = this.#next
    this.#next = null
    next?.()
    await new Promise(setImmediate)
  }
}

function slow(joins = true) {
  const socket = new Slow()
  return { socket, queue: new SendQueue(socket as unknown as Socket, 0, joins) }
}

test('SEC-32 progress is that bytes leave, however few of those that wait', async () => {
  const { socket, queue } = slow()
  for (let i = 0; i < 10; i++) queue.push(Buffer.alloc(50_000))
  expect(queue.stalledFor(0)).toBe(0)
  expect(queue.stalledFor(20_000)).toBe(20_000)
  await socket.take()
  expect(queue.stalledFor(29_000)).toBe(0)
  expect(queue.stalledFor(58_000)).toBe(29_000)
  expect(queue.bytes).toBe(450_000)
})

test('an empty queue is not stalled', async () => {
  const { socket, queue } = slow()
  queue.push(Buffer.alloc(10))
  queue.flush()
  await socket.take()
  queue.stalledFor(1000)
  expect([queue.bytes, queue.stalledFor(100_000)]).toEqual([0, 0])
})

test('everything leaves in order, and the socket holds little of it at a time', async () => {
  const { socket, queue } = slow()
  const pieces = Array.from({ length: 5000 }, (_, i) => Buffer.alloc(1000, i % 251))
  for (const piece of pieces) queue.push(piece)
  expect(queue.bytes).toBe(5_000_000)
  expect(socket.writableLength).toBeLessThan(70_000)
  while (queue.bytes > 0) await socket.take()
  expect(Buffer.concat(socket.taken).equals(Buffer.concat(pieces))).toBe(true)
})

test('what has come together leaves together, up to a length', async () => {
  const { socket, queue } = slow()
  const pieces = Array.from({ length: 20 }, (_, i) => Buffer.alloc(1000, i))
  for (const piece of pieces.slice(0, 10)) queue.push(piece)
  expect([queue.bytes, socket.writableLength]).toEqual([10_000, 0])
  queue.flush()
  for (const piece of pieces.slice(10)) queue.push(piece)
  queue.flush()
  while (queue.bytes > 0) await socket.take()
  expect(socket.taken.map(({ length }) => length)).toEqual([10_000, 10_000])
  for (const piece of pieces) queue.push(piece)
  queue.flush()
  while (queue.bytes > 0) await socket.take()
  const lengths = socket.taken.slice(2).map(({ length }) => length)
  expect(lengths[0]).toBe(16_000)
  expect(lengths.length).toBeLessThan(4)
  expect(Buffer.concat(socket.taken).equals(Buffer.concat([...pieces, ...pieces]))).toBe(true)
})

test('each piece leaves by itself where it is to', async () => {
  const { socket, queue } = slow(false)
  for (let i = 0; i < 3; i++) queue.push(Buffer.alloc(1000, i))
  queue.flush()
  while (queue.bytes > 0) await socket.take()
  expect(socket.taken.map(({ length }) => length)).toEqual([1000, 1000, 1000])
})

test('a destroyed socket is written to no more', async () => {
  const { socket, queue } = slow()
  for (let i = 0; i < 10; i++) queue.push(Buffer.alloc(50_000))
  socket.destroy()
  await new Promise(setImmediate)
  expect(socket.taken).toHaveLength(0)
})
