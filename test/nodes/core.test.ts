import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run } from '../support/turnutils.ts'
import { describeNodes } from './nodes.ts'

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const reporters = ['--reporter=dot', '--reporter=./test/support/summary-reporter.ts']

describeNodes('for the core', ({ path }) => {
  // What needs a second try under one Node alone is what this is to show.
  test('passes every test', { timeout: 300_000, retry: 0 }, async () => {
    const { code, text } = await run(path, [vitest, 'run', '--project', 'core', ...reporters], 280_000)
    expect(code, text).toBe(0)
    const [, passed] = /^(\d+) passed, 0 failed, 0 skipped$/m.exec(text) ?? []
    expect(Number(passed), text).toBeGreaterThan(1000)
  })
})
