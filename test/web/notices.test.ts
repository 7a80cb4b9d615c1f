import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { bundlePages } from '../../tsup.config.ts'

test('the notices name every package in the page, with its version and licence, and no other', async () => {
  const { metafile } = await bundlePages(true)
  const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs))
  const folders = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []))
  const bundled = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as Package
    return `${name} ${version} (${license})`
  })
  const named = readFileSync('THIRD-PARTY-NOTICES.md', 'utf8').matchAll(/^## (.+)$/gm)
  expect(Array.from(named, ([, heading]) => heading).sort()).toEqual(bundled.sort())
  expect(bundled.length).toBeGreaterThan(0)
})

interface Package {
  readonly name: string
  readonly version: string
  readonly license: string
}
