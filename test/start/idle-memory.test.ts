import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { linuxSupport, returnFreedMemory } from '../../src/net/linux/system-calls.ts'

/** What most servers never use, and what each would take of their memory in MB. */
const LOADED_WHEN_USED = { selfsigned: 7, 'prom-client': 5, 'pino-pretty': 1 }

test.each(Object.keys(LOADED_WHEN_USED))('%s is loaded when it is used', (name) => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => /\.tsx?$/.test(path))
  const loads = new RegExp(`^import (?!type )[^\\n]*from '${name}'`, 'm')
  expect(sources.filter((path) => loads.test(readFileSync(join('src', path), 'utf8')))).toEqual([])
})

test.runIf(linuxSupport().available)(
  'memory that was freed goes back to the system where the C library is glibc',
  () => {
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
    expect(returnFreedMemory()).toBe(header.glibcVersionRuntime !== undefined)
  },
)
