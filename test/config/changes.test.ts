import { describe, expect, test } from 'vitest'
import { changesBetween } from '../../src/config/changes.ts'
import { optionNames, optionOf } from '../../src/config/options.ts'
import { load } from './loading.ts'

const changed = async (before: string, after: string) =>
  changesBetween((await load(before)).config, (await load(after)).config)

test('an option that works says when a change takes effect, and one without effect says nothing', () => {
  for (const name of optionNames) {
    const { applies, state } = optionOf(name)
    expect([name, applies !== null]).toEqual([name, state.kind === 'works'])
  }
})

describe('reading the configuration again', () => {
  test('brings nothing when nothing was written, the secret of this run included', async () => {
    expect(await changed('realm=x\n', 'realm=x\n')).toMatchObject({ applied: [], afterRestart: [] })
  })

  test('tells what is in force now from what waits for a restart, which keeps its old value', async () => {
    const { config, applied, afterRestart } = await changed(
      'user-quota=1\nrelay-threads=1\nuser=a:b\n',
      'user-quota=2\nrelay-threads=2\nuser=a:c\nuser=d:e\n',
    )
    expect(applied.toSorted()).toEqual(['user', 'user-quota'])
    expect(afterRestart).toEqual(['relay-threads'])
    expect(config).toMatchObject({ 'user-quota': 2, 'relay-threads': 1 })
    expect(config.user.map(({ name }) => name)).toEqual(['a', 'd'])
  })

  test('tells a secret by what it holds', async () => {
    const [one, two] = ['0123456789abcdef', 'fedcba9876543210'].map((secret) => `static-auth-secret=${secret}\n`)
    expect((await changed(one!, one!)).applied).toEqual([])
    expect((await changed(one!, two!)).applied).toEqual(['static-auth-secret'])
    expect((await changed(`${one}${two}`, `${two}${one}`)).applied).toEqual(['static-auth-secret'])
  })
})
