import type { PeerCertificate, TLSSocket } from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import { linuxSupport } from '../../src/net/linux/system-calls.ts'
import { ListenError } from '../../src/net/listen/listen-error.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute } from '../../src/stun/constants.ts'
import { exampleEc, localhostEc } from '../support/certificates.ts'
import { LoopbackClient } from '../support/loopback-turn.ts'
import { startThreads, type ThreadOptions } from '../support/relay-threads.ts'
import { sessionsOf } from '../support/sessions.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  connectTls,
  localStream,
  type StreamClient,
  UdpClient,
} from '../support/sockets.ts'
import type { Answer } from '../support/turn-client.ts'

const tls = { certificates: [localhostEc] } as const
// So many connections come to one of two threads alone once in 2^31 runs.
const MANY = 32

const start = (options: ThreadOptions = {}) => startThreads({ streams: [localStream], tls, ...options })

const many = <T>(open: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: MANY }, open))
const relayedOf = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!
const certificateOf = ({ socket }: StreamClient): PeerCertificate => (socket as TLSSocket).getPeerCertificate()

async function greet(client: StreamClient): Promise<StreamClient> {
  client.socket.write(bindingRequest())
  expect((await client.read(32)).readUInt16BE(0)).toBe(0x0101)
  return client
}

/** Allocates, binds a channel to a peer of our own and sends both ways. */
async function talk(stream: StreamClient): Promise<void> {
  const client = LoopbackClient.over(stream)
  const allocated = await client.allocate()
  expect(allocated.code).toBe(200)
  const relayed = relayedOf(allocated)
  const peer = await UdpClient.open()
  expect((await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)).code).toBe(200)
  for (let round = 0; round < 3; round++) {
    client.send(channelData(0x4000, Buffer.from('to the peer')))
    expect((await peer.inbox.next()).bytes.toString()).toBe('to the peer')
    peer.send(Buffer.from('to the client'), relayed.port, relayed.host)
    expect((await client.inbox.next()).equals(channelData(0x4000, Buffer.from('to the client')))).toBe(true)
  }
}

describe.runIf(linuxSupport().available)('threads that serve TCP and TLS', () => {
  test('relay for clients of both, which all threads accept', async () => {
    const { streamPort, spawned, workers, readings } = await start()
    const clients = [...(await many(() => connectTcp(streamPort))), ...(await many(() => connectTls(streamPort)))]
    await Promise.all(clients.map(talk))
    const { net, turn, allocations } = await readings()
    expect(net.openConnections).toEqual({ tcp: MANY, tls: MANY })
    expect(allocations).toEqual({ udp: 0, dtls: 0, tcp: MANY, tls: MANY })
    expect(turn.toPeerPackets).toBe(clients.length * 3)
    expect(turn.toClientPackets).toBe(clients.length * 3)
    expect(net.clients.tls.sentPackets).toBe(net.clients.tcp.sentPackets)
    expect((await sessionsOf(workers)).filter(({ transport }) => transport === 'tls')).toHaveLength(MANY)
    await spawned[0]!.terminate()
    await vi.waitFor(() => expect(clients.some(({ ended }) => ended)).toBe(true))
    expect(clients.every(({ ended }) => ended)).toBe(false)
  })

  test('one that dies takes only its own connections along, and its successor accepts', async () => {
    const { streamPort, spawned, workers, readings } = await start({ limits: { total: MANY } })
    const clients = await many(() => connectTcp(streamPort))
    await Promise.all(clients.map(greet))
    await spawned[0]!.terminate()
    expect(workers.deaths.total).toBe(1)
    await vi.waitFor(async () =>
      expect((await readings()).net.openConnections.tcp).toBe(clients.filter(({ ended }) => !ended).length),
    )
    const living = clients.filter(({ ended }) => !ended)
    for (const client of living) await greet(client)
    // Its places are free again: those who come now fill up to the limit.
    const again = await Promise.all(Array.from({ length: MANY - living.length }, () => connectTcp(streamPort)))
    await Promise.all(again.map(greet))
    expect(spawned).toHaveLength(3)
    expect((await readings()).net.openConnections.tcp).toBe(MANY)
    const surplus = await connectTcp(streamPort)
    await surplus.closed
  })

  test('SEC-15 the number of connections is limited for all threads together', async () => {
    const { streamPort, readings } = await start({ limits: { total: 10 } })
    const clients = await many(() => connectTcp(streamPort))
    await vi.waitFor(() => expect(clients.filter(({ ended }) => ended)).toHaveLength(MANY - 10))
    expect((await readings()).net.closedConnections['too-many']).toBe(MANY - 10)
    clients.find(({ ended }) => !ended)!.socket.destroy()
    await vi.waitFor(async () => expect((await readings()).net.openConnections.tcp).toBe(9))
    await greet(await connectTcp(streamPort))
  })

  test('SEC-15 so is that of one source', async () => {
    const { streamPort, readings } = await start({ limits: { perSource: 10 } })
    const clients: StreamClient[] = []
    // One after the other: two threads that meet the limit at one moment may both refuse.
    for (let i = 0; i < 10; i++) clients.push(await greet(await connectTcp(streamPort)))
    for (const surplus of await many(() => connectTcp(streamPort))) await surplus.closed
    await vi.waitFor(async () => expect((await readings()).net.closedConnections['too-many-from-source']).toBe(MANY))
    clients[0]!.socket.destroy()
    await vi.waitFor(async () => expect((await readings()).net.openConnections.tcp).toBe(9))
    await greet(await connectTcp(streamPort))
  })

  test('new certificates reach the handshakes of every thread, and live connections stay', async () => {
    const { streamPort, workers } = await start()
    const before = await many(() => connectTls(streamPort))
    expect(() => workers.reloadTls({ certificates: [{ cert: exampleEc.cert, key: localhostEc.key }] })).toThrow()
    workers.reloadTls({ certificates: [exampleEc] })
    await sessionsOf(workers)
    const after = await many(() => connectTls(streamPort))
    const [old] = before.map((client) => certificateOf(client).fingerprint256)
    expect(new Set(after.map((client) => certificateOf(client).fingerprint256)).size).toBe(1)
    expect(certificateOf(after[0]!).fingerprint256).not.toBe(old)
    await Promise.all([...before, ...after].map(greet))
  })

  test('a thread that was started later has the certificates of now', async () => {
    const { streamPort, workers, spawned } = await start()
    workers.reloadTls({ certificates: [exampleEc] })
    await Promise.all(spawned.map((worker) => worker.terminate()))
    await vi.waitFor(() => expect(spawned).toHaveLength(4), { timeout: 5000 })
    const clients = await many(() => connectTls(streamPort))
    for (const client of clients) expect(certificateOf(client).subject.CN).toBe('turn.example.org')
  })

  test('NET-TLS-01 shutdown ends each connection in an orderly way', async () => {
    const { streamPort, workers } = await start()
    const clients = [...(await many(() => connectTcp(streamPort))), ...(await many(() => connectTls(streamPort)))]
    await Promise.all(clients.map(greet))
    const errors: Error[] = []
    const ends = clients.map(({ socket }) => {
      socket.on('error', (error) => errors.push(error))
      return new Promise((resolve) => socket.once('end', resolve))
    })
    await workers.close()
    await Promise.all(ends)
    expect(errors).toEqual([])
    await expect(connectTcp(streamPort)).rejects.toThrow('ECONNREFUSED')
  })

  test('while draining, clients that have an allocation go on and new ones are told to look elsewhere', async () => {
    const { streamPort, workers } = await start()
    const client = LoopbackClient.over(await connectTcp(streamPort))
    expect((await client.allocate()).code).toBe(200)
    workers.drain(true)
    await sessionsOf(workers)
    expect((await client.permit(Address.parse('127.0.0.1', 9)!)).code).toBe(200)
    for (const late of await many(() => connectTcp(streamPort))) {
      expect((await LoopbackClient.over(late).allocate()).code).toBe(403)
    }
  })

  test('NET-DEMUX-06 behind a proxy, the client is who the PROXY header names', async () => {
    const { streamPort, workers } = await start({ streams: [{ ...localStream, proxy: true }] })
    const stream = await connectTcp(streamPort)
    stream.socket.write('PROXY TCP4 192.0.2.7 192.0.2.1 4711 3478\r\n')
    const client = LoopbackClient.over(stream)
    expect((await client.allocate()).code).toBe(200)
    expect(await sessionsOf(workers)).toMatchObject([{ client: '192.0.2.7:4711', transport: 'tcp' }])
  })

  test('SEC-32 a client that does not read costs no more than its queue, and what it loses is counted', async () => {
    const queueBytes = 1 << 16
    const { streamPort, readings, spawned } = await start({ limits: { queueBytes } })
    const stream = await connectTcp(streamPort)
    const client = LoopbackClient.over(stream)
    const relayed = relayedOf(await client.allocate())
    const peer = await UdpClient.open()
    expect((await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)).code).toBe(200)
    stream.socket.pause()
    const payload = Buffer.alloc(8000)
    const lost = async () => (await readings()).net.clients.tcp.overflowPackets
    await vi.waitFor(
      async () => {
        for (let i = 0; i < 100; i++) peer.send(payload, relayed.port, relayed.host)
        expect(await lost()).toBeGreaterThan(1000)
      },
      { timeout: 15_000, interval: 10 },
    )
    // Others are served as ever.
    for (const other of await many(() => connectTcp(streamPort))) await greet(other)
    const { clients } = (await readings()).net
    expect(clients.tcp.overflowPackets * payload.length).toBeGreaterThan(100 * queueBytes)
    expect(spawned).toHaveLength(2)
    // It has lost datagrams, not its connection.
    stream.socket.resume()
    await vi.waitFor(
      async () => {
        while (client.inbox.length > 0) await client.inbox.next()
        peer.send(Buffer.from('still there?'), relayed.port, relayed.host)
        expect((await client.inbox.next()).equals(channelData(0x4000, Buffer.from('still there?')))).toBe(true)
      },
      { timeout: 15_000 },
    )
  })

  test('clients of TCP are served while the threads are flooded by UDP', async () => {
    const { streamPort, port, readings } = await start()
    const flood = await Promise.all(Array.from({ length: 8 }, () => UdpClient.open()))
    let isOver = false
    const pour = () => {
      for (const source of flood) for (let i = 0; i < 20; i++) source.send(bindingRequest(), port)
      if (!isOver) setImmediate(pour)
    }
    pour()
    try {
      await Promise.all((await many(() => connectTcp(streamPort))).map(talk))
    } finally {
      isOver = true
    }
    expect((await readings()).net.clients.udp.receivedPackets).toBeGreaterThan(1000)
  })

  test('an address that cannot be had stops the start and leaves nothing open', async () => {
    const { streamPort } = await start()
    const error = await start({ streams: [{ ...localStream, port: streamPort }] }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE', transport: 'tcp', port: streamPort })
  })
})
