import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { Traffic } from '../../../src/net/counters.ts'
import { openUdpSocket, type UdpSocketOptions } from '../../../src/net/udp/udp.ts'
import { Address } from '../../../src/stun/address.ts'
import { expectNoSockets, Inbox, UdpClient } from '../../support/sockets.ts'

afterAll(expectNoSockets)

async function open(options: Partial<UdpSocketOptions> = {}) {
  const errors: unknown[] = []
  const received = new Inbox<{ bytes: Buffer; start: number; end: number; from: Address }>()
  const traffic = new Traffic()
  const socket = await openUdpSocket({
    local: Address.parse('127.0.0.1')!,
    bufferSize: 2 << 20,
    headroom: 0,
    tailroom: 0,
    onDatagram: (bytes, start, end, from) => received.push({ bytes, start, end, from: from.copy() }),
    onError: (error) => errors.push(error),
    traffic,
    ...options,
  })
  onTestFinished(() => socket.close())
  return { socket, errors, received, traffic }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code

test('NET-UDP-02 passes datagrams of the largest size whole in both directions', async () => {
  const { socket, received } = await open()
  const client = await UdpClient.open()
  const largest = Buffer.alloc(65_507, 0x5a)
  client.send(largest, socket.local.port)
  const { bytes, start, end, from } = await received.next()
  expect(bytes.subarray(start, end).equals(largest)).toBe(true)
  socket.send(bytes, start, end, from)
  expect((await client.inbox.next()).bytes.equals(largest)).toBe(true)
})

test('leaves the room asked for before and behind what it received', async () => {
  const { socket, received } = await open({ headroom: 48, tailroom: 12 })
  const client = await UdpClient.open()
  client.send(Buffer.from('payload'), socket.local.port)
  const { bytes, start, end } = await received.next()
  expect([start, end, bytes.length]).toEqual([48, 55, 67])
  expect(bytes.toString('latin1', start, end)).toBe('payload')
})

test('tells the sender of each of many interleaved datagrams', async () => {
  const { socket, received } = await open()
  const clients = [await UdpClient.open(), await UdpClient.open()]
  for (let i = 0; i < 20; i++) clients[i % 2]!.send(Buffer.from([i]), socket.local.port)
  for (let i = 0; i < 20; i++) {
    const { bytes, from } = await received.next()
    expect(from.toString()).toBe(`127.0.0.1:${clients[bytes[0]! % 2]!.port}`)
  }
})

test('borrows what it sends: a buffer that is overwritten at once still arrives as it was', async () => {
  const { socket } = await open()
  const client = await UdpClient.open()
  const to = Address.parse('127.0.0.1', client.port)!
  const reused = Buffer.alloc(1000)
  for (let i = 0; i < 40; i++) {
    reused.fill(i)
    socket.send(reused, 0, reused.length, to)
  }
  for (let i = 0; i < 40; i++) expect((await client.inbox.next()).bytes.equals(Buffer.alloc(1000, i))).toBe(true)
})

test('counts datagrams and bytes', async () => {
  const { socket, received, traffic } = await open()
  const client = await UdpClient.open()
  client.send(Buffer.alloc(10), socket.local.port)
  socket.send(Buffer.alloc(20), 5, 20, (await received.next()).from)
  await client.inbox.next()
  expect(traffic).toMatchObject({ receivedPackets: 1, receivedBytes: 10, sentPackets: 1, sentBytes: 15 })
})

test('SEC-33 EMSGSIZE is reported and the socket goes on', async () => {
  const { socket, errors } = await open()
  const client = await UdpClient.open()
  const to = Address.parse('127.0.0.1', client.port)!
  socket.send(Buffer.alloc(65_536), 0, 65_536, to)
  await vi.waitFor(() => expect(errors.map(codeOf)).toEqual(['EMSGSIZE']))
  socket.send(Buffer.from('still here'), 0, 10, to)
  expect((await client.inbox.next()).bytes.toString()).toBe('still here')
})

test('SEC-33 ECONNREFUSED: an ICMP error leaves the socket open', async () => {
  const { socket, errors } = await open()
  const client = await UdpClient.open()
  // Nobody listens on the reserved port 1: the kernel answers with port unreachable.
  for (let i = 0; i < 3; i++) socket.send(Buffer.from('x'), 0, 1, Address.parse('127.0.0.1', 1)!)
  socket.send(Buffer.from('still here'), 0, 10, Address.parse('127.0.0.1', client.port)!)
  expect((await client.inbox.next()).bytes.toString()).toBe('still here')
  expect(errors).toEqual([])
})

test('SEC-33 an address of the other family and one that cannot be reached are reported', async () => {
  const { socket, errors } = await open()
  socket.send(Buffer.from('x'), 0, 1, Address.parse('::1', 9)!)
  socket.send(Buffer.from('x'), 0, 1, Address.parse('255.255.255.255', 9)!)
  await vi.waitFor(() => expect(errors).toHaveLength(2))
})

test('sends nothing to port 0 and nothing after it is closed', async () => {
  const { socket, errors, traffic } = await open()
  socket.send(Buffer.from('x'), 0, 1, Address.parse('127.0.0.1', 0)!)
  await socket.close()
  await socket.close()
  socket.send(Buffer.from('x'), 0, 1, Address.parse('127.0.0.1', 9)!)
  expect(traffic.sentPackets).toBe(0)
  expect(errors).toEqual([])
})

test('fails with the code of the system when the port is taken', async () => {
  const { socket } = await open()
  await expect(open({ local: socket.local })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
