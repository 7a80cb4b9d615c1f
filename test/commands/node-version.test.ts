import { expect, test } from 'vitest'
import { nodeComplaint } from '../../src/commands/node-version.ts'

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

test.each(['22.12.0', '24.0.0', '25.1.0'])('SEC-60 Node %s is fine', (version) => {
  expect(nodeComplaint(version)).toBeNull()
})
