import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { PortMemoryByAddress } from '../../src/start/relaying/port-memory.ts'
import { Address } from '../../src/stun/address.ts'
import { RelayPorts } from '../../src/turn/relay-addresses/relay-ports.ts'

const RANGE = { minPort: 50_000, maxPort: 50_001 }
const [A, B] = [Address.parse('192.0.2.1')!, Address.parse('192.0.2.2')!]

/** As a thread that is told of it. */
const thread = (number: number, book: PortMemoryByAddress) =>
  new RelayPorts(RANGE, randomBytes, { thread: number, claims: book.memory })

test('an address that goes and comes back while it is relayed from has the same ports taken, for every thread', () => {
  const book = new PortMemoryByAddress()
  book.add([A.host])
  const first = thread(0, book)
  const port = first.take(A, false, 0)!
  // Gone, and another one is there.
  book.add([B.host])
  first.apply(RANGE, book.memory)
  expect(book.forgetBut([B.host])).toBe(false)
  // Back, and a thread begins.
  book.add([A.host])
  first.apply(RANGE, book.memory)
  const second = thread(1, book)
  const others = [second.take(A, false, 0), second.take(A, false, 0)]
  expect(others).toContain(null)
  expect(others).not.toContain(port)
  expect(second.isInUse(A.withPort(port))).toBe(true)
})

test('an address that is gone is forgotten when its last port has rested, and is nobody’s then', () => {
  const book = new PortMemoryByAddress()
  book.add([A.host, B.host])
  const ports = thread(0, book)
  const local = A.withPort(ports.take(A, false, 0)!)
  ports.free(local, 0)
  expect(book.forgetBut([B.host])).toBe(false)
  ports.sweep(30_000, () => {})
  expect(book.forgetBut([B.host])).toBe(true)
  expect(book.forgetBut([B.host])).toBe(false)
  expect([...book.memory.keys()]).toEqual([B.host])
  ports.apply(RANGE, book.memory)
  expect(ports.take(A, false, 30_000)).toBeNull()
  expect(ports.isInUse(local)).toBe(false)
  ports.free(local, 30_000)
  expect(ports.take(B, false, 30_000)).not.toBeNull()
})

test('other ports are given out from now on, and those in use stay in use', () => {
  const book = new PortMemoryByAddress()
  book.add([A.host])
  const ports = thread(0, book)
  const before = ports.take(A, false, 0)!
  ports.apply({ minPort: 60_000, maxPort: 60_001 }, book.memory)
  const after = [ports.take(A, false, 0)!, ports.take(A, false, 0)!]
  expect(after.toSorted()).toEqual([60_000, 60_001])
  expect(ports.take(A, false, 0)).toBeNull()
  expect(ports.isInUse(A.withPort(before))).toBe(true)
  ports.free(A.withPort(before), 0)
  expect(ports.isInUse(A.withPort(before))).toBe(false)
  // At rest, but of no use here.
  expect(ports.take(A, false, 0)).toBeNull()
})
