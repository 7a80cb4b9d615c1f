import { expect, test, vi } from 'vitest'

const drawn = vi.hoisted(() => ({ numbers: 0 }))
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>()
  const randomInt = (limit: number) => {
    drawn.numbers++
    return crypto.randomInt(limit)
  }
  return { ...crypto, randomInt }
})

test('SEC-46 client ids come from crypto.randomInt', async () => {
  const { randomDigits } = await import('../../src/http/page/announced.ts')
  const ids = new Set(Array.from({ length: 200 }, () => randomDigits(8)))
  expect(drawn.numbers).toBe(1600)
  expect(ids.size).toBeGreaterThan(190)
})
