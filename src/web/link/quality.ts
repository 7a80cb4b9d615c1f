import { type Figures, figuresOf } from './figures.ts'
import type { Condition } from './health.ts'
import type { Sample } from './sampler.ts'

/** How a call is for who is in it. */
export type Quality = 'good' | 'weak' | 'lost'

/** From here on people notice: they talk into each other's words, or miss syllables. */
const bearable = { roundTripMs: 400, lossPercent: 5, jitterMs: 80 }
/** One bad second is none that anybody remembers. */
const seconds = 5

/** Judges the last seconds of a connection. */
export function qualityOf(condition: Condition, samples: readonly Sample[]): Quality {
  if (condition === 'lost') return 'lost'
  if (condition === 'weak') return 'weak'
  const recent = figuresOf(samples.slice(-1 - seconds))
  const mean = (name: 'roundTripMs' | 'lossPercent' | 'jitterMs') =>
    average(recent.map((figures: Figures) => figures[name]))
  const bad = (['roundTripMs', 'lossPercent', 'jitterMs'] as const).some((name) => mean(name) > bearable[name])
  return bad && recent.length === seconds ? 'weak' : 'good'
}

function average(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length
}
