import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { expect, test } from 'vitest'

test('publint has no objection to the package', async () => {
  const { messages } = await publint({ pkgDir: fileURLToPath(new URL('..', import.meta.url)), pack: 'npm' })
  expect(messages).toEqual([])
})
