import pc from 'picocolors'
import { visible } from '../../visible.ts'
import type { Terminal } from '../terminal.ts'

export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly isNumber?: boolean
  /** May be cut where the terminal is too narrow, down to so many characters. */
  readonly least?: number
}

const GAP = 2

/** Rows with a head; on a terminal they are cut to its width. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { columns: width }: Terminal,
): string {
  const cells = rows.map((row) => columns.map(({ text }) => plain(text(row))))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  if (width !== undefined) narrow(widths, columns, width)
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => {
        const cut = text.length > widths[i]! ? `${text.slice(0, widths[i]! - 1)}…` : text
        return columns[i]!.isNumber ? cut.padStart(widths[i]!) : cut.padEnd(widths[i]!)
      })
      .join(' '.repeat(GAP))
      .trimEnd()
  const head = line(columns.map(({ title }) => title))
  return [width === undefined ? head : pc.bold(head), ...cells.map(line)].join('\n')
}

/** Takes from the widest column that may be cut, until all fit or none may be cut any more. */
function narrow<Row>(widths: number[], columns: readonly Column<Row>[], width: number): void {
  const room = () => width - widths.reduce((sum, each) => sum + each) - GAP * (widths.length - 1)
  while (room() < 0) {
    const cuttable = columns.flatMap(({ least }, i) => (least !== undefined && widths[i]! > least ? [i] : []))
    if (cuttable.length === 0) return
    const widest = cuttable.reduce((one, other) => (widths[other]! > widths[one]! ? other : one))
    widths[widest]!--
  }
}

/** Names come from strangers: nothing in them steers the terminal. */
export function plain(text: string): string {
  return visible(JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\'))
}

/** `45s`, `3m05s`, `2h10m`, `5d02h`. */
export function duration(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two((seconds % 3600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${two((seconds % 86_400) / 3600)}h`
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** `512 B`, `3.4 MB`. */
export function bytes(count: number): string {
  let unit = 0
  let value = count
  for (; value >= 1000 && unit < UNITS.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `401 × 3, 486 × 1`; `none` for nothing. */
export function counts(by: Readonly<Record<string, number>>): string {
  const some = Object.entries(by).filter(([, count]) => count > 0)
  return some.length === 0 ? 'none' : some.map(([name, count]) => `${plain(name)} × ${count}`).join(', ')
}
