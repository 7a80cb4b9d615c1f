import { describe, expect, test } from 'vitest'
import { Traffic } from '../../../src/net/counters.ts'
import {
  closeDescriptor,
  localAddress,
  mergeDatagrams,
  openUdpDescriptor,
  reportHeaders,
} from '../../../src/net/linux/descriptors.ts'
import { ReceiveSlab } from '../../../src/net/linux/receive-slab.ts'
import { SendBatch } from '../../../src/net/linux/send-batch.ts'
import { EpollEvents, linuxSupport } from '../../../src/net/linux/system-calls.ts'
import { OWN_HEADER } from '../../../src/net/udp/relayed-header.ts'
import { openUdpSocket } from '../../../src/net/udp/udp.ts'
import { Address } from '../../../src/stun/address.ts'
import { canEnterNetworks, enterNewNetwork, ip } from '../../support/network.ts'
import { describeWith } from '../../support/peers.ts'
import { UdpClient } from '../../support/sockets.ts'

const here = Address.parse('127.0.0.1')!

test('says why sockets cannot be driven here, or that they can', () => {
  const support = linuxSupport()
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch))
    expect(support).toEqual({ available: true })
  else expect(support).toMatchObject({ available: false, reason: expect.stringMatching(/needs|koffi/) })
})

test.runIf(linuxSupport().available).each(['127.0.0.1', '::1'])('binds a descriptor to a port of %s', (host) => {
  const fd = openUdpDescriptor(Address.parse(host)!, { bufferSize: 1 << 16, reusePort: false })
  const bound = localAddress(fd)
  expect(bound.host).toBe(host)
  expect(bound.port).toBeGreaterThan(0)
  expect(() => openUdpDescriptor(bound, { bufferSize: 1 << 16, reusePort: false })).toThrow(
    expect.objectContaining({ code: 'EADDRINUSE' }),
  )
  closeDescriptor(fd)
  closeDescriptor(openUdpDescriptor(bound, { bufferSize: 1 << 16, reusePort: false }))
})

test.runIf(linuxSupport().available)('says EAGAIN where nothing waits', () => {
  const fd = openUdpDescriptor(here, { bufferSize: 1 << 16, reusePort: false })
  expect(new ReceiveSlab(1, 0, 0).receive(fd, 1)).toBe('EAGAIN')
  closeDescriptor(fd)
})

test.runIf(linuxSupport().available)('several descriptors share a port when all of them say so', () => {
  const first = openUdpDescriptor(here, { bufferSize: 1 << 16, reusePort: true })
  const second = openUdpDescriptor(localAddress(first), { bufferSize: 1 << 16, reusePort: true })
  expect(localAddress(second).port).toBe(localAddress(first).port)
  for (const fd of [first, second]) closeDescriptor(fd)
})

test('names the error of an address that this machine has not', () => {
  const open = () => openUdpDescriptor(Address.parse('192.0.2.1')!, { bufferSize: 1 << 16, reusePort: false })
  expect(open).toThrow(
    linuxSupport().available ? expect.objectContaining({ code: 'EADDRNOTAVAIL' }) : /no Linux sockets/,
  )
})

test.each(['127.0.0.1', '::1'])('TURN-IP-01 a datagram with DF arrives like any other (%s)', async (host) => {
  const errors: unknown[] = []
  const traffic = new Traffic()
  const socket = await openUdpSocket({
    local: Address.parse(host)!,
    bufferSize: 1 << 20,
    headroom: 0,
    tailroom: 0,
    canSetDontFragment: true,
    onDatagram: () => {},
    onError: (error) => errors.push(error),
    traffic,
  })
  const client = await UdpClient.open(host)
  const to = Address.parse(host, client.port)!
  const bytes = Buffer.from('-whole-not-')
  socket.send(bytes, 1, 6, to, true)
  socket.send(bytes, 7, 10, to, false)
  expect((await client.inbox.next()).bytes.toString()).toBe('whole')
  expect((await client.inbox.next()).bytes.toString()).toBe('not')
  expect(errors).toEqual([])
  expect(traffic).toMatchObject({ sentPackets: 2, sentBytes: 8 })
  await socket.close()
})

test('a port bound for DF is not shared with others', async () => {
  const options = { bufferSize: 1 << 16, headroom: 0, tailroom: 0, canSetDontFragment: true, traffic: new Traffic() }
  const open = (local: Address) => openUdpSocket({ ...options, local, onDatagram: () => {}, onError: () => {} })
  const first = await open(here)
  await expect(open(first.local)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await first.close()
})

// What C compilers for both make of { EPOLLIN, 7 } and { EPOLLERR, 0xfffffffe }.
test.each([
  ['x64', '01000000 07000000 00000000 08000000 feffffff 00000000'],
  ['arm64', '01000000 00000000 07000000 00000000 08000000 00000000 feffffff 00000000'],
])('lays epoll_event out as the kernel of %s does', (arch, hex) => {
  const written = new EpollEvents(2, arch)
  written.set(0, 1, 7)
  written.set(1, 8, 0xfffffffe)
  expect(Buffer.from(written.words.buffer).toString('hex')).toBe(hex.replaceAll(' ', ''))
  expect([written.events(0), written.token(0), written.events(1), written.token(1)]).toEqual([1, 7, 8, 0xfffffffe])
})

test.runIf(linuxSupport().available)('a run that was sent as one arrives as one slot with its segments', () => {
  const open = () => openUdpDescriptor(here, { bufferSize: 1 << 20, reusePort: false })
  const [from, to] = [open(), open()]
  mergeDatagrams(to)
  const [received, unused] = [new ReceiveSlab(8, 48, 12), new ReceiveSlab(1, 0, 0)]
  const batch = new SendBatch(unused, 16)
  const next = new Int32Array(16).fill(-1)
  const words = ['aaaa', 'bbbb', 'cccc', 'dd', 'eeee']
  for (const [i, word] of words.entries()) {
    batch.add(Buffer.from(word), 0, word.length, localAddress(to), OWN_HEADER)
    if (i > 0) next[i - 1] = i
  }
  expect(batch.send(from, 0, next, 4, 0)).toEqual({ sent: 5, sentBytes: 18, refused: 0, failed: new Map() })
  const source = new Address()
  const seen: (string | number)[] = []
  const slots = received.receive(to, 8) as number
  for (let slot = 0; slot < slots; slot++) {
    const start = received.start(slot)
    received.readControl(slot)
    seen.push(received.bytes.toString('latin1', start, start + received.length(slot)), received.segment)
    received.source(slot, source)
    expect(source.equals(localAddress(from))).toBe(true)
  }
  // Two messages, as sent: the run with its shorter end, and what came after it. A kernel without UDP_GRO keeps them apart.
  expect([['aaaabbbbccccdd', 4, 'eeee', 0], words.flatMap((word) => [word, 0])]).toContainEqual(seen)
  for (const fd of [from, to]) closeDescriptor(fd)
})

test.runIf(linuxSupport().available)(
  'of datagrams that fail each is counted for what it is, and the others are sent',
  () => {
    const fd = openUdpDescriptor(here, { bufferSize: 1 << 20, reusePort: false })
    const [received, unused] = [new ReceiveSlab(8, 48, 12), new ReceiveSlab(1, 0, 0)]
    const batch = new SendBatch(unused, 16)
    const own = localAddress(fd)
    const nowhere = own.withPort(0)
    const tooLong = Buffer.alloc(65_530)
    batch.add(tooLong, 0, tooLong.length, own, OWN_HEADER)
    batch.add(Buffer.from('to port 0'), 0, 9, nowhere, OWN_HEADER)
    batch.add(Buffer.from('goes on'), 0, 7, own, OWN_HEADER)
    batch.add(Buffer.from('to port 0 again'), 0, 15, nowhere, OWN_HEADER)
    const { sent, sentBytes, refused, failed } = batch.send(fd, 0, Int32Array.from([1, 2, 3, -1]), 4, 0)
    expect([sent, sentBytes, refused]).toEqual([1, 7, 0])
    expect(Object.fromEntries(failed)).toEqual({ EMSGSIZE: 1, EINVAL: 2 })
    expect(received.receive(fd, 8)).toBe(1)
    expect(received.bytes.toString('latin1', received.start(0), received.start(0) + received.length(0))).toBe('goes on')
    closeDescriptor(fd)
  },
)

test.runIf(linuxSupport().available)('TURN-IP-01 a run ends where the IP header changes', () => {
  const open = () => openUdpDescriptor(here, { bufferSize: 1 << 20, reusePort: false })
  const [from, to] = [open(), open()]
  mergeDatagrams(to)
  reportHeaders(to, 4)
  const [received, unused] = [new ReceiveSlab(8, 48, 12), new ReceiveSlab(1, 0, 0)]
  const batch = new SendBatch(unused, 16)
  const header = (trafficClass: number, hopLimit: number) => (trafficClass << 8) | hopLimit
  const headers = [header(0, 63), header(0, 63), header(0xb8, 63), header(0xb8, 63), header(0xb8, 62), OWN_HEADER]
  for (const each of headers) batch.add(Buffer.from('same'), 0, 4, localAddress(to), each)
  const next = Int32Array.from(headers, (_, i) => (i + 1 < headers.length ? i + 1 : -1))
  expect(batch.send(from, 0, next, 4, 0)).toEqual({ sent: 6, sentBytes: 24, refused: 0, failed: new Map() })
  const seen: number[][] = []
  const slots = received.receive(to, 8) as number
  for (let slot = 0; slot < slots; slot++) {
    received.readControl(slot)
    for (let at = 0; at < received.length(slot); at += 4) seen.push([received.trafficClass, received.hopLimit])
    received.source(slot, new Address())
  }
  expect(seen.slice(0, 5)).toEqual([...[63, 63].map((hops) => [0, hops]), ...[63, 63, 62].map((hops) => [0xb8, hops])])
  expect(seen[5]).toEqual([0, expect.any(Number)])
  // Without UDP_GRO each datagram has a slot of its own.
  expect([4, 6]).toContain(slots)
  for (const fd of [from, to]) closeDescriptor(fd)
})

describe.runIf(linuxSupport().available && canEnterNetworks())('on a path too narrow for the pieces of a run', () => {
  describeWith(['iproute'], 'as of loopback with a low MTU', () => {
    test('TURN-IP-03 they leave one by one in fragments, each with its header, and arrive whole', () => {
      enterNewNetwork()
      ip('link set lo mtu 1280')
      const open = () => openUdpDescriptor(here, { bufferSize: 1 << 20, reusePort: false })
      const [from, to] = [open(), open()]
      reportHeaders(to, 4)
      const [received, unused] = [new ReceiveSlab(8, 48, 12), new ReceiveSlab(1, 0, 0)]
      const batch = new SendBatch(unused, 16)
      for (const fill of [1, 2, 3]) batch.add(Buffer.alloc(1400, fill), 0, 1400, localAddress(to), (0xb9 << 8) | 17)
      expect(batch.send(from, 0, Int32Array.of(1, 2, -1), 4, 0)).toEqual({
        sent: 3,
        sentBytes: 4200,
        refused: 0,
        failed: new Map(),
      })
      expect(received.receive(to, 8)).toBe(3)
      for (const [slot, fill] of [1, 2, 3].entries()) {
        received.readControl(slot)
        expect([received.trafficClass, received.hopLimit]).toEqual([0xb9, 17])
        const start = received.start(slot)
        const arrived = received.bytes.subarray(start, start + received.length(slot))
        expect(arrived.equals(Buffer.alloc(1400, fill))).toBe(true)
      }
      for (const fd of [from, to]) closeDescriptor(fd)
    })
  })
})

test.runIf(linuxSupport().available).each([-1, 0])(
  'sock-buf-size=%i leaves the buffers as the system makes them',
  async (bufferSize) => {
    const fd = openUdpDescriptor(here, { bufferSize, reusePort: false })
    const slab = new ReceiveSlab(64, 0, 0)
    const client = await UdpClient.open()
    // Far more than the least that a buffer can be set to.
    for (let i = 0; i < 32; i++) client.send(Buffer.alloc(1000), localAddress(fd).port)
    const received = () => {
      slab.receive(fd, 64)
      return slab.used
    }
    await expect.poll(received).toBe(32)
    closeDescriptor(fd)
  },
)
