import type { Scrape } from './sources.ts'

/**
 * A row of the table of metrics. The parts keep plain numbers, which are read when somebody asks, so that counting costs nothing
 * more. Label values come from fixed sets: no user, room or address.
 */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly labels: readonly string[]
  readonly read: (scrape: Scrape) => readonly Sample[]
}

/** A value for each label of its metric, and the number. */
export type Sample = readonly [labels: readonly string[], value: number]

/**
 * Name, help, labels separated by spaces, and how it is read from its source: a number without labels, numbers by the value of
 * one label, or samples.
 */
type Row<Source> = readonly [
  name: string,
  help: string,
  labels: string,
  read: (source: Source) => number | Readonly<Record<string, number>> | readonly Sample[],
]

/** Gauges that are read from one source; without it they have no value. */
export function gauges<Source>(of: (scrape: Scrape) => Source | null, rows: readonly Row<Source>[]): Metric[] {
  return rows.map((row) => metric('gauge', of, row))
}

/** The same of numbers that only grow. */
export function counters<Source>(of: (scrape: Scrape) => Source | null, rows: readonly Row<Source>[]): Metric[] {
  return rows.map((row) => metric('counter', of, row))
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function metric<Source>(
  type: Metric['type'],
  of: (scrape: Scrape) => Source | null,
  [name, help, labels, read]: Row<Source>,
): Metric {
  return {
    ...{ name, help, type },
    labels: labels === '' ? [] : labels.split(' '),
    read: (scrape) => {
      const source = of(scrape)
      if (source === null) return []
      const value = read(source)
      if (typeof value === 'number') return [[[], value]]
      if (Array.isArray(value)) return value
      return Object.entries(value).map(([label, count]) => [[label], count])
    },
  }
}
