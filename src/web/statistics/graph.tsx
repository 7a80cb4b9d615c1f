/** A line of a graph: one value a second, the newest last; null is a gap. */
interface Line {
  readonly label: string
  readonly values: readonly (number | null)[]
}

interface GraphProps {
  readonly title: string
  readonly unit: string
  /** The height of the graph is at least this. */
  readonly least: number
  readonly lines: readonly Line[]
}

/** Two minutes. */
const width = 120
const height = 40

/** Figures over time, with the newest in words. */
export function Graph({ title, unit, least, lines }: GraphProps) {
  const top = Math.max(least, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)))
  const newest = lines.map(({ label, values }) => {
    const value = values.at(-1) ?? null
    return `${label === '' ? '' : `${label} `}${value === null ? '–' : `${value} ${unit}`}`
  })
  return (
    <figure class="graph">
      <figcaption>
        <span>{title}</span>
        {newest.map((words, index) => (
          <strong key={lines[index]!.label} class={`graph-value-${index}`}>
            {words}
          </strong>
        ))}
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${newest.join(', ')}`}
      >
        {lines.map(({ label, values }, index) => (
          <path key={label} class={`graph-line-${index}`} d={pathOf(values, top)} vector-effect="non-scaling-stroke" />
        ))}
      </svg>
    </figure>
  )
}

function pathOf(values: readonly (number | null)[], top: number): string {
  let drawing = false
  return values
    .map((value, index) => {
      if (value === null) {
        drawing = false
        return ''
      }
      const point = `${width - values.length + index + 1} ${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`
      const step = drawing ? `L${point}` : `M${point}`
      drawing = true
      return step
    })
    .join('')
}
