import { describe, expect, test } from 'vitest'
import { UsageError } from '../../src/config/config-error.ts'
import { readFlags } from '../../src/config/flags.ts'
import { load } from './loading.ts'

const own = new Set(['show', 'help'])
const settings = (...words: string[]) => readFlags(words, own).settings.map(({ name, text }) => [name, text])

describe("Go's form of Collider's flags", () => {
  test('is read with one dash', () => {
    expect(settings('-port=8089', '-tls=false', '-room-server=https://a.example/')).toEqual([
      ['port', '8089'],
      ['tls', 'false'],
      ['room-server', 'https://a.example/'],
    ])
    expect(settings('-port', '8089', '-tls')).toEqual([
      ['port', '8089'],
      ['tls', null],
    ])
  })
  test('means what --port 8089 --tls=false means', async () => {
    const go = await load(null, ['-port=8090', '-tls=false', '-room-server=http://127.0.0.1:8080/'])
    const gnu = await load(null, ['--port', '8090', '--tls=false', '--room-server', 'http://127.0.0.1:8080'])
    for (const name of ['port', 'tls', 'room-server'] as const) expect(go.config[name]).toBe(gnu.config[name])
    expect(go.config.tls).toBe(false)
  })
})

describe("coturn's short flags", () => {
  test('take values behind a blank or attached, and may be bundled', () => {
    expect(
      settings('-p', '3479', '-L', '192.0.2.1', '-vfa', '-u', 'bob:x y', '-r', 'north.gov', '-X203.0.113.1', '-m', '4'),
    ).toEqual([
      ['listening-port', '3479'],
      ['listening-ip', '192.0.2.1'],
      ['verbose', null],
      ['fingerprint', null],
      ['lt-cred-mech', null],
      ['user', 'bob:x y'],
      ['realm', 'north.gov'],
      ['external-ip', '203.0.113.1'],
      ['relay-threads', '4'],
    ])
    expect(settings('-vp3480')).toEqual([
      ['verbose', null],
      ['listening-port', '3480'],
    ])
  })
  test('are those of coturn', () => {
    const shorts: Record<string, string> = {
      d: 'listening-device',
      L: 'listening-ip',
      p: 'listening-port',
      S: 'stun-only',
      i: 'relay-device',
      E: 'relay-ip',
      X: 'external-ip',
      A: 'allocation-default-address-family',
      K: 'keep-address-family',
      a: 'lt-cred-mech',
      z: 'no-auth',
      u: 'user',
      r: 'realm',
      C: 'rest-api-separator',
      f: 'fingerprint',
      q: 'user-quota',
      Q: 'total-quota',
      s: 'max-bps',
      B: 'bps-capacity',
      b: 'userdb',
      e: 'psql-userdb',
      M: 'mysql-userdb',
      J: 'mongo-userdb',
      N: 'redis-userdb',
      O: 'redis-statsdb',
      v: 'verbose',
      V: 'Verbose',
      l: 'log-file',
      o: 'daemon',
      m: 'relay-threads',
    }
    for (const [short, name] of Object.entries(shorts)) expect(settings(`-${short}`, 'word')[0]?.[0]).toBe(name)
  })
  test('CONF-FIND-01 name the file with -c and switch it off with -n', () => {
    expect(readFlags(['-c', 'a.conf'], own).file).toBe('a.conf')
    expect(readFlags(['-ca.conf'], own).file).toBe('a.conf')
    expect(readFlags(['-n'], own).file).toBe(false)
    expect(readFlags([], own).file).toBeNull()
  })
})

describe('CONF-ORD-07', () => {
  test('a flag with an optional value takes it behind = alone', () => {
    expect(settings('--stale-nonce=60', '--fingerprint=no', '--stale-nonce', '--verbose')).toEqual([
      ['stale-nonce', '60'],
      ['fingerprint', 'no'],
      ['stale-nonce', null],
      ['verbose', null],
    ])
    expect(readFlags(['--stale-nonce', '60'], own).rest).toEqual(['60'])
  })
  test('a switch followed by a lost on or off is refused with the right spelling', () => {
    expect(() => settings('--tls', 'false')).toThrow('write --tls=false')
    expect(() => settings('-v', 'off')).toThrow('write --verbose=off')
  })
  test('a required value is taken with = or from the next word', () => {
    expect(settings('--realm=a=b', '--realm', 'c d', '--sock-buf-size', '-1', '--header-message=')).toEqual([
      ['realm', 'a=b'],
      ['realm', 'c d'],
      ['sock-buf-size', '-1'],
      ['header-message', ''],
    ])
    expect(() => settings('--realm')).toThrow('--realm needs a value')
    expect(() => settings('-p')).toThrow('-p needs a value')
  })
  test('a unique beginning of a long name is enough, and an ambiguous one is refused', () => {
    expect(settings('--static-auth=x', '--allowed-p=192.0.2.1')).toEqual([
      ['static-auth-secret', 'x'],
      ['allowed-peer-ip', '192.0.2.1'],
    ])
    expect(() => settings('--max-alloc=5')).toThrow(
      '--max-alloc may be --max-allocate-lifetime, --max-allocate-timeout',
    )
  })
  test('a short flag with = gets a warning', () => {
    const { settings, warnings } = readFlags(['-p=3479'], own)
    expect(settings[0]).toMatchObject({ name: 'listening-port', text: '3479' })
    expect(warnings).toHaveLength(1)
  })
  test('what is left over is for the commands', () => {
    const { rest } = readFlags(['serve', '-v', 'word', '--show', '--', '--realm'], own)
    expect(rest).toEqual(['serve', 'word', '--show', '--', '--realm'])
  })
})

test('--no-NAME switches any option of ours off, and stays coturn’s key where there is one', () => {
  const words = ['--no-rooms', '-no-signaling', '--no-turn=false', '--no-tls', '--no-udp']
  const read = readFlags(words, own).settings.map(({ name, text, negated }) => [name, text, negated ?? false])
  expect(read).toEqual([
    ['rooms', null, true],
    ['signaling', null, true],
    ['turn', 'false', true],
    ['no-tls', null, false],
    ['no-udp', null, false],
  ])
})

test.each([
  ['--denied-peer-ips=1', 'unknown option --denied-peer-ips; did you mean --denied-peer-ip?'],
  ['--zzz', 'unknown option --zzz; see --help-all'],
  ['-vY', 'unknown option -vY; see --help-all'],
  ['--no-realm', 'unknown option --no-realm'],
])('SEC-56 refuses %s', (word, message) => {
  expect(() => settings(word)).toThrow(UsageError)
  expect(() => settings(word)).toThrow(message)
})
