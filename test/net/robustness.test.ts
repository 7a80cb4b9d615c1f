import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fc, test as property } from '@fast-check/vitest'
import { afterAll, expect, test, vi } from 'vitest'
import { openUdpSocket, type UdpSocketOptions } from '../../src/net/udp.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { LoopbackClient, startTurn } from '../support/loopback-turn.ts'
import { rawMessage } from '../support/raw-message.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  connectTls,
  expectNoSockets,
  portOf,
  UdpClient,
} from '../support/sockets.ts'

afterAll(expectNoSockets)

/** Anything, and things that begin like every protocol of these ports. */
const junk = fc
  .tuple(
    fc.constantFrom(
      '',
      '00',
      '0001',
      '000100002112a442',
      '000300082112a442',
      '0101',
      '4000',
      '40000004',
      '7fff',
      '16',
      '160301',
      '16fefd',
      '47455420',
      '48454144',
      '0d0a0d0a000d0a515549540a',
      '50524f5859',
      'ff',
    ),
    fc.uint8Array({ maxLength: 200 }),
  )
  .map(([start, rest]) => Buffer.concat([Buffer.from(start, 'hex'), rest]))

test('SEC-34 no datagram ends the server or keeps it from answering', async () => {
  const driver = await startTurn()
  const client = await UdpClient.open()
  const port = portOf(driver, 'udp')
  for (const bytes of fc.sample(junk, 2000)) client.send(bytes, port)
  const id = randomBytes(12)
  await vi.waitFor(() => {
    client.send(rawMessage(0x0001, [], id), port)
    expect(driver.counters.clients.udp.receivedPackets).toBeGreaterThan(1000)
  })
  for (let answer = await client.inbox.next(); !answer.bytes.subarray(8, 20).equals(id); ) {
    answer = await client.inbox.next()
  }
  expect(driver.turn.allocationCount).toBe(0)
})

test.each(['tcp', 'tls'] as const)(
  'SEC-34 no stream over %s ends the server, in pieces or behind a good message',
  async (transport) => {
    const driver = await startTurn()
    const port = portOf(driver, 'tcp')
    for (const bytes of fc.sample(junk, 150)) {
      const connection = await (transport === 'tcp' ? connectTcp : connectTls)(port)
      if (bytes.length % 2 === 0) connection.socket.write(bindingRequest())
      connection.socket.write(bytes.subarray(0, 7))
      connection.socket.end(bytes.subarray(7))
      await connection.closed
    }
    await vi.waitFor(() => expect(driver.counters.openConnections).toEqual({ tcp: 0, tls: 0 }))
    const good = await connectTcp(port)
    good.socket.write(bindingRequest())
    expect((await good.read(32)).readUInt16BE(0)).toBe(0x0101)
  },
)

test('SEC-34 no datagram from a peer ends the server', async () => {
  const driver = await startTurn()
  const client = await LoopbackClient.connect(driver, 'tcp')
  const peer = await UdpClient.open()
  const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
  await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)
  for (const bytes of fc.sample(junk, 200)) {
    peer.send(bytes, relayed.port)
    const frame = await client.inbox.next()
    expect(frame.subarray(4, 4 + bytes.length).equals(bytes)).toBe(true)
  }
})

test('SEC-35 ChannelData that claims more than there is: dropped on UDP, waited for on TCP', async () => {
  const driver = await startTurn()
  const peer = await UdpClient.open()
  const liar = Buffer.concat([Buffer.from('400000ff', 'hex'), Buffer.from('short')])
  const over: Record<string, LoopbackClient> = {}
  for (const transport of ['udp', 'tcp'] as const) {
    const client = await LoopbackClient.connect(driver, transport)
    await client.allocate()
    await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)
    client.send(liar)
    over[transport] = client
  }
  over['tcp']!.send(Buffer.alloc(251, 0x2e))
  expect((await peer.inbox.next()).bytes.toString()).toBe(`short${'.'.repeat(250)}`)
  over['udp']!.send(channelData(0x4000, Buffer.from('next')))
  expect((await peer.inbox.next()).bytes.toString()).toBe('next')
})

test('SEC-35 nothing that lay in memory before leaves the machine', async () => {
  const marker = Buffer.from('MARKER!!')
  const fillPools = () => {
    for (let size = 8; size < 5000; size += 8) Buffer.allocUnsafe(size).fill(marker)
  }
  const driver = await startTurn()
  const peer = await UdpClient.open()
  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    const client = await LoopbackClient.connect(driver, transport)
    const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    const peerAddress = Address.parse('127.0.0.1', peer.port)!
    await client.permit(peerAddress)
    for (const bound of [false, true]) {
      if (bound) await client.bind(0x4000, peerAddress)
      for (let length = 0; length < 40; length++) {
        fillPools()
        peer.send(Buffer.alloc(length), relayed.port)
        const toClient = await client.inbox.next()
        expect(toClient.includes('MARKER') || /MARK|ARKE|RKER|KER!|R!!M/.test(toClient.toString('latin1'))).toBe(false)
        if (bound) {
          client.send(channelData(0x4000, Buffer.alloc(length)))
          expect((await peer.inbox.next()).bytes.equals(Buffer.alloc(length))).toBe(true)
        }
      }
    }
  }
})

test('SEC-13 NET-DEMUX-02 ten thousand sources leave no socket and no entry', async () => {
  // Listening sockets that are given datagrams of any source, as only a forger could send them.
  let listener: UdpSocketOptions | undefined
  let answers = 0
  const driver = await startTurn({
    streams: [],
    openUdp: async (options) => {
      listener = options
      return { local: options.local.withPort(3478), send: () => void answers++, close: async () => {} }
    },
  })
  const deliver = (bytes: Buffer, from: Address) => listener!.onDatagram(bytes, 0, bytes.length, from)
  const flood = () => {
    const from = new Address()
    for (let i = 0; i < 10_000; i++) {
      from.setIpv4(0x0a000000 + i, 1024 + (i % 60_000))
      deliver(bindingRequest(), from)
      deliver(rawMessage(0x0003, [[0x0019, '11000000']]), from)
      deliver(
        rawMessage(0x0003, [
          [0x0019, '11000000'],
          [0x0008, randomBytes(20)],
        ]),
        from,
      )
      deliver(channelData(0x4000, Buffer.alloc(4)), from)
    }
  }
  flood()
  expect(answers).toBeGreaterThanOrEqual(20_000)
  expect([driver.turn.allocationCount, driver.openRelays]).toEqual([0, 0])
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const before = process.memoryUsage().heapUsed
  flood()
  gc()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5 << 20)
})

property.prop([fc.array(junk, { maxLength: 10 })], { numRuns: 100 })(
  'SEC-34 no datagrams make the socket that receives them throw',
  async (datagrams) => {
    const seen: Buffer[] = []
    const socket = await openUdpSocket({
      local: Address.parse('127.0.0.1')!,
      bufferSize: 1 << 20,
      headroom: 48,
      tailroom: 12,
      onDatagram: (bytes, start, end) => seen.push(Buffer.from(bytes.subarray(start, end))),
      onError: (error) => {
        throw error
      },
      traffic: { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0, overflowPackets: 0 },
    })
    for (const bytes of datagrams) socket.send(bytes, 0, bytes.length, socket.local)
    await vi.waitFor(() => expect(seen).toHaveLength(datagrams.length))
    expect(seen).toEqual(datagrams)
    await socket.close()
  },
)
