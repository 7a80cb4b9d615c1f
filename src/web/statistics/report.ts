import { figuresOf } from '../link/figures.ts'
import type { Link } from '../link/link.ts'

/** What a person sends to whoever helps them: JSON without addresses, names or the room. */
export function reportOf(link: Link, length: string): string {
  const samples = link.samples.value
  const now = samples.at(-1)
  return JSON.stringify(
    {
      version: __VERSION__,
      time: new Date().toISOString(),
      browser: navigator.userAgent,
      length,
      quality: link.quality.value,
      otherSide: link.kindred ? 'this page' : 'another program',
      path: now?.path ?? null,
      ends: now?.ends ?? null,
      incoming: now?.incoming ?? null,
      outgoing: now?.outgoing ?? null,
      seconds: figuresOf(samples),
    },
    null,
    1,
  )
}
