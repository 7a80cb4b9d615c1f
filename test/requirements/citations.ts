import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'

/** What the program must do, by the ids that names of tests cite. */
export interface Requirements {
  /** Their titles; each has a test. */
  readonly covered: Readonly<Record<string, string>>
  readonly uncovered: Readonly<Record<string, { readonly title: string; readonly reason: string }>>
}

/** Where each id is cited. */
export type Citations = ReadonlyMap<string, readonly string[]>

/** TURN-ALLOC-01, SEC-60, NAT-5780-04, AR-4.12; nothing longer, and no part of it. */
const ID = /(?<![A-Za-z0-9-])(?:AR-\d+(?:\.\d+)*|[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-\d{2})(?![0-9A-Za-z-])/g

// Without minifying esbuild keeps some of the comments.
const PLAIN = { jsx: 'preserve', charset: 'utf8', minifyWhitespace: true, legalComments: 'none' } as const

/** The ids in the strings of a test file. Its comments count for nothing, its names and the rows they are made of do. */
export function idsIn(source: string, loader: 'ts' | 'tsx' = 'ts'): Set<string> {
  const { code } = transformSync(source, { ...PLAIN, loader })
  return new Set(code.match(ID))
}

/** All that the test files under a folder cite. */
export function citations(folder: string): Citations {
  const found = new Map<string, string[]>()
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  for (const name of names.filter((each) => /\.test\.tsx?$/.test(each)).sort()) {
    const ids = idsIn(readFileSync(join(folder, name), 'utf8'), name.endsWith('x') ? 'tsx' : 'ts')
    for (const id of ids) found.set(id, [...(found.get(id) ?? []), name])
  }
  return found
}

/** One line for each disagreement between the list and the tests. */
export function disagreements({ covered, uncovered }: Requirements, cited: Citations): string[] {
  const known = new Set([...Object.keys(covered), ...Object.keys(uncovered)])
  const families = new Set([...known].map(familyOf))
  const lines: string[] = []
  for (const id of Object.keys(covered)) {
    if (!cited.has(id)) lines.push(`${id} is covered, says the list, and no test cites it: ${covered[id]}`)
    if (id in uncovered) lines.push(`${id} is in the list twice, covered and uncovered`)
  }
  for (const [id, files] of cited) {
    if (id in uncovered) lines.push(`${id} is cited by ${files.join(', ')} and uncovered, says the list: move it`)
    else if (!known.has(id) && families.has(familyOf(id)))
      lines.push(`${id} is cited by ${files.join(', ')} and is not in the list`)
  }
  return lines
}

/** What tells a requirement from SHA-256: the word that ids begin with. */
function familyOf(id: string): string {
  return id.slice(0, id.indexOf('-'))
}
