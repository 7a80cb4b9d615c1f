import { expect, test } from 'vitest'
import { changesBetween } from '../../src/config/changes.ts'
import { listeners } from '../../src/config/listeners.ts'
import { type Config, type OptionName, optionNames, optionOf } from '../../src/config/options.ts'
import { turnAddresses } from '../../src/start/addresses.ts'
import { turnTls } from '../../src/start/certificate.ts'
import { logLevel } from '../../src/start/plan/log-level.ts'
import { streamLimits } from '../../src/start/plan/net-options.ts'
import { turnPlan } from '../../src/start/plan/turn-plan.ts'
import {
  connectionLimits,
  handshakeLimits,
  httpOptions,
  iceConfigOptions,
  listenerOptions,
  roomsOptions,
  signalingOptions,
  socketLimits,
} from '../../src/start/plan/web-options.ts'
import { dtlsLimits } from '../../src/start/relaying/dtls.ts'
import { load } from '../config/loading.ts'
import { localhostEc } from '../support/certificates.ts'
import { certificateFile } from '../support/server.ts'

/** Lines that change an option whose other value does not follow from its type. */
const ANOTHER: Partial<Record<OptionName, string>> = {
  'public-host': 'call.example.org',
  'trusted-proxy': '192.0.2.1',
  'allowed-host': 'other.example.org',
  'allow-origin': 'https://example.org',
  'turn-base-url': 'https://turn.example.org',
  'turn-url-template': '%s/other?username=%s&key=%s',
  'ice-server-base-url': 'https://ice.example.org',
  'ice-server-url-template': '%s/other?key=%s',
  'ice-server-urls': 'turn:turn.example.org',
  'ice-server-override': '[{"urls":"turn:turn.example.org","username":"u","credential":"c"}]',
  'ceod-key': 'another-key',
  'ice-server-api-key': 'another-key',
  'header-message': 'hello',
  'url-overrides': 'compat',
  'frame-ancestors': "'self'",
  'metrics-from': '192.0.2.1',
  'alternate-server': '203.0.113.7',
  'tls-alternate-server': '203.0.113.7',
  'udp-alternate-server': '203.0.113.7',
  'tcp-alternate-server': '203.0.113.7',
  'external-ip': '203.0.113.9',
  'allocation-default-address-family': 'ipv6',
  'keep-address-family': 'on',
  realm: 'other.example.org',
  user: 'bob:battery-staple',
  'static-auth-secret': 'another-secret-of-32-characters-x',
  'rest-api-separator': '|',
  sha256: 'on',
  'denied-peer-ip': '192.0.2.0/24',
  'allowed-peer-ip': '192.0.2.0/24',
  'nat64-prefix': '2001:db8:64::/96',
  'allow-private-peers': 'off',
  'cipher-list': 'ECDHE-RSA-AES128-GCM-SHA256',
  'ec-curve-name': 'P-256',
  'CA-file': certificateFile('client-ca.crt'),
  cert: certificateFile('localhost-ec.crt'),
  pkey: certificateFile('localhost-ec.key'),
  'log-min-level': 'warning',
  'pkey-pwd': 'hush',
  'listening-ip': '127.0.0.1',
  'relay-ip': '127.0.0.1',
  'listening-device': 'lo',
  'relay-device': 'lo',
  'aux-server': '127.0.0.1:3999',
  'max-port': '60000',
  rfc5780: 'off',
  prometheus: 'off',
  'prometheus-address': '127.0.0.1',
  'prometheus-path': '/other',
}

/** What these are read for is there without them, or is named by another one. */
const READ_WITH_OTHERS: ReadonlySet<OptionName> = new Set([
  // Switched on by any user or secret, whatever stands there.
  'lt-cred-mech',
  'use-auth-secret',
  // The pair is read anew at each reload; test/server/reload.test.ts sees it served.
  'cert',
  'pkey',
  'pkey-pwd',
  'dh-file',
  // TCP allocations are not built.
  'no-tcp-relay',
])

const applying = optionNames.filter((name) => optionOf(name).applies !== null)
const BASE = {
  user: 'alice:correct-horse',
  cert: certificateFile('localhost-rsa.crt'),
  pkey: certificateFile('localhost-rsa.key'),
  // Others say how.
  dtls: 'on',
  prometheus: 'on',
  // What bps-capacity needs.
  'max-bps': '1000000',
}

type Values = Readonly<Record<string, string | readonly string[]>>

/** What some options need besides. */
const DISCOVERY: Values = { rfc5780: 'on', 'listening-ip': ['127.0.0.1', '127.0.0.2'] }
const WITH: Partial<Record<OptionName, Values>> = {
  rfc5780: DISCOVERY,
  'alt-listening-port': DISCOVERY,
  'alt-tls-listening-port': DISCOVERY,
}

const linesOf = (values: Values) =>
  Object.entries(values)
    .flatMap(([name, value]) => [value].flat().map((one) => `${name}=${one}\n`))
    .join('')

/** A value that differs from the default. */
function another(name: OptionName): string {
  const { type, default: value } = optionOf(name)
  const known = ANOTHER[name]
  if (known !== undefined) return known
  if (typeof value === 'boolean') return value ? 'off' : 'on'
  if (typeof value === 'number') return String(value + 1)
  return type.placeholder.split(/[|,]/)[0]!
}

/** A database that has something to say, for the options that would not hear it. */
const STORE = {
  settings: {
    secrets: ['of-the-database'],
    userQuota: 3,
    totalQuota: null,
    maxBytesPerSecond: 5,
    allowedPeers: ['192.0.2.1'],
    deniedPeers: ['192.0.2.2'],
  },
  services: [],
}

/** All that running parts are told by RunningServer.reload. */
function told(config: Config): string {
  const addresses = turnAddresses(config)
  const { ticketKeys: _, ...tls } = turnTls(config, { ...localhostEc, selfSigned: false })
  return JSON.stringify([
    turnPlan(config, addresses, { ownPorts: [], relayedFrom: [], relayedPorts: null, accounts: STORE }),
    listeners(config),
    streamLimits(config),
    dtlsLimits(config),
    tls,
    httpOptions(config, true),
    signalingOptions(config),
    roomsOptions(config),
    listenerOptions(config),
    config['trusted-proxy'],
    config['prometheus-path'],
    socketLimits(config),
    connectionLimits(config),
    handshakeLimits(config),
    iceConfigOptions(config, addresses, { udp: 1, tcp: 1, tls: 1, dtls: 1 }, null),
    logLevel(config),
  ])
}

const named = applying.filter((name) => optionOf(name).applies === 'after a restart')
const reaching = applying.filter((name) => !named.includes(name) && !READ_WITH_OTHERS.has(name))

test('every option that works is looked at here', () => {
  expect([...named, ...reaching, ...READ_WITH_OTHERS].toSorted()).toEqual(applying.toSorted())
})

test.each(named)(
  '%s, changed while the server runs, is named as waiting for a restart, and keeps its value',
  async (name) => {
    const before = await configOf({})
    // Whatever it is: what is compared and kept are values.
    const after = { ...before, [name]: Symbol('another') } as unknown as Config
    const { config, applied, afterRestart } = changesBetween(before, after)
    expect([applied, afterRestart]).toEqual([[], [name]])
    expect(config[name]).toBe(before[name])
  },
)

test.each(reaching)('%s, changed while the server runs, reaches the parts that go by it', async (name) => {
  const [before, after] = [await configOf({ ...WITH[name] }), await configOf({ ...WITH[name], [name]: another(name) })]
  const { config, applied, afterRestart } = changesBetween(before, after)
  expect(applied).toContain(name)
  expect(afterRestart).toEqual([])
  expect(told(config)).not.toBe(told(before))
})

async function configOf(values: Values): Promise<Config> {
  return (await load(linesOf({ ...BASE, ...values }))).config
}
