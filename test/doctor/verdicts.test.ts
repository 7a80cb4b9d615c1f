import { describe, expect, test } from 'vitest'
import { dnsVerdicts } from '../../src/doctor/dns.ts'
import { outsideVerdict, unaskedVerdicts } from '../../src/doctor/external-ip.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { iceServersIn, iceVerdicts } from '../../src/doctor/ice-servers.ts'
import { limitVerdicts, skewVerdict } from '../../src/doctor/machine.ts'
import { isOurs, isTurnAlone } from '../../src/doctor/owners.ts'
import { portVerdicts } from '../../src/doctor/ports.ts'
import { relayVerdict } from '../../src/doctor/relay.ts'
import { natVerdict } from '../../src/doctor/stun.ts'
import { Address } from '../../src/stun/address.ts'

const brief = (findings: readonly Finding[]) => findings.map(({ level, text, fix }) => [level, text, fix])
const at = (host: string) => Address.parse(host)!

describe('limits', () => {
  const roomy = { descriptors: 1_048_576, receiveBufferMax: 8_388_608, conntrack: null }
  test('that are wide', () => {
    expect(limitVerdicts(roomy, 2_097_152).map(({ level }) => level)).toEqual(['ok', 'ok'])
  })
  test('of socket buffers smaller than sock-buf-size', () => {
    expect(brief(limitVerdicts({ ...roomy, receiveBufferMax: 212_992 }, 2_097_152))[1]).toEqual([
      'warning',
      'socket buffers stop at 212992 bytes, sock-buf-size wants 2097152: bursts lose packets',
      'sysctl -w net.core.rmem_max=2097152 net.core.wmem_max=2097152, and in /etc/sysctl.d',
    ])
  })
  test.each([
    [{ count: 10, max: 4096 }, 'warning'],
    [{ count: 250_000, max: 262_144 }, 'warning'],
    [{ count: 10, max: 262_144 }, 'ok'],
  ])('of followed connections: %j', (conntrack, level) => {
    expect(limitVerdicts({ ...roomy, conntrack }, 0).at(-1)).toMatchObject({ subject: 'conntrack', level })
  })
})

describe('what strangers see', () => {
  const nobody = { external: [], relay: [at('10.0.0.5')] }
  test.each([
    ['203.0.113.9', { external: [at('203.0.113.9')], relay: [] }, 'ok', null],
    ['203.0.113.9', { external: [at('203.0.113.8')], relay: [] }, 'failure', 'external-ip=203.0.113.9'],
    ['203.0.113.9', { external: [], relay: [at('203.0.113.9')] }, 'ok', null],
    ['203.0.113.9', nobody, 'failure', 'external-ip=203.0.113.9, and forward the ports to this machine'],
  ])('%s', (seen, addresses, level, fix) => {
    expect(outsideVerdict(at(seen), addresses)).toMatchObject({ level, fix })
  })
  test('is not guessed where nobody was asked', () => {
    expect(unaskedVerdicts(nobody)).toMatchObject([{ level: 'warning' }])
    expect(unaskedVerdicts({ external: [at('8.8.8.8')], relay: [] })).toMatchObject([{ level: 'warning' }])
    expect(unaskedVerdicts({ external: [], relay: [at('8.8.8.8')] })).toMatchObject([{ level: 'ok' }])
  })
})

describe('DNS', () => {
  const ports = { '_turn._udp': 3478 }
  const services = [{ service: '_turn._udp', name: 'turn.example.org', port: 3479 }]
  test.each([
    [{ addresses: ['8.8.8.8'], services: [] }, ['ok']],
    [{ addresses: [], services: [] }, ['failure']],
    [{ addresses: ['9.9.9.9'], services: [] }, ['failure']],
    [{ addresses: ['8.8.8.8'], services }, ['ok', 'warning']],
    [{ addresses: ['8.8.8.8'], services: [{ ...services[0]!, port: 3478 }] }, ['ok', 'ok']],
    [null, ['warning']],
  ])('%j', (records, levels) => {
    expect(dnsVerdicts('turn.example.org', records, ['8.8.8.8'], ports).map(({ level }) => level)).toEqual(levels)
  })
  test('is not asked for an address', () => {
    expect(dnsVerdicts('8.8.8.8', null, [], ports)).toEqual([])
  })
})

test.each([
  [['node', '/usr/lib/node_modules/webrtc-stack/bin/webrtc-stack.js', 'serve'], true, false],
  [['node', '/usr/bin/webrtc-stack', 'turnserver', '-c', 'x.conf'], true, true],
  [['/usr/bin/node', '/usr/bin/turnserver', '-c', 'x.conf'], true, true],
  [['/usr/bin/turnserver', '-c', '/etc/turnserver.conf'], false, false],
  [['node', 'server.js'], false, false],
])('%j: whose it is, and whether it is TURN alone', (words, ours, turnAlone) => {
  expect([isOurs({ pid: 1, words }), isTurnAlone({ pid: 1, words })]).toEqual([ours, turnAlone])
})

describe('ports', () => {
  const listener = {
    server: 'TURN',
    transport: 'udp',
    host: '0.0.0.0',
    port: 3478,
    hostKey: 'listening-ip',
    portKey: 'listening-port',
  } as const
  const ours = { pid: 12, words: ['node', '/usr/bin/webrtc-stack', 'serve'] }
  const coturn = { pid: 13, words: ['/usr/bin/turnserver', '-c', '/etc/turnserver.conf'] }
  test('of ours, of another program, and of nobody who may be seen', () => {
    expect(brief(portVerdicts([{ listener, owners: [ours] }], [], ours))).toEqual([
      ['ok', '1 of 1 is ours (process 12)', null],
    ])
    expect(brief(portVerdicts([{ listener, owners: [coturn] }], [], false))[0]).toEqual([
      'failure',
      'udp 0.0.0.0:3478 belongs to turnserver (process 13)',
      'stop that program, or choose another port with listening-port=',
    ])
    expect(brief(portVerdicts([{ listener, owners: [] }], [], null))[0]![1]).toContain('as root I could say by whom')
  })
})

test.each([
  [12, 'ok', 'agree (12 s apart)'],
  [7200, 'warning', '7200 s ahead of'],
  [-60, 'warning', '60 s behind'],
])('a clock %i s ahead', (ahead, level, text) => {
  expect(skewVerdict('clock', ahead)).toMatchObject({ level, text: expect.stringContaining(text) })
})

test.each([
  [20, 'ok'],
  [18, 'warning'],
  [10, 'failure'],
])('%i of 20 packets come back', (returned, level) => {
  const relayed = [at('203.0.113.9'), at('203.0.113.9')] as const
  const echo = { mapped: null, software: null, relayed, allocateMs: 3, sent: 20, returned, roundTripMs: 12 }
  expect(relayVerdict('TURN udp', echo).level).toBe(level)
})

test('a symmetric NAT, in words', () => {
  const { text } = natVerdict({ mapping: 'address-and-port-dependent', filtering: 'address-dependent' })
  expect(text).toBe(
    'a port for each peer (symmetric): calls need the relay; only addresses that were sent to get in (address-dependent)',
  )
})

describe('the document of ICE servers', () => {
  const old = JSON.stringify({ username: '1:x', password: 'p', uris: ['turn:a', 'turn:a', 'turns:a'] })
  const provider = JSON.stringify({
    iceServers: [{ urls: 'stun:b' }, { urls: ['turn:b'], username: 'u', credential: 'c' }],
  })
  test('in both shapes', () => {
    expect(iceServersIn(old).map(({ url }) => url)).toEqual(['turn:a', 'turns:a'])
    expect(iceServersIn(provider)).toEqual([
      { url: 'stun:b', username: null, credential: null },
      { url: 'turn:b', username: 'u', credential: 'c' },
    ])
  })
  test.each(['', 'null', '[]', '{"iceServers":[null,7]}', '{"uris":{}}'])('%s holds nothing', (text) => {
    expect(iceServersIn(text)).toEqual([])
  })
  const answer = (text: string, status = 200) => ({ status, text, aheadSeconds: null, location: null })
  test('with TURN at another host than the page', () => {
    const servers = iceServersIn(JSON.stringify({ uris: ['turn:turn.example.net'], username: 'u', password: 'p' }))
    expect(iceVerdicts(answer('{}'), servers, 'example.org').map(({ level }) => level)).toEqual(['ok', 'warning'])
    expect(iceVerdicts(answer('{}'), servers, 'turn.example.net').map(({ level }) => level)).toEqual(['ok'])
  })
  test.each([
    [403, 'warning'],
    [502, 'failure'],
    [200, 'failure'],
  ])('answered with %i and nothing in it', (status, level) => {
    expect(iceVerdicts(answer('{}', status), [], 'example.org')).toMatchObject([{ level }])
  })
})
