import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { claimMemory } from '../../../src/shared/port-claims.ts'
import { Address } from '../../../src/stun/address.ts'
import { RelayPorts } from '../../../src/turn/relay-addresses/relay-ports.ts'

const IP = Address.parse('192.0.2.1')!
const ALICE = { user: 'alice', source: Address.parse('198.51.100.7')! }

/** Threads that share the ports of one address. */
function threads(minPort: number, maxPort: number, count = 2): RelayPorts[] {
  const range = { minPort, maxPort }
  const claims = new Map([[IP.host, claimMemory()]])
  return Array.from({ length: count }, (_, thread) => new RelayPorts(range, randomBytes, { thread, claims }))
}

function ports(minPort: number, maxPort: number): RelayPorts {
  return new RelayPorts({ minPort, maxPort }, randomBytes)
}

/** Takes until there is none, and returns what it got in order of number. */
function takeAll(source: RelayPorts, even = false, now = 0): number[] {
  const taken: number[] = []
  for (let port = source.take(IP, even, now); port !== null; port = source.take(IP, even, now)) taken.push(port)
  return taken.sort((a, b) => a - b)
}

test('TURN-ALLOC-14 every port of the range is handed out once, both ends included', () => {
  expect(takeAll(ports(49_152, 49_161))).toEqual([
    49_152, 49_153, 49_154, 49_155, 49_156, 49_157, 49_158, 49_159, 49_160, 49_161,
  ])
})

test('TURN-ALLOC-13 SEC-28 all taken is none, one freed is the next', () => {
  const source = ports(49_152, 49_171)
  const taken = takeAll(source)
  expect(source.take(IP, false, 0)).toBeNull()
  source.free(IP.withPort(taken[7]!), 0)
  expect(source.take(IP, false, 0)).toBe(taken[7])
  expect(source.take(IP, false, 0)).toBeNull()
})

test('TURN-ALLOC-14 a freed port rests while there are others', () => {
  const source = ports(49_152, 49_161)
  const port = source.take(IP, false, 0)!
  source.free(IP.withPort(port), 0)
  const others = Array.from({ length: 9 }, () => source.take(IP, false, 29_999))
  expect(others).not.toContain(port)
  expect(source.take(IP, false, 29_999)).toBe(port)
})

test('TURN-ALLOC-14 a freed port that has rested is one of all', () => {
  const seen = new Set<number | null>()
  for (let i = 0; i < 200 && !seen.has(0); i++) {
    const source = ports(49_152, 49_153)
    const port = source.take(IP, false, 0)!
    source.free(IP.withPort(port), 0)
    seen.add(source.take(IP, false, 30_000)! - port)
  }
  expect(seen).toContain(0)
})

test('TURN-ALLOC-15 a port that another program holds is left alone for a minute', () => {
  const source = ports(49_152, 49_155)
  const port = source.take(IP, false, 0)!
  source.skip(IP.withPort(port), 0)
  expect(takeAll(source, false, 59_999)).toHaveLength(3)
  expect(source.take(IP, false, 60_000)).toBe(port)
})

test('TURN-ALLOC-14 each local address has ports of its own', () => {
  const source = ports(49_152, 49_153)
  expect(takeAll(source)).toHaveLength(2)
  const other = Address.parse('2001:db8::1')!
  expect(source.take(other, false, 0)).not.toBeNull()
  source.free(other.withPort(49_152), 0)
  expect(source.take(IP, false, 0)).toBeNull()
})

test('a port freed twice, or never taken, is still handed out once', () => {
  const source = ports(49_152, 49_153)
  const port = source.take(IP, false, 0)!
  for (let i = 0; i < 10; i++) source.free(IP.withPort(port), i)
  source.free(IP.withPort(49_152), 20)
  source.skip(IP.withPort(49_153), 20)
  source.free(IP.withPort(1), 20)
  expect([source.take(IP, false, 20), source.take(IP, false, 20)].sort()).toEqual([49_152, 49_153])
  expect(source.take(IP, false, 100_000)).toBeNull()
})

test('TURN-EVEN-01 an even port leaves its odd neighbour to others', () => {
  const source = ports(49_152, 49_161)
  expect(takeAll(source, true)).toEqual([49_152, 49_154, 49_156, 49_158, 49_160])
  expect(takeAll(source)).toEqual([49_153, 49_155, 49_157, 49_159, 49_161])
})

test('TURN-EVEN-02 a pair is an even port and a token of 8 bytes for the one above', () => {
  const source = ports(49_152, 49_161)
  const { port, token } = source.takePair(IP, ALICE, 0)!
  expect(port % 2).toBe(0)
  expect(token).toHaveLength(8)
  expect(source.takeReserved(token, 'alice', 0)?.toString()).toBe(`192.0.2.1:${port + 1}`)
})

test('TURN-EVEN-02 tokens are all different', () => {
  const source = ports(20_000, 65_535)
  const tokens = Array.from({ length: 10_000 }, () => source.takePair(IP, ALICE, 0)!.token.toString('hex'))
  expect(new Set(tokens).size).toBe(10_000)
})

test('TURN-EVEN-03 a reservation lasts 30 s, also when the even port is freed before', () => {
  const source = ports(49_152, 49_153)
  const { port, token } = source.takePair(IP, ALICE, 1000)!
  source.free(IP.withPort(port), 2000)
  const expired: string[] = []
  source.sweep(30_999, (local, user) => expired.push(`${user} ${local.port}`))
  expect(source.take(IP, false, 30_999)).toBe(port)
  expect(source.take(IP, false, 30_999)).toBeNull()
  expect(source.takeReserved(token, 'alice', 30_999)).toBeInstanceOf(Address)
  expect(expired).toEqual([])
})

test('TURN-EVEN-03 TURN-EVEN-07 SEC-28 after 30 s the port is free and the place in the quota is given back', () => {
  const source = ports(49_152, 49_153)
  const { port, token } = source.takePair(IP, ALICE, 1000)!
  expect(source.takeReserved(token, 'alice', 31_000)).toBe('unknown')
  const expired: string[] = []
  source.sweep(31_000, (local, user) => expired.push(`${user} ${local.port}`))
  source.sweep(31_000, (local, user) => expired.push(`${user} ${local.port}`))
  expect(expired).toEqual([`alice ${port + 1}`])
  expect(source.take(IP, false, 31_000)).toBe(port + 1)
  expect(source.reservations).toBe(0)
})

test('TURN-EVEN-04 a token works once', () => {
  const source = ports(49_152, 49_161)
  const { token } = source.takePair(IP, ALICE, 0)!
  expect(source.takeReserved(token, 'alice', 0)).toBeInstanceOf(Address)
  expect(source.takeReserved(token, 'alice', 0)).toBe('unknown')
  source.sweep(60_000, () => expect.unreachable('a used reservation does not expire'))
})

test('TURN-ALLOC-08 an unknown token, whatever its length, is refused', () => {
  const source = ports(49_152, 49_161)
  source.takePair(IP, ALICE, 0)
  for (const length of [0, 7, 8, 9]) expect(source.takeReserved(randomBytes(length), 'alice', 0)).toBe('unknown')
})

test('TURN-EVEN-06 where no pair is left there is none, though single ports are', () => {
  const source = ports(49_152, 49_155)
  source.takePair(IP, ALICE, 0)
  source.take(IP, true, 0)
  expect(source.takePair(IP, ALICE, 0)).toBeNull()
  expect(source.take(IP, false, 0)).not.toBeNull()
})

test('TURN-EVEN-08 the token of another user is refused and stays good for its owner', () => {
  const source = ports(49_152, 49_161)
  const { token } = source.takePair(IP, ALICE, 0)!
  expect(source.takeReserved(token, 'mallory', 0)).toBe('foreign')
  expect(source.takeReserved(token, 'alice', 0)).toBeInstanceOf(Address)
})

test.each([
  ['an odd first port', 49_153, 49_156, [49_154]],
  ['an even last port', 49_152, 49_154, [49_152]],
  ['both', 49_153, 49_158, [49_154, 49_156]],
  ['one even port alone', 49_152, 49_152, []],
  ['one odd port alone', 49_153, 49_153, []],
  ['the end of all ports', 65_533, 65_535, [65_534]],
])('TURN-EVEN-09 with %s no pair leaves the range', (_name, minPort, maxPort, expected) => {
  const source = ports(minPort, maxPort)
  const taken: number[] = []
  for (let pair = source.takePair(IP, ALICE, 0); pair !== null; pair = source.takePair(IP, ALICE, 0))
    taken.push(pair.port)
  expect(taken.sort()).toEqual(expected)
  expect(takeAll(source)).toHaveLength(maxPort - minPort + 1 - expected.length * 2)
})

test('TURN-ALLOC-21 a reservation that came to nothing leaves nothing behind', () => {
  const source = ports(49_152, 49_153)
  const { port, token } = source.takePair(IP, ALICE, 0)!
  expect(source.endReservation(token)?.port).toBe(port + 1)
  expect(source.endReservation(token)).toBeNull()
  source.free(IP.withPort(port + 1), 0)
  source.skip(IP.withPort(port), 0)
  expect(takeAll(source)).toEqual([port + 1])
  expect(source.reservations).toBe(0)
})

test('TURN-EVEN-03 a reservation that is over, or used, cannot be undone', () => {
  const ports = new RelayPorts({ minPort: 50000, maxPort: 50003 }, randomBytes)
  const over = ports.takePair(IP, ALICE, 0)!
  ports.sweep(30_000, () => {})
  expect(ports.endReservation(over.token)).toBeNull()
  const used = ports.takePair(IP, ALICE, 30_000)!
  ports.takeReserved(used.token, 'alice', 30_000)
  expect(ports.endReservation(used.token)).toBeNull()
})

test('SEC-28 on 20 ports a hundred rounds of allocate and release succeed', () => {
  const source = ports(49_152, 49_171)
  for (let round = 0; round < 100; round++) {
    const port = source.take(IP, true, round)!
    expect(port % 2).toBe(0)
    source.free(IP.withPort(port), round)
  }
})

test('SEC-28 pairs come back too, when both of their ports have', () => {
  const source = ports(49_152, 49_171)
  for (let round = 0; round < 100; round++) {
    const { port, token } = source.takePair(IP, ALICE, round)!
    source.takeReserved(token, 'alice', round)
    source.free(IP.withPort(port), round)
    source.free(IP.withPort(port + 1), round)
  }
})

test('SEC-30 of 200 allocations no difference occurs more than 5 times', () => {
  const source = ports(49_152, 65_535)
  const taken = Array.from({ length: 200 }, () => source.take(IP, false, 0)!)
  const differences = new Map<number, number>()
  for (let i = 1; i < taken.length; i++) {
    const difference = taken[i]! - taken[i - 1]!
    differences.set(difference, (differences.get(difference) ?? 0) + 1)
  }
  expect(Math.max(...differences.values())).toBeLessThanOrEqual(5)
})

test('SEC-30 every port is as likely as another', () => {
  const counts = new Map<number, number>()
  for (let i = 0; i < 4000; i++) {
    const port = ports(49_152, 49_159).take(IP, false, 0)!
    counts.set(port, (counts.get(port) ?? 0) + 1)
  }
  expect(counts.size).toBe(8)
  // Five standard deviations around 500.
  for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(105)
})

test('the last free port among 16 384 is found without looking at the others', () => {
  let drawn = 0
  const source = new RelayPorts({ minPort: 49_152, maxPort: 65_535 }, (size) => {
    drawn++
    return randomBytes(size)
  })
  for (let i = 0; i < 16_384; i++) expect(source.take(IP, false, 0)).not.toBeNull()
  expect(drawn).toBe(16_384)
  source.free(IP.withPort(60_001), 0)
  expect(source.take(IP, false, 0)).toBe(60_001)
})

test('TURN-ALLOC-14 a port that rests in another thread is taken when no other is left, and not before', () => {
  const [one, other] = threads(49_152, 49_153) as [RelayPorts, RelayPorts]
  const port = one.take(IP, false, 0)!
  one.free(IP.withPort(port), 0)
  expect(other.take(IP, false, 1)).not.toBe(port)
  expect(other.take(IP, false, 1)).toBe(port)
  expect(one.take(IP, false, 1)).toBeNull()
})

test('TURN-EVEN-02 a pair is had of a free port and one that rests in another thread', () => {
  const [one, other] = threads(49_152, 49_153) as [RelayPorts, RelayPorts]
  const port = one.take(IP, true, 0)!
  one.free(IP.withPort(port), 0)
  expect(other.takePair(IP, ALICE, 1)?.port).toBe(port)
  expect(one.take(IP, false, 1)).toBeNull()
})

test('a port that others took out of its rest is not freed when the rest would have ended', () => {
  const [one, other] = threads(49_152, 49_152) as [RelayPorts, RelayPorts]
  one.free(IP.withPort(one.take(IP, false, 0)!), 0)
  other.free(IP.withPort(other.take(IP, false, 1000)!), 1000)
  expect(one.take(IP, false, 2000)).toBe(49_152)
  one.sweep(60_000, () => {})
  other.sweep(60_000, () => {})
  expect([one.take(IP, false, 60_000), other.take(IP, false, 60_000)]).toEqual([null, null])
})

test('TURN-ALLOC-15 a port that another program holds is left alone by all threads, for no longer than a minute', () => {
  const [one, other] = threads(49_152, 49_152) as [RelayPorts, RelayPorts]
  one.skip(IP.withPort(one.take(IP, false, 0)!), 0)
  one.sweep(59_999, () => {})
  expect(other.take(IP, false, 59_999)).toBeNull()
  one.sweep(60_000, () => {})
  expect(other.take(IP, false, 60_000)).toBe(49_152)
})

test('TURN-EVEN-04 a reserved port that one thread has taken is lost to all others, also to its own', () => {
  const [one, other, third] = threads(49_152, 49_153, 3) as [RelayPorts, RelayPorts, RelayPorts]
  const { port, token } = one.takePair(IP, ALICE, 0)!
  expect(other.adopt(IP.withPort(port + 1), 0)).toBe(true)
  expect(third.adopt(IP.withPort(port + 1), 0)).toBe(false)
  expect(one.takeReserved(token, 'alice', 0)).toBe('unknown')
  // When its time runs out that gives no place in the quota back.
  const over: unknown[] = []
  one.sweep(30_000, (local, user) => over.push([local.port, user]))
  expect(over).toEqual([[port + 1, null]])
  expect(one.take(IP, false, 30_000)).toBeNull()
})

test('SEC-28 what a thread that died had in use, reserved, at rest or left alone is free', () => {
  const [one, other] = threads(49_152, 49_157) as [RelayPorts, RelayPorts]
  one.takePair(IP, ALICE, 0)
  one.free(IP.withPort(one.take(IP, false, 0)!), 0)
  one.skip(IP.withPort(one.take(IP, false, 0)!), 0)
  const kept = other.take(IP, false, 0)!
  other.forgetThread(0)
  expect(takeAll(other)).toHaveLength(5)
  other.free(IP.withPort(kept), 0)
  expect(takeAll(other)).toEqual([kept])
})
