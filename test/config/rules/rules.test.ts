import { describe, expect, test, vi } from 'vitest'
import { readFlags } from '../../../src/config/flags.ts'
import { listeners } from '../../../src/config/listeners.ts'
import { complaints, load, warningsOf } from '../loading.ts'

describe('combinations', () => {
  test('CONF-COMBO-01 bps-capacity without max-bps stops the start', async () => {
    expect(await complaints('bps-capacity=1000\n')).toEqual([
      'turnserver.conf:1: "bps-capacity": needs max-bps; set max-bps too',
    ])
    expect((await load('bps-capacity=1000\nmax-bps=10\n')).config['bps-capacity']).toBe(1000)
  })
  test('CONF-COMBO-02 no-udp-relay with no-tcp-relay stops the start', async () => {
    expect(await complaints('no-udp-relay\nno-tcp-relay\n')).toHaveLength(1)
    await load('no-tcp-relay\n')
  })
  test('no-udp-relay alone starts, and a line says that TCP allocations want tcp-relay', async () => {
    expect(warningsOf(await load('no-udp-relay\n'), 'no-udp-relay')).toEqual([
      '"no-udp-relay": leaves nothing to relay as long as tcp-relay is not set',
    ])
    expect(warningsOf(await load('no-udp-relay\ntcp-relay\n'), 'no-udp-relay')).toEqual([])
  })
  test('of tcp-relay and no-tcp-relay the one that closes wins, and a line says so', async () => {
    expect(warningsOf(await load('tcp-relay\nno-tcp-relay\n'), 'tcp-relay')).toContain(
      '"tcp-relay": has no effect beside no-tcp-relay',
    )
  })
  test.each(['lt-cred-mech', 'use-auth-secret', 'static-auth-secret=0123456789abcdef'])(
    'CONF-COMBO-03 no-auth with %s stops the start',
    async (line) => {
      expect(await complaints(`no-auth\n${line}\n`)).toEqual([
        `turnserver.conf:2: "${line.replace(/=.*/, '')}": contradicts no-auth; take one of the two out`,
      ])
    },
  )
  test('CONF-COMBO-04 AUTH-MODE-04 users and secrets both work, and a line says so', async () => {
    const loaded = await load('lt-cred-mech\nuse-auth-secret\nstatic-auth-secret=0123456789abcdef\nuser=a:b\n')
    expect(loaded.config.user).toHaveLength(1)
    expect(loaded.config['static-auth-secret']).toHaveLength(1)
    expect(warningsOf(loaded, 'user')).toEqual([
      '"user": and static-auth-secret both work (coturn would ignore the users)',
    ])
  })
  test('CONF-COMBO-05 allow-loopback-peers with an open console stops the start', async () => {
    expect(await complaints('allow-loopback-peers\ncli\n')).toHaveLength(1)
    await load('allow-loopback-peers\ncli\ncli-password=x\n')
    await load('allow-loopback-peers\nno-cli\n')
  })
  test.each(['allowed-peer-ip=10.0.0.0/40', 'denied-peer-ip=10.0.0.5-10.0.0.1', 'denied-peer-ip=x'])(
    'CONF-COMBO-06 %s stops the start',
    async (line) => {
      expect(await complaints(`${line}\n`)).toHaveLength(1)
    },
  )
  test('CONF-COMBO-07 web-admin with no-tls is warned of', async () => {
    expect(warningsOf(await load('web-admin\nno-tls\n'), 'web-admin')).toContain(
      '"web-admin": needs TLS, which no-tls switches off',
    )
    expect(warningsOf(await load('web-admin\n'), 'web-admin')).toHaveLength(1)
  })
})

describe('NAT behaviour discovery', () => {
  const two = { interfaces: new Map([['eth0', ['192.0.2.5', '192.0.2.6', '2001:db8::5']]]) }
  test.each([
    ['two addresses of this machine', '', true, null],
    ['two addresses that are named', 'listening-ip=198.51.100.1\nlistening-ip=198.51.100.2\n', true, null],
    ['pairs of external-ip', 'external-ip=203.0.113.5/192.0.2.5\nexternal-ip=203.0.113.6/192.0.2.6\n', true, null],
    ['one address that is named', 'listening-ip=192.0.2.5\n', false, 'there is 192.0.2.5'],
    ['one of each family', 'listening-ip=192.0.2.5\nlistening-ip=2001:db8::5\n', false, 'two addresses of one family'],
    ['one external-ip for all', 'external-ip=203.0.113.5\n', false, 'write PUBLIC/PRIVATE for each of two'],
  ])('NAT-5780-01 rfc5780 with %s', async (_name, lines, isOn, why) => {
    const loaded = await load(`rfc5780\n${lines}`, [], two)
    expect(loaded.config.rfc5780).toBe(isOn)
    const warnings = warningsOf(loaded, 'rfc5780')
    if (why === null) expect(warnings).toEqual([])
    else expect(warnings).toEqual([expect.stringContaining(why)])
  })

  test('NAT-5780-01 it opens the second ports, one above the first where none is named', async () => {
    const ports = async (lines: string) => {
      const { config } = await load(
        `rooms=off\nsignaling=off\nlistening-ip=192.0.2.5\nlistening-ip=192.0.2.6\n${lines}`,
      )
      return listeners(config).map(({ transport, host, port }) => `${transport} ${host}:${port}`)
    }
    expect(await ports('no-tcp\nrfc5780\n')).toEqual([
      'udp 192.0.2.5:3478',
      'udp 192.0.2.6:3478',
      'udp 192.0.2.5:3479',
      'udp 192.0.2.6:3479',
    ])
    expect(await ports('no-tcp\n')).toHaveLength(2)
    expect(await ports('rfc5780\nalt-listening-port=4000\n')).toContain('tcp 192.0.2.6:4000')
  })

  test('a second port that another server has stops the start', async () => {
    const [line] = await complaints('rfc5780\nhttp-port=3479\n', [], two)
    expect(line).toContain('and so is alt-listening-port')
  })
})

describe('links for TURN credentials', () => {
  const ICE = 'ice-server-url-template'
  const TURN = 'turn-url-template'
  const told = (key: string, template: string, written: string) => [
    `"${template}": does not carry ${key} as key=…, so our own visitors get 403 instead of TURN credentials; write it as ${written}, or take it out`,
  ]

  test.each([
    ['ice-server-api-key', ICE, '%s/v1alpha/iceconfig'],
    ['ceod-key', ICE, '%s/v1alpha/iceconfig?key='],
    ['ceod-key', ICE, '%s/v1alpha/iceconfig?apikey=%s'],
    ['ice-server-api-key', ICE, '%s/v1alpha/iceconfig?username=%s&key=%s'],
    ['ice-server-api-key', ICE, '%s/v1alpha/iceconfig?key=another'],
  ])(
    'a key that %s asks for and %s=%s does not hand out is told, with the line and the fix',
    async (key, name, text) => {
      const loaded = await load(`${key}=letmein\n${name}=${text}\n`)
      expect(warningsOf(loaded, name)).toEqual(told(key, name, '%s/v1alpha/iceconfig?key=%s'))
      expect(loaded.warnings.find(({ message }) => message.startsWith(`"${name}"`))!.where).toBe('turnserver.conf:2')
    },
  )
  test.each(['%s/turn', '%s/turn?key=%s', '%s/turn?username=%s'])('so is one in turn-url-template=%s', async (text) => {
    const loaded = await load(`ceod-key=letmein\n${TURN}=${text}\n`)
    expect(warningsOf(loaded, TURN)).toEqual(told('ceod-key', TURN, '%s/turn?username=%s&key=%s'))
  })
  test.each([
    ['no key', `${ICE}=%s/v1alpha/iceconfig`],
    ["the tutorial's path", `ceod-key=letmein\n${ICE}=%s/turn.php?username=diveinedu&key=%s`],
    ['the key itself', `ceod-key=letmein\n${ICE}=%s/v1alpha/iceconfig?key=letmein`],
    ['a provider of somebody else', `ceod-key=letmein\nice-server-base-url=https://a.test\n${ICE}=%s/ice?token=%s`],
    ['a link to somebody else', `ceod-key=letmein\n${ICE}=https://a.test/ice`],
    ['no rooms', `rooms=off\nceod-key=letmein\n${ICE}=%s/v1alpha/iceconfig`],
  ])('nothing is told with %s', async (_name, conf) => {
    expect(warningsOf(await load(`${conf}\n`), ICE)).toEqual([])
  })
  test('our own name as the provider is ours, too', async () => {
    const loaded = await load(
      `public-host=call.test:8443\nceod-key=letmein\nice-server-base-url=https://call.test:8443\n${ICE}=%s/v1alpha/iceconfig\n`,
    )
    expect(warningsOf(loaded, ICE)).toHaveLength(1)
  })
})

describe('authentication', () => {
  const secretsOf = ({ config }: Awaited<ReturnType<typeof load>>) =>
    config['static-auth-secret'].map((one) => one.reveal())

  test('SEC-26 AUTH-MODE-01 nothing configured is no open relay: there is a secret for this run', async () => {
    const loaded = await load(null)
    expect(loaded.config['no-auth']).toBe(false)
    expect(loaded.config['lt-cred-mech']).toBe(true)
    expect(secretsOf(loaded)).toEqual(['drawn-for-this-run-of-the-tests'])
    expect(loaded.warnings.map(({ message }) => message).join()).toMatch(/this run only.*webrtc-stack init/)
    expect(loaded.origins.has('static-auth-secret')).toBe(false)
  })
  test('SEC-26 that secret is random, another in each run, and the same when the configuration is read again', async () => {
    const aRun = async () => {
      vi.resetModules()
      const { loadConfig } = await import('../../../src/config/load.ts')
      return async () => secretsOf(await loadConfig(readFlags(['-n'], new Set())))
    }
    const [one, another] = [await aRun(), await aRun()]
    const [secret] = await one()
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(await one()).toEqual([secret])
    expect(await another()).not.toEqual([secret])
  })
  test.each(['lt-cred-mech\n', 'use-auth-secret\n', 'realm=x\n'])('SEC-26 so does %j', async (conf) => {
    expect(secretsOf(await load(conf))).toHaveLength(1)
  })
  test('SEC-26 only no-auth, written out, opens the relay, with a warning', async () => {
    const loaded = await load('no-auth\n')
    expect(loaded.config['no-auth']).toBe(true)
    expect(secretsOf(loaded)).toEqual([])
    expect(warningsOf(loaded, 'no-auth')).toHaveLength(1)
  })
  test('SEC-26 a secret below 16 characters starts with a warning that does not show it', async () => {
    const loaded = await load('static-auth-secret=diveinedu\n')
    expect(secretsOf(loaded)).toEqual(['diveinedu'])
    const [warning] = warningsOf(loaded, 'static-auth-secret')
    expect(warning).toContain('shorter than 16 characters')
    expect(warning).not.toContain('diveinedu')
    expect(warningsOf(await load('static-auth-secret=0123456789abcdef\n'), 'static-auth-secret')).toEqual([])
  })
  test('AUTH-MODE-02 a user switches long-term credentials on, with a warning', async () => {
    const loaded = await load('user=a:b\nrooms=off\n')
    expect(loaded.config['lt-cred-mech']).toBe(true)
    expect(secretsOf(loaded)).toEqual([])
    expect(warningsOf(loaded, 'user')).toEqual(['"user": switches lt-cred-mech on'])
    expect(warningsOf(await load('user=a:b\nlt-cred-mech\n'), 'user')).toEqual([])
  })
  test('rooms get a secret of this run beside static users, because they hand out credentials', async () => {
    expect(secretsOf(await load('user=a:b\nlt-cred-mech\n'))).toHaveLength(1)
    expect(secretsOf(await load('turn=off\n'))).toEqual([])
    expect(secretsOf(await load('stun-only\n'))).toEqual([])
  })
  test('use-auth-secret=off without users leaves nobody, which stops the start', async () => {
    expect(await complaints('use-auth-secret=off\nstatic-auth-secret=0123456789abcdef\n')).toEqual([
      'turnserver.conf:1: "use-auth-secret": is off and there is no user, so nobody could relay; add a user, or take it out',
    ])
  })
  test('several secrets count in the order of the file', async () => {
    expect(
      secretsOf(await load('static-auth-secret=one-one-one-one-1\nstatic-auth-secret=two-two-two-two-2\n')),
    ).toEqual(['one-one-one-one-1', 'two-two-two-two-2'])
  })
})

describe('the realm', () => {
  const key = '06b2afcf07ba085b7777b481b1020391'
  const realmOf = async (conf: string, domainName: string | null = null) =>
    (await load(conf, [], { domainName })).config.realm

  test('is the one written, else the domain of the host, else one that browsers take', async () => {
    expect(await realmOf('realm=north.gov\n', 'example.org')).toBe('north.gov')
    expect(await realmOf('fingerprint\n', 'example.org')).toBe('example.org')
    expect(await realmOf('fingerprint\n')).toBe('webrtc-stack')
  })
  test('AUTH-MODE-05 stays empty for keys, which were made without one', async () => {
    expect(await realmOf(`user=diveinedu:0x${key}\n`)).toBe('')
    expect(await realmOf(`user=diveinedu:0x${key}\nuser=diveinedu:diveinedu\n`)).toBe('webrtc-stack')
  })
  test('AUTH-MODE-03 is warned of when it is empty, naming libjuice', async () => {
    expect(warningsOf(await load(`user=a:0x${key}\n`), 'realm')[0]).toContain('libjuice')
    expect(warningsOf(await load('realm=\n'), 'realm')[0]).toContain('libjuice')
    expect(warningsOf(await load('realm=x\n'), 'realm')).toEqual([])
  })
  test('has at most 127 bytes', async () => {
    expect(await complaints(`realm=${'é'.repeat(64)}\n`)).toEqual([
      'turnserver.conf:1: "realm": is longer than 127 bytes',
    ])
    await load(`realm=${'e'.repeat(127)}\n`)
  })
})

describe('ports', () => {
  test('TURN-GEN-06 relay ports below 1024 stop the start', async () => {
    expect(await complaints('min-port=1023\n')).toHaveLength(1)
    await load('min-port=1024\n')
  })
  test('a relay range that ends before it begins stops the start', async () => {
    expect(await complaints('min-port=50000\nmax-port=49999\n')).toEqual([
      'turnserver.conf:1: "min-port": leaves no relay port from 50000 to 49999; min-port must not be above max-port',
    ])
    await load('min-port=50000\nmax-port=50000\n')
  })
  test('URI-03 a port that browsers refuse is warned of', async () => {
    expect(warningsOf(await load('listening-port=444\n'), 'listening-port')).toHaveLength(1)
    for (const port of [53, 80, 443, 1024, 0])
      expect(warningsOf(await load(`listening-port=${port}\n`), 'listening-port')).toEqual([])
  })
  test('two servers on one port stop the start, wherever their ports were set', async () => {
    expect(await complaints('port=8080\n')).toEqual([
      'turnserver.conf:1: "port": is 8080, and so is http-port by default, where the call page listens; set http-port to another, or do without: rooms=off (TURN alone: `webrtc-stack turnserver`)',
    ])
    expect(await complaints('port=8080\nhttp-port=8080\n')).toEqual([
      'turnserver.conf:1: "port": is 8080, and so is http-port; give each server a port of its own',
    ])
    expect(await complaints('http-port=3478\n')).toHaveLength(1)
    await load('http-port=3478\nno-tcp\n')
    await load('http-port=3478\nhost=127.0.0.1\nlistening-ip=192.0.2.1\n')
    await load('http-port=0\nhttps-port=0\nport=0\nlistening-port=0\n')
    await load('port=8080\nrooms=off\n')
  })
})

test('old names do what their new ones do', async () => {
  expect((await load('keep-address-family\n')).config['allocation-default-address-family']).toBe('keep')
  expect((await load('no-dtls=false\n')).config.dtls).toBe(true)
  expect((await load('no-dtls\n')).config.dtls).toBe(false)
  expect((await load('sock-buf-size=-1\n')).config['sock-buf-size']).toBe(2_097_152)
})

test('a configuration that leaves nothing to start is refused', async () => {
  expect(await complaints('rooms=off\nsignaling=off\n', ['--no-turn'])).toEqual([
    '--no-turn: "turn": is off, and so are rooms and signaling; leave at least one of the three on',
  ])
})

test('CONF-LINE-06 rfc5766-channel-numbers is the default, and off means the narrow range', async () => {
  const narrow = async (conf: string) => (await load(conf)).config['rfc8656-channel-numbers']
  expect(await narrow('')).toBe(false)
  expect(await narrow('rfc5766-channel-numbers\n')).toBe(false)
  expect(await narrow('rfc5766-channel-numbers=off\n')).toBe(true)
  expect(await narrow('rfc8656-channel-numbers\n')).toBe(true)
  expect(await narrow('rfc5766-channel-numbers=off\nrfc8656-channel-numbers=off\n')).toBe(false)
})
