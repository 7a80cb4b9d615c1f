import { describe, expect, test } from 'vitest'
import { complaints, load, type Machine } from './loading.ts'

/** Lines as they stand in turnserver.conf files that people run, with what becomes of them. */
describe('a file that coturn starts with starts here too:', () => {
  interface Case {
    readonly what: string
    readonly conf: string
    /** Values in force. */
    readonly values?: Readonly<Record<string, unknown>>
    /** What the warnings say about it, in their order; those about other lines are left out. */
    readonly says?: readonly RegExp[]
    readonly machine?: Machine
  }

  const SECRET = 'static-auth-secret=0123456789abcdef\n'
  const cases: readonly Case[] = [
    {
      what: 'a TLS port and no certificate',
      conf: 'tls-listening-port=5349\n',
      values: { 'tls-listening-port': 5349 },
      says: [/:1: "tls-listening-port": nothing listens on 5349 without a certificate; set cert and pkey/],
    },
    {
      what: 'a database beside a secret',
      conf: `${SECRET}userdb=/var/lib/turn/turndb\n`,
      says: [],
    },
    {
      what: 'a database beside users',
      conf: 'lt-cred-mech\nuser=a:b\nmysql-userdb="host=db password=x"\n',
      says: [],
    },
    { what: 'a database where nobody logs in', conf: 'stun-only\nuserdb=/x\n', says: [] },
    {
      what: 'SHA-256 alone, and a database',
      conf: 'sha256=strict\nuserdb=/x\n',
      says: [/is strict, and the keys of databases are for SHA-1/, /keeps browsers out/],
    },
    {
      what: 'empty external-ip',
      conf: 'external-ip=\n',
      values: { 'external-ip': [] },
      says: [/has no value and is ignored/],
    },
    {
      what: 'bare external-ip',
      conf: 'external-ip\n',
      values: { 'external-ip': [] },
      says: [/has no value and is ignored/],
    },
    { what: 'empty relay-ip', conf: 'relay-ip=\n', values: { 'relay-ip': [] }, says: [/has no value and is ignored/] },
    {
      what: 'external-ip of nobody',
      conf: 'external-ip=0.0.0.0\n',
      values: { 'external-ip': [] },
      says: [/0\.0\.0\.0 is no address that anybody could reach, and is ignored/],
    },
    {
      what: 'external-ip of the client itself',
      conf: 'external-ip=127.0.0.1\n',
      says: [/each of them reaches only itself/],
    },
    { what: 'relay-ip of all', conf: 'relay-ip=0.0.0.0\n', values: { 'relay-ip': [] }, says: [] },
    {
      what: 'relay-ip of all and of one',
      conf: 'relay-ip=::\nrelay-ip=192.0.2.5\n',
      values: { 'relay-ip': ['192.0.2.5'] },
      says: [/"relay-ip": :: adds nothing to the other addresses/],
    },
    {
      what: 'a comment behind a secret, a realm and a user',
      conf: 'static-auth-secret=0123456789abcdef # shared with the app\nrealm=x # ours\nuser=a:b # phone\n',
      values: { realm: 'x # ours' },
      says: [/:1: .* part of the value/, /:2: .* part of the value/, /:3: .* part of the value/, /user.*both work/],
    },
    {
      what: 'a comment behind an address',
      conf: 'listening-ip=192.0.2.2 # LAN\ndenied-peer-ip=10.0.0.0-10.255.255.255 # private\nlt-cred-mech # only on\n',
      values: { 'listening-ip': ['192.0.2.2'], 'denied-peer-ip': ['10.0.0.0-10.255.255.255'], 'lt-cred-mech': true },
      says: [/:1: .* is ignored/, /:2: .* is ignored/, /:3: .* is ignored/],
    },
    {
      what: 'quotes around an address',
      conf: "listening-ip='192.0.2.2'\nexternal-ip='203.0.113.1/192.0.2.2'\n",
      values: { 'listening-ip': ['192.0.2.2'], 'external-ip': [{ publicIp: '203.0.113.1', privateIp: '192.0.2.2' }] },
      says: [/:1: .* the quotes around the value are left out/, /:2: .* the quotes/],
    },
    {
      what: 'numbers that are none',
      conf: 'total-quota=0:0\nrelay-threads=500\nchannel-lifetime=-1\nuser-quota=-1\nsyslog-facility=daemon\n',
      values: {
        'total-quota': 0,
        'relay-threads': null,
        'channel-lifetime': 1e9,
        'user-quota': 0,
        'syslog-facility': 'LOG_DAEMON',
      },
      says: [
        /:1: "total-quota": "0:0" is read as 0/,
        /:2: "relay-threads": 500 is not between 0 and 128; the default is used/,
        /:3: "channel-lifetime": -1 stands for as long as possible/,
        /:4: "user-quota": -1 is not between 0 and .*; 0 is used/,
      ],
    },
    {
      what: 'typographic quotes',
      conf: 'pidfile=”/var/run/turnserver.pid”\n',
      values: { pidfile: '”/var/run/turnserver.pid”' },
      says: [/:1: "pidfile": the typographic quotes are part of the value/],
    },
    {
      what: 'single quotes',
      conf: "realm='example.org'\n",
      values: { realm: "'example.org'" },
      says: [/single quotes are part/],
    },
    {
      what: 'a realm that nobody filled in',
      conf: `realm=\${REALM}\n`,
      says: [/is a placeholder that nobody filled in/],
    },
    {
      what: 'the secret of a guide',
      conf: 'static-auth-secret=your-super-secret-key\n',
      says: [/looks like one that a guide prints for everybody/],
    },
    {
      what: 'a port of ours that is not opened, for want of a certificate',
      conf: 'listening-port=8443\n',
      values: { 'listening-port': 8443 },
      says: [],
    },
    { what: 'one port for plain and secure clients', conf: 'listening-port=443\ntls-listening-port=443\n' },
    {
      what: 'users and no secret',
      conf: 'user=a:b\nlt-cred-mech\nrealm=x\n',
      says: [],
    },
    {
      what: 'secrets in the database of Debian, which coturn reads without being told',
      conf: 'use-auth-secret\nrealm=x\n',
      machine: { accountFile: '/var/lib/turn/turndb' },
      says: [
        /:1: "use-auth-secret": lets accounts and secrets of \/var\/lib\/turn\/turndb log in, too, as with coturn/,
      ],
    },
    {
      what: 'no word about logins, on a machine with the database of Debian',
      conf: 'user=a:b\nrealm=x\n',
      machine: { accountFile: '/var/lib/turn/turndb' },
      values: { userdb: null },
      says: [/:1: "user": switches lt-cred-mech on/],
    },
  ]

  test.each(cases)('$what', async ({ conf, values, says, machine }) => {
    const { config, warnings } = await load(conf, [], machine)
    expect(config).toMatchObject(values ?? {})
    const lines = warnings.filter(({ where, inSummary }) => where?.includes(':') && !inSummary)
    const shown = lines.map(({ where, message }) => `${where}: ${message}`)
    if (says !== undefined) expect(shown).toEqual(says.map((pattern) => expect.stringMatching(pattern)))
    for (const line of shown) expect(line).not.toMatch(/0123456789abcdef|your-super/)
  })
})

describe('a file stops the start where going on would help nobody:', () => {
  test.each([
    [
      'external-ip=$(detect-external-ip)\n',
      /"\$\(detect-external-ip\)" is a placeholder that nobody filled in; write the address/,
    ],
    [`external-ip=\${EXTERNAL_IP}/10.0.0.1\n`, /is a placeholder that nobody filled in/],
    ['external-ip=AUTO_DETECT\n', /is a placeholder that nobody filled in/],
    ['external-ip=<public ip>\n', /is a placeholder that nobody filled in/],
    ['listening-ip=your-ip\n', /is a placeholder that nobody filled in/],
    ['relay-ip=x.x.x.x\n', /is a placeholder that nobody filled in/],
    ['external-ip={{ ansible_host }}\n', /is a placeholder that nobody filled in/],
    ['realm: example.org\n', /unknown key "realm:"; write "realm=", with "=" instead of ":"/],
    ['--realm=example.org\n', /unknown key "--realm"; write "realm" without dashes/],
    ['log-level=3\n', /unknown key "log-level"; did you mean "log-min-level"\?/],
    ['web-port=8081\n', /unknown key "web-port"; did you mean "web-admin-port"\?/],
    ['prometheus-ip=127.0.0.1\n', /unknown key "prometheus-ip"; did you mean "prometheus-address"\?/],
    ['This is my server\n', /unknown key "This"; if it is a comment, begin the line with "#"/],
    ['; realm=x\n', /unknown key ";"; if it is a comment/],
    ['//realm=x\n', /if it is a comment/],
    ['[turn]\n', /unknown key "\[turn\]"; there are no sections/],
    ['nonsense=1\n', /unknown key "nonsense"; see `webrtc-stack --help-all`/],
    ['log-min-level=warn\n', /"warn" is none of debug, info, warning, error; did you mean "warning"\?/],
    ['udp-io=dgramm\n', /did you mean "dgram"\?/],
    ['sha256=strikt\n', /did you mean "strict"\?/],
    ['tls=atuo\n', /did you mean "auto"\?/],
    ['syslog-facility=deamon\n', /did you mean "LOG_DAEMON"\?/],
  ])('%j', async (conf, message) => {
    const [line] = await complaints(conf)
    expect(line).toMatch(message)
  })

  test('a database lets people log in where nothing else does', async () => {
    const machine = { accountFile: '/var/lib/turn/turndb' }
    for (const key of ['use-auth-secret', 'lt-cred-mech']) {
      const { config } = await load(`${key}\n`, ['--no-rooms'], machine)
      expect(config.userdb?.reveal()).toBe(machine.accountFile)
    }
    const { config } = await load('user=a:b\n', ['--no-rooms'], machine)
    expect(config.userdb).toBeNull()
    const named = await load('userdb=/x\n', ['--no-rooms'])
    expect(named.warnings.map(({ message }) => message)).not.toContainEqual(expect.stringMatching(/nobody can relay/))
    const { warnings } = await load('use-auth-secret\n', ['--no-rooms'])
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringMatching(/nobody can relay/)])
  })

  test('a port of ours that nobody wrote is named, with the way out', async () => {
    expect(await complaints('listening-port=8080\n')).toEqual([
      'turnserver.conf:1: "listening-port": is 8080, and so is http-port by default, where the call page listens; set http-port to another, or do without: rooms=off (TURN alone: `webrtc-stack turnserver`)',
    ])
    expect((await complaints('prometheus\nprometheus-port=8089\n'))[0]).toMatch(
      /so is port by default, where signaling listens/,
    )
    await load('listening-port=8080\nno-tcp\n')
  })
})

test('ignore-unknown-keys starts all the same, and says what it passes over', async () => {
  const conf = 'realm: x\nweb-port=1\nlistening-port=3479\n'
  const { config, warnings } = await load(conf, ['--ignore-unknown-keys'])
  expect(config['listening-port']).toBe(3479)
  const lines = warnings.map(({ where, message }) => `${where}: ${message}`)
  expect(lines).toContain('turnserver.conf:1: unknown key "realm:" is ignored')
  expect(lines).toContain('turnserver.conf:2: unknown key "web-port" is ignored')
  await load(`ignore-unknown-keys\n${conf}`)
  await load(conf, [], { environment: { WEBRTC_STACK_IGNORE_UNKNOWN_KEYS: '1' } })
})

describe('no-NAME is NAME=off', () => {
  test.each(['rooms', 'signaling', 'turn', 'dev', 'fingerprint', 'mobility', 'prometheus'] as const)(
    'for %s',
    async (name) => {
      const variable = `WEBRTC_STACK_NO_${name.toUpperCase()}`
      const values = await Promise.all([
        load(`no-${name}\n`),
        load(`no-${name}=yes\n`),
        load(null, [`--no-${name}`]),
        load(null, [], { environment: { [variable]: '1' } }),
        load(`no-${name}=off\n`),
        load(null, [], { environment: { [variable]: 'off' } }),
      ])
      expect(values.map(({ config }) => config[name])).toEqual([false, false, false, false, true, true])
    },
  )

  test('and what is neither on nor off is said with its place', async () => {
    expect((await complaints('no-rooms=maybe\n'))[0]).toBe(
      'turnserver.conf:1: "rooms": is neither on nor off; write on or off',
    )
    expect((await complaints(null, ['--no-rooms=maybe']))[0]).toMatch(/^--no-rooms: /)
  })
})

test('a file that was written for coturn is told what else is opened, once it says nothing of ours', async () => {
  const notices = async (conf: string, words: readonly string[] = []) =>
    (await load(conf, words)).warnings
      .map(({ message }) => message)
      .filter((text) => text.includes("coturn's keys alone"))
  const [notice] = await notices('use-auth-secret\nstatic-auth-secret=0123456789abcdef\n')
  expect(notice).toMatch(
    /call page on port 8080 and signaling on 8089, and hands out TURN credentials made of static-auth-secret to anybody who asks; for TURN alone start `webrtc-stack turnserver`, or set rooms=off and signaling=off$/,
  )
  expect((await notices('user=a:b\n'))[0]).not.toContain('hands out')
  for (const quiet of ['', 'user=a:b\nrooms=on\n', 'user=a:b\nhttp-port=80\n']) expect(await notices(quiet)).toEqual([])
  expect(await notices('user=a:b\n', ['--port', '8089'])).toEqual([])
})
