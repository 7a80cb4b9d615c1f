import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { FrameReader } from '../net/stream/frame-reader.ts'
import { keepPadded } from '../net/udp/borrowed.ts'
import { Address } from '../stun/address.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { openDtls } from './dtls-link.ts'
import type { Link, LinkOptions } from './link.ts'
import { NoAnswer } from './transactions.ts'
import type { Wire } from './wire.ts'

/** Like a router with a full queue, a stream that the server does not read loses what is above this. */
const MAX_WAITING_BYTES = 1024 * 1024
const CONNECT_MS = 10_000

/** Throws NoAnswer, and what the system says of a connection that was refused. */
export function openLink(wire: Wire, options: LinkOptions): Promise<Link> {
  if (options.transport === 'udp') return openDatagrams(wire, options)
  if (options.transport === 'dtls') return openDtls(wire, options.local ?? anyAddress(options.server), options)
  return openStream(options)
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
  const plain = connectTcp({ host: server.host, port: server.port, noDelay: true })
  await answered(plain, 'connect', 'the TCP connect')
  if (transport === 'tcp') return plain
  // Whose certificate it is does not matter: nothing secret is sent, and a server under test often has none of a real CA.
  const named = serverName === null ? {} : { servername: serverName }
  const secure = connectTls({ socket: plain, ...named, rejectUnauthorized: false })
  await answered(secure, 'secureConnect', 'the TLS ClientHello')
  return secure
}

async function answered(socket: Socket, event: string, what: string): Promise<void> {
  try {
    await once(socket, event, { signal: AbortSignal.timeout(CONNECT_MS) })
  } catch (error) {
    socket.destroy()
    throw error instanceof Error && error.name === 'AbortError' ? new NoAnswer(what) : error
  }
}
