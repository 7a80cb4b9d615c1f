import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { parseLines } from '../../../src/config/file/syntax.ts'
import { complaints, load, warningsOf } from '../loading.ts'

const only = (text: string) => {
  const lines = parseLines(text)
  expect(lines).toHaveLength(1)
  return [lines[0]!.name, lines[0]!.value]
}

test('CONF-LINE-01 skips indentation, comments and empty lines, and drops trailing white space and CR', () => {
  const text = '\uFEFF  \tverbose \t\r\n# fingerprint\n   # mobility\n\n \t \nrealm=a b \r\n'
  expect(parseLines(text).map(({ number, name, value }) => [number, name, value])).toEqual([
    [1, 'verbose', null],
    [6, 'realm', 'a b'],
  ])
})

test('CONF-LINE-02 strips a comment behind a boolean or a number with a warning, and keeps it in a text', async () => {
  const loaded = await load('verbose # on\nmax-port=60000 # high\nno-tcp=off # x\nuser=a:pass #1\nrealm=x #y\n')
  expect(loaded.config.verbose).toBe(true)
  expect(loaded.config['max-port']).toBe(60_000)
  expect(loaded.config['no-tcp']).toBe(false)
  expect(loaded.config.user[0]?.password?.reveal()).toBe('pass #1')
  expect(loaded.config.realm).toBe('x #y')
  expect(loaded.warnings.filter(({ message }) => message.includes('"#"')).map(({ where }) => where)).toEqual([
    'turnserver.conf:1',
    'turnserver.conf:2',
    'turnserver.conf:3',
    'turnserver.conf:4',
    'turnserver.conf:5',
  ])
  expect(warningsOf(loaded, 'realm')).toEqual([expect.stringContaining('is part of the value')])
})

test.each(['realm=v = w', 'realm = v = w', 'realm v = w', 'realm==v = w', 'realm\tv = w', 'realm \t=  = v = w'])(
  'CONF-LINE-03 reads %j as the name and everything behind its separators',
  (line) => {
    expect(only(line)).toEqual(['realm', 'v = w'])
  },
)

test.each([
  ['a="x y" ', 'x y'],
  ['a="x', 'x'],
  ['a="x" y"', 'x" y'],
  ["a='x'", "'x'"],
  ['a="x\\"', 'x\\'],
  ['a="" ', ''],
  ['a="x  "', 'x  '],
  ['a=x"', 'x"'],
])('CONF-LINE-04 takes one pair of double quotes off %s and knows no escapes', (line, value) => {
  expect(only(line)).toEqual(['a', value])
})

describe('CONF-LINE-05 takes only full long names in their exact case, which refuses', () => {
  test.each(['vERBOSE', 'ca-file=x', '--verbose', '-v', 'v', 'verb', 'p=3478', 'Listening-Port=1'])(
    '%s',
    async (line) => {
      const [complaint] = await complaints(`${line}\n`)
      expect(complaint).toMatch(/^turnserver\.conf:1: unknown key "/)
    },
  )
  test('and tells Verbose from verbose', async () => {
    const { config } = await load('Verbose\n')
    expect([config.Verbose, config.verbose]).toEqual([true, false])
  })
})

const UNKNOWN_KEYS =
  'unknown keys stop the start, because a mistyped one may have been there to protect something; --ignore-unknown-keys starts all the same'

test('CONF-LINE-06 stops at an unknown key, naming line and nearest key and never the value', async () => {
  expect(
    await complaints('realm=x\n\ndenied-peer-ips=10.1.2.3\nstatic-auth-secrets=hunter2hunter2\nfoo=bar\n'),
  ).toEqual([
    'turnserver.conf:3: unknown key "denied-peer-ips"; did you mean "denied-peer-ip"?',
    'turnserver.conf:4: unknown key "static-auth-secrets"; did you mean "static-auth-secret"?',
    'turnserver.conf:5: unknown key "foo"; see `webrtc-stack --help-all`',
    UNKNOWN_KEYS,
  ])
})

test('CONF-LINE-07 warns of a semicolon at the end of a line and keeps it in the value', async () => {
  const loaded = await load('realm=north.gov;\n')
  expect(loaded.config.realm).toBe('north.gov;')
  expect(warningsOf(loaded, 'realm')).toEqual(['"realm": the ";" at the end of the line belongs to the value'])
})

test('CONF-LINE-08 reads a line of 60 000 bytes whole and refuses one over 64 KiB', async () => {
  const long = 'x'.repeat(60_000)
  const { config } = await load(`header-message=${long}\n`)
  expect(config['header-message']).toBe(long)
  expect(await complaints(`header-message=${'x'.repeat(70_000)}\n`)).toEqual([
    'turnserver.conf:1: "header-message" has a value longer than 65536 bytes',
  ])
})

test('CONF-LINE-09 gives a bare name its own meaning, and refuses it where a value is needed', async () => {
  const { config } = await load(
    'fingerprint\nstale-nonce\nmax-allocate-lifetime\nchannel-lifetime=\npermission-lifetime\nrealm=\n',
  )
  expect(config.fingerprint).toBe(true)
  expect(config['stale-nonce']).toBe(600)
  expect(config['max-allocate-lifetime']).toBe(3600)
  expect(config['channel-lifetime']).toBe(600)
  expect(config['permission-lifetime']).toBe(300)
  expect(config.realm).toBe('')
  expect(await complaints('listening-port\nstatic-auth-secret=\nuser\nmin-port=\n')).toEqual([
    'turnserver.conf:1: "listening-port": needs a value; write listening-port=PORT',
    'turnserver.conf:2: "static-auth-secret": needs a value',
    'turnserver.conf:3: "user": needs a value; write user=NAME:PASSWORD',
    'turnserver.conf:4: "min-port": needs a value; write min-port=PORT',
  ])
})

property.prop([fc.string({ unit: 'binary' })])('no text makes the reader throw', (text) => {
  for (const { name } of parseLines(text)) expect(name).not.toBe('')
})
