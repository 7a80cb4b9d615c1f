import { afterAll, expect, test, vi } from 'vitest'
import type { Log } from '../../src/log.ts'
import { SocketErrors } from '../../src/net/socket-errors.ts'
import { type OpenUdpSocket, openUdpSocket } from '../../src/net/udp/udp.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { LoopbackClient, startTurn } from '../support/loopback-turn.ts'
import {
  bindingRequest,
  echo,
  expectNoSockets,
  localUdp,
  portOf,
  silentLog,
  startRecorder,
  UdpClient,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

const failure = (code: string) => Object.assign(new Error(code), { code })

/** Real sockets, but each relay socket fails as `codes` says, one code after the other; null opens it. */
function failing(codes: (string | null)[]): { openUdp: OpenUdpSocket; ports: number[] } {
  const ports: number[] = []
  return {
    ports,
    openUdp: (options) => {
      if (options.headroom === 0) return openUdpSocket(options)
      ports.push(options.local.port)
      const code = codes.length > 0 ? codes.shift() : null
      return code ? Promise.reject(failure(code)) : openUdpSocket(options)
    },
  }
}

test('errors of threads add up, each told once, also of one that has ended and of the next in its place', () => {
  const all = new SocketErrors(silentLog, () => 0)
  const first = new SocketErrors(silentLog, () => 0)
  first.count('relay', failure('EPERM'))
  first.count('tcp', failure('EPIPE'), 3)
  all.add(first.news())
  all.add(first.news())
  first.count('tcp', failure('EPIPE'))
  all.add(first.news())
  const next = new SocketErrors(silentLog, () => 0)
  next.count('tcp', failure('EPIPE'))
  all.add(next.news())
  expect(all.entries).toEqual([
    ['relay', 'EPERM', 1],
    ['tcp', 'EPIPE', 5],
  ])
})

test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EACCES', 'EADDRNOTAVAIL'])(
  'SEC-33 %s on a relay socket is a 508, and the next Allocate works',
  async (code) => {
    const portable = await startTurn({ openUdp: failing([code]).openUdp })
    const client = await LoopbackClient.connect(portable, 'udp')
    expect((await client.allocate()).code).toBe(508)
    expect(portable.driver.errors.counts.relay).toEqual(new Map([[code, 1]]))
    expect([portable.driver.plane.openRelays, portable.driver.turn.allocations.size]).toEqual([0, 0])
    expect((await client.allocate()).code).toBe(200)
  },
)

test('SEC-33 a relay port that another program has is replaced by another one', async () => {
  const { openUdp, ports } = failing(['EADDRINUSE', 'EADDRINUSE'])
  const portable = await startTurn({ openUdp })
  const client = await LoopbackClient.connect(portable, 'udp')
  const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
  expect(ports).toHaveLength(3)
  expect(new Set(ports).size).toBe(3)
  expect(relayed.port).toBe(ports[2])
  expect(portable.driver.errors.counts.relay.size).toBe(0)
})

test.each(['ECONNREFUSED', 'EHOSTUNREACH', 'EMSGSIZE', 'ENOBUFS', 'EPERM'])(
  'SEC-33 TURN-ICMP-04 %s on an open socket is counted and changes nothing else',
  async (code) => {
    const reports: ((error: unknown) => void)[] = []
    // Of sockets that did open: another program may have the first port that is tried.
    const openUdp: OpenUdpSocket = async (options) => {
      const socket = await openUdpSocket(options)
      reports.push(options.onError)
      return socket
    }
    const portable = await startTurn({ openUdp })
    const client = await LoopbackClient.connect(portable, 'udp')
    const peer = await UdpClient.open()
    const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    for (const report of reports) report(failure(code))
    expect(portable.driver.errors.counts.udp.get(code)).toBe(1)
    expect(portable.driver.errors.counts.relay.get(code)).toBe(1)
    await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)
    peer.send(Buffer.from('goes on'), relayed.port)
    expect((await client.inbox.next()).toString('latin1', 4, 11)).toBe('goes on')
  },
)

test('SEC-33 RES-06 as long as descriptors are short every Allocate gets 508, and then it works again without a restart', async () => {
  const portable = await startTurn({ openUdp: failing(Array.from({ length: 20 }, () => 'EMFILE')).openUdp })
  const client = await LoopbackClient.connect(portable, 'udp')
  for (let i = 0; i < 20; i++) expect((await client.allocate()).code).toBe(508)
  expect((await client.allocate()).code).toBe(200)
  expect(portable.driver.plane.openRelays).toBe(1)
})

test('SEC-33 a relay socket that is no longer wanted when it is open is closed', async () => {
  let open = () => {}
  const openUdp: OpenUdpSocket = (options) => new Promise((resolve) => (open = () => resolve(openUdpSocket(options))))
  const portable = await startRecorder({ openUdp })
  const relay = {
    local: Address.parse('127.0.0.1')!,
    reserved: null,
    handle: -1,
    allocation: { client: { client: '' }, request: { transport: 'udp' } },
  } as never
  portable.driver.openRelay(relay)
  portable.driver.closeRelay(relay)
  open()
  await portable.close()
  expect(portable.driver.plane.openRelays).toBe(0)
  expect(portable.driver.turn.opened.length).toBe(0)
  portable.driver.sendToPeer(relay, Address.parse('127.0.0.1', 9)!, bindingRequest(), 0, 20, false)
  expect(portable.driver.counters.dropped['relay-gone']).toBe(1)
})

test('SEC-33 sends that the system does not take are dropped and counted, not kept', async () => {
  const portable = await startRecorder({ udp: [localUdp] })
  echo(portable.driver.turn)
  const { Socket } = await import('node:dgram')
  const full = vi.spyOn(Socket.prototype, 'getSendQueueCount').mockReturnValue(256)
  const client = await UdpClient.open()
  client.send(bindingRequest(1), portOf(portable, 'udp'))
  await portable.driver.turn.received.next()
  full.mockRestore()
  client.send(bindingRequest(2), portOf(portable, 'udp'))
  expect((await client.inbox.next()).bytes.equals(bindingRequest(2))).toBe(true)
  expect(portable.driver.counters.clients.udp).toMatchObject({ overflowPackets: 1, sentPackets: 1 })
})

test('an error is logged at most once a minute for its kind and code, and says how many it stands for', () => {
  let now = 0
  const lines: unknown[] = []
  const log = { warn: (fields: unknown) => lines.push(fields), debug: () => {} } as unknown as Log
  const errors = new SocketErrors(log, () => now)
  for (let i = 0; i < 5; i++) errors.count('udp', failure('ENOBUFS'))
  errors.count('relay', failure('ENOBUFS'))
  errors.count('tcp', failure('ECONNRESET'))
  now = 60_000
  errors.count('udp', failure('ENOBUFS'))
  errors.count('udp', 'no error at all')
  expect(lines).toEqual([
    { kind: 'udp', code: 'ENOBUFS', held: 0 },
    { kind: 'relay', code: 'ENOBUFS', held: 0 },
    { kind: 'udp', code: 'ENOBUFS', held: 4 },
    { kind: 'udp', code: 'UNKNOWN', held: 0 },
  ])
  expect(errors.counts.udp).toEqual(
    new Map([
      ['ENOBUFS', 6],
      ['UNKNOWN', 1],
    ]),
  )
})

test('the log says what to do when there are too many open files', () => {
  const warn = vi.fn()
  const errors = new SocketErrors({ warn } as unknown as Log, () => 0)
  errors.count('relay', failure('EMFILE'))
  expect(warn.mock.calls).toEqual([
    [{ kind: 'relay', code: 'EMFILE', held: 0, fix: expect.stringContaining('LimitNOFILE=') }, 'socket error'],
  ])
})
