import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeOrigin } from '../../src/config/setting.ts'
import { complaints, load, temporaryFolder, warningsOf } from './loading.ts'

describe('precedence', () => {
  test('is default, file, environment, flag', async () => {
    const conf = 'listening-port=1111\nmin-port=2222\nmax-port=3333\n'
    const environment = { WEBRTC_STACK_MIN_PORT: '2223', WEBRTC_STACK_MAX_PORT: '3334' }
    const { config, origins } = await load(conf, ['--max-port=3335'], { environment })
    expect([config['http-port'], config['listening-port'], config['min-port'], config['max-port']]).toEqual([
      8080, 1111, 2223, 3335,
    ])
    const from = (name: 'listening-port' | 'min-port' | 'max-port') => origins.get(name)?.map(describeOrigin)
    expect([from('listening-port'), from('min-port'), from('max-port')]).toEqual([
      ['turnserver.conf:1'],
      ['WEBRTC_STACK_MIN_PORT'],
      ['--max-port'],
    ])
    expect(origins.has('http-port')).toBe(false)
  })

  test('CONF-ORD-01 grows lists, file entries first, and lets the command line win for single values', async () => {
    const { config } = await load('user=a:1\nlistening-port=1\nallowed-peer-ip=10.0.0.1\nuser=b:2\n', [
      '-u',
      'c:3',
      '-p',
      '2',
      '--allowed-peer-ip=10.0.0.2',
    ])
    expect(config.user.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(config['listening-port']).toBe(2)
    expect(config['allowed-peer-ip']).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  test('CONF-ORD-02 keeps plain passwords plain, so that the final realm counts wherever it stands', async () => {
    for (const conf of ['user=a:b\nrealm=north.gov\n', 'realm=north.gov\nuser=a:b\n']) {
      const { config } = await load(conf)
      expect([config.user[0]?.password?.reveal(), config.realm]).toEqual(['b', 'north.gov'])
    }
  })

  test('CONF-ORD-03 lets the command line win for the logging keys too', async () => {
    const { config } = await load('log-file=/nowhere/a.log\nlog-min-level=error\n', [
      '-l',
      'stdout',
      '--log-min-level=debug',
    ])
    expect([config['log-file'], config['log-min-level']]).toEqual(['stdout', 'debug'])
  })

  test('CONF-ORD-04 takes the last of repeated single values, and the first of two plain external addresses', async () => {
    const loaded = await load('realm=a\nrealm=b\nexternal-ip=203.0.113.1\nexternal-ip=203.0.113.2\n')
    expect(loaded.config.realm).toBe('b')
    expect(loaded.config['external-ip']).toEqual([{ publicIp: '203.0.113.1', privateIp: null }])
    expect(warningsOf(loaded, 'external-ip')[0]).toContain('203.0.113.2')
  })

  test('CONF-ORD-05 takes the last of two users with one name, and drops repeated addresses', async () => {
    const { config } = await load(
      'user=a:old\nuser=b:x\nuser=a:new\nlistening-ip=127.0.0.1\nlistening-ip=::1\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nrelay-ip=127.0.0.1\n',
    )
    expect(config.user.map(({ name, password }) => [name, password?.reveal()])).toEqual([
      ['a', 'new'],
      ['b', 'x'],
    ])
    expect(config['listening-ip']).toEqual(['127.0.0.1', '::1'])
    expect(config['relay-ip']).toEqual(['127.0.0.1'])
  })

  test('CONF-ORD-06 reads the last of several user databases, whatever name it has, and says so of the others', async () => {
    const { config, warnings } = await load('db=/var/db/turndb\nredis-userdb="ip=127.0.0.1 password=hush"\n')
    expect(config['redis-userdb']?.reveal()).toBe('ip=127.0.0.1 password=hush')
    expect([config.userdb, config.db]).toEqual([null, null])
    const lines = warnings.map(({ where, message }) => `${where}: ${message}`)
    expect(lines).toContain(
      'turnserver.conf:1: "db": is not read: of several databases the last counts, which is redis-userdb',
    )
    const again = await load('redis-userdb="ip=127.0.0.1"\nsql-userdb="host=db"\ndb=/one\nsql-userdb="host=other"\n')
    expect(again.config['psql-userdb']?.reveal()).toBe('host=other')
    expect([again.config.userdb, again.config['redis-userdb'], again.config['sql-userdb']]).toEqual([null, null, null])
  })
})

describe('the environment', () => {
  const from = (environment: Record<string, string>) => load(null, [], { environment })

  test('separates addresses by commas or blanks, and everything else by lines', async () => {
    const { config } = await from({
      WEBRTC_STACK_LISTENING_IP: '127.0.0.1, ::1',
      WEBRTC_STACK_STATIC_AUTH_SECRET: 'a secret, with comma\nanother one, longer',
      WEBRTC_STACK_CA_FILE: '',
      WEBRTC_STACK_VERBOSE: '1',
    })
    expect(config['listening-ip']).toEqual(['127.0.0.1', '::1'])
    expect(config['static-auth-secret'].map((secret) => secret.reveal())).toEqual([
      'a secret, with comma',
      'another one, longer',
    ])
    expect([config.verbose, config.Verbose]).toEqual([true, false])
  })
  test('warns of a variable that is no option, and names the nearest', async () => {
    const { warnings } = await from({ WEBRTC_STACK_REALMS: 'x', WEBRTC_STACK_TEST_X: '1', OTHER: '1' })
    expect(warnings).toContainEqual({
      where: 'WEBRTC_STACK_REALMS',
      message: 'there is no such option; did you mean WEBRTC_STACK_REALM?',
    })
    expect(warnings.filter(({ where }) => where?.includes('TEST') || where === 'OTHER')).toEqual([])
  })
  test('passes over what Kubernetes says about a service of our name', async () => {
    const { config, warnings } = await from({
      WEBRTC_STACK_PORT: 'tcp://10.0.0.7:3478',
      WEBRTC_STACK_SERVICE_HOST: '10.0.0.7',
      WEBRTC_STACK_SERVICE_PORT: '3478',
      WEBRTC_STACK_PORT_3478_TCP_ADDR: '10.0.0.7',
    })
    expect(config.port).toBe(8089)
    expect(warnings.filter(({ where }) => where !== null)).toEqual([])
  })
  test('names the variable that holds a bad value', async () => {
    expect(await complaints(null, [], { environment: { WEBRTC_STACK_MIN_PORT: 'x' } })).toEqual([
      'WEBRTC_STACK_MIN_PORT: "min-port": "x" is not a whole number',
    ])
  })
})

describe('addresses', () => {
  const resolve = async (host: string) => {
    if (host === 'turn.example.org') return ['2001:db8::7', '203.0.113.7']
    throw new Error('not found')
  }

  test('EXTIP-06 may be host names, of which IPv4 is preferred', async () => {
    const { config } = await load(
      'listening-ip=turn.example.org\nexternal-ip=turn.example.org\nexternal-ip=2001:db8::9\n',
      [],
      {
        resolve,
      },
    )
    expect(config['listening-ip']).toEqual(['203.0.113.7'])
    expect(config['external-ip'].map(({ publicIp }) => publicIp)).toEqual(['203.0.113.7', '2001:db8::9'])
  })
  test('that cannot be resolved stop the start', async () => {
    expect(await complaints('relay-ip=nowhere.example\n', [], { resolve })).toEqual([
      'turnserver.conf:1: "relay-ip": names a host that cannot be resolved: "nowhere.example"; write its address',
    ])
  })
  test('EXTIP-02 come in pairs of one family, as many as there are', async () => {
    const { config } = await load('external-ip=203.0.113.1/10.0.0.1\nexternal-ip=203.0.113.2/10.0.0.2\n')
    expect(config['external-ip']).toHaveLength(2)
    expect(await complaints('external-ip=203.0.113.1/::1\n')).toEqual([
      'turnserver.conf:1: "external-ip": mixes IPv4 and IPv6; write two addresses of one family',
    ])
  })
  test('of an interface stand for it, unless addresses are given', async () => {
    const interfaces = new Map([['eth0', ['192.0.2.5', '2001:db8::5']]])
    const { config } = await load('listening-device=eth0\nrelay-device=eth0\nrelay-ip=192.0.2.9\n', [], { interfaces })
    expect(config['listening-ip']).toEqual(['192.0.2.5', '2001:db8::5'])
    expect(config['relay-ip']).toEqual(['192.0.2.9'])
  })
  test('are missing when the interface is, which stops the start unless others are given', async () => {
    expect(await complaints('listening-device=eth7\n')).toEqual([
      'turnserver.conf:1: "listening-device": names an interface without addresses: "eth7"; there are lo',
    ])
    const loaded = await load('listening-device=eth7\nlistening-ip=127.0.0.1\n')
    expect(loaded.config['listening-ip']).toEqual(['127.0.0.1'])
    expect(warningsOf(loaded, 'listening-device')[0]).toContain('there is no interface "eth7"')
  })
  test('CONF-COMBO-09 stay out when none is given, which means all of them', async () => {
    const { config } = await load(null)
    expect([config['listening-ip'], config['relay-ip']]).toEqual([[], []])
    expect((await load('listening-ip=\n')).config['listening-ip']).toEqual(['0.0.0.0'])
  })
})

test('several mistakes are told at once, in the order of their lines', async () => {
  expect(await complaints('max-port=x\nfoo\nmin-port=70000\n', ['--port=-1'])).toEqual([
    'turnserver.conf:1: "max-port": "x" is not a whole number',
    'turnserver.conf:2: unknown key "foo"; see `webrtc-stack --help-all`',
    'turnserver.conf:3: "min-port": 70000 is not between 0 and 65535',
    '--port: -1 is not between 0 and 65535',
    'unknown keys stop the start, because a mistyped one may have been there to protect something; --ignore-unknown-keys starts all the same',
  ])
})

test('of a file that is none at all, the first mistakes are told, each in a short line', async () => {
  const lines = await complaints(`${`${'k'.repeat(10_000)}=1\n`.repeat(500)}`)
  expect(lines).toHaveLength(52)
  expect(lines.at(-1)).toBe('and 450 more problems like these')
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(500)
  expect(await complaints('realm=a\0b\n')).toEqual([
    expect.stringMatching(/turnserver\.conf: is not a text file \(it has NUL bytes\); look at -c$/),
  ])
})

test('SEC-56 an error carries file, line, key and fix', async () => {
  await expect(load('\ndenied-peer-ip=10.0.0.0/33\n')).rejects.toMatchObject({
    name: 'ConfigError',
    file: 'turnserver.conf',
    line: 2,
    key: 'denied-peer-ip',
    fix: 'write an address, FIRST-LAST or a CIDR range',
  })
})

test('the result is frozen', async () => {
  const { config } = await load(null)
  expect(Object.isFrozen(config)).toBe(true)
})

describe('the file', () => {
  test('CONF-FIND-01 is turnserver.conf, another with -c, and none with -n', async () => {
    const files = { 'turnserver.conf': 'realm=default\n', 'other.conf': 'realm=other\n' }
    const realm = async (...words: string[]) => (await load('realm=default\n', words, { files })).config.realm
    expect([await realm(), await realm('-c', 'other.conf'), await realm('-n')]).toEqual([
      'default',
      'other',
      'webrtc-stack',
    ])
  })
  test('CONF-FIND-05 named by -c must be readable', async () => {
    expect(await complaints('', ['-c', 'gone.conf'])).toEqual([
      'gone.conf: there is no such file; look at -c; `webrtc-stack init` writes a new one',
    ])
    expect(await complaints('', ['-c', '/nowhere/gone.conf'])).toHaveLength(1)
    expect(await complaints('', ['-c', '/'])).toEqual(['/: cannot be read (EISDIR); look at -c'])
  })
  test('is named by its whole path when it lies elsewhere', async () => {
    const path = join(temporaryFolder(), 'a.conf')
    writeFileSync(path, 'foo\n')
    expect((await complaints('', ['-c', path]))[0]).toBe(
      `${path}:1: unknown key "foo"; see \`webrtc-stack --help-all\``,
    )
  })
})
