import { expect, test } from 'vitest'
import { reasonOf, troubleOf } from '../../src/web/media/media-error.ts'

test.each([
  ['NotAllowedError', 'refused'],
  ['SecurityError', 'refused'],
  ['NotFoundError', 'missing'],
  ['OverconstrainedError', 'missing'],
  ['NotReadableError', 'in-use'],
  ['TrackStartError', 'in-use'],
  ['AbortError', 'in-use'],
  ['TypeError', 'failed'],
])('a %s means %s', (name, trouble) => {
  expect(troubleOf(new DOMException('', name))).toBe(trouble)
})

test('something that is no error at all is a failure with its own words', () => {
  expect(troubleOf('no')).toBe('failed')
  expect(reasonOf('no')).toBe('no')
  expect(reasonOf(new DOMException('', 'AbortError'))).toBe('AbortError')
  expect(reasonOf(new DOMException('Starting video failed', 'AbortError'))).toBe('Starting video failed')
})
