/** The candidate that `word` was probably meant to be, or null when none is near. */
export function nearest(word: string, candidates: Iterable<string>, reach: number = reachOf(word)): string | null {
  let best: string | null = null
  let least = reach + 1
  const plain = word.toLowerCase()
  for (const candidate of candidates) {
    const away = distance(plain, candidate.toLowerCase(), least)
    if (away < least) {
      least = away
      best = candidate
    }
  }
  return best
}

/** How many letters may differ: of a short word two others make any other. */
function reachOf(word: string): number {
  return word.length < 5 ? 1 : Math.max(2, Math.floor(word.length / 3))
}

/** Levenshtein distance; anything from `limit` on counts as `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const swap = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(swap, above[column]! + 1, current[column - 1]! + 1))
    }
    above = current
  }
  return Math.min(above[b.length]!, limit)
}
