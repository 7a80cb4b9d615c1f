import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { FrameReader } from '../net/stream/frame-reader.ts'
import { keepPadded } from '../net/udp/borrowed.ts'
import { Address } from '../stun/address.ts'
import type { Wire } from './wire.ts'

export type ClientTransport = 'udp' | 'tcp' | 'tls'

/** The client's end of one 5-tuple: whole messages out and, borrowed, in. */
export interface Link {
  readonly transport: ClientTransport
  readonly localPort: number
  send(bytes: Buffer, start: number, end: number): void
  /** Tells the server nothing. */
  close(): Promise<void>
}

export interface LinkOptions {
  readonly transport: ClientTransport
  readonly server: Address
  /** What a TLS server is asked for; null for none. */
  readonly serverName?: string | null
  /** Where datagrams leave from; any free port unless told. */
  readonly local?: Address | null
  readonly onMessage: (bytes: Buffer, start: number, end: number, now: number) => void
}

/** Like a router with a full queue, a stream that the server does not read loses what is above this. */
const MAX_WAITING_BYTES = 1024 * 1024
const CONNECT_MS = 10_000

export function openLink(wire: Wire, options: LinkOptions): Promise<Link> {
  return options.transport === 'udp' ? openDatagrams(wire, options) : openStream(options)
}

async function openDatagrams(wire: Wire, { server, local, onMessage }: LinkOptions): Promise<Link> {
  const socket = await wire.open(local ?? anyAddress(server), (bytes, start, end, _from, now) =>
    onMessage(bytes, start, end, now),
  )
  return {
    transport: 'udp',
    localPort: socket.local.port,
    send: (bytes, start, end) => socket.send(bytes, start, end, server),
    close: () => socket.close(),
  }
}

/** Loopback stays loopback; else the system chooses. */
function anyAddress(server: Address): Address {
  if (server.isLoopback) return server.withPort(0)
  return server.family === 4 ? Address.ipv4(0, 0) : Address.ipv6(0, 0, 0, 0, 0)
}

async function openStream({ transport, server, serverName, onMessage }: LinkOptions): Promise<Link> {
  const socket = await connected(transport, server, serverName ?? null)
  const reader = new FrameReader(
    (bytes, start, end) => {
      onMessage(bytes, start, end, performance.now())
      return true
    },
    () => true,
    0,
  )
  socket.on('data', (chunk) => {
    if (reader.read(chunk) !== 'ok') socket.destroy()
  })
  // A connection that breaks shows as answers and packets that don't come.
  socket.on('error', () => {})
  return {
    transport,
    localPort: socket.localPort!,
    send: (bytes, start, end) => {
      if (socket.writable && socket.writableLength < MAX_WAITING_BYTES) socket.write(keepPadded(bytes, start, end))
    },
    close: async () => {
      if (socket.closed) return
      socket.destroy()
      await once(socket, 'close')
    },
  }
}

async function connected(transport: ClientTransport, server: Address, serverName: string | null): Promise<Socket> {
  const to = { host: server.host, port: server.port, noDelay: true }
  // Whose certificate it is does not matter: nothing secret is sent, and a server under test often has none of a real CA.
  const named = serverName === null ? {} : { servername: serverName }
  const socket = transport === 'tcp' ? connectTcp(to) : connectTls({ ...to, ...named, rejectUnauthorized: false })
  try {
    const signal = AbortSignal.timeout(CONNECT_MS)
    await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect', { signal })
  } catch (error) {
    socket.destroy()
    throw error
  }
  return socket
}
