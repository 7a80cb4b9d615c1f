import type { LoadOptions, LoadProgress, LoadResult } from './load.ts'
import type { DirectionResult } from './measure.ts'

const COLUMNS = ['', 'sent', 'received', 'lost', 'packets/s', 'Mbit/s', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms'] as const

/** The outcome of a run for people. */
export function table(options: LoadOptions, result: LoadResult): string {
  const { transport, server, size } = options
  const title = `${plural(result.allocations, 'allocation')} over ${transport} to ${server}, ${size}-byte payloads, ${result.seconds.toFixed(1)} s, ${result.io} I/O`
  const rows = Object.entries(result.directions).map(([name, direction]) => row(name, direction, options, result))
  return [title, '', ...aligned([COLUMNS, ...rows])].join('\n')
}

/** The outcome of a run for programs. */
export function json(options: LoadOptions, result: LoadResult, notes: readonly string[]): string {
  const { server, transport, allocations, rate, size, peerAddress } = options
  const asked = { server: `${server}`, transport, allocations, rate, size, seconds: options.seconds }
  return JSON.stringify({ asked: { ...asked, peer: peerAddress.host }, ...result, notes }, null, 2)
}

/** What a reader of the numbers has to know. */
export function remarks(options: LoadOptions, result: LoadResult, maxPps: number): string[] {
  const { rate, directions, allocations } = options
  const notes: string[] = []
  const sent = Object.values(result.directions).reduce((sum, direction) => sum + direction.sent, 0)
  const each = Math.round(rate / directions.length / Math.max(1, result.allocations))
  if (maxPps > 0 && each > maxPps)
    notes.push(
      `each allocation sends ${each} packets/s one way, above max-pps (${maxPps} here): a server with that limit drops the rest; more --allocations or another max-pps`,
    )
  if (sent < result.planned * 0.99)
    notes.push(
      `this machine could not send fast enough: ${sent} of ${result.planned} packets; the rate reached is the one in the table`,
    )
  if (result.allocations < allocations && result.seconds > 0)
    notes.push(`${result.allocations} of ${allocations} allocations could be made`)
  for (const [failure, count] of Object.entries(result.failures)) notes.push(`${failure} (${count} times)`)
  return notes
}

/** One line about a run that goes on. */
export function progressLine(progress: LoadProgress, options: LoadOptions): string {
  const { phase, allocations, elapsedSeconds, sent, received, medianMs } = progress
  if (phase === 'allocating') return `allocating: ${allocations} of ${options.allocations}`
  const delay = medianMs === null ? '' : `, median delay ${medianMs.toFixed(2)} ms`
  return `${phase}: ${elapsedSeconds.toFixed(0)} of ${options.seconds} s, sent ${sent}, received ${received}${delay}`
}

function row(name: string, direction: DirectionResult, { size }: LoadOptions, { seconds }: LoadResult): string[] {
  const { sent, received, lost, delayMs } = direction
  const perSecond = seconds > 0 ? received / seconds : 0
  const delays =
    delayMs === null ? ['-', '-', '-', '-'] : [delayMs.p50, delayMs.p95, delayMs.p99, delayMs.max].map(fixed)
  const share = sent === 0 ? '' : ` (${percent(lost / sent)})`
  return [
    name,
    `${sent}`,
    `${received}`,
    `${lost}${share}`,
    perSecond.toFixed(0),
    fixed((perSecond * size * 8) / 1e6),
    ...delays,
  ]
}

function percent(share: number): string {
  // Nothing lost and next to nothing lost are not the same.
  return share === 0 ? '0 %' : share < 0.0001 ? '<0.01 %' : `${(share * 100).toFixed(2)} %`
}

function fixed(value: number): string {
  return value.toFixed(2)
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** The first column to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  )
}
