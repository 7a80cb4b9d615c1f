import { networkInterfaces } from 'node:os'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import type { Log } from '../../src/log.ts'
import { DEFAULT_NET_OPTIONS, TurnDriver } from '../../src/net/driver.ts'
import { ListenError } from '../../src/net/listen-error.ts'
import { DEFAULT_STREAM_LIMITS } from '../../src/net/stream-connection.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { LoopbackClient, loopbackTurn, startTurn } from '../support/loopback-turn.ts'
import {
  bindingRequest,
  channelData,
  connectTcp,
  expectNoSockets,
  localStream,
  localUdp,
  portOf,
  RecordingCore,
  silentLog,
  startRecorder,
  UdpClient,
} from '../support/sockets.ts'
import { Answer } from '../support/turn-client.ts'

afterAll(expectNoSockets)

test('STUN-HDR-12 NET-UDP-01 answers leave from the address and port that was asked, in both families', async () => {
  const driver = await startTurn({
    udp: ['127.0.0.1', '127.0.0.2', '::1', '127.0.0.1'].map((host) => ({ host, port: 0 })),
  })
  const clients = { 4: await UdpClient.open('127.0.0.1'), 6: await UdpClient.open('::1') }
  for (const { transport, address } of driver.addresses) {
    if (transport !== 'udp') continue
    const client = clients[address.family]
    client.send(bindingRequest(), address.port, address.host)
    const { bytes, from } = await client.inbox.next()
    expect(`${from.address} ${from.port}`).toBe(`${address.host} ${address.port}`)
    expect(new Answer(bytes).address(Attribute.XOR_MAPPED_ADDRESS)).toMatchObject({ port: client.port })
  }
})

test('STUN-HDR-12 on a wildcard every address of the machine answers for itself', async () => {
  // One port for all, as in service; found free by binding it on one of them before.
  const probe = await UdpClient.open()
  const { port } = probe
  await new Promise<void>((resolve) => probe.socket.close(() => resolve()))
  probe.socket.close = ((done?: () => void) => done?.()) as never
  const driver = await startTurn({ udp: [{ host: '0.0.0.0', port }], streams: [] })
  const hosts = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family }) => family === 'IPv4')
    .map(({ address }) => address)
  expect(driver.addresses.map(({ address }) => address.toString())).toEqual(hosts.map((host) => `${host}:${port}`))
  const client = await UdpClient.open('0.0.0.0')
  for (const host of hosts) {
    client.send(bindingRequest(), port, host)
    expect((await client.inbox.next()).from).toMatchObject({ address: host, port })
  }
})

test.each(['udp', 'tcp', 'tls'] as const)('relays both ways for a client over %s', async (transport) => {
  const driver = await startTurn()
  const client = await LoopbackClient.connect(driver, transport)
  const peer = await UdpClient.open()
  const peerAddress = Address.parse('127.0.0.1', peer.port)!
  const allocation = await client.allocate()
  expect(allocation.code).toBe(200)
  expect(client.isSigned(allocation)).toBe(true)
  const relayed = allocation.address(Attribute.XOR_RELAYED_ADDRESS)!
  expect(driver.openRelays).toBe(1)

  expect((await client.permit(peerAddress)).code).toBe(200)
  client.send(
    client.indication(Method.SEND, (writer) =>
      writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peerAddress).bytes(Attribute.DATA, Buffer.from('to the peer')),
    ),
  )
  const { bytes, from } = await peer.inbox.next()
  expect(bytes.toString()).toBe('to the peer')
  expect(from.port).toBe(relayed.port)

  peer.send(Buffer.from('to the client'), relayed.port)
  const data = new Answer(await client.inbox.next())
  expect(data.message.value(Attribute.DATA)!.toString()).toBe('to the client')
  expect(data.address(Attribute.XOR_PEER_ADDRESS)!.port).toBe(peer.port)

  expect((await client.bind(0x4000, peerAddress)).code).toBe(200)
  for (let length = 1; length < 10; length++) {
    const payload = Buffer.alloc(length, 0x41)
    client.send(channelData(0x4000, payload))
    expect((await peer.inbox.next()).bytes.equals(payload)).toBe(true)
    peer.send(payload, relayed.port)
    const frame = await client.inbox.next()
    expect(frame.subarray(0, 4 + length).toString('hex')).toBe(
      `40000${length.toString(16).padStart(3, '0')}${payload.toString('hex')}`,
    )
    // SEC-35: padding is zeros, or absent.
    expect(frame.subarray(4 + length).every((byte) => byte === 0)).toBe(true)
  }
  expect(driver.counters.relay).toMatchObject({ receivedPackets: 10, sentPackets: 10 })
  client.close()
  await driver.close()
  expect(driver.openRelays).toBe(0)
})

test.each(['udp', 'tcp', 'tls'] as const)(
  'NET-UDP-02 nothing is cut from the largest datagrams to and from a client over %s',
  async (transport) => {
    const driver = await startTurn()
    const client = await LoopbackClient.connect(driver, transport)
    const peer = await UdpClient.open()
    const relayed = (await client.allocate()).address(Attribute.XOR_RELAYED_ADDRESS)!
    await client.bind(0x4000, Address.parse('127.0.0.1', peer.port)!)
    // Over UDP the ChannelData header has to fit in as well.
    const payload = Buffer.alloc(transport === 'udp' ? 65_503 : 65_507, 0x3c)
    peer.send(payload, relayed.port)
    expect((await client.inbox.next()).subarray(4, 4 + payload.length).equals(payload)).toBe(true)
    client.send(transport === 'udp' ? channelData(0x4000, payload).subarray(0, 65_507) : channelData(0x4000, payload))
    expect((await peer.inbox.next()).bytes.equals(payload)).toBe(true)
  },
)

test.each(['tcp', 'tls'] as const)(
  'NET-TCP-06 with its %s connection an allocation and its socket are gone at once',
  async (transport) => {
    const driver = await startTurn()
    const client = await LoopbackClient.connect(driver, transport)
    await client.allocate()
    expect([driver.openRelays, driver.turn.allocationCount]).toEqual([1, 1])
    client.close()
    await vi.waitFor(() => expect([driver.openRelays, driver.turn.allocationCount]).toEqual([0, 0]))
  },
)

test('two relayed clients reach each other', async () => {
  const driver = await startTurn()
  const one = await LoopbackClient.connect(driver, 'udp')
  const two = await LoopbackClient.connect(driver, 'tls')
  const relays = [await one.allocate(), await two.allocate()].map(
    (answer) => answer.address(Attribute.XOR_RELAYED_ADDRESS)!,
  )
  await one.bind(0x4000, relays[1]!)
  await two.bind(0x4001, relays[0]!)
  one.send(channelData(0x4000, Buffer.from('hello')))
  expect((await two.inbox.next()).toString('latin1', 4, 9)).toBe('hello')
  two.send(channelData(0x4001, Buffer.from('world')))
  expect((await one.inbox.next()).toString('latin1', 4, 9)).toBe('world')
})

test('a Refresh of 0 closes the relay socket', async () => {
  const driver = await startTurn()
  const client = await LoopbackClient.connect(driver, 'udp')
  await client.allocate()
  expect((await client.ask(Method.REFRESH, (writer) => writer.uint32(Attribute.LIFETIME, 0))).code).toBe(200)
  expect(driver.openRelays).toBe(0)
})

test('a busy port stops the start, says so, and leaves nothing open', async () => {
  const first = await startRecorder({ udp: [localUdp], streams: [localStream] })
  for (const transport of ['udp', 'tcp'] as const) {
    const port = portOf(first, transport)
    const options = {
      ...DEFAULT_NET_OPTIONS,
      udp: [localUdp, ...(transport === 'udp' ? [{ host: '127.0.0.1', port }] : [])],
      streams: [localStream, ...(transport === 'tcp' ? [{ ...localStream, port }] : [])],
    }
    const second = new TurnDriver(options, (effects) => new RecordingCore(effects), silentLog)
    const error = await second.start().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ address: '127.0.0.1', port, transport, code: 'EADDRINUSE' })
    expect((error as ListenError).fix).toContain(`:${port}`)
  }
  await first.close()
  await expectNoSockets()
})

test.each([
  ['an address of another machine', '192.0.2.99', 'EADDRNOTAVAIL', 'external-ip'],
  ['a name', 'localhost', 'EINVAL', 'numeric'],
])('%s cannot be listened on', async (_name, host, code, fix) => {
  for (const where of [{ udp: [{ host, port: 0 }] }, { streams: [{ ...localStream, host }] }]) {
    const driver = new TurnDriver({ ...DEFAULT_NET_OPTIONS, ...where }, loopbackTurn, silentLog)
    onTestFinished(() => driver.close())
    const error = await driver.start().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ListenError', code })
    expect((error as ListenError).fix).toContain(fix)
  }
})

test('closing in the middle of the start leaves nothing open', async () => {
  const options = { ...DEFAULT_NET_OPTIONS, udp: [localUdp, localUdp], streams: [localStream, localStream] }
  const driver = new TurnDriver(options, loopbackTurn, silentLog)
  const started = driver.start()
  await driver.close()
  await started
  await expectNoSockets()
})

test('an Allocate that arrives while the driver closes leaves no relay behind', async () => {
  const driver = await startTurn()
  const client = await LoopbackClient.connect(driver, 'udp')
  await client.allocate()
  const late = await LoopbackClient.connect(driver, 'udp')
  const answer = late.allocate()
  answer.catch(() => {})
  await driver.close()
  expect(driver.openRelays).toBe(0)
})

/** A log that keeps its lines. */
function linesOf(): { log: Log; lines: { level: string; message: string; fields: object }[] } {
  const lines: { level: string; message: string; fields: object }[] = []
  const at = (level: string) => (fields: object, message: string) => lines.push({ level, message, fields })
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), isLevelEnabled: () => true }
  return { log: log as unknown as Log, lines }
}

test('RES-04 RES-09 refusals are logged once a minute for each source, with the reason and how many there were', () => {
  let now = 0
  const { log, lines } = linesOf()
  const driver = new TurnDriver(
    { ...DEFAULT_NET_OPTIONS, clock: () => now },
    (effects) => new RecordingCore(effects),
    log,
  )
  const client = new FiveTuple('udp', Address.parse('192.0.2.7', 5)!, Address.parse('192.0.2.1', 3478)!, 0, 0)
  const refusal = { method: 3, code: 401, reason: 'no secret matched', username: '1700000000:alice' }
  for (let i = 0; i < 4; i++) driver.refused(client, refusal)
  driver.refused(client, { method: 3, code: 401, reason: 'no credentials yet' })
  now = 60_000
  driver.refused(client, refusal)
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ['info', 'request refused'],
    ['debug', 'request refused'],
    ['info', 'request refused'],
  ])
  expect(lines[2]!.fields).toMatchObject({ client: '192.0.2.7', reason: 'no secret matched', held: 3 })
})

test('RES-04 a limit of connections that is hit is logged', async () => {
  const { log, lines } = linesOf()
  const limits = { ...DEFAULT_STREAM_LIMITS, perSource: 1 }
  const options = { ...DEFAULT_NET_OPTIONS, streams: [localStream], limits }
  const driver = new TurnDriver(options, (effects) => new RecordingCore(effects), log)
  onTestFinished(() => driver.close())
  await driver.start()
  await connectTcp(portOf(driver, 'tcp'))
  for (let i = 0; i < 2; i++) await (await connectTcp(portOf(driver, 'tcp'))).closed
  const warnings = lines.filter(({ level }) => level === 'warn')
  expect(warnings).toEqual([
    {
      level: 'warn',
      message: 'connection refused',
      fields: { reason: 'too-many-from-source', client: '127.0.0.1', held: 0 },
    },
  ])
})
