import { describe, expect, test } from 'vitest'
import { lostBy } from '../../bench/loss.ts'
import { cell, fixed, inTurn, ratio } from '../../bench/runs.ts'
import { percentile } from '../../bench/statistics.ts'
import type { RelayRun } from '../../bench/tools.ts'

const failure = { failed: 'error 437' }
const cost = (run: { cost: number }) => run.cost
const describeCost = (median: (read: typeof cost) => number) => median(cost).toFixed(1)

describe('a table of runs', () => {
  test('shows the median of those that came to something, and how many did not', () => {
    expect(cell([{ cost: 3 }, { cost: 1 }, { cost: 2 }], describeCost)).toBe('2.0')
    expect(cell([{ cost: 3 }, failure, { cost: 2 }], describeCost)).toBe('2.5 (1 of 3 runs failed)')
  })

  test('never shows a number for runs that all failed, or for none', () => {
    expect(cell([failure, failure], describeCost)).toBe('failed: error 437')
    expect(cell([], describeCost)).toBe('not measured')
    expect(fixed(Number.NaN, 2)).toBe('–')
  })

  test('compares only runs of the same round', () => {
    expect(ratio([{ cost: 1 }, { cost: 8 }, failure], [{ cost: 2 }, failure, { cost: 9 }], cost)).toBe(0.5)
    expect(ratio([failure], [{ cost: 2 }], cost)).toBeNaN()
    expect(ratio([{ cost: 1 }], [{ cost: 0 }], cost)).toBeNaN()
  })

  test('reverses the order every other round', () => {
    expect([0, 1, 2].map((round) => inTurn(['a', 'b'], round).join(''))).toEqual(['ab', 'ba', 'ab'])
  })
})

test('what the generator had no room for is not lost by the server', () => {
  const run = { sent: 10, received: 7, own_drops: 2 } as RelayRun
  expect(lostBy(run)).toBe(1)
  expect(lostBy({ ...run, own_drops: 5 })).toBe(0)
})

test('a percentile is a value that was measured', () => {
  const values = [5, 1, 4, 2, 3]
  expect([percentile(values, 0.5), percentile(values, 0.99), percentile([], 0.5)]).toEqual([3, 5, Number.NaN])
})
