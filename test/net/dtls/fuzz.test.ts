import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'

// Inside the tree, so that the program finds koffi and the certificates.
const program = new URL(`../../support/.dtls-storm-${process.pid}.mjs`, import.meta.url).pathname

beforeAll(async () => {
  const entry = new URL('../../support/dtls-storm.ts', import.meta.url).pathname
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile: program })
})

afterAll(() => rmSync(program, { force: true }))

/** The program's last lines; throws when it ends by a signal or an exception. */
async function run(...words: string[]): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program, ...words])
  return stdout.trim().split('\n')
}

test('SEC-34 no datagram throws or ends the process, before, during and after a cookie', {
  timeout: 240_000,
}, async () => {
  const seed = String(randomInt(1_000_000_000))
  expect((await run('fuzz', seed)).at(-1), `seed ${seed}`).toBe('survived')
})

test('SEC-14 SEC-13 ten thousand ClientHellos without cookie leave nothing, and memory stays flat', {
  timeout: 60_000,
}, async () => {
  const [line, last] = await run('spoof')
  expect(last).toBe('survived')
  const { growth, ...counters } = JSON.parse(line!) as Record<string, number>
  expect(counters).toEqual({ cookiesSent: 30_000, handshakes: 0, sessions: 0, opened: 0 })
  expect(growth).toBeLessThan(5_000_000)
})

test('NET-TCP-11 a handshake that is begun, stuffed and left costs a bounded amount, and gives it back', {
  timeout: 120_000,
}, async () => {
  const [line, last] = await run('abandon')
  expect(last).toBe('survived')
  const { each, handshakes, growth } = JSON.parse(line!) as Record<string, number>
  expect(handshakes).toBe(100)
  expect(each).toBeLessThan(300_000)
  expect(growth).toBeLessThan(5_000_000)
})
