import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import requirements from '../requirements/requirements.json' with { type: 'json' }

const PAGES = [
  'README.md',
  'README.zh-CN.md',
  ...readdirSync('docs').flatMap((name) => (name.endsWith('.md') ? [`docs/${name}`] : [])),
]
const textOf = (page: string) => readFileSync(page, 'utf8')
const { scripts } = JSON.parse(textOf('package.json')) as { readonly scripts: Readonly<Record<string, string>> }

describe.each(PAGES)('%s', (page) => {
  const text = textOf(page)

  test('names no file of ours that is not there', () => {
    const named = [...text.matchAll(/`((?:src|test|docs|bench|bin)\/[\w./-]*)(?:\/<|`)/g)].map(([, path]) => path!)
    // What the programs there write is not in the repository.
    const kept = named.filter((path) => !/^bench\/.*\.json$/.test(path))
    expect(kept.filter((path) => !existsSync(path))).toEqual([])
  })

  test('links to pages and pictures that are there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, link]) => link!)
    expect(links.filter((link) => !existsSync(join(dirname(page), link)))).toEqual([])
  })

  test('names no script of npm that is not there', () => {
    const named = [...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name]) => name!)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

test('docs/architecture.md says which folder imports which, all of it and nothing else', () => {
  const rows = [...textOf('docs/architecture.md').matchAll(/^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$/gm)]
  const told = Object.fromEntries(
    rows.map(([, folder, imports]) => [
      folder!,
      [...imports!.matchAll(/`(\w+)`/g)].map(([, name]) => name!).toSorted(),
    ]),
  )
  expect(told).toEqual(importsByFolder())
})

test('docs/security.md promises nothing whose test is missing', () => {
  const promised = textOf('docs/security.md').match(/\bSEC-\d+/g) ?? []
  expect(promised.length).toBeGreaterThan(50)
  expect(promised.filter((id) => !(id in requirements.covered))).toEqual([])
})

/** The folders of src that each of them imports from, itself left out; files that lie in none do not count. */
function importsByFolder(): Record<string, string[]> {
  const found = new Map<string, Set<string>>()
  for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!/\.tsx?$/.test(file) || !file.includes('/')) continue
    const folder = file.split('/')[0]!
    const imports = found.get(folder) ?? new Set()
    found.set(folder, imports)
    for (const [, path] of textOf(join('src', file)).matchAll(/(?:from|import)[ (]'(\.[^']+)'/g)) {
      const target = normalize(join(dirname(file), path!)).split('/')
      if (target.length > 1 && target[0] !== folder) imports.add(target[0]!)
    }
  }
  return Object.fromEntries([...found].map(([folder, imports]) => [folder, [...imports].toSorted()]))
}
