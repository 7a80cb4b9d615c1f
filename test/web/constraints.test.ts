import { expect, test } from 'vitest'
import { wantedMedia } from '../../src/web/media/constraints.ts'

const usual = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' }

test('without wishes both are asked for, at the usual size', () => {
  expect(wantedMedia({ audio: true, video: true })).toEqual({ audio: {}, video: usual })
  expect(wantedMedia(null)).toEqual({ audio: {}, video: usual })
})

test('a link can leave out sound or picture', () => {
  expect(wantedMedia({ audio: false, video: true }).audio).toBe(false)
  expect(wantedMedia({ audio: true, video: false }).video).toBe(false)
})

test('hd=true asks for at least 1280x720', () => {
  const video = { mandatory: { minWidth: '1280', minHeight: '720' }, optional: [] }
  expect(wantedMedia({ audio: true, video }).video).toEqual({ ...usual, width: { min: 1280 }, height: { min: 720 } })
})

test('optional sizes are wishes', () => {
  const video = { mandatory: { maxFrameRate: '15' }, optional: [{ minWidth: '640' }, { minHeight: '480' }] }
  expect(wantedMedia({ audio: true, video }).video).toEqual({
    ...usual,
    width: { ideal: 640 },
    height: { ideal: 480 },
    frameRate: { max: 15 },
  })
})

test('audio processing can be switched, and what no browser knows any more is dropped', () => {
  const audio = {
    mandatory: { echoCancellation: 'false' },
    optional: [{ googNoiseReduction: 'true' }, { minWidth: 'x' }],
  }
  expect(wantedMedia({ audio, video: true }).audio).toEqual({ echoCancellation: false })
})
