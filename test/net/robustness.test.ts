import { randomBytes } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fc, test as property } from '@fast-check/vitest'
import { afterAll, expect, test, vi } from 'vitest'
import { openUdpSocket, type UdpSocketOptions } from '../../src/net/udp/udp.ts'
import { Address } from '../../src/stun/address.ts'
import { hostileBeginnings } from '../support/hostile-bytes.ts'
import { startTurn } from '../support/loopback-turn.ts'
import { rawMessage } from '../support/raw-message.ts'
import { bindingRequest, channelData, expectNoSockets } from '../support/sockets.ts'

afterAll(expectNoSockets)

test('SEC-13 NET-DEMUX-02 ten thousand sources leave no socket and no entry', async () => {
  // Listening sockets that are given datagrams of any source, as only a forger could send them.
  let listener: UdpSocketOptions | undefined
  let answers = 0
  const portable = await startTurn({
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
  expect([portable.driver.turn.allocations.size, portable.driver.plane.openRelays]).toEqual([0, 0])
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const before = process.memoryUsage().heapUsed
  flood()
  gc()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5 << 20)
})

property.prop([fc.array(hostileBeginnings, { maxLength: 10 })], { numRuns: 100 })(
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
