import { beforeEach, describe, expect, test } from 'vitest'
import { type Cure, Health } from '../../src/web/link/health.ts'

let health: Health
let now: number
let received: number

beforeEach(() => {
  now = 0
  received = 0
  health = new Health(now)
})

/** Seconds in which media comes. */
function busy(seconds: number): (Cure | null)[] {
  return Array.from({ length: seconds }, () => {
    received += 5000
    return tick()
  })
}

/** Seconds in which nothing comes. */
function silent(seconds: number): (Cure | null)[] {
  return Array.from({ length: seconds }, tick)
}

function tick(): Cure | null {
  now += 1000
  return health.tick(received, now)
}

/** Seconds of a call with neither sound nor picture: two checks of the path every two and a half. */
function idle(seconds: number): (Cure | null)[] {
  return Array.from({ length: seconds }, () => {
    now += 1000
    const checks = Math.floor(now / 2500) + Math.floor((now + 900) / 2500)
    return health.tick(checks, now)
  })
}

function connect(): void {
  expect(health.state('connected', now)).toBeNull()
  expect(health.condition).toBe('connected')
}

describe('a call with media', () => {
  beforeEach(() => {
    connect()
    expect(busy(10)).toEqual(Array(10).fill(null))
  })

  test('is weak after two silent seconds and restarted after three', () => {
    expect(silent(1)).toEqual([null])
    expect(health.condition).toBe('connected')
    expect(silent(1)).toEqual([null])
    expect(health.condition).toBe('weak')
    expect(silent(1)).toEqual(['restart'])
    expect(health.condition).toBe('lost')
  })

  test('is weak as early when its last second was not a whole one', () => {
    received += 30
    tick()
    silent(2)
    expect(health.condition).toBe('weak')
  })

  test('is well again as soon as something comes', () => {
    silent(2)
    expect(busy(1)).toEqual([null])
    expect(health.condition).toBe('connected')
  })

  test('says its offer again every two seconds until it is answered, and tries another path after six', () => {
    expect(silent(10)).toEqual([null, null, 'restart', null, 'repeat', null, 'repeat', null, 'restart', null])
    health.answered()
    expect(silent(4)).toEqual([null, null, null, null])
  })

  test('gives the connection up when answers come but no path works', () => {
    const cures = Array.from({ length: 40 }, () => {
      health.answered()
      return silent(1)[0]
    })
    expect(cures.indexOf('rebuild')).toBe(22)
  })

  test('never gives it up while the other side does not answer', () => {
    expect(silent(120)).not.toContain('rebuild')
  })

  test('is restarted at once when the network changes in a silence', () => {
    silent(2)
    expect(health.networkChanged(now)).toBe('restart')
    expect(health.networkChanged(now + 100)).toBeNull()
    expect(health.networkChanged(now + 900)).toBe('restart')
  })

  test('is restarted after one silent second when the network has changed, and left alone when media goes on', () => {
    expect(health.networkChanged(now)).toBeNull()
    expect(busy(3)).toEqual([null, null, null])
    expect(health.networkChanged(now)).toBeNull()
    expect(silent(1)).toEqual(['restart'])
  })

  test('is restarted when the browser gives the path up', () => {
    expect(health.state('disconnected', now)).toBeNull()
    expect(health.condition).toBe('weak')
    expect(health.state('failed', now)).toBe('restart')
    expect(health.condition).toBe('lost')
    connect()
  })

  test('is not well by a check that comes in while the browser has no path', () => {
    silent(3)
    health.state('failed', now)
    busy(2)
    expect(health.condition).toBe('lost')
    health.state('connected', now)
    expect(health.condition).toBe('connected')
  })

  test('is judged anew after a sleep', () => {
    now += 60_000
    expect(health.tick(received, now)).toBeNull()
    expect(health.condition).toBe('connected')
    expect(silent(1)).toEqual(['restart'])
  })

  test('goes on after a sleep that did it no harm', () => {
    now += 60_000
    expect(busy(5)).toEqual(Array(5).fill(null))
    expect(health.condition).toBe('connected')
  })
})

test('a call without media is not weak between two checks of its path', () => {
  connect()
  expect(idle(60)).toEqual(Array(60).fill(null))
  expect(health.condition).toBe('connected')
})

test('a call without media is weak at the sixth silent second and restarted at the ninth', () => {
  connect()
  idle(20)
  received = 1_000_000
  health.tick(received - 2, now)
  health.tick(received - 1, now)
  tick()
  silent(5)
  expect(health.condition).toBe('connected')
  silent(1)
  expect(health.condition).toBe('weak')
  expect(silent(3)).toEqual([null, null, 'restart'])
})

test('a path that fails before the first connection is tried again, but not in a hurry', () => {
  expect(health.state('failed', now)).toBe('restart')
  expect(health.state('failed', now + 10)).toBeNull()
  expect(silent(3)).toEqual([null, 'repeat', 'restart'])
  expect(health.condition).toBe('connecting')
})

test('waiting for somebody to come asks for nothing', () => {
  expect(silent(600)).toEqual(Array(600).fill(null))
})

describe('the other side asks for a new path', () => {
  test('and gets one', () => {
    connect()
    busy(3)
    expect(health.asked(now)).toBe('restart')
    expect(health.asked(now + 100)).toBe('repeat')
    health.answered()
    expect(health.asked(now + 1000)).toBe('restart')
  })

  test('and has to wait for it where no path has ever been found', () => {
    expect(health.state('failed', now)).toBe('restart')
    health.answered()
    expect(health.asked(now + 1000)).toBeNull()
    expect(health.asked(now + 3000)).toBe('restart')
  })

  test('and gets the offer again that it has missed', () => {
    connect()
    busy(10)
    silent(4)
    expect(health.asked(now)).toBe('repeat')
  })
})
