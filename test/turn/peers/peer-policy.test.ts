import { describe, expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import {
  embeddedIpv4,
  isPublic,
  isTunnelled,
  PeerPolicy,
  type PeerRange,
  type PeerRules,
  parsePeerRange,
} from '../../../src/turn/peers/peer-policy.ts'

function ranges(...values: string[]): PeerRange[] {
  return values.flatMap((value) => {
    const parsed = parsePeerRange(value)
    if (typeof parsed === 'string') throw new Error(parsed)
    return [...parsed]
  })
}

function policy(rules: Partial<PeerRules> = {}): PeerPolicy {
  return new PeerPolicy({
    allowed: [],
    denied: [],
    deniedToNew: null,
    allowLoopback: false,
    ownAddresses: [],
    ownPorts: [],
    services: [],
    relayAddresses: [],
    isRelayed: () => true,
    externalAddresses: [],
    nat64: [],
    minPort: 49_152,
    maxPort: 65_535,
    ...rules,
  })
}

const at = (host: string, port = 5000) => Address.parse(host, port)!
const allows = (rules: PeerPolicy, host: string, port = 5000) => rules.refusal(at(host, port)) === null
const everything = ranges('0.0.0.0/0', '::/0')

const ALWAYS_DENIED = [
  ['127.0.0.0', '127.0.0.1', '127.255.255.255'],
  ['::1'],
  ['0.0.0.0', '0.0.0.1', '0.255.255.255'],
  ['::'],
  ['169.254.0.0', '169.254.169.254', '169.254.255.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fc00::', 'fd00:ec2::254', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['ff00::', 'ff02::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2002::', '2002:808:808::1', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001::', '2001:0:ffff:ffff:ffff:ffff:ffff:ffff'],
].flat()

const RECOMMENDED = [
  ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
  ['100.64.0.0', '100.100.100.200', '100.127.255.255', '192.0.0.0', '192.0.0.255', '192.0.2.0', '192.0.2.255'],
  ['192.88.99.0', '192.88.99.255', '198.18.0.0', '198.19.255.255', '198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255', '64:ff9b::808:808', '64:ff9b:1::808:808', '64:ff9b:1:ffff:ffff:ffff:808:808'],
  ['100::', '100::ffff:ffff:ffff:ffff', '2001:1ff:ffff::', '2001:10::', '2001:db8::', '2001:db8:ffff:ffff::'],
  ['2606:4700::5efe:808:808', '2606:4700::200:5efe:808:808'],
  ['3fff::', '3fff:fff:ffff:ffff::1', '5f00::', '5f00:ffff:ffff::1', '100:0:0:1::', '100:0:0:1:ffff:ffff::'],
].flat()

const OPEN = [
  ['9.255.255.255', '11.0.0.0', '11.0.0.1', '172.15.255.254', '172.15.255.255', '172.32.0.0', '172.32.0.1'],
  [
    '100.63.255.254',
    '100.63.255.255',
    '100.128.0.0',
    '100.128.0.1',
    '192.167.255.254',
    '192.167.255.255',
    '192.169.0.0',
  ],
  ['191.255.255.255', '192.0.1.0', '192.0.1.255', '192.0.3.0', '192.88.98.255', '192.88.100.0', '198.17.255.255'],
  ['198.20.0.0', '198.51.99.255', '198.51.101.0', '203.0.112.255', '203.0.114.0', '8.8.8.8', '1.0.0.0'],
  ['126.255.255.255', '128.0.0.0', '169.253.255.255', '169.255.0.0', '223.255.255.255'],
  ['2606:4700::1111', '64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff', '64:ff9b:0:1::1', '64:ff9b:2::', 'ff:ffff::', '101::'],
  ['3ffe:ffff::', '3fff:1000::', '5eff:ffff::', '5f01::'],
  ['100:0:0:2::', '2000:ffff:ffff::', '2001:200::', '2001:db7:ffff::', '2001:db9::', '2001:ffff:ffff::', '2003::'],
  ['fbff:ffff::', 'fe00::', 'fe7f:ffff::', '2606:4700::5eff:808:808', '2606:4700::300:5efe:808:808'],
].flat()

test.each(ALWAYS_DENIED)('SEC-01 TURN-PEER-03 TURN-PEER-04 %s is refused', (host) => {
  expect(policy().refusal(at(host))).toMatch(host)
  expect(policy().refusalOfIp(at(host))).toMatch(host)
})

test.each(ALWAYS_DENIED)('SEC-01 no allow list opens %s', (host) => {
  expect(allows(policy({ allowed: [...everything, ...ranges(host)] }), host)).toBe(false)
})

test('SEC-01 allow-loopback-peers opens loopback and nothing else', () => {
  const rules = policy({ allowLoopback: true })
  expect(ALWAYS_DENIED.filter((host) => allows(rules, host))).toEqual([
    '127.0.0.0',
    '127.0.0.1',
    '127.255.255.255',
    '::1',
  ])
})

test.each(RECOMMENDED)('SEC-02 recommended refuses %s, which is open without', (host) => {
  expect(allows(policy({ denied: ranges('recommended') }), host)).toBe(false)
  expect(allows(policy(), host)).toBe(true)
})

test.each(OPEN)('SEC-02 the neighbour %s stays open', (host) => {
  expect(policy({ denied: ranges('recommended') }).refusal(at(host))).toBeNull()
})

test('SEC-02 an allowed range is open although a denied one holds it, and its group are not', () => {
  const rules = policy({ denied: ranges('recommended'), allowed: ranges('10.1.2.0-10.1.2.9') })
  const hosts = ['10.1.1.255', '10.1.2.0', '10.1.2.9', '10.1.2.10']
  expect(hosts.map((host) => allows(rules, host))).toEqual([false, true, true, false])
})

test('SEC-02 the log learns which range refused', () => {
  const rules = policy({ denied: ranges('198.51.100.7-198.51.100.9') })
  expect(rules.refusal(at('198.51.100.8'))).toBe('198.51.100.8 is denied (198.51.100.7-198.51.100.9)')
  expect(rules.refusal(at('::ffff:0:127.0.0.1'))).toMatch(/holds 127\.0\.0\.1 is denied \(loopback/)
})

test.each([
  ['IPv4-mapped', '::ffff:7f00:1'],
  ['IPv4-mapped, dotted', '::ffff:127.0.0.1'],
  ['IPv4-compatible', '::127.0.0.1'],
  ['IPv4-translated', '::ffff:0:127.0.0.1'],
  ['NAT64', '64:ff9b::127.0.0.1'],
  ['local NAT64', '64:ff9b:1::127.0.0.1'],
  ['6to4', '2002:7f00:1::1'],
  ['Teredo, the server', '2001:0:7f00:1::f7f7:f7f7'],
  ['Teredo, the client', '2001:0:808:808::80ff:fffe'],
  ['ISATAP', '2606:4700::5efe:127.0.0.1'],
  ['ISATAP with the universal bit', '2606:4700::200:5efe:127.0.0.1'],
])('SEC-03 TURN-PEER-02 loopback does not hide in %s', (_name, host) => {
  expect(allows(policy({ allowed: everything }), host)).toBe(false)
})

test.each([
  ['nothing in a plain one', '2606:4700::1111', []],
  ['nothing in :: and ::1', '::1', []],
  ['6to4', '2002:0102:0304::', ['1.2.3.4']],
  ['Teredo, both', '2001:0:102:304:0:0:fafb:fcfd', ['1.2.3.4', '5.4.3.2']],
  ['NAT64', '64:ff9b::1.2.3.4', ['1.2.3.4']],
  ['ISATAP', '2606:4700::200:5efe:1.2.3.4', ['1.2.3.4']],
  ['IPv4-compatible', '::1.2.3.4', ['1.2.3.4']],
])('SEC-03 TURN-PEER-02 finds %s', (_name, host, inner) => {
  expect(embeddedIpv4(at(host)).map((word) => Address.ipv4(word, 0).host)).toEqual(inner)
})

// The examples of RFC 6052 §2.4.
test.each([
  ['2001:db8::/32', '2001:db8:c000:221::'],
  ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
  ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
  ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
  ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100::'],
  ['2001:db8:122:344::/96', '2001:db8:122:344::192.0.2.33'],
  // Of the local prefix /96 is meant where nobody says otherwise.
  ['64:ff9b:1::/48', '64:ff9b:1:c000:2:2100::'],
])('SEC-03 under the NAT64 prefix %s an address has the verdict of the IPv4 one that it holds', (text, host) => {
  const [prefix, bits] = text.split('/')
  const nat64 = [{ prefix: at(prefix!), bits: Number(bits) }]
  expect(embeddedIpv4(at(host), nat64).map((word) => Address.ipv4(word, 0).host)).toEqual(['192.0.2.33'])
  expect(allows(policy({ nat64 }), host)).toBe(true)
  expect(policy({ nat64, denied: ranges('192.0.2.33') }).refusal(at(host))).toMatch(/holds 192\.0\.2\.33 is denied/)
  expect(allows(policy({ nat64, ownAddresses: [at('192.0.2.33')] }), host)).toBe(false)
  const outside = Address.ipv6(at(host).w0 ^ 1, at(host).w1, at(host).w2, at(host).w3, 5000)
  expect(embeddedIpv4(outside, nat64)).toEqual([])
})

test('SEC-03 inner and outer form must both pass', () => {
  const inner = policy({ denied: ranges('8.8.8.8') })
  expect(allows(inner, '64:ff9b::8.8.8.8')).toBe(false)
  const outer = policy({ denied: ranges('64:ff9b::/96'), allowed: ranges('8.8.8.8') })
  expect(allows(outer, '64:ff9b::8.8.8.8')).toBe(false)
  expect(allows(policy({ denied: ranges('8.8.8.8'), allowed: ranges('64:ff9b::/96') }), '64:ff9b::8.8.8.8')).toBe(false)
})

test('SEC-03 TURN-PEER-06 IPv6 ranges are compared as one number', () => {
  const rules = policy({ denied: ranges('2606::1-2606:1::') })
  const hosts = ['2606::', '2606::1', '2606::5', '2606:0:ffff::9', '2606:1::', '2606:1::1']
  expect(hosts.map((host) => allows(rules, host))).toEqual([true, false, false, false, false, true])
})

test('SEC-05 TURN-PEER-05 our listeners are refused on every ip of ours, and nowhere else', () => {
  const rules = policy({ ownAddresses: [at('198.51.100.7'), at('2606:4700::7')], ownPorts: [3478, 8080] })
  for (const port of [3478, 8080]) {
    expect(rules.refusal(at('198.51.100.7', port))).toMatch(/service of this server/)
    expect(allows(rules, '2606:4700::7', port)).toBe(false)
    expect(allows(rules, '64:ff9b::198.51.100.7', port)).toBe(false)
    expect(allows(rules, '198.51.100.8', port)).toBe(true)
  }
})

test('SEC-05 nobody on this machine is a peer, whatever the port, unless the allow list names the very ip', () => {
  const own = { ownAddresses: [at('198.51.100.7'), at('2606:4700::7')], ownPorts: [3478] }
  const closed = [policy(own), policy({ ...own, allowed: [...everything, ...ranges('198.51.100.6-198.51.100.7')] })]
  for (const rules of closed) {
    for (const host of ['198.51.100.7', '2606:4700::7', '64:ff9b::198.51.100.7']) {
      for (const port of [22, 161, 50_000]) expect(allows(rules, host, port)).toBe(false)
      expect(rules.refusalOfIp(at(host))).toMatch(/is this machine/)
    }
    expect(allows(rules, '198.51.100.8', 161)).toBe(true)
  }
  for (const name of ['198.51.100.7', '198.51.100.7/32', '198.51.100.7-198.51.100.7']) {
    const rules = policy({ ...own, denied: ranges('recommended'), allowed: ranges(name) })
    expect([22, 161, 50_000, 3478].map((port) => allows(rules, '198.51.100.7', port))).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(rules.refusalOfIp(at('198.51.100.7'))).toBeNull()
    expect(allows(rules, '2606:4700::7', 22)).toBe(false)
  }
})

test('SEC-05 a relay port that no allocation has is no peer: another program may have it', () => {
  const rules = policy({
    relayAddresses: [at('198.51.100.7')],
    ownAddresses: [at('198.51.100.7')],
    isRelayed: (local) => local.equals(at('198.51.100.7', 50_000)),
  })
  expect([50_000, 50_001].map((port) => allows(rules, '198.51.100.7', port))).toEqual([true, false])
  expect(rules.refusal(at('198.51.100.7', 50_001))).toMatch(
    /no relayed address of ours.*allowed-peer-ip=198\.51\.100\.7/,
  )
  expect(rules.refusalOfIp(at('198.51.100.7'))).toBeNull()
})

test('SEC-05 no allow list opens our listeners', () => {
  const own = { ownAddresses: [at('198.51.100.7')], ownPorts: [3478] }
  expect(allows(policy({ ...own, allowed: everything }), '198.51.100.7', 3478)).toBe(false)
})

test('SEC-05 with allow-loopback-peers our listeners on loopback stay closed', () => {
  const rules = policy({ allowLoopback: true, ownPorts: [3478] })
  for (const host of ['127.0.0.1', '127.9.9.9', '::1']) {
    expect([allows(rules, host, 3478), allows(rules, host, 3480)]).toEqual([false, true])
  }
})

test('SEC-05 with allow-loopback-peers a relay on loopback has peers beside it on any port', () => {
  const rules = policy({ allowLoopback: true, relayAddresses: [at('127.0.0.1')], ownPorts: [3478] })
  expect([allows(rules, '127.0.0.1', 3480), allows(rules, '127.0.0.1', 50_000)]).toEqual([true, true])
})

test('SEC-05 the host of a database is refused as a whole, on our own ip only its port', () => {
  const rules = policy({
    ownAddresses: [at('198.51.100.7')],
    services: [at('198.51.100.9', 6379), at('198.51.100.7', 5432)],
    allowed: ranges('198.51.100.7'),
  })
  expect([allows(rules, '198.51.100.9', 6379), allows(rules, '198.51.100.9', 5000)]).toEqual([false, false])
  expect(rules.refusalOfIp(at('198.51.100.9'))).toMatch(/serves this server/)
  expect([allows(rules, '198.51.100.7', 5432), allows(rules, '198.51.100.7', 5000)]).toEqual([false, true])
})

test('SEC-05 TURN-PEER-08 EXTIP-04 relays of ours are open on relay ports alone, also where their range is denied', () => {
  const rules = policy({
    denied: ranges('recommended'),
    relayAddresses: [at('10.0.0.5')],
    ownAddresses: [at('10.0.0.5')],
    externalAddresses: [at('203.0.113.5')],
    ownPorts: [3478, 50_000],
  })
  for (const host of ['10.0.0.5', '203.0.113.5']) {
    const ports = [22, 3478, 49_151, 49_152, 50_000, 65_535]
    expect(ports.map((port) => allows(rules, host, port))).toEqual([false, false, false, true, false, true])
    expect(rules.refusalOfIp(at(host, 22))).toBeNull()
  }
  expect(rules.refusalOfIp(at('10.0.0.6'))).toMatch(/private/)
})

test('SEC-05 TURN-PEER-08 relays of ours in a unique local network are open on relay ports alone, and nobody else there is', () => {
  const ours = [at('fd00::5')]
  const rules = policy({ relayAddresses: ours, ownAddresses: [...ours, at('fd00::7')], allowed: ranges('fd00::/8') })
  expect([22, 49_151, 49_152, 65_535].map((port) => allows(rules, 'fd00::5', port))).toEqual([false, false, true, true])
  expect(rules.refusalOfIp(at('fd00::5'))).toBeNull()
  for (const host of ['fd00::6', 'fd00::7', 'fd00:ec2::254']) {
    expect(allows(rules, host, 50_000)).toBe(false)
    expect(rules.refusalOfIp(at(host))).toMatch(/unique local/)
  }
})

test('SEC-05 a relay address of ours opens neither loopback nor link-local', () => {
  const rules = policy({ relayAddresses: ['127.0.0.1', '::1', '169.254.1.1', 'fe80::1'].map((host) => at(host)) })
  for (const host of ['127.0.0.1', '::1', '169.254.1.1', 'fe80::1']) {
    expect(allows(rules, host, 50_000)).toBe(false)
    expect(rules.refusalOfIp(at(host))).not.toBeNull()
  }
})

test('SEC-08 TURN-PEER-09 nothing goes to port 0, but a permission has no port', () => {
  expect(policy().refusal(at('8.8.8.8', 0))).toBe('port 0')
  expect(policy().refusalOfIp(at('8.8.8.8', 0))).toBeNull()
})

test.each([
  ['8.8.8.8', '8.8.8.8', '8.8.8.8', '8.8.8.7', '8.8.8.9'],
  ['8.8.8.8-8.8.9.1', '8.8.8.8', '8.8.9.1', '8.8.8.7', '8.8.9.2'],
  ['8.8.8.8 - 8.8.9.1', '8.8.8.8', '8.8.9.1', '8.8.8.7', '8.8.9.2'],
  ['8.8.8.0/23', '8.8.8.0', '8.8.9.255', '8.8.7.255', '8.8.10.0'],
  ['8.8.9.77/23', '8.8.8.0', '8.8.9.255', '8.8.7.255', '8.8.10.0'],
  ['8.8.8.8/32', '8.8.8.8', '8.8.8.8', '8.8.8.7', '8.8.8.9'],
  ['128.0.0.0/1', '128.0.0.0', '223.255.255.255', '127.255.255.255', '126.0.0.0'],
  ['2606:4700::/33', '2606:4700::', '2606:4700:7fff:ffff:ffff:ffff:ffff:ffff', '2606:46ff::', '2606:4700:8000::'],
  ['2606::1/128', '2606::1', '2606::1', '2606::', '2606::2'],
  ['2606::-2606::ffff', '2606::', '2606::ffff', '2605:ffff::', '2606::1:0'],
])('CONF-COMBO-06 %s holds both its ends and not its group', (value, first, last, before, after) => {
  const [range] = ranges(value)
  expect([first, last, before, after].map((host) => range!.holds(at(host)))).toEqual([true, true, false, false])
})

describe('TURN-PEER-06 a range in IPv6 notation says nothing about IPv4 peers, and everything about how they are written', () => {
  test.each([
    '::ffff:0.0.0.0-::ffff:255.255.255.255',
    '::ffff:0:0-::ffff:ffff:ffff',
    '::FFFF:0:0 - ::FFFF:FFFF:FFFF',
    '0:0:0:0:0:ffff:0:0-0:0:0:0:0:ffff:ffff:ffff',
    '::ffff:0:0/96',
    '::ffff:0.0.0.0/96',
    '::ffff:8.8.8.8/95',
    '::ffff:8.8.8.8',
    '::/0',
    '::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  ])('%s', (value) => {
    const rules = policy({ denied: ranges(value) })
    expect(allows(rules, '8.8.8.8')).toBe(true)
    expect(rules.refusalOfIp(at('8.8.8.8'))).toBeNull()
    expect(rules.refusalOfMapped(at('8.8.8.8'))).toBe(`::ffff:8.8.8.8 is denied (${value})`)
  })

  test('ends where it ends', () => {
    const rules = policy({ denied: ranges('::ffff:8.8.8.0/120', '::1:0:0-::fffe:ffff:ffff', '2000::/3') })
    const hosts = ['8.8.7.255', '8.8.8.0', '8.8.8.255', '8.8.9.0']
    expect(hosts.map((host) => rules.refusalOfMapped(at(host)) === null)).toEqual([true, false, false, true])
  })

  test('an allowed one opens that notation and nothing that is denied as IPv4', () => {
    const rules = policy({ denied: ranges('::/0', '10.0.0.0/8'), allowed: ranges('::ffff:0:0/96') })
    expect(rules.refusalOfMapped(at('10.0.0.1'))).toBeNull()
    expect(allows(rules, '10.0.0.1')).toBe(false)
  })

  test('one in IPv4 notation speaks of the address, in every notation', () => {
    const rules = policy({ denied: ranges('8.8.8.8') })
    expect(allows(rules, '::ffff:8.8.8.8')).toBe(false)
    expect(rules.refusalOfMapped(at('8.8.8.8'))).toBeNull()
  })
})

test('CONF-COMBO-06 a range of one family holds nothing of the other', () => {
  expect(ranges('0.0.0.0/0')[0]!.holds(at('2606::1'))).toBe(false)
  expect(ranges('::/0')[0]!.holds(at('8.8.8.8'))).toBe(false)
})

test.each([
  '',
  'Recommended',
  'example.org',
  '10.0.0',
  '10.0.0.256',
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/0x8',
  '10.0.0.9-10.0.0.1',
  '10.0.0.1-fe80::1',
  '10.0.0.1-',
  '-10.0.0.1',
  '1.1.1.1-2.2.2.2-3.3.3.3',
  '2606::/129',
  '10.0.0.0/8-10.1.0.0',
])('CONF-COMBO-06 SEC-56 %j is refused with a text that names it', (value) => {
  const parsed = parsePeerRange(value)
  expect(parsed).toBeTypeOf('string')
  expect(parsed).toContain(value)
})

test('SEC-02 tells a public address from others', () => {
  const hosts = ['8.8.8.8', '2606:4700::1111', '10.0.0.1', '127.0.0.1', '169.254.1.1', 'fd00::1', '100.64.0.1']
  expect(hosts.filter((host) => isPublic(at(host)))).toEqual(['8.8.8.8', '2606:4700::1111'])
})

test('TURN-ALLOC-24 knows 6to4 and Teredo', () => {
  const hosts = ['2002:808:808::1', '2001:0:808:808::1', '2001:1::1', '2003::1', '8.8.8.8']
  expect(hosts.filter((host) => isTunnelled(at(host)))).toEqual(['2002:808:808::1', '2001:0:808:808::1'])
})

test('what closes by itself is closed to those who begin then, and stays open to those who began before', () => {
  const before = policy({ deniedToNew: [] })
  expect(before.atBegin).toBe('private open')
  const after = policy({ deniedToNew: ranges('recommended'), denied: ranges('10.9.0.0/16') })
  expect(after.atBegin).toBe('private closed')
  expect(after.refusal(at('10.1.2.3'), after.atBegin)).toMatch(/is denied \(private 10\.0\.0\.0\/8\)/)
  expect(after.refusalOfIp(at('10.1.2.3'), after.atBegin)).toMatch(/is denied/)
  expect(after.refusal(at('10.1.2.3'), before.atBegin)).toBeNull()
  expect(after.refusalOfIp(at('10.1.2.3'), before.atBegin)).toBeNull()
  // What an operator denies he denies to all.
  expect(after.refusal(at('10.9.2.3'), before.atBegin)).toMatch(/is denied \(10\.9/)
})

test('what an operator opens is no promise: who began under that is not exempt from what closes later', () => {
  expect(policy({ deniedToNew: null }).atBegin).toBe('private closed')
})
