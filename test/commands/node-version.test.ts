import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { nodeComplaint, RECOMMENDED_NODE } from '../../src/commands/node-version.ts'

test.each(['18.20.8', '20.0.0', '20.19.9', '20.20.1', '16.0.0'])(
  'SEC-60 Node %s is refused with a sentence',
  (version) => {
    const complaint = nodeComplaint(version)
    expect(complaint?.fatal).toBe(true)
    expect(complaint?.message).toContain(`this is ${version}`)
  },
)

test.each(['20.20.2', '20.21.0'])(
  'SEC-60 Node %s starts with a warning, because its line is out of support',
  (version) => {
    expect(nodeComplaint(version)).toMatchObject({ fatal: false, message: expect.stringContaining('2026-04-30') })
  },
)

test.each(['22.12.0', '24.0.0', '25.1.0', '26.12.1'])('SEC-60 Node %s is fine', (version) => {
  expect(nodeComplaint(version)).toBeNull()
})

test('SEC-60 README tells people to install the Node that we recommend, and names all that the build is tried under', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const { optionalDependencies } = JSON.parse(read('test/nodes/pinned/package.json')) as {
    optionalDependencies: Readonly<Record<string, string>>
  }
  const majors = Object.values(optionalDependencies).map((pin) => Number(/@(\d+)\.\d+\.\d+$/.exec(pin)![1]))
  expect(majors).toContain(RECOMMENDED_NODE)
  const readme = read('README.md')
  expect(readme).toContain(`the newest LTS, which is Node ${RECOMMENDED_NODE}`)
  expect(readme).toContain(`${majors.slice(0, -1).join(', ')} and ${majors.at(-1)}`)
})
