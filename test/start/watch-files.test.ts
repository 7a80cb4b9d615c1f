import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { watchFiles } from '../../src/start/watch-files.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'webrtc-stack-watch-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

test.each<[string, (path: string) => void]>([
  ['is written', (path) => writeFileSync(path, 'new text')],
  [
    'is replaced by another',
    (path) => {
      writeFileSync(`${path}.new`, 'new text')
      renameSync(`${path}.new`, path)
    },
  ],
  [
    'becomes a link to another',
    (path) => {
      writeFileSync(`${path}.renewed`, 'new text')
      rmSync(path)
      symlinkSync(`${path}.renewed`, path)
    },
  ],
])('a file that %s is seen, once', async (_name, change) => {
  const path = join(folder(), 'cert.pem')
  writeFileSync(path, 'old')
  const changed = vi.fn()
  onTestFinished(watchFiles([path], changed))
  // The first look has to be over.
  await new Promise((resolve) => setTimeout(resolve, 100))
  change(path)
  await vi.waitFor(() => expect(changed).toHaveBeenCalledOnce(), { timeout: 10_000 })
})

test('a file that comes after the start is seen', async () => {
  const path = join(folder(), 'late.conf')
  const changed = vi.fn()
  onTestFinished(watchFiles([path], changed))
  await new Promise((resolve) => setTimeout(resolve, 100))
  writeFileSync(path, 'here')
  await vi.waitFor(() => expect(changed).toHaveBeenCalledOnce(), { timeout: 10_000 })
})
