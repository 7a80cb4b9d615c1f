import { expect, onTestFinished, test, vi } from 'vitest'
import { Attribute } from '../../src/stun/constants.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, testUser } from '../support/server.ts'
import { UdpClient } from '../support/sockets.ts'
import { type Answer, channelData } from '../support/turn-client.ts'

// Only the clock of this thread can be put forward or stopped, so the server must serve on it. Its core is the same on all.

const login = { username: testUser.name, password: testUser.password }

/** Puts the server's monotonic clock forward, or stops it. */
function controlClock(): { advance(seconds: number): void; stop(): void } {
  const now = performance.now.bind(performance)
  let ahead = 0
  let stoppedAt: number | null = null
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => stoppedAt ?? now() + ahead)
  onTestFinished(() => void spy.mockRestore())
  return {
    advance: (seconds) => {
      ahead += seconds * 1000
    },
    stop: () => {
      stoppedAt = now() + ahead
    },
  }
}

test('SEC-28 a reserved port is kept for thirty seconds and then free for others', async () => {
  const clock = controlClock()
  // Ports that no other test has.
  const relay = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.6`
  const server = await startForTest({ 'relay-ip': relay, 'min-port': '50000', 'max-port': '50001' })
  const holder = await NetworkClient.udp({ port: server.ports.udp, login })
  const other = await NetworkClient.udp({ port: server.ports.udp, login })
  const answer = await holder.allocate((writer) => writer.uint8(Attribute.EVEN_PORT, 0x80))
  expect(answer.message.value(Attribute.RESERVATION_TOKEN)).toHaveLength(8)
  clock.advance(25)
  server.turn.here!.sweep()
  expect((await other.allocate()).code).toBe(508)
  clock.advance(6)
  server.turn.here!.sweep()
  const late = await other.allocate()
  expect(late.code).toBe(200)
  expect(portOf(late)).toBe(portOf(answer) + 1)
})

const portOf = (answer: Answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!.port

test('SEC-31 unless it is told otherwise an allocation relays ten thousand packets a second', async () => {
  const clock = controlClock()
  const server = await startForTest()
  const client = await NetworkClient.udp({ port: server.ports.udp, login })
  const peer = await UdpClient.open()
  await client.allocate()
  await client.bind(0x4000, `127.0.0.1:${peer.port}`)
  // The bucket is full and stays as it is.
  clock.stop()
  for (let i = 0; i < 10_100; i += 100) {
    for (let j = 0; j < 100; j++) client.send(channelData(0x4000, Buffer.from('x')))
    await client.settled()
  }
  expect((await server.counters()).toPeerPackets).toBe(10_000)
  expect((await server.counters()).dropped['over-limit']).toBe(100)
})
