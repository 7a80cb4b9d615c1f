import { afterEach, describe, expect, test, vi } from 'vitest'
import { parseSettings, settings } from '../../src/web/settings.ts'

const nothing = parseSettings(null)

describe('settings', () => {
  afterEach(() => vi.unstubAllGlobals())

  test('are kept under one key, with their version', () => {
    const stored = new Map<string, string>()
    vi.stubGlobal('localStorage', {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
    })
    settings.set('language', 'zh')
    settings.set('camera', 'front')
    expect([...stored.keys()]).toEqual(['webrtc-stack'])
    expect(JSON.parse(stored.get('webrtc-stack')!)).toMatchObject({ version: 1, language: 'zh', camera: 'front' })
    expect(settings.get('language')).toBe('zh')
    expect(settings.get('microphone')).toBeNull()
  })

  test('last as long as the tab where the browser stores nothing', () => {
    const refuse = () => {
      throw new DOMException('denied', 'SecurityError')
    }
    vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse })
    settings.set('microphone', 'headset')
    expect(settings.get('microphone')).toBe('headset')
  })

  test.each([
    ['no JSON', 'no JSON'],
    ['null', 'null'],
    ['a number', '7'],
    ['what another version wrote', '{"version":99,"language":"zh"}'],
    [
      'words that there are not',
      '{"version":1,"dataUse":"huge","selfCorner":7,"sounds":"no","pushToTalk":"yes","fill":1}',
    ],
    ['values of the wrong kind', '{"version":1,"language":7,"recentRooms":"room","camera":{},"microphone":""}'],
  ])('are defaults instead of %s', (_name, text) => {
    expect(parseSettings(text)).toEqual(nothing)
  })

  test('keep what is good beside what is not', () => {
    expect(parseSettings('{"version":1,"language":"zh","recentRooms":["room-1",7]}')).toMatchObject({
      language: 'zh',
      recentRooms: ['room-1'],
    })
  })
})
