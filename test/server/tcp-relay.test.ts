import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startForTest, type TestOptions } from '../support/server.ts'
import { StreamClient } from '../support/sockets.ts'
import { DataStream, idOf, TcpAllocation, TcpPeer } from '../support/tcp-turn.ts'

// Off unless asked for.
const start = (options: TestOptions = {}) => startForTest({ 'tcp-relay': true, ...options })

const MEGABYTES = 3
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** All that comes until the other side has ended its half. */
async function toEnd(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

async function connectTo(relayed: string, from: string): Promise<StreamClient> {
  const [host, port] = relayed.split(':')
  const socket = connectSocket({ host: host!, port: Number(port), localAddress: from })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return new StreamClient(socket)
}

describe.each(['tcp', 'tls'] as const)('over %s', (over) => {
  test('TURN-TCP-04 TURN-TCP-14 a client connects to a peer, and what the two say passes as it is', async () => {
    const server = await start()
    const peer = await TcpPeer.listen()
    const allocation = await TcpAllocation.open(server, over)
    const answer = await allocation.connect(peer.address)
    expect(answer.code).toBe(200)
    const data = await DataStream.bound(server, idOf(answer), over)
    const atPeer = await peer.next()
    const { remoteAddress, remotePort } = atPeer.socket
    expect(`${remoteAddress}:${remotePort}`).toBe(allocation.relayed)
    data.socket.write('to the peer')
    expect(String(await atPeer.read(11))).toBe('to the peer')
    atPeer.socket.write('and back')
    expect(String(await data.stream.read(8))).toBe('and back')
    const { toPeerBytes, toClientBytes, peerConnections } = await server.counters()
    expect({ toPeerBytes, toClientBytes }).toEqual({ toPeerBytes: 11, toClientBytes: 8 })
    expect(peerConnections).toMatchObject({ connected: 1, bound: 1, ended: 0 })
  })

  test('TURN-TCP-14 what the peer has said before comes first, and what is behind the request is the peer’s', async () => {
    const server = await start()
    const peer = await TcpPeer.listen('127.0.9.1', (socket) => socket.write('220 at your service\r\n'))
    const allocation = await TcpAllocation.open(server, over)
    const id = idOf(await allocation.connect(peer.address))
    const atPeer = await peer.next()
    await sleep(100)
    // It looks like STUN, and like nothing at all: neither is anybody's business.
    const early = `\x00\x01\x00\x00\x21\x12\xa4\x42${'x'.repeat(3000)}`
    const data = await DataStream.bound(server, id, over, early)
    expect(String(await data.stream.read(21))).toBe('220 at your service\r\n')
    expect((await atPeer.read(Buffer.byteLength(early))).equals(Buffer.from(early))).toBe(true)
  })

  test('TURN-TCP-16 ends of streams pass on by halves, and nothing of three megabytes each way is lost', async () => {
    const server = await start()
    const peer = await TcpPeer.listen('127.0.9.1', (socket) => {
      socket.allowHalfOpen = true
    })
    const allocation = await TcpAllocation.open(server, over)
    const data = await DataStream.bound(server, idOf(await allocation.connect(peer.address)), over)
    const atPeer = await peer.next()
    data.socket.allowHalfOpen = true
    const [out, back] = [randomBytes(MEGABYTES << 20), randomBytes(MEGABYTES << 20)]
    const [atPeerEnd, atClientEnd] = [toEnd(atPeer.socket), toEnd(data.socket)]
    data.socket.end(out)
    expect(hashOf(await atPeerEnd)).toBe(hashOf(out))
    // The client has ended its half, and the peer goes on for as long as it likes.
    atPeer.socket.end(back)
    expect(hashOf(await atClientEnd)).toBe(hashOf(back))
    await Promise.all([data.stream.closed, atPeer.closed])
    await vi.waitFor(async () => expect((await server.counters()).peerConnections.ended).toBe(1))
    const { toPeerBytes, toClientBytes } = await server.counters()
    expect([toPeerBytes, toClientBytes]).toEqual([MEGABYTES << 20, MEGABYTES << 20])
    // The peer may be connected to anew, and from the same port.
    await vi.waitFor(async () => expect([200, 447]).toContain((await allocation.connect(peer.address)).code))
  })

  test('TURN-TCP-17 whoever does not read is not written to for ever, and loses nothing', async () => {
    const server = await start()
    const peer = await TcpPeer.listen('127.0.9.1', (socket) => socket.pause())
    const allocation = await TcpAllocation.open(server, over)
    const data = await DataStream.bound(server, idOf(await allocation.connect(peer.address)), over)
    const atPeer = await peer.next()
    atPeer.socket.removeAllListeners('data').pause()
    const all = randomBytes(32 << 20)
    data.socket.end(all)
    let passed = -1
    await vi.waitFor(
      async () => {
        const { toPeerBytes } = await server.counters()
        const isStill = toPeerBytes === passed
        passed = toPeerBytes
        expect(isStill).toBe(true)
      },
      { timeout: 10_000, interval: 300 },
    )
    // What the kernel's buffers take, which is not ours.
    expect(passed).toBeLessThan(16 << 20)
    let received = 0
    const hash = createHash('sha256')
    atPeer.socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      hash.update(chunk)
    })
    atPeer.socket.resume()
    await once(atPeer.socket, 'end')
    expect(received).toBe(all.length)
    expect(hash.digest('hex')).toBe(hashOf(all))
  })
})

test('TURN-TCP-04 TURN-TCP-10 TURN-TCP-11 the relayed port listens and connects out at once', async () => {
  const server = await start()
  const allocation = await TcpAllocation.open(server)
  expect((await allocation.client.permit('127.0.9.2:0')).code).toBe(200)
  const peers = await Promise.all([TcpPeer.listen(), TcpPeer.listen(), TcpPeer.listen()])
  const expectArrival = async () => {
    const incoming = await connectTo(allocation.relayed, '127.0.9.2')
    incoming.socket.write('hello, ')
    const { id, peer } = await allocation.attempt()
    expect(peer).toBe(`127.0.9.2:${incoming.socket.localPort}`)
    const data = await DataStream.bound(server, id)
    incoming.socket.write('client')
    expect(String(await data.stream.read(13))).toBe('hello, client')
  }
  await expectArrival()
  for (const peer of peers) {
    const id = idOf(await allocation.connect(peer.address))
    const data = await DataStream.bound(server, id, 'tcp', 'hi')
    expect(String(await (await peer.next()).read(2))).toBe('hi')
    expect(data.stream.ended).toBe(false)
    await expectArrival()
  }
  // Without permission it is closed before anybody hears of it.
  const stranger = await connectTo(allocation.relayed, '127.0.9.3')
  await stranger.closed
  expect((await server.counters()).dropped['no-permission']).toBe(1)
  expect(allocation.client.data.length).toBe(0)
})

test('TURN-TCP-07 TURN-TCP-06 a peer that refuses is 447, one that is connected 446', async () => {
  const server = await start()
  const peer = await TcpPeer.listen()
  const allocation = await TcpAllocation.open(server)
  expect((await allocation.connect('127.0.9.1:9')).code).toBe(447)
  expect((await allocation.connect(peer.address)).code).toBe(200)
  expect((await allocation.connect(peer.address)).code).toBe(446)
  // Several at once, to peers that are there and that are not.
  const others = await Promise.all(Array.from({ length: 8 }, () => TcpPeer.listen('127.0.9.4')))
  const asked = [...others, { address: '127.0.9.6:9' }].map(({ address }) => allocation.connect(address))
  const codes = (await Promise.all(asked)).map(({ code }) => code)
  expect(codes.toSorted()).toEqual([...others.map(() => 200), 447])
})

test('TURN-TCP-03 SEC-07 unless tcp-relay says so a TCP allocation is 442', async () => {
  const server = await startForTest()
  await expect(TcpAllocation.open(server)).rejects.toThrow('442')
  expect((await server.counters()).errors.get(442)).toBe(1)
})

test('TURN-TCP-15 RUN-05 data connections come to any thread', async () => {
  const server = await start({ 'relay-threads': '3' })
  const peer = await TcpPeer.listen('127.0.9.1', (socket) => socket.write('first '))
  const allocations = await Promise.all(Array.from({ length: 4 }, () => TcpAllocation.open(server)))
  const streams: { data: DataStream; atPeer: StreamClient }[] = []
  for (const [i, allocation] of [...allocations, ...allocations, ...allocations].entries()) {
    // Each connection with a peer of its own.
    const own = i < 4 ? peer : await TcpPeer.listen('127.0.9.1', (socket) => socket.write('first '))
    const id = idOf(await allocation.connect(own.address))
    const data = await DataStream.bound(server, id, i % 2 === 0 ? 'tcp' : 'tls', `early ${i}`)
    const atPeer = await own.next()
    expect(String(await atPeer.read(`early ${i}`.length))).toBe(`early ${i}`)
    expect(String(await data.stream.read(6))).toBe('first ')
    streams.push({ data, atPeer })
  }
  for (const { data, atPeer } of streams) {
    atPeer.socket.write('later')
    expect(String(await data.stream.read(5))).toBe('later')
  }
  expect((await server.counters()).peerConnections).toMatchObject({ connected: 12, bound: 12, ended: 0 })
  // The end of one of them is the end of its data connections, and of no others.
  expect((await allocations[0]!.client.refresh(0)).code).toBe(200)
  const ended = streams.filter((_, i) => i % 4 === 0)
  await Promise.all(ended.flatMap(({ data, atPeer }) => [data.stream.closed, atPeer.closed]))
  for (const { data, atPeer } of streams.filter((_, i) => i % 4 !== 0)) {
    data.socket.write('still')
    expect(String(await atPeer.read(5))).toBe('still')
  }
  for (const { client } of allocations) client.close()
  await Promise.all(streams.flatMap(({ data, atPeer }) => [data.stream.closed, atPeer.closed]))
  await server.expectNoAllocations()
  await vi.waitFor(async () => expect((await server.counters()).peerConnections.ended).toBe(12))
  // What has passed is the allocation's, wherever it has passed.
  const ends = (await server.log()).filter(({ msg }) => msg === 'allocation ended')
  expect(ends.map(({ toClientBytes }) => toClientBytes)).toEqual([33, 33, 33, 33])
})

test('TURN-TCP-12 an id is good once, for the same user, from any thread', async () => {
  const server = await start({ 'relay-threads': '3' })
  const peer = await TcpPeer.listen()
  const allocation = await TcpAllocation.open(server)
  const id = idOf(await allocation.connect(peer.address))
  for (let i = 0; i < 6; i++) expect((await (await DataStream.open(server)).bind((id + 1 + i) >>> 0)).code).toBe(400)
  const data = await DataStream.open(server)
  // A wrong one is no end: the next request is answered.
  expect((await data.bind((id ^ 0x10000) >>> 0)).code).toBe(400)
  expect((await data.bind(id)).code).toBe(200)
  for (let i = 0; i < 6; i++) expect((await (await DataStream.open(server)).bind(id)).code).toBe(400)
  data.socket.write('fine')
  expect(String(await (await peer.next()).read(4))).toBe('fine')
})

test('TURN-TCP-18 with the control connection everything closes: relays, peers, data connections', async () => {
  const server = await start()
  const peer = await TcpPeer.listen()
  const allocation = await TcpAllocation.open(server)
  const bound = await DataStream.bound(server, idOf(await allocation.connect(peer.address)))
  const atPeer = await peer.next()
  const other = await TcpPeer.listen()
  await allocation.connect(other.address)
  const unbound = await other.next()
  expect(await server.holds()).toEqual({ allocations: 1, relays: 1 })
  allocation.client.close()
  await Promise.all([bound.stream.closed, atPeer.closed, unbound.closed])
  await server.expectNoAllocations()
  await expect(connectTo(allocation.relayed, '127.0.9.2')).rejects.toThrow()
})

test('TURN-TCP-16 a peer that breaks off takes the data connection along, and the reverse', async () => {
  const server = await start()
  const peer = await TcpPeer.listen()
  const allocation = await TcpAllocation.open(server)
  for (const side of ['peer', 'client'] as const) {
    const own = side === 'peer' ? peer : await TcpPeer.listen()
    const data = await DataStream.bound(server, idOf(await allocation.connect(own.address)))
    const atPeer = await own.next()
    if (side === 'peer') atPeer.socket.resetAndDestroy()
    else data.socket.resetAndDestroy()
    await Promise.all([data.stream.closed, atPeer.closed])
  }
  await vi.waitFor(async () => expect((await server.counters()).peerConnections.ended).toBe(2))
})

test('RES-03 a data connection is slowed down to max-bps, and loses nothing', async () => {
  const server = await start({ 'max-bps': '200000' })
  const peer = await TcpPeer.listen()
  const allocation = await TcpAllocation.open(server)
  const data = await DataStream.bound(server, idOf(await allocation.connect(peer.address)))
  const atPeer = await peer.next()
  const all = randomBytes(800_000)
  const began = performance.now()
  data.socket.end(all)
  expect(hashOf(await toEnd(atPeer.socket))).toBe(hashOf(all))
  // One second's worth at once, and three seconds for the rest.
  expect(performance.now() - began).toBeGreaterThan(2400)
})
