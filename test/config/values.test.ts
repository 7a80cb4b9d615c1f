import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { BadValue } from '../../src/config/config-error.ts'
import { Secret } from '../../src/config/secret.ts'
import { externalIp, hostAndPort, peerRange } from '../../src/config/values/addresses.ts'
import { boolean } from '../../src/config/values/booleans.ts'
import { port } from '../../src/config/values/numbers.ts'
import { user } from '../../src/config/values/text.ts'
import { iceServers, publicHost, url } from '../../src/config/values/urls.ts'
import { complaints, load, warningsOf } from './loading.ts'

describe('CONF-BOOL-01', () => {
  test.each(['', 'yes', 'Y', 'true', 'T', '1', '9', '10', 'on', 'On', 'ON', 'yellow'])('reads %j as on', (text) => {
    expect(boolean.parse(text)).toBe(true)
  })
  test.each(['0', 'no', 'N', 'false', 'F', '01', 'off', 'Off', 'OFF', 'nothing'])('reads %j as off', (text) => {
    expect(boolean.parse(text)).toBe(false)
  })
  test.each(['oN', 'once', 'oFF', 'enable', '-1', '#', 'X'])('refuses %j', (text) => {
    expect(() => boolean.parse(text)).toThrow('is neither on nor off')
  })
})

describe('CONF-BOOL-02 honours off for', () => {
  test.each([
    'use-auth-secret',
    'prometheus',
    'prometheus-username-labels',
    'no-auth-pings',
    'no-dynamic-ip-list',
    'no-dynamic-realms',
    'rfc5780',
    'multiplex-peer',
  ] as const)('%s', async (name) => {
    const { config } = await load(`${name}=false\nuser=a:b\n`)
    expect(config[name]).toBe(false)
  })
  test('use-auth-secret and says that coturn would not', async () => {
    const loaded = await load('use-auth-secret=no\nstatic-auth-secret=0123456789abcdef\nuser=a:b\n')
    expect(loaded.config['static-auth-secret']).toEqual([])
    expect(warningsOf(loaded, 'use-auth-secret')[0]).toMatch(/coturn would use it/)
  })
})

test('CONF-BOOL-03 switches Verbose off with Verbose=false, and verbose=0 does not lower Verbose', async () => {
  expect((await load('Verbose=false\n')).config.Verbose).toBe(false)
  const { config } = await load('Verbose\nverbose=0\n')
  expect([config.Verbose, config.verbose]).toEqual([true, false])
})

describe('CONF-NUM-01', () => {
  test.each([
    ['0', 0],
    ['65535', 65_535],
    ['03478', 3478],
  ])('takes %s as a port', (text, value) => {
    expect(port.parse(text)).toBe(value)
  })
  test.each(['65536', '-1', 'http', '34x', '0x10', '3.5', '1e3', '', ' 1'])('refuses %j as a port', (text) => {
    expect(() => port.parse(text)).toThrow()
  })
  test('refuses text and trailing text in other numbers', async () => {
    expect(await complaints('user-quota=ten\nmax-bps=100k\nsock-buf-size=big\n')).toEqual([
      'turnserver.conf:1: "user-quota": "ten" is not a whole number',
      'turnserver.conf:2: "max-bps": "100k" is not a whole number',
      'turnserver.conf:3: "sock-buf-size": "big" is not a whole number',
    ])
  })
})

describe('user', () => {
  const parts = (text: string) => {
    const { name, password, key } = user.parse(text)
    return [name, password?.reveal(), key?.reveal()]
  }

  test('AUTH-USER-01 splits at the first colon and skips blanks behind it', () => {
    expect(parts('bob:a:b c')).toEqual(['bob', 'a:b c', undefined])
    expect(parts('bob: \t pass word')).toEqual(['bob', 'pass word', undefined])
    expect(parts('bob:')).toEqual(['bob', '', undefined])
    expect(parts('bob:0Xabc')).toEqual(['bob', '0Xabc', undefined])
    expect(() => user.parse(':x')).toThrow('empty user name')
    expect(() => user.parse('bob')).toThrow('no ":"')
  })
  test('AUTH-USER-02 takes 32 hexadecimal digits behind 0x as the key and refuses fewer', () => {
    const key = '06b2afcf07ba085b7777b481b1020391'
    expect(parts(`diveinedu:0x${key}`)).toEqual(['diveinedu', undefined, key])
    expect(parts(`a:0x${key.toUpperCase()}ff`)).toEqual(['a', undefined, key])
    expect(parts(`a:0X${key}`)).toEqual(['a', `0X${key}`, undefined])
    expect(() => user.parse('a:0x1234')).toThrow('fewer than 32')
    expect(() => user.parse(`a:0x${'g'.repeat(32)}`)).toThrow('fewer than 32')
  })
  test('AUTH-USER-07 takes names with quotes, blanks and SQL words, but no control characters', () => {
    for (const name of ["o'hara", 'a b', 'back\\slash', 'union select', '"q"']) expect(parts(`${name}:x`)[0]).toBe(name)
    expect(() => user.parse('a\u0007:x')).toThrow('control character')
    expect(() => user.parse('a:x\u001b')).toThrow('control character')
  })
  test.each(['sesame', ':sesame', 'a:0xsesame', 'a\x1b:sesame', 'a:sesame\x07'])(
    'AUTH-USER-01 AUTH-USER-02 says what is wrong with %j without its password',
    (text) => {
      expect(() => user.parse(text)).toThrow(BadValue)
      expect(() => user.parse(text)).toThrow(/^(?!.*sesame)/)
    },
  )
})

describe('peer ranges', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['10.0.0.0-10.255.255.255', '10.0.0.0-10.255.255.255'],
    ['10.0.0.1 - 10.0.0.9', '10.0.0.1-10.0.0.9'],
    ['fd00::1-fd00:1::', 'fd00::1-fd00:1::'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['fc00::/7', 'fc00::/7'],
    ['recommended', 'recommended'],
  ])('take %s', (text, value) => {
    expect(peerRange.parse(text)).toBe(value)
  })
  test.each([
    '10.0.0.0/33',
    '10.0.0.9-10.0.0.1',
    '10.0.0.1-::1',
    '10.0.0',
    'localhost',
    '1-2-3',
    '',
    '::/129',
    '10.0.0.1-',
  ])('CONF-COMBO-06 SEC-56 refuse %j', (text) => {
    expect(() => peerRange.parse(text)).toThrow()
  })
})

test('an endpoint needs a port unless there is a default, and IPv6 needs brackets for one', () => {
  expect(hostAndPort(null).parse('192.0.2.1:3480')).toEqual({ address: '192.0.2.1', port: 3480 })
  expect(hostAndPort(null).parse('[2001:db8::1]:3480')).toEqual({ address: '2001:db8::1', port: 3480 })
  expect(hostAndPort(3478).parse('2001:db8::1')).toEqual({ address: '2001:db8::1', port: 3478 })
  expect(hostAndPort(3478).parse('192.0.2.1')).toEqual({ address: '192.0.2.1', port: 3478 })
  expect(() => hostAndPort(null).parse('192.0.2.1')).toThrow('not an address with a port')
  expect(() => hostAndPort(3478).parse('192.0.2.1:99999')).toThrow('not between')
  expect(() => hostAndPort(3478).parse('a:b:c')).toThrow('not an address with a port')
})

test('EXTIP-02 an external address has at most one private side', () => {
  expect(externalIp.parse('203.0.113.1')).toEqual({ publicIp: '203.0.113.1', privateIp: null })
  expect(externalIp.parse('203.0.113.1/10.0.0.1')).toEqual({ publicIp: '203.0.113.1', privateIp: '10.0.0.1' })
  expect(() => externalIp.parse('203.0.113.1/10.0.0.1/1')).toThrow('more than one "/"')
  for (const text of ['203.0.113.256', '203.0.113.1/10.0.0', '203.0.113.1/', ''])
    expect(() => externalIp.parse(text)).toThrow('neither an address nor a host name')
})

test('a URL keeps its path and loses its last slash', () => {
  expect(url.parse('https://example.org/apprtc/')).toBe('https://example.org/apprtc')
  expect(url.parse('')).toBeNull()
  for (const text of ['example.org', 'ftp://example.org', 'javascript:alert(1)'])
    expect(() => url.parse(text)).toThrow()
})

test('ICE servers are JSON, with one URL or several, and show no credential', () => {
  const parsed = iceServers.parse('[{"urls":"stun:a"},{"urls":["turn:b"],"username":"u","credential":"hush"}]')
  expect(parsed).toEqual([{ urls: ['stun:a'] }, { urls: ['turn:b'], username: 'u', credential: 'hush' }])
  expect(iceServers.show(parsed)).not.toContain('hush')
  for (const text of ['{', '{"urls":"stun:a"}', '[{"url":"stun:a"}]', '[1]'])
    expect(() => iceServers.parse(text)).toThrow()
})

test('SEC-25 a secret prints as [redacted] however it is printed', () => {
  const secret = new Secret('hunter2')
  for (const text of [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String(secret)])
    expect(text.replaceAll('"', '')).toMatch(/\[redacted\]/)
  expect([`${secret}`, JSON.stringify(secret), inspect(secret, { showHidden: true, depth: 9 })].join()).not.toContain(
    'hunter2',
  )
  expect(secret.reveal()).toBe('hunter2')
})

describe('public-host', () => {
  test.each([
    ['call.example.org', 'call.example.org'],
    ['203.0.113.7:8080', '203.0.113.7:8080'],
    ['2001:db8::1', '[2001:db8::1]'],
    ['[2001:db8::1]:8443', '[2001:db8::1]:8443'],
  ])('%s stands in URLs as %s', (written, meant) => expect(publicHost.parse(written)).toBe(meant))
  test.each(['http://call.example.org', 'a b', 'a/b', 'call.example.org:0', 'call.example.org:70000', '[::1', 'a"b'])(
    '%s is refused',
    (written) => expect(() => publicHost.parse(written)).toThrow(/is not HOST or HOST:PORT/),
  )
})
