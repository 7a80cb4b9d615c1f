import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { errorFrame, messageFrame, parseClientMessage } from '../../src/signaling/protocol.ts'

describe('frames of clients', () => {
  test.each([
    ['{"cmd":"register","roomid":"r","clientid":"c"}', { cmd: 'register', roomid: 'r', clientid: 'c' }],
    [
      '{\n  "roomid" : "r",\n  "cmd" : "register",\n  "clientid" : "c", "more": 1\n}\n',
      { cmd: 'register', roomid: 'r', clientid: 'c' },
    ],
    ['{"cmd":"register"}', { cmd: 'register', roomid: '', clientid: '' }],
    ['{"cmd":"send","msg":"{\\"x\\":1}"}', { cmd: 'send', msg: '{"x":1}' }],
    ['{"cmd":"send"}', { cmd: 'send', msg: '' }],
    ['{"cmd":"send","msg":null}', { cmd: 'send', msg: '' }],
    ['{"cmd":"dance"}', { cmd: 'unexpected' }],
    ['{}', { cmd: 'unexpected' }],
    ['null', { cmd: 'unexpected' }],
    ['{"__proto__":{"cmd":"send","msg":"x"}}', { cmd: 'unexpected' }],
  ])('%s', (text, message) => {
    expect(parseClientMessage(text)).toEqual(message)
  })

  test.each([
    '',
    '{',
    'hello',
    '[]',
    '7',
    'true',
    '"send"',
    '{"cmd":7}',
    '{"cmd":"send","msg":{}}',
    '{"cmd":"send","msg":[1]}',
  ])('SEC-55 %j is an error', (text) => {
    expect(parseClientMessage(text)).toMatchObject({
      cmd: 'invalid',
      error: expect.stringMatching(/^websocket\.JSON\.Receive error: ./),
    })
  })

  property.prop([
    fc.oneof(
      fc.string(),
      fc.json(),
      fc.object().map((value) => JSON.stringify(value)),
    ),
  ])('SEC-55 no text makes it throw', (text) => {
    expect(parseClientMessage(text).cmd).toMatch(/^(register|send|unexpected|invalid)$/)
  })
})

describe('frames of the server', () => {
  test('have both keys, a new line, and are escaped as Go does', () => {
    expect(messageFrame('{"x":1}')).toBe('{"msg":"{\\"x\\":1}","error":""}\n')
    expect(messageFrame('<a> & \u2028\u2029')).toBe('{"msg":"\\u003ca\\u003e \\u0026 \\u2028\\u2029","error":""}\n')
    expect(errorFrame('Client not registered')).toBe('{"msg":"","error":"Client not registered"}\n')
  })

  property.prop([fc.string({ unit: 'binary' })])('carry every text unchanged', (text) => {
    expect(JSON.parse(messageFrame(text))).toEqual({ msg: text, error: '' })
  })
})
