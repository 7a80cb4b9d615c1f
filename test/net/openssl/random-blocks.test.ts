import { expect, test } from 'vitest'
import { randomBlocks } from '../../../src/net/openssl/random-blocks.ts'

test('what has been drawn is never drawn again nor changed by what is drawn later', () => {
  const draw = randomBlocks()
  const drawn = Array.from({ length: 5000 }, (_, i) => draw(8 + (i % 3)))
  const texts = drawn.map((bytes) => bytes.toString('hex'))
  expect(drawn.map((bytes) => bytes.length)).toEqual(drawn.map((_, i) => 8 + (i % 3)))
  expect(new Set(texts).size).toBe(5000)
  for (let i = 0; i < 5000; i++) draw(16)
  expect(drawn.map((bytes) => bytes.toString('hex'))).toEqual(texts)
})

test.each([0, 1, 4096, 4097, 100_000])('%i random bytes are as many', (size) => {
  const draw = randomBlocks()
  expect(draw(size)).toHaveLength(size)
  expect(draw(size)).toHaveLength(size)
})
