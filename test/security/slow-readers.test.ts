import { readFileSync } from 'node:fs'
import { afterAll, expect, test, vi } from 'vitest'
import { options as optionTable } from '../../src/config/options.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { expectNoBug, program, type RunningProgram } from '../support/program.ts'
import { commandLine, startForTest, type TestOptions, testUser } from '../support/server.ts'
import { connectTcp, connectTls, expectNoSockets, type StreamClient, UdpClient } from '../support/sockets.ts'
import { Answer, TurnClient, type Write } from '../support/turn-client.ts'
import { addressOf, udp } from '../support/turn-world.ts'

afterAll(expectNoSockets)

/** A machine of its own for relays: ports of other programs, and of other tests, are never in the way. */
const RELAY = `127.${process.pid & 127}.${(process.pid >> 7) & 255}.6`
const OPTIONS: TestOptions = { 'relay-ip': RELAY, 'max-pps': '0' }

test('SEC-32 a TCP client that stops reading has 1 MiB waiting at most, loses the rest, and is closed in the end', {
  timeout: 60_000,
}, async () => {
  const server = await startForTest({ ...OPTIONS, 'tcp-stalled-timeout-seconds': '5' })
  const stream = await connectTcp(server.ports.tcp)
  const { relay, peer } = await allocateOver(stream)
  stream.socket.pause()
  const tcp = async () => (await server.net()).clients.tcp
  const before = (await tcp()).sentBytes
  const inFlight = 128 * 1024
  const most = kernelBufferBytes() + (1 << 20) + inFlight
  const datagram = Buffer.alloc(60_000)
  const handled = async () => (await tcp()).sentPackets + (await tcp()).overflowPackets
  for (let sent = 0, count = await handled(); sent < 1.5 * most; sent += datagram.length) {
    peer.send(datagram, relay.port, RELAY)
    count++
    await vi.waitFor(async () => expect(await handled()).toBe(count), { interval: 0 })
  }
  expect((await tcp()).sentBytes - before).toBeLessThan(most)
  expect((await server.holds()).allocations).toBe(1)
  expect((await server.net()).closedConnections.stalled).toBe(0)

  await vi.waitFor(async () => expect((await server.holds()).allocations).toBe(0), { timeout: 20_000 })
  expect((await server.net()).closedConnections.stalled).toBe(1)
  expect(optionTable['tcp-stalled-timeout-seconds'].default).toBe(30)
})

test.each(['tcp', 'tls'] as const)(
  'SEC-32 128 MiB that a client over %s does not read cost the server less than 48 MiB of memory',
  { timeout: 120_000 },
  async (transport) => {
    const running = program.start(commandLine({ ...OPTIONS, 'tcp-stalled-timeout-seconds': '300' }))
    const ports = await running.listening()
    const stream = await (transport === 'tcp' ? connectTcp : connectTls)(ports.tcp)
    const { relay, peer } = await allocateOver(stream)
    const datagram = Buffer.alloc(60_000)
    const counts = () => packetCounts(ports.http, transport)
    /** Until the server has handled that much of it. */
    const offer = async (bytes: number) => {
      const enough = (await counts()).handled + bytes / datagram.length
      while ((await counts()).handled < enough) for (let i = 0; i < 20; i++) peer.send(datagram, relay.port, RELAY)
    }
    // What it takes to relay, garbage included, is there from now on.
    stream.socket.removeAllListeners('data').resume()
    await offer(128 << 20)
    const before = residentBytes(running)
    const lostBefore = (await counts()).lost
    stream.socket.pause()
    await offer(128 << 20)
    expect(residentBytes(running) - before).toBeLessThan(48 << 20)
    // The system's own buffers took some of it.
    expect(((await counts()).lost - lostBefore) * datagram.length).toBeGreaterThan(64 << 20)
    expectNoBug(running)
  },
)

/** Allocates on a connection that the test has in its own hands, with a peer on channel 0x4000. */
async function allocateOver(stream: StreamClient) {
  const peer = await UdpClient.open()
  const client = new TurnClient({ username: testUser.name, password: testUser.password })
  const ask = async (method: number, write: Write) => {
    stream.socket.write(client.request(method, write))
    const header = await stream.read(20)
    return new Answer(Buffer.concat([header, await stream.read(header.readUInt16BE(2))]))
  }
  client.learn(await ask(Method.ALLOCATE, udp))
  const relay = (await ask(Method.ALLOCATE, udp)).address(Attribute.XOR_RELAYED_ADDRESS)!
  const bound = await ask(Method.CHANNEL_BIND, (writer) =>
    writer
      .uint32(Attribute.CHANNEL_NUMBER, 0x40000000)
      .xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(`127.0.0.1:${peer.port}`)),
  )
  expect(bound.code).toBe(200)
  return { relay, peer }
}

/** What the server says has become of packets to its clients. */
async function packetCounts(http: number, transport: string) {
  const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()
  const count = (what: string) =>
    Number(text.split(`\nwebrtc_stack_client_${what}_packets_total{transport="${transport}"} `)[1]!.split('\n')[0])
  return { handled: count('sent') + count('overflow'), lost: count('overflow') }
}

function residentBytes({ pid }: RunningProgram): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** What the system itself keeps of a TCP connection on loopback, at both ends. */
function kernelBufferBytes(): number {
  const largest = (name: string) => Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').split(/\s+/)[2])
  return largest('tcp_wmem') + largest('tcp_rmem')
}
