import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { settings } from '../../src/web/settings.ts'
import type { TextKey } from '../../src/web/text/en.ts'
import { chooseLanguage, dictionaries, language, preferredLanguage, t } from '../../src/web/text/i18n.ts'

const keys = Object.keys(dictionaries.en) as TextKey[]
const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((match) => match[0]).sort()

afterEach(() => chooseLanguage('en'))

describe('the dictionaries', () => {
  test('have the same texts, none empty', () => {
    expect(Object.keys(dictionaries.zh)).toEqual(keys)
    for (const key of keys) for (const texts of Object.values(dictionaries)) expect(texts[key].trim(), key).not.toBe('')
  })

  test('fill in the same values', () => {
    for (const key of keys) expect(holes(dictionaries.zh[key]), key).toEqual(holes(dictionaries.en[key]))
  })

  test('are really in their language', () => {
    for (const key of keys) {
      expect(dictionaries.zh[key], key).toMatch(/\p{Script=Han}/u)
      expect(dictionaries.en[key], key).not.toMatch(/\p{Script=Han}/u)
    }
  })

  test('name the buttons as agreed', () => {
    expect([dictionaries.en.join, dictionaries.zh.join]).toEqual(['Join', '加入'])
    expect([dictionaries.en.hangUp, dictionaries.zh.hangUp]).toEqual(['Hang up', '挂断'])
  })

  test('hold no text that nobody shows', () => {
    const sources = readdirSync('src/web', { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.tsx?$/.test(file) && !/^text\/..\.ts$/.test(file))
      .map((file) => readFileSync(`src/web/${file}`, 'utf8'))
      .join('\n')
    const used = (key: string) => sources.includes(`'${key}'`) || sources.includes(`.${key}`)
    expect(keys.filter((key) => !used(key))).toEqual([])
  })
})

describe('the language', () => {
  test.each([
    [null, ['zh-CN', 'en'], 'zh'],
    [null, ['zh-Hant-TW'], 'zh'],
    [null, ['de-DE', 'zh'], 'zh'],
    [null, ['en-GB', 'zh-CN'], 'en'],
    [null, ['fr'], 'en'],
    [null, [], 'en'],
    ['zh', ['en-US'], 'zh'],
    ['en', ['zh-CN'], 'en'],
    ['xx', ['zh-CN'], 'zh'],
  ] as const)('remembered %j with browser languages %j is %s', (stored, browser, expected) => {
    expect(preferredLanguage(stored, browser)).toBe(expected)
  })

  test('is remembered when chosen', () => {
    chooseLanguage('zh')
    expect(language.value).toBe('zh')
    expect(settings.get('language')).toBe('zh')
    expect(t('relayProtocol', { protocol: 'udp' })).toBe('经中继（udp）')
  })

  test('fills values in, as they are', () => {
    expect(t('relayProtocol', { protocol: 'tls' })).toBe('Via relay (tls)')
    expect(t('fullHint', { room: '{room}$&' })).toContain('“{room}$&”')
  })
})
