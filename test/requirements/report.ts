import { citations, disagreements } from './citations.ts'
import requirements from './requirements.json' with { type: 'json' }

/** `npm run requirements`: how many have a test, which have none and why. Exits with 1 where list and tests disagree. */
const { covered, uncovered } = requirements
const all = Object.keys(covered).length + Object.keys(uncovered).length
const ids = new Map<string, string[]>()
for (const [id, { reason }] of Object.entries(uncovered)) ids.set(reason, [...(ids.get(reason) ?? []), id])
for (const [reason, without] of ids) console.log(`${without.join(' ')}\n  ${reason}`)
console.log(`requirements with a test: ${Object.keys(covered).length} of ${all}`)

const lines = disagreements(requirements, citations('test'))
for (const line of lines) console.error(`test/requirements/requirements.json: ${line}`)
if (lines.length > 0) process.exitCode = 1
