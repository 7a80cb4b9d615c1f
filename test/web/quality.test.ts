import { describe, expect, test } from 'vitest'
import { figuresOf } from '../../src/web/link/figures.ts'
import { qualityOf } from '../../src/web/link/quality.ts'
import type { Sample } from '../../src/web/link/sampler.ts'
import { readStats } from '../../src/web/link/stats.ts'

const nothing = readStats(new Map())

interface Second {
  readonly bytes?: number
  readonly packets?: number
  readonly lost?: number
  readonly roundTripMs?: number
  readonly jitterMs?: number
}

/** Samples a second apart: each second adds this to what came, and half of it to what went. */
function samples(seconds: readonly Second[]): Sample[] {
  let [at, bytes, packets, lost] = [0, 0, 0, 0]
  const first: Sample = { ...nothing, at }
  return [
    first,
    ...seconds.map((second) => {
      at += 1000
      bytes += second.bytes ?? 0
      packets += second.packets ?? 100
      lost += second.lost ?? 0
      const { roundTripMs = 20, jitterMs = 5 } = second
      const incoming = { ...nothing.incoming, bytes, packets, lost }
      return { ...nothing, at, roundTripMs, jitterMs, incoming, outgoing: { ...nothing.outgoing, bytes: bytes / 2 } }
    }),
  ]
}

const times = (count: number, second: Second) => Array.from({ length: count }, () => second)

test('figures are what happened between two looks', () => {
  expect(figuresOf(samples([{ bytes: 125_000 }, { bytes: 250_000, packets: 90, lost: 10, roundTripMs: 30 }]))).toEqual([
    { at: 1000, receivedKbps: 1000, sentKbps: 500, lossPercent: 0, roundTripMs: 20, jitterMs: 5 },
    { at: 2000, receivedKbps: 2000, sentKbps: 1000, lossPercent: 10, roundTripMs: 30, jitterMs: 5 },
  ])
  // A new connection counts from 0.
  const [before, after] = [samples([{ bytes: 9_000_000 }]), samples([{ bytes: 10 }])]
  expect(figuresOf([before[1]!, { ...after[1]!, at: 2000 }])).toMatchObject([{ receivedKbps: 0, lossPercent: 0 }])
})

describe('a connection', () => {
  test.each([
    ['good', times(9, {})],
    ['good', []],
    ['good', [...times(8, {}), { roundTripMs: 900 }]],
    ['weak', times(5, { roundTripMs: 700 })],
    ['weak', times(5, { lost: 10 })],
    ['weak', times(5, { jitterMs: 120 })],
    ['good', times(3, { roundTripMs: 700 })],
    ['good', [...times(9, { roundTripMs: 700 }), ...times(5, {})]],
  ] as const)('is %s (%#)', (quality, seconds) => {
    expect(qualityOf('connected', samples(seconds))).toBe(quality)
  })

  test('is what silence says first', () => {
    expect(qualityOf('weak', samples(times(9, {})))).toBe('weak')
    expect(qualityOf('lost', samples(times(9, { lost: 10 })))).toBe('lost')
  })
})
