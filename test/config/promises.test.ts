import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type OptionName, optionNames, optionOf } from '../../src/config/options.ts'

/** Options that the loader turns into others, or whose effect is there without being asked for. */
const SETTLED_BY_THE_LOADER: readonly OptionName[] = [
  'ignore-unknown-keys',
  'keep-address-family',
  'listening-device',
  'db',
  'lt-cred-mech',
  'relay-device',
  'sql-userdb',
]

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  // Of config/ the list of listeners alone is there for the others.
  .filter((file) => file.endsWith('.ts') && (!file.startsWith('config/') || file === 'config/listeners.ts'))
  .map((file) => readFileSync(join('src', file), 'utf8'))
  .join('\n')

const isRead = (name: string) =>
  sources.includes(`config['${name}']`) || new RegExp(`\\bconfig\\.${name}\\b`).test(sources)

test('an option that is said to work is read by the program', () => {
  const unread = optionNames.filter((name) => optionOf(name).state.kind === 'works' && !isRead(name))
  expect(unread.toSorted()).toEqual(SETTLED_BY_THE_LOADER.toSorted())
})

test('an option that is said to be not built yet is read by nothing', () => {
  const read = optionNames.filter((name) => optionOf(name).state.kind === 'not built yet' && isRead(name))
  expect(read).toEqual([])
})
