import { expect, test } from 'vitest'
import { Traffic } from '../../src/net/counters.ts'
import { closeDescriptor, linuxSupport, localAddress, openUdpDescriptor } from '../../src/net/linux-sockets.ts'
import { openUdpSocket } from '../../src/net/udp.ts'
import { Address } from '../../src/stun/address.ts'
import { UdpClient } from '../support/sockets.ts'

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
