import { expect, test } from 'vitest'
import { encodingFor } from '../../src/web/link/sending.ts'

test.each([
  ['high', false, 720, { active: true, maxBitrate: undefined, scaleResolutionDownBy: 1 }],
  ['medium', false, 720, { active: true, maxBitrate: 500_000, scaleResolutionDownBy: 2 }],
  ['low', false, 720, { active: true, maxBitrate: 150_000, maxFramerate: 15, scaleResolutionDownBy: 4 }],
  ['low', false, 120, { active: true, scaleResolutionDownBy: 1 }],
  ['low', false, undefined, { active: true, scaleResolutionDownBy: 4 }],
  ['low', true, 1080, { active: true, maxBitrate: undefined, maxFramerate: 4, scaleResolutionDownBy: 1 }],
  ['sound', false, 720, { active: false }],
  ['sound', true, 720, { active: true, maxFramerate: 4 }],
] as const)('data use %s, screen %s, height %s', (dataUse, screen, height, encoding) => {
  expect(encodingFor({ dataUse, screen }, true, height)).toMatchObject(encoding)
  expect(encodingFor({ dataUse, screen }, false, height).active).toBe(false)
})
