import { networkInterfaces } from 'node:os'
import { beforeEach, expect, test, vi } from 'vitest'
import { NetCounters } from '../../../src/net/counters.ts'
import { listeningHosts } from '../../../src/net/listen/interfaces.ts'
import type { Wanted } from '../../../src/net/listen/listen-change.ts'
import { SocketErrors } from '../../../src/net/socket-errors.ts'
import { HostCache } from '../../../src/net/udp/host-cache.ts'
import { UdpListeners } from '../../../src/net/udp/udp-listeners.ts'
import { Address } from '../../../src/stun/address.ts'
import type { FiveTuple } from '../../../src/turn/five-tuple.ts'
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

/** Listeners on port 3478 of a machine where some addresses cannot be had, or are another program's. */
function listeners({ missing = [], taken = [] }: { missing?: string[]; taken?: string[] } = {}) {
  const errors = new SocketErrors(silentLog, () => 0)
  const closed: string[] = []
  const used = new Set<number>()
  const received: [string, 'all' | 'known'][] = []
  const arrive = new Map<string, () => void>()
  const take =
    (from: 'all' | 'known') =>
    (_bytes: Buffer, _start: number, _end: number, { server }: FiveTuple) =>
      received.push([server.host, from])
  const listening = new UdpListeners({
    openUdp: async ({ local, onDatagram }) => {
      if (missing.includes(local.host)) throw Object.assign(new Error(), { code: 'EADDRNOTAVAIL' })
      if (taken.includes(local.host)) throw Object.assign(new Error(), { code: 'EADDRINUSE' })
      arrive.set(local.host, () => onDatagram(Buffer.alloc(1), 0, 1, new Address()))
      return { local, send: () => {}, close: async () => void closed.push(local.host) }
    },
    bufferSize: 0,
    counters: new NetCounters(),
    errors,
    log: silentLog,
    onDatagram: take('all'),
    onKnownOnly: take('known'),
    hasClients: (listener) => used.has(listener),
  })
  const hosts = () => listening.addresses.map(({ host }) => host)
  const follow = async (wanted: Wanted = 'what can be had', ...endpoints: string[]) => {
    const all = endpoints.length === 0 ? ['0.0.0.0'] : endpoints
    const change = await listening.prepare(
      all.map((host) => ({ host, port: 3478 })),
      wanted,
    )
    change.commit()
  }
  return { listening, errors, closed, used, received, arrive, hosts, follow }
}

test('an address that comes is listened on, once; one that is gone takes no new clients, and is closed when the last has gone', async () => {
  const { listening, closed, used, received, arrive, hosts, follow } = listeners()
  await follow('all')
  machine['wg0'] = ['198.51.100.5', '2001:db8:1::5']
  await follow()
  await follow()
  expect(hosts()).toEqual(['127.0.0.1', '192.0.2.5', '198.51.100.5'])

  used.add(2)
  delete machine['wg0']
  await follow()
  listening.sweep()
  expect(hosts()).toEqual(['127.0.0.1', '192.0.2.5'])
  for (const host of ['192.0.2.5', '198.51.100.5']) arrive.get(host)!()
  expect(received).toEqual([
    ['192.0.2.5', 'all'],
    ['198.51.100.5', 'known'],
  ])
  // Back before it is closed: the same socket.
  machine['wg0'] = ['198.51.100.5']
  await follow()
  expect(hosts()).toEqual(['127.0.0.1', '192.0.2.5', '198.51.100.5'])
  arrive.get('198.51.100.5')!()
  expect(received.at(-1)).toEqual(['198.51.100.5', 'all'])
  expect(closed).toEqual([])

  delete machine['wg0']
  await follow()
  used.clear()
  listening.sweep()
  expect(closed).toEqual(['198.51.100.5'])
  // Its place is another's now.
  machine['wg1'] = ['198.51.100.6']
  await follow()
  expect(hosts()).toEqual(['127.0.0.1', '192.0.2.5', '198.51.100.6'])
  await listening.close()
  expect(closed).toHaveLength(4)
})

test('nothing is served before the change is committed, and nothing is left of one that is not', async () => {
  const { listening, closed, received, arrive, hosts } = listeners()
  const change = await listening.prepare([{ host: '192.0.2.5', port: 3478 }], 'all')
  arrive.get('192.0.2.5')!()
  expect([received, hosts()]).toEqual([[], []])
  await change.abort()
  expect(closed).toEqual(['192.0.2.5'])
})

test('an address that is gone before it is bound does not stop the others; one that was written out does', async () => {
  const { errors, hosts, follow } = listeners({ missing: ['192.0.2.5'] })
  await follow('all')
  expect(hosts()).toEqual(['127.0.0.1'])
  expect(errors.counts.listener.get('EADDRNOTAVAIL')).toBe(1)
  await expect(follow('all', '192.0.2.5', '0.0.0.0')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
  await expect(follow('all', '192.0.2.5')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' })
})

test('a port that another program has stops a start and a reload, and not the addresses that come while we run', async () => {
  const { errors, hosts, follow, closed } = listeners({ taken: ['192.0.2.5'] })
  await expect(follow('all')).rejects.toMatchObject({ code: 'EADDRINUSE' })
  expect([hosts(), closed]).toEqual([[], ['127.0.0.1']])
  await follow('what can be had')
  expect(hosts()).toEqual(['127.0.0.1'])
  expect(errors.counts.listener.get('EADDRINUSE')).toBe(1)
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
