import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { parseMessage } from '../../src/web/room/message.ts'

describe('parseMessage', () => {
  test('reads what web and phone clients say, white space or not', () => {
    expect(parseMessage('{\n  "type" : "bye"\n}')).toEqual({ type: 'bye' })
    expect(parseMessage('{"sdp":"v=0","type":"offer"}')).toEqual({ type: 'offer', sdp: 'v=0' })
    expect(parseMessage('{"type":"answer","sdp":"v=0"}')).toEqual({ type: 'answer', sdp: 'v=0' })
    expect(parseMessage('{"type":"candidate","label":1,"id":"video","candidate":"candidate:1"}')).toEqual({
      type: 'candidate',
      label: 1,
      id: 'video',
      candidate: 'candidate:1',
    })
  })

  test.each([
    '{"type":"remove-candidates","candidates":[]}',
    '{"type":"stats"}',
    '{"type":"offer"}',
    '{"type":"offer","sdp":1}',
    '{"type":"candidate"}',
    'null',
    '[]',
    '"bye"',
    '',
    '{',
  ])('ignores %s', (text) => {
    expect(parseMessage(text)).toBeNull()
  })

  property.prop([fc.oneof(fc.string(), fc.json())])('never throws', (text) => {
    expect(() => parseMessage(text)).not.toThrow()
  })
})
