import { expect, test } from 'vitest'
import { Address } from '../../../src/stun/address.ts'
import { ExternalIp, type ExternalIpPair } from '../../../src/turn/relay-addresses/external-ip.ts'

function pair(value: string): ExternalIpPair {
  const [pub, priv] = value.split('/')
  return { public: Address.parse(pub!)!, private: priv === undefined ? null : Address.parse(priv)! }
}

function externalIp(values: string[], relayAddresses: string[]): ExternalIp {
  return new ExternalIp(
    values.map(pair),
    relayAddresses.map((host) => Address.parse(host)!),
  )
}

const at = (host: string, port = 50_000) => Address.parse(host, port)!
const shown = (map: ExternalIp, host: string) => map.toPublic(at(host)).toString()
const read = (map: ExternalIp, host: string) => map.toPrivate(at(host)).toString()

test('EXTIP-01 a plain value stands for every relay address of its family, the port unchanged', () => {
  const map = externalIp(['203.0.113.5'], ['10.0.0.5', '10.0.0.6', '2001:db8::5'])
  expect(shown(map, '10.0.0.5')).toBe('203.0.113.5:50000')
  expect(shown(map, '10.0.0.6')).toBe('203.0.113.5:50000')
  expect(shown(map, '10.0.0.7')).toBe('10.0.0.7:50000')
})

test('EXTIP-01 TURN-ALLOC-19 families never mix', () => {
  const map = externalIp(['203.0.113.5'], ['10.0.0.5', '2001:db8::5'])
  expect(shown(map, '2001:db8::5')).toBe('[2001:db8::5]:50000')
  const six = externalIp(['2001:db8::99'], ['10.0.0.5', 'fd00::5'])
  expect(shown(six, '10.0.0.5')).toBe('10.0.0.5:50000')
  expect(shown(six, 'fd00::5')).toBe('[2001:db8::99]:50000')
})

test('EXTIP-01 loopback is never advertised as another address', () => {
  const map = externalIp(['203.0.113.5', '2001:db8::99'], ['127.0.0.1', '::1'])
  expect(shown(map, '127.0.0.1')).toBe('127.0.0.1:50000')
  expect(shown(map, '::1')).toBe('[::1]:50000')
})

test('EXTIP-02 pairs map each address to its own', () => {
  const map = externalIp(['203.0.113.5/10.0.0.5', '203.0.113.6/10.0.0.6', '2001:db8::99/fd00::5'], [])
  expect(['10.0.0.5', '10.0.0.6', 'fd00::5'].map((host) => shown(map, host))).toEqual([
    '203.0.113.5:50000',
    '203.0.113.6:50000',
    '[2001:db8::99]:50000',
  ])
})

test('EXTIP-03 TURN-PEER-07 the public address turns into the private one when it is read', () => {
  const map = externalIp(['203.0.113.5/10.0.0.5', '2001:db8::99/fd00::5'], [])
  expect(read(map, '203.0.113.5')).toBe('10.0.0.5:50000')
  expect(read(map, '2001:db8::99')).toBe('[fd00::5]:50000')
  expect(read(map, '203.0.113.6')).toBe('203.0.113.6:50000')
  expect(read(map, '10.0.0.5')).toBe('10.0.0.5:50000')
})

test('EXTIP-03 TURN-PEER-07 a plain value is read as the relay address it stands for', () => {
  expect(read(externalIp(['203.0.113.5'], ['10.0.0.5']), '203.0.113.5')).toBe('10.0.0.5:50000')
})

test('EXTIP-03 an address is changed in place, so the packet path makes none', () => {
  const peer = at('203.0.113.5')
  expect(externalIp(['203.0.113.5/10.0.0.5'], []).toPrivate(peer)).toBe(peer)
})

test('EXTIP-05 tells a plain value from pairs', () => {
  expect(externalIp(['203.0.113.5'], []).hasPlainValue).toBe(true)
  expect(externalIp(['203.0.113.5/10.0.0.5'], []).hasPlainValue).toBe(false)
})

test('EXTIP-06 one plain value of each family', () => {
  const map = externalIp(['203.0.113.5', '2001:db8::99'], ['10.0.0.5', 'fd00::5'])
  expect([shown(map, '10.0.0.5'), shown(map, 'fd00::5')]).toEqual(['203.0.113.5:50000', '[2001:db8::99]:50000'])
})

test('EXTIP-06 a pair wins over the plain value beside it', () => {
  const map = externalIp(['203.0.113.5', '203.0.113.6/10.0.0.6'], ['10.0.0.5', '10.0.0.6'])
  expect([shown(map, '10.0.0.5'), shown(map, '10.0.0.6')]).toEqual(['203.0.113.5:50000', '203.0.113.6:50000'])
})

test('EXTIP-06 the address may change while the server runs', () => {
  const map = externalIp(['203.0.113.5'], ['10.0.0.5'])
  map.reload([pair('203.0.113.77')], [Address.parse('10.0.0.5')!])
  expect(shown(map, '10.0.0.5')).toBe('203.0.113.77:50000')
  expect(read(map, '203.0.113.5')).toBe('203.0.113.5:50000')
})

test('EXTIP-02 without values nothing is mapped', () => {
  const map = externalIp([], ['10.0.0.5'])
  expect([shown(map, '10.0.0.5'), read(map, '203.0.113.5')]).toEqual(['10.0.0.5:50000', '203.0.113.5:50000'])
})
