import { randomBytes, randomInt } from 'node:crypto'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { fc } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import { frameLength } from '../../src/turn/framing.ts'
import { arbitraryBytes, bytes, mutatedMessage, uint16 } from '../support/hostile-bytes.ts'
import { NetworkClient } from '../support/network-client.ts'
import { isInstalled } from '../support/peers.ts'
import { program, type RunningProgram } from '../support/program.ts'
import { rawMessage } from '../support/raw-message.ts'
import { commandLine, testUser } from '../support/server.ts'
import { connectTcp, connectTls, UdpClient } from '../support/sockets.ts'

const login = { username: testUser.name, password: testUser.password }
const hasDtls = isInstalled('openssl')

test('SEC-34 200 000 hostile messages over UDP, TCP, TLS and DTLS neither end the program nor make it complain', {
  timeout: 180_000,
}, async () => {
  const running = program.start(
    commandLine({
      dtls: true,
      'unauthorized-ratelimit': false,
      'max-wrong-guesses-per-minute': '0',
      'max-tcp-connections-per-address': '0',
      // Two thousand TLS connections come from one address, and none may wait so long that it is given up.
      'handshake-ratelimit-rps': '0',
    }),
  )
  const seed = randomInt(1 << 30)
  const ports = await running.listening()
  const hostile = [arbitraryBytes, mutatedMessage].map((kind) => fc.sample(kind, { numRuns: 100_000, seed }))
  const some = (from: number, to: number) => hostile.flatMap((messages) => messages.slice(from, to))
  const note = `seed ${seed}`

  await overUdp(ports.udp, some(0, 70_000))
  await overUdp(
    ports.udp,
    some(70_000, 75_000).map((message) => Buffer.concat([HANDSHAKE, message])),
  )
  await overStreams(ports.tcp, 'tcp', some(75_000, 96_000))
  await overStreams(ports.tcp, 'tls', some(96_000, hasDtls ? 98_000 : 100_000))
  if (hasDtls) await overDtls(ports.udp, some(98_000, 100_000))
  await overAllocation(ports.udp, seed)

  for (const transport of ['udp', 'tcp', 'tls', ...(hasDtls ? (['dtls'] as const) : [])] as const) {
    const port = transport === 'udp' || transport === 'dtls' ? ports.udp : ports.tcp
    await answers(await NetworkClient[transport]({ port }))
  }
  expect(running.isRunning, note).toBe(true)
  expect(running.err, note).not.toContain('this is a bug')
  expect(
    running.log.filter(({ level }) => level === 'error' || level === 'fatal'),
    note,
  ).toEqual([])
  const received = await receivedPackets(running)
  expect(received['udp'], note).toBeGreaterThan(150_000)
  expect(received['tcp'], note).toBeGreaterThan(10_000)
  expect(received['tls'], note).toBeGreaterThan(1_000)
  if (hasDtls) expect(received['dtls'], note).toBeGreaterThan(1_000)
  running.kill('SIGTERM')
  await running.ended
  expect(running.exitCode, note).toBe(0)
})

// A DTLS handshake record: for the DTLS listener, not for the STUN one.
const HANDSHAKE = Buffer.from('16fefd', 'hex')

/** Waits for the answer to a Binding of this client, whatever else arrives. */
async function answers(client: NetworkClient): Promise<void> {
  const id = randomBytes(12)
  let isAnswered = false
  const listen = async () => {
    while (!isAnswered) isAnswered = (await client.answers.next()).message.transactionId().equals(id)
  }
  const answered = listen()
  for (let tries = 0; tries < 100 && !isAnswered; tries++) {
    client.send(rawMessage(0x0001, [], id))
    await Promise.race([answered, setTimeout(100)])
  }
  expect(isAnswered, 'Binding is answered').toBe(true)
}

async function overUdp(port: number, messages: readonly Buffer[]): Promise<void> {
  const client = await NetworkClient.udp({ port })
  for (let at = 0; at < messages.length; at += 250) {
    for (const message of messages.slice(at, at + 250)) client.send(message)
    // Nothing may be lost in a full socket: the next ones wait until these were looked at.
    await answers(client)
  }
}

/** Whole frames follow each other; what costs the connection gets one of its own. */
async function overStreams(port: number, transport: 'tcp' | 'tls', messages: readonly Buffer[]): Promise<void> {
  const isFrame = (message: Buffer) => frameLength(message, 0, message.length) === message.length
  const lasting = await NetworkClient[transport]({ port })
  await answers(lasting)
  const frames = messages.filter(isFrame)
  for (let at = 0; at < frames.length; at += 250) {
    for (const message of frames.slice(at, at + 250)) lasting.send(message)
    await answers(lasting)
  }
  const others = messages.filter((message) => !isFrame(message))
  const connect = transport === 'tcp' ? connectTcp : connectTls
  const oneByOne = async () => {
    for (let message = others.pop(); message !== undefined; message = others.pop()) {
      const { socket, closed } = await connect(port)
      socket.end(message)
      await closed
    }
  }
  await Promise.all(Array.from({ length: 16 }, oneByOne))
}

async function overDtls(port: number, messages: readonly Buffer[]): Promise<void> {
  const client = await NetworkClient.dtls({ port })
  for (const message of messages) {
    client.send(message)
    // So that the next one is a datagram of its own.
    await setTimeout(1)
  }
  await answers(client)
}

/** Requests with good credentials and any attributes, and ChannelData and junk to and from an allocation. */
async function overAllocation(port: number, seed: number): Promise<void> {
  const client = await NetworkClient.udp({ port, login })
  const peer = await UdpClient.open()
  const allocated = await client.allocate()
  const relayed = allocated.address(Attribute.XOR_RELAYED_ADDRESS)!
  await client.bind(0x4000, `127.0.0.1:${peer.port}`)
  const attributes = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...Object.values(Attribute)), uint16), bytes(36)), {
    maxLength: 6,
  })
  const methods = Object.values(Method)
  const requests = fc.sample(fc.tuple(fc.constantFrom(...methods), attributes, bytes(60)), { numRuns: 5_000, seed })
  for (const [index, [method, list, junk]] of requests.entries()) {
    const write = (writer: StunWriter) => {
      for (const [type, value] of list) writer.bytes(type, value)
    }
    client.send(client.request(method, write))
    client.send(client.indication(Method.SEND, write))
    client.send(Buffer.concat([Buffer.of(0x40, 0x00), junk]))
    peer.send(junk, relayed.port)
    if (index % 100 === 0) await answers(client)
    else if (index % 10 === 0) await setImmediate()
  }
}

async function receivedPackets(running: RunningProgram): Promise<Record<string, number>> {
  const { http } = await running.listening()
  const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()
  const lines = text.matchAll(/^webrtc_stack_client_received_packets_total\{transport="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, transport, count]) => [transport!, Number(count)]))
}
