import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { keep, keepPadded, lend } from '../../src/net/udp/borrowed.ts'

afterEach(() => lend(null))

test('the datagram in hand is kept as it is, any other buffer is copied', () => {
  const datagram = Buffer.from('0123456789')
  const writer = Buffer.from('0123456789')
  lend(datagram)
  expect(keep(datagram, 2, 5).buffer).toBe(datagram.buffer)
  const copy = keep(writer, 2, 5)
  writer.fill(0)
  expect(copy.toString()).toBe('234')
})

test('what was in hand before is copied again', () => {
  const datagram = Buffer.from('0123456789')
  lend(datagram)
  lend(null)
  const kept = keep(datagram, 0, 4)
  datagram.fill(0)
  expect(kept.toString()).toBe('0123')
})

test.each([0, 1, 2, 3, 4, 5])('SEC-35 %i bytes are padded with zeros, not with what lay behind them', (length) => {
  // Memory as a pool would hand it out: full of somebody else's bytes.
  const pool = vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => Buffer.alloc(size, 0xdd))
  onTestFinished(() => pool.mockRestore())
  const datagram = Buffer.alloc(20, 0xee)
  const padded = Buffer.alloc(Math.ceil(length / 4) * 4)
  padded.fill(0xee, 0, length)
  expect(keepPadded(datagram, 3, 3 + length).equals(padded)).toBe(true)
  lend(datagram)
  expect(keepPadded(datagram, 3, 3 + length).equals(padded)).toBe(true)
})

test('SEC-35 a datagram without room behind it is padded in a copy', () => {
  const datagram = Buffer.alloc(7, 0xee)
  lend(datagram)
  expect(keepPadded(datagram, 2, 7).toString('hex')).toBe('eeeeeeeeee000000')
})
