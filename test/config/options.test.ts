import { beforeAll, describe, expect, test } from 'vitest'
import { type Config, groups, isOptionName, type OptionName, optionNames, optionOf } from '../../src/config/options.ts'
import { type CertificatePair, developmentCertificate } from '../../src/development-certificate.ts'
import { coturnKeys, silentKeys, userDatabases } from './coturn-keys.ts'
import { load, warningsOf } from './loading.ts'

// RFC 7919, ffdhe2048.
const DH = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`

/** Without it bps-capacity stops the start. */
const BASE = 'max-bps=1000\n'

let pair: CertificatePair
let files: Record<string, string>

beforeAll(async () => {
  pair = await developmentCertificate([])
  files = {
    'c.pem': pair.cert,
    'k.pem': pair.key,
    'dh.pem': DH,
    'turn_server_cert.pem': pair.cert,
    'turn_server_pkey.pem': pair.key,
  }
})

/** Everything but the random secret of the run, secrets in clear, so that two configurations can be compared. */
function comparable(config: Config): string {
  return JSON.stringify({ ...config, 'static-auth-secret': [] }).replaceAll(/webrtc-stack-[A-Za-z0-9]{6}/g, 'folder')
}

/** What rfc5780 takes. */
const TWO_ADDRESSES = new Map([
  ['lo', ['127.0.0.1', '::1']],
  ['eth0', ['192.0.2.5', '192.0.2.6']],
])

describe('each key of coturn means the same in the file and as a flag:', () => {
  test.each(coturnKeys.map(([tier, key, value, parsed]) => ({ tier, key, value, parsed })))(
    'tier $tier: $key',
    async ({ key, value, parsed }) => {
      const line = value === null ? key : `${key}=${value}`
      const byFile = await load(`${BASE}${line}\n`, [], { files, interfaces: TWO_ADDRESSES })
      const byFlag = await load(BASE, [`--${line}`], { files, interfaces: TWO_ADDRESSES })
      expect(comparable(byFlag.config)).toBe(comparable(byFile.config))
      expect(warningsOf(byFlag, key)).toEqual(warningsOf(byFile, key))
      expect(byFile.origins.has(key as OptionName)).toBe(true)
      if (parsed !== undefined) expect(byFile.config[key as OptionName]).toEqual(parsed)
    },
  )
  test('secrets and users have the same content', async () => {
    for (const loaded of [
      await load('user=bob:secret\nstatic-auth-secret=0123456789abcdef\npkey-pwd=x\n', [], { files }),
      await load('', ['-u', 'bob:secret', '--static-auth-secret', '0123456789abcdef', '--pkey-pwd=x'], { files }),
    ]) {
      expect(loaded.config.user[0]?.password?.reveal()).toBe('secret')
      expect(loaded.config['static-auth-secret'][0]?.reveal()).toBe('0123456789abcdef')
      expect(loaded.config['pkey-pwd']?.reveal()).toBe('x')
    }
  })
})

test.each(silentKeys)('%s is accepted silently', async (key) => {
  const value = key === 'server-name' ? '=x' : ''
  expect(warningsOf(await load(`${key}${value}\n`), key)).toEqual([])
})

test.each(userDatabases)('SEC-25 %s is accepted alone, and shows nobody its password', async (key) => {
  const { config, warnings } = await load(`${key}="host=db password=hush"\n`)
  expect(JSON.stringify([config, warnings])).not.toContain('hush')
  expect(warnings.filter(({ where }) => where?.endsWith(':1'))).toEqual([])
})

describe('a key that is not built yet or without effect', () => {
  const special = optionNames.filter((name) => ['not built yet', 'without effect'].includes(optionOf(name).state.kind))
  const samples = new Map(coturnKeys.map(([, key, value]) => [key, value]))

  test.each(special.filter((name) => !silentKeys.includes(name)))(
    'warns once when set, and never otherwise: %s',
    async (name) => {
      const { default: unset, type } = optionOf(name)
      const sample = unset === true ? 'off' : (samples.get(name) ?? (type.bare === true ? 'on' : 'batch'))
      const set = warningsOf(await load(`${BASE}${name}=${sample}\n`, [], { files }), name)
      expect(set.length).toBeGreaterThan(0)
      expect(set[0]).toMatch(/is not built yet: |has no effect: /)
      expect(warningsOf(await load('realm=x\n'), name)).toEqual([])
      if (typeof unset === 'boolean') expect(warningsOf(await load(`${name}=${unset}\n`), name)).toEqual([])
    },
  )
})

describe('the table', () => {
  test('knows every key of coturn', () => {
    for (const key of [...coturnKeys.map(([, name]) => name), ...userDatabases]) expect(isOptionName(key)).toBe(true)
  })
  test('gives each short flag to one option', () => {
    const shorts = optionNames.flatMap((name) => optionOf(name).short ?? [])
    expect(new Set(shorts).size).toBe(shorts.length)
    for (const reserved of ['c', 'n', 'h']) expect(shorts).not.toContain(reserved)
  })
  test('has each option in one group, with one line of help', () => {
    const grouped = groups.flatMap(({ names }) => names)
    expect(grouped.toSorted()).toEqual(optionNames.toSorted())
    for (const name of optionNames) expect(optionOf(name).help).toMatch(/^\S[^\n]{2,75}[^.\n]$/)
  })
  test('has defaults that its own types read back', () => {
    for (const name of optionNames) {
      const { default: value, list, type } = optionOf(name)
      for (const item of list ? (value as readonly unknown[]) : [value]) {
        const text = type.show(item)
        if (text !== '') expect(type.parse(text)).toEqual(item)
      }
    }
  })
  test('turns every limit off with 0', async () => {
    const limits = optionNames.filter((name) => name.startsWith('max-') && !['max-port', 'max-bps'].includes(name))
    const zero = limits.filter((name) => !name.startsWith('max-allocate'))
    const { config } = await load(zero.map((name) => `${name}=0\n`).join(''))
    for (const name of zero) expect(config[name]).toBe(0)
    expect(zero.length).toBeGreaterThan(15)
  })
})
