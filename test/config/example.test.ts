import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { renderExample } from '../../src/config/example.ts'
import { isOptionName, optionNames, optionOf } from '../../src/config/options.ts'
import { load } from './loading.ts'

const example = readFileSync('turnserver.conf.example', 'utf8')
const lines = example.split('\n').flatMap((line) => {
  const [, name = '', value = ''] = /^#([A-Za-z]\S*?)=(.*)$/.exec(line) ?? []
  return name === '' ? [] : [{ name, value }]
})

describe('turnserver.conf.example', () => {
  test('names every option, and nothing that is none', () => {
    expect([...new Set(lines.map(({ name }) => name))].toSorted()).toEqual(optionNames.toSorted())
  })
  test('shows the default of each', () => {
    for (const name of optionNames) {
      const { default: value, list, type, defaultNote } = optionOf(name)
      const shown = lines.filter((line) => line.name === name).map((line) => line.value)
      const items = list ? (value as readonly unknown[]) : [value]
      expect([name, shown]).toEqual([name, items.length === 0 ? [''] : items.map((item) => type.show(item))])
      if (defaultNote !== null) expect(example.replaceAll('\n#   ', ' ')).toContain(`default: ${defaultNote}`)
    }
  })
  test('means the defaults when its lines are taken in', async () => {
    const unset = (await load(null)).config
    const text = lines
      .filter(({ name, value }) => value !== '' && name !== 'tls-listening-port')
      .map(({ name, value }) => `${name}=${value}\n`)
      .join('')
    const { config, warnings } = await load(text)
    const differing = optionNames.filter((name) => JSON.stringify(config[name]) !== JSON.stringify(unset[name]))
    expect(differing).toEqual([])
    expect(warnings.filter(({ where }) => where !== null)).toEqual([])
  })
  test('comments everything out', () => {
    for (const line of example.split('\n')) expect(line).toMatch(/^(#.{0,79})?$/)
  })
  test('is what the table renders', () => {
    expect(example).toBe(renderExample())
  })
  test('knows no key that the table does not', () => {
    for (const { name } of lines) expect(isOptionName(name)).toBe(true)
  })
})
