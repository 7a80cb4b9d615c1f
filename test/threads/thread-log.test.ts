import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { Log } from '../../src/log.ts'
import { LineQueue } from '../../src/threads/line-queue.ts'
import { ThreadLog, writeLines } from '../../src/threads/thread-log.ts'

/** A log that remembers what it is told. */
function recording() {
  const lines: unknown[][] = []
  const at = (level: string) => (fields: object, message: string) => lines.push([level, fields, message])
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as unknown as Log
  return { log, lines }
}

test('lines come out as they went in, in the same order', () => {
  const line = fc.string({ unit: 'binary', maxLength: 3000 }).map((text) => text.replaceAll('\n', ' '))
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.constant(null)), { maxLength: 200 }), fc.nat(60_000), (steps, length) => {
      const writer = new LineQueue()
      const reader = new LineQueue(writer.memory)
      const written: string[] = []
      const read: string[] = []
      for (const step of steps) {
        if (step === null) {
          read.push(...reader.take())
          expect(reader.isEmpty).toBe(true)
          continue
        }
        // Long enough that the memory is gone through several times.
        const text = step + 'ü'.repeat(length)
        if (writer.add(text)) written.push(text)
      }
      expect([...read, ...reader.take()]).toEqual(written.map((text) => Buffer.from(text).toString()))
      expect(writer.add('there is room again')).toBe(true)
    }),
    { numRuns: 100 },
  )
})

test('what there is no room for is dropped, counted and said; the main thread is woken in time and once', () => {
  const queue = new LineQueue()
  let wakes = 0
  const worker = new ThreadLog('info', queue, () => wakes++)
  const { log, lines } = recording()
  const text = 'x'.repeat(100_000)
  for (let i = 0; i < 20; i++) worker.log.info({ i, text }, 'much to say')
  // Half full, before any flush.
  expect(wakes).toBe(1)
  worker.flush()
  expect(wakes).toBe(1)
  expect(writeLines(queue, log, 3)).toBe(15)
  expect(lines).toEqual([
    ...Array.from({ length: 5 }, (_, i) => ['info', { i, text, thread: 3 }, 'much to say']),
    ['warn', { lines: 15, thread: 3 }, expect.stringContaining('log lines were dropped')],
  ])
  worker.log.warn({}, 'the last')
  worker.flush()
  expect(wakes).toBe(2)
  expect(writeLines(queue, log, 3)).toBe(0)
  expect(lines.at(-1)).toEqual(['warn', { thread: 3 }, 'the last'])
  worker.flush()
  expect(wakes).toBe(2)
})

test.each([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['silent', []],
])('of a worker that logs from %s on, %j are written', (least, levels) => {
  const queue = new LineQueue()
  const { log: made } = new ThreadLog(least, queue, () => {})
  const all = ['debug', 'info', 'warn', 'error'] as const
  for (const level of all) made[level]({ text: `\n\t"${level}"` }, 'said')
  expect(all.filter((level) => made.isLevelEnabled(level))).toEqual(levels)
  const { log, lines } = recording()
  writeLines(queue, log, 0)
  expect(lines).toEqual(levels.map((level) => [level, { text: `\n\t"${level}"`, thread: 0 }, 'said']))
})

test('SEC-32 the longest text that a request can bring is a line like others', () => {
  const queue = new LineQueue()
  const username = Buffer.from(randomBytes(65_536).map((byte) => byte & 0x1f)).toString()
  new ThreadLog('info', queue, () => {}).log.info({ username }, 'request refused')
  const { log, lines } = recording()
  writeLines(queue, log, 0)
  expect(lines).toEqual([['info', { username, thread: 0 }, 'request refused']])
})

test('a thread writes while another reads, and what it wrote is there when it has died', async () => {
  const queue = new LineQueue()
  const entry = new URL('../../src/threads/line-queue.ts', import.meta.url).pathname
  const { outputFiles } = await build({
    stdin: {
      contents: `import { workerData } from 'node:worker_threads'
import { LineQueue } from '${entry}'
const queue = new LineQueue(workerData)
for (let i = 0; i < 50_000; i++) while (!queue.add('line ' + i + ' '.repeat(i % 100)));
for (;;);`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: 'node',
    write: false,
  })
  const worker = new Worker(outputFiles[0]!.text, { eval: true, workerData: queue.memory })
  onTestFinished(async () => {
    await worker.terminate()
  })
  const lines: string[] = []
  while (lines.length < 40_000) {
    lines.push(...queue.take())
    await new Promise((resolve) => setImmediate(resolve))
  }
  // Whatever it was about to do.
  await worker.terminate()
  lines.push(...queue.take())
  expect(lines).toEqual(lines.map((_, i) => `line ${i}${' '.repeat(i % 100)}`))
})
