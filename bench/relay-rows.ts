import { cell, fixed, type Runs, ratio } from './runs.ts'
import type { Scenario } from './scenarios.ts'
import { CONTENDERS, type Contender } from './servers.ts'
import { geometricMean } from './statistics.ts'
import type { RelayRun, Traffic } from './tools.ts'

/** What came of one scenario. */
export interface Measured {
  readonly scenario: Scenario
  readonly runs: Readonly<Record<Contender, Runs<RelayRun>>>
}

/** A table for people. */
export function relayRows(measured: readonly Measured[]): string[][] {
  const head = [
    'CPU per delivered packet, delivered/s, delay p50/p99',
    ...CONTENDERS,
    'CPU: ours/coturn',
    'ours/floor',
    'ours/before',
  ]
  const rows = measured.map(({ scenario: { name }, runs }) => [
    name,
    ...CONTENDERS.map((contender) =>
      cell(runs[contender], (median) => {
        const cost = median((run) => run.us_per_pkt).toFixed(2)
        const rate = (median((run) => run.rx_pps) / 1000).toFixed(0)
        return `${cost} µs, ${rate} k/s, ${median((run) => run.delay_p50_us)}/${median((run) => run.delay_p99_us)} µs`
      }),
    ),
    fixed(
      ratio(runs.ours, runs.coturn, (run) => run.us_per_pkt),
      2,
    ),
    fixed(
      ratio(runs.ours, runs.floor, (run) => run.us_per_pkt),
      2,
    ),
    fixed(
      ratio(runs.ours, runs.before, (run) => run.us_per_pkt),
      3,
    ),
  ])
  return [head, ...rows]
}

/** What the targets are about, of what was measured. */
export function relayTargets(measured: readonly Measured[]): string[][] {
  const at = (rate: number, more: (traffic: Traffic) => boolean = () => true) =>
    measured.filter(({ scenario: { traffic, family } }) => {
      const { payload, allocations, direction } = traffic
      const isOfTargets = family === 4 && payload === 200 && allocations === 16 && direction !== 3
      return isOfTargets && traffic.rate === rate && more(traffic)
    })
  const mean = (chosen: readonly Measured[], other: Contender, read: (run: RelayRun) => number) => {
    // One ratio that could not be had leaves no mean, rather than a better one.
    const ratios = chosen.map(({ runs }) => ratio(runs.ours, runs[other], read))
    return ratios.length === 0 ? 'not measured' : fixed(geometricMean(ratios), 2)
  }
  const single = at(30_000, ({ burst }) => burst === 1)
  return [
    [
      'CPU per delivered packet at 150 k/s, ours/coturn',
      '≤ 0.80',
      mean(at(150_000), 'coturn', (run) => run.us_per_pkt),
    ],
    ['the same, ours/floor', '≤ 1.15', mean(at(150_000), 'floor', (run) => run.us_per_pkt)],
    // Sent singly, they are more than the generator gets rid of.
    [
      'delivered/s of 250 k/s offered in bursts of 8, ours/coturn',
      '≥ 1.3',
      mean(
        at(250_000, ({ burst }) => burst === 8),
        'coturn',
        (run) => run.rx_pps,
      ),
    ],
    [
      'CPU per delivered packet, ours/before, all of these',
      '≤ 1.02',
      mean(measured, 'before', (run) => run.us_per_pkt),
    ],
    ['delay p99 at 30 k/s, ours/coturn', '≤ 1.0', mean(single, 'coturn', (run) => run.delay_p99_us)],
  ]
}
