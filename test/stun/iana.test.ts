import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Attribute, ErrorCode, Method, reasonPhrase } from '../../src/stun/constants.ts'

// The tables hold what IANA assigned; reserved and unassigned ranges are left out.
const methods = registry('stun-methods.csv')
const attributes = registry('stun-attributes.csv')
const errorCodes = registry('stun-error-codes.csv')

const notRegistered = ['NEW_BANDWIDTH', 'ORIGIN']

describe('the wire constants are those of IANA', () => {
  test.each(Object.entries(Method))('STUN-HDR-07 method %s is registered as %i', (name, value) => {
    expect(methods.get(value)).toSatisfy((registered: string) => constantName(registered) === name)
  })

  test.each(Object.entries(Attribute).filter(([name]) => !notRegistered.includes(name)))(
    'attribute %s is registered as %i',
    (name, value) => {
      expect(attributes.get(value)).toSatisfy((registered: string) => constantName(registered) === name)
    },
  )

  test.each(notRegistered)('attribute %s sits on a number that IANA gave to nobody', (name) => {
    expect(attributes.has(Attribute[name as keyof typeof Attribute])).toBe(false)
  })

  test.each(Object.entries(ErrorCode))('error code %s is %i, with its phrase', (name, value) => {
    expect(errorCodes.get(value)).toSatisfy((registered: string) => constantName(registered) === name)
    expect(reasonPhrase(value)).toBe(errorCodes.get(value))
  })

  test.each([
    ['method', Method],
    ['attribute', Attribute],
    ['error code', ErrorCode],
  ])('no two %ss share a number', (_kind, constants) => {
    const values: readonly number[] = Object.values(constants)
    expect(new Set(values).size).toBe(values.length)
  })
})

test('STUN-ATTR-12 every reason phrase of ours stays below 128 characters', () => {
  for (const code of Object.values(ErrorCode)) expect(reasonPhrase(code).length).toBeLessThan(128)
})

test('an error code that nobody registered has no phrase', () => {
  expect(reasonPhrase(499)).toBe('')
})

function registry(file: string): ReadonlyMap<number, string> {
  const [, ...rows] = readFileSync(new URL(`../fixtures/iana/${file}`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
  return new Map(
    rows.map((row) => {
      const [value, name] = row.split(',')
      return [Number(value), name!]
    }),
  )
}

/** `CreatePermission`, `XOR-PEER-ADDRESS` and `Stale Nonce` as the constants spell them. */
function constantName(registered: string): string {
  const camel = /^[A-Z][a-z]+([A-Z][a-z]+)+$/.test(registered)
  return (camel ? registered.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_') : registered)
    .replaceAll(/[- ]/g, '_')
    .toUpperCase()
}
