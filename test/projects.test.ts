import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))

/** Test files by the names that anybody may give one, wherever somebody may put it. */
const files = ['src', 'test', 'bench']
  .flatMap((folder) =>
    readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
  )
  .filter((name) => /\.(test|spec)\.[cm]?[jt]sx?$/.test(name))
  .sort()

/** The projects that have a file, as vitest itself says. */
const projects = new Map<string, string[]>()
const listed = execFileSync(process.execPath, [vitest, 'list', '--filesOnly', '--json'], {
  cwd: root,
  encoding: 'utf8',
})
for (const { file, projectName } of JSON.parse(listed.slice(listed.indexOf('[\n'))) as Listed[])
  projects.set(relative(file), [...(projects.get(relative(file)) ?? []), projectName])

interface Listed {
  readonly file: string
  readonly projectName: string
}

describe('the projects of vitest.config.ts', () => {
  test('have each test file in one, and the suites of a running server in one for each udp-io that can pass them', () => {
    expect(files.length).toBeGreaterThan(150)
    const kinds = files.map((file) => [file, [...new Set((projects.get(file) ?? []).map(kindOf))]])
    expect(kinds.filter(([, kind]) => kind!.length !== 1)).toEqual([])
    for (const [file, names] of projects) {
      const [, only] = /\.(dgram|batch)\.test\.ts$/.exec(file) ?? []
      if (kindOf(names[0]!) === 'servers') expect(names, file).toContain(`udp-io=${only ?? 'dgram'}`)
      else expect(only, `${file} runs with no udp-io of its own`).toBeUndefined()
    }
  })

  test('know no project with a file that nobody wrote', () => {
    expect([...projects.keys()].sort()).toEqual(files)
  })

  test('have files in the core that can share a process: no module is replaced, no socket opened, no program run', () => {
    const core = [...projects].filter(([, names]) => names.includes('core')).map(([file]) => file)
    expect(core.length).toBeGreaterThan(50)
    const unfit = core.filter((file) =>
      /vi\.(mock|doMock|stubGlobal)\(|node:(dgram|tls|https?|child_process)'/.test(
        readFileSync(`${root}/${file}`, 'utf8'),
      ),
    )
    expect(unfit).toEqual([])
  })
})

function kindOf(project: string): string {
  return project.startsWith('udp-io=') ? 'servers' : project
}

function relative(file: string): string {
  return file.slice(root.length)
}
