import { describe, expect, test } from 'vitest'
import { StreamTraffic } from '../../src/shared/stream-traffic.ts'

describe('the traffic of the streams of one allocation', () => {
  test('RES-03 passes a second at once, and what follows at the rate', () => {
    const traffic = new StreamTraffic(1000, 0)
    let now = 5000
    let passed = 0
    while (now < 15_000) {
      const restMs = traffic.pass('toPeer', 100, now)
      passed += 100
      now += restMs
    }
    expect(passed).toBeGreaterThanOrEqual(11_000)
    expect(passed).toBeLessThanOrEqual(11_100)
    expect(traffic.bytes('toPeer')).toBe(passed)
  })

  test('RES-03 counts for threads whose clocks differ in one account', () => {
    const one = new StreamTraffic(1000, 0)
    const other = new StreamTraffic(1000, 4000, one.memory)
    expect(one.pass('toClient', 1000, 5000)).toBe(0)
    expect(other.pass('toClient', 500, 1000)).toBeCloseTo(500, 0)
    expect(one.pass('toPeer', 1000, 5000)).toBe(0)
    expect([one.bytes('toClient'), other.bytes('toClient'), other.bytes('toPeer')]).toEqual([1500, 1500, 1000])
  })

  test('without a limit never rests', () => {
    const traffic = new StreamTraffic(0, 0)
    expect(traffic.pass('toPeer', 1e9, 0)).toBe(0)
  })
})
