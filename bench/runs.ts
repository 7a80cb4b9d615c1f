import { median } from './statistics.ts'
import type { Failure } from './tools.ts'

/** What came of measuring the same thing several times: failures stay in their place, so that pairs stay pairs. */
export type Runs<Run> = readonly (Run | Failure)[]

export function isFailure(run: unknown): run is Failure {
  return typeof run === 'object' && run !== null && 'failed' in run
}

/** A list to be filled for each name. */
export function lists<Name extends string, Run>(names: readonly Name[]): Record<Name, (Run | Failure)[]> {
  return Object.fromEntries(names.map((name) => [name, []])) as never
}

/** The runs that came to something. */
export function successes<Run>(runs: Runs<Run>): Run[] {
  return runs.filter((run): run is Run => !isFailure(run))
}

/** The median over rounds of ours divided by the other's, measured one after the other; NaN where no round has both. */
export function ratio<Run>(ours: Runs<Run>, theirs: Runs<Run>, read: (run: Run) => number): number {
  const ratios = ours.flatMap((our, round) => {
    const their = theirs[round]
    if (their === undefined || isFailure(our) || isFailure(their)) return []
    return read(their) > 0 ? [read(our) / read(their)] : []
  })
  return median(ratios)
}

/** Text about runs that never hides a failed one. `describe` is given the median of what it asks for. */
export function cell<Run>(
  runs: Runs<Run>,
  describe: (median: (read: (run: Run) => number) => number) => string,
): string {
  const good = successes(runs)
  if (good.length === 0) return runs.length === 0 ? 'not measured' : `failed: ${runs.find(isFailure)!.failed}`
  const text = describe((read) => median(good.map(read)))
  return good.length === runs.length ? text : `${text} (${runs.length - good.length} of ${runs.length} runs failed)`
}

/** A number, or a dash where there is none. */
export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–'
}

/** Every other round the other way round: what changes on the machine meanwhile hits all alike. */
export function inTurn<Item>(items: readonly Item[], round: number): readonly Item[] {
  return round % 2 === 0 ? items : items.toReversed()
}
