import { randomBytes, randomInt } from 'node:crypto'
import { createSocket, type Socket as UdpHandle } from 'node:dgram'
import { connect, createServer, Server, type Socket } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { expect, onTestFinished, vi } from 'vitest'
import { createLog } from '../../src/log.ts'
import { type NetOptions, PortableTurn } from '../../src/net/portable-turn.ts'
import type { StreamEndpoint, StreamLimits } from '../../src/net/stream/options.ts'
import type { TurnCore } from '../../src/net/turn-driver.ts'
import type { Address } from '../../src/stun/address.ts'
import type { Relay } from '../../src/turn/allocation.ts'
import type { Effects } from '../../src/turn/effects.ts'
import type { FiveTuple } from '../../src/turn/five-tuple.ts'
import { defaultNet } from './default-net.ts'
import { rawMessage } from './raw-message.ts'

export const silentLog = createLog({ level: 'silent', pretty: false })

/** Things that arrive, to be awaited one by one. */
export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting: ((item: T) => void)[] = []

  get length(): number {
    return this.#items.length
  }

  push(item: T): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting(item)
    else this.#items.push(item)
  }

  next(): Promise<T> {
    const item = this.#items.shift()
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item)
  }
}

/** Stands in for the TURN core: remembers what it is told. */
export class RecordingCore implements TurnCore {
  readonly received = new Inbox<{ bytes: Buffer; client: FiveTuple }>()
  readonly fromPeers = new Inbox<{ bytes: Buffer; peer: Address; headroom: number; tailroom: number }>()
  readonly closed = new Inbox<FiveTuple>()
  readonly opened = new Inbox<Relay>()
  readonly failed = new Inbox<string>()
  /** None. */
  readonly allocations = Object.assign([], { release: () => {} })
  /** No allocation of it is TCP. */
  readonly peerConnections = {
    connected: () => {},
    failed: () => {},
    arrived: () => null,
    passed: () => 0,
    ended: () => {},
  }
  closedCount = 0
  allocated = false
  readonly effects: Effects
  answer: (bytes: Buffer, start: number, end: number, client: FiveTuple) => void = () => {}

  constructor(effects: Effects) {
    this.effects = effects
  }

  receive(bytes: Buffer, start: number, end: number, client: FiveTuple): void {
    this.received.push({ bytes: Buffer.from(bytes.subarray(start, end)), client: client.copy() })
    this.answer(bytes, start, end, client)
  }

  peerData(_relay: Relay, peer: Address, bytes: Buffer, start: number, end: number): void {
    const { length } = bytes
    const copy = Buffer.from(bytes.subarray(start, end))
    this.fromPeers.push({ bytes: copy, peer: peer.copy(), headroom: start, tailroom: length - end })
  }

  peerError(): void {}

  relayOpened(relay: Relay): void {
    this.opened.push(relay)
  }

  relayFailed(_relay: Relay, reason: string): void {
    this.failed.push(reason)
  }

  clientClosed(client: FiveTuple): void {
    this.closedCount++
    this.closed.push(client)
  }

  hasClients(): boolean {
    return this.allocated
  }

  hasAllocation(): boolean {
    return this.allocated
  }

  sweep(): void {}
}

/** Sends every datagram and frame back. */
export function echo(core: RecordingCore): void {
  core.answer = (bytes, start, end, client) => core.effects.sendToClient(client, bytes, start, end)
}

export const localUdp = { host: '127.0.0.1', port: 0 }
export const localStream: StreamEndpoint = { host: '127.0.0.1', port: 0, plain: true, tls: true, proxy: false }

/** A running driver, closed when the test ends, with sweeps often enough for short limits. */
export async function startPortable<T extends TurnCore>(
  options: Partial<Omit<NetOptions, 'limits'>> & { readonly limits?: Partial<StreamLimits> },
  makeTurn: (effects: Effects) => T,
): Promise<PortableTurn<T>> {
  const limits = { ...defaultNet.limits, ...options.limits }
  const portable = new PortableTurn({ ...defaultNet, sweepIntervalMs: 10, ...options, limits }, makeTurn, silentLog)
  onTestFinished(() => portable.close())
  await portable.start()
  return portable
}

/** The same with a RecordingCore. */
export function startRecorder(options: Parameters<typeof startPortable>[0]): Promise<PortableTurn<RecordingCore>> {
  return startPortable(options, (effects) => new RecordingCore(effects))
}

// Below those that the system hands out by itself, and below the relays of the tests' servers: what was found free here stays
// so until it is used. No test has one that another had, and other processes begin elsewhere.
const [FIRST_PORT, LAST_PORT] = [2000, 9999]
let lastPort = randomInt(FIRST_PORT, LAST_PORT)

/** A port of which neither TCP nor UDP is used now, on no address of IPv4; for settings that take no port 0. */
export async function freePort(): Promise<number> {
  for (;;) {
    lastPort = lastPort === LAST_PORT ? FIRST_PORT : lastPort + 1
    if ((await isFree(createServer(), lastPort)) && (await isFree(createSocket('udp4'), lastPort))) return lastPort
  }
}

async function isFree(socket: Server | UdpHandle, port: number): Promise<boolean> {
  const isBound = new Promise<boolean>((resolve) =>
    socket.once('listening', () => resolve(true)).once('error', () => resolve(false)),
  )
  if (socket instanceof Server) socket.listen(port, '0.0.0.0')
  else socket.bind({ port, exclusive: true })
  const isFree = await isBound
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return isFree
}

export function portOf(portable: PortableTurn<TurnCore>, transport: 'udp' | 'tcp'): number {
  return portable.addresses.find((bound) => bound.transport === transport)!.address.port
}

/** A client's (or a peer's) UDP socket. */
export class UdpClient {
  readonly inbox = new Inbox<{ bytes: Buffer; from: { address: string; port: number } }>()
  readonly socket: UdpHandle

  private constructor(socket: UdpHandle) {
    this.socket = socket
    socket.on('message', (bytes, from) => this.inbox.push({ bytes, from }))
  }

  static open(host = '127.0.0.1'): Promise<UdpClient> {
    return UdpClient.at(host, 0)
  }

  static async at(host: string, port: number): Promise<UdpClient> {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(port, host, () => {
        socket.off('error', reject)
        resolve()
      })
    })
    onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())))
    return new UdpClient(socket)
  }

  get port(): number {
    return this.socket.address().port
  }

  send(bytes: Buffer, port: number, host = '127.0.0.1'): void {
    this.socket.send(bytes, port, host)
  }
}

/** A client's TCP or TLS connection. */
export class StreamClient {
  readonly socket: Socket
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>
  #bytes = Buffer.alloc(0)
  #wake: () => void = () => {}
  ended = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      this.#wake()
    })
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        this.ended = true
        this.#wake()
        resolve()
      }),
    )
    onTestFinished(() => {
      socket.destroy()
      return this.closed
    })
  }

  /** Exactly `length` bytes; fails when the connection ends before. */
  async read(length: number): Promise<Buffer> {
    while (this.#bytes.length < length) {
      if (this.ended) throw new Error(`the connection ended after ${this.#bytes.length} of ${length} bytes`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    const bytes = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return bytes
  }

  /** All that comes until the server closes. */
  async readToEnd(): Promise<Buffer> {
    await this.closed
    return this.#bytes
  }
}

export async function connectTcp(port: number, host = '127.0.0.1'): Promise<StreamClient> {
  const socket = connect({ port, host, noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return new StreamClient(socket)
}

/** Rejects when the handshake fails. */
export async function connectTls(port: number, options: ConnectionOptions = {}): Promise<StreamClient> {
  const socket: TLSSocket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  onTestFinished(() => void socket.destroy())
  await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  return new StreamClient(socket)
}

/** A Binding request; `id` makes its transaction id. */
export function bindingRequest(id = 1): Buffer {
  return rawMessage(0x0001, [], Buffer.alloc(12, id))
}

/** Whoever serves at the other end answers a Binding request over IPv4, and this is the next thing that it says. */
export async function expectBindingAnswer(client: StreamClient): Promise<void> {
  const request = rawMessage(0x0001, [], randomBytes(12))
  client.socket.write(request)
  const answer = await client.read(32)
  expect(answer.readUInt16BE(0)).toBe(0x0101)
  expect(answer.subarray(8, 20)).toEqual(request.subarray(8))
}

/** A ChannelData message, padded as on streams. */
export function channelData(channel: number, data: Buffer): Buffer {
  const frame = Buffer.alloc(4 + Math.ceil(data.length / 4) * 4)
  frame.writeUInt16BE(channel, 0)
  frame.writeUInt16BE(data.length, 2)
  data.copy(frame, 4)
  return frame
}

const SOCKETS = ['UDPWrap', 'TCPServerWrap', 'TCPSocketWrap', 'TCPConnectWrap', 'TLSWrap']

/** Waits until this process has no socket open any more. */
export async function expectNoSockets(): Promise<void> {
  const open = () => process.getActiveResourcesInfo().filter((name) => SOCKETS.includes(name))
  await vi.waitFor(() => expect(open()).toEqual([]))
}
