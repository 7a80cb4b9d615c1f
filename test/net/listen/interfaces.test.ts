import { networkInterfaces } from 'node:os'
import { beforeEach, expect, test, vi } from 'vitest'
import { NetCounters } from '../../../src/net/counters.ts'
import { listeningHosts } from '../../../src/net/listen/interfaces.ts'
import { SocketErrors } from '../../../src/net/socket-errors.ts'
import { HostCache } from '../../../src/net/udp/host-cache.ts'
import { UdpListeners } from '../../../src/net/udp/udp-listeners.ts'
import { Address } from '../../../src/stun/address.ts'
import { silentLog } from '../../support/sockets.ts'

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  networkInterfaces: vi.fn(),
}))

let machine: Record<string, string[]> = {}

beforeEach(() => {
  machine = { lo: ['127.0.0.1', '::1'], eth0: ['192.0.2.5', '2001:db8::5', 'fe80::1%eth0'] }
  vi.mocked(networkInterfaces).mockImplementation(
    () =>
      Object.fromEntries(
        Object.entries(machine).map(([name, all]) => [name, all.map((address) => ({ address }))]),
      ) as never,
  )
})

test('a wildcard stands for the addresses of its family, without link-local ones, whose zone is unknown to the wire', () => {
  expect(listeningHosts('0.0.0.0')).toEqual(['127.0.0.1', '192.0.2.5'])
  expect(listeningHosts('::')).toEqual(['::1', '2001:db8::5'])
  expect(listeningHosts('192.0.2.5')).toEqual(['192.0.2.5'])
})

function listeners(missing: string[] = []) {
  const errors = new SocketErrors(silentLog, () => 0)
  const closed: string[] = []
  const listening = new UdpListeners({
    openUdp: async ({ local }) => {
      if (missing.includes(local.host)) throw Object.assign(new Error(), { code: 'EADDRNOTAVAIL' })
      return { local, send: () => {}, close: async () => void closed.push(local.host) }
    },
    bufferSize: 0,
    counters: new NetCounters(),
    errors,
    onDatagram: () => {},
  })
  return { listening, errors, closed }
}

test('an address that the machine gets later is listened on, once', async () => {
  const { listening, closed } = listeners()
  await listening.listen({ host: '0.0.0.0', port: 3478 })
  machine['wg0'] = ['198.51.100.5', '2001:db8:1::5']
  listening.rescan()
  listening.rescan()
  const expected = ['127.0.0.1:3478', '192.0.2.5:3478', '198.51.100.5:3478']
  await vi.waitFor(() => expect(listening.addresses.map(String)).toEqual(expected))
  await listening.close()
  expect(listening.addresses.map(String)).toEqual(expected)
  expect(closed).toEqual(['127.0.0.1', '192.0.2.5', '198.51.100.5'])
})

test('an address that is gone before it is bound does not stop the others', async () => {
  const { listening, errors } = listeners(['192.0.2.5'])
  await listening.listen({ host: '0.0.0.0', port: 3478 })
  expect(listening.addresses.map(String)).toEqual(['127.0.0.1:3478'])
  expect(errors.counts.listener.get('EADDRNOTAVAIL')).toBe(1)
  await expect(listening.listen({ host: '192.0.2.5', port: 3478 })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
})

test('SEC-13 the cache of hosts is bounded, whoever sends', () => {
  const hosts = new HostCache(100)
  const address = new Address()
  for (let i = 0; i < 10_000; i++) {
    const host = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`
    expect(hosts.fill(address, host, 1 + i)).toBe(true)
    expect(address.toString()).toBe(`${host}:${1 + i}`)
  }
  expect(hosts.size).toBeLessThanOrEqual(100)
  expect(hosts.fill(address, 'not a host', 1)).toBe(false)
})

test('a cached host is not changed by what is done to the address that it filled', () => {
  const hosts = new HostCache(100)
  const address = new Address()
  hosts.fill(address, '192.0.2.5', 1)
  address.setIpv4(0x01020304, 9)
  hosts.fill(address, '192.0.2.5', 2)
  expect(address.toString()).toBe('192.0.2.5:2')
})
