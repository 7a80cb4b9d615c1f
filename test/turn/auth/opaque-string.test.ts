import { expect, test } from 'vitest'
import { longTermKey } from '../../../src/stun/integrity.ts'
import { hasControls, opaqueString, preparedForms, saslprep } from '../../../src/turn/auth/opaque-string.ts'

test('STUN-AUTH-05 ASCII has one form', () => {
  expect(preparedForms('T~ h e!')).toEqual(['T~ h e!'])
})

test.each([
  ['a composed letter', 'cafe\u0301', 'café', 'café'],
  ['a wide space', 'a\u3000b', 'a b', 'a b'],
  ['a Roman numeral', '\u2168', '\u2168', 'IX'],
  ['a soft hyphen', 'a\u00adb', 'a\u00adb', 'ab'],
  ['a variation selector', '\u2764\ufe0f', '\u2764\ufe0f', '\u2764'],
])('STUN-AUTH-05 prepares %s by OpaqueString and by SASLprep', (_name, text, opaque, sasl) => {
  expect(opaqueString(text)).toBe(opaque)
  expect(saslprep(text)).toBe(sasl)
})

test('STUN-AUTH-05 offers what was typed and both prepared forms, each once', () => {
  expect(preparedForms('e\u0301\u2168')).toEqual(['e\u0301\u2168', 'é\u2168', 'éIX'])
  expect(preparedForms('é')).toEqual(['é'])
})

test('STUN-AUTH-05 VEC-04 the password of the RFC 5769 sample becomes TheMatrIX', () => {
  expect(saslprep('The\u00adM\u00aatr\u2168')).toBe('TheMatrIX')
  const [username, realm] = ['\u30de\u30c8\u30ea\u30c3\u30af\u30b9', 'example.org']
  const keys = preparedForms('The\u00adM\u00aatr\u2168').map((password) => longTermKey(username, realm, password))
  expect(keys.map((key) => key.toString('hex'))).toContain('e8ca7ad59d5eb0518e312911d2dab2a9')
})

test.each(['\0', 'a\r\nb', '\x1b[2J', 'a\u0085'])('AUTH-USER-07 sees the control character in %j', (text) => {
  expect(hasControls(text)).toBe(true)
})

test.each(['a b', "o'hara", '"', '\\', 'union select', '%s%n', '../x'])(
  'AUTH-USER-07 has nothing against %j',
  (text) => {
    expect(hasControls(text)).toBe(false)
  },
)
