import type { Socket } from 'node:dgram'
import { DgramAsPromised } from 'dgram-as-promised'
import { Address } from '../../stun/address.ts'
import type { Traffic } from '../counters.ts'
import { closeDescriptor, keepPortExclusive, openUdpDescriptor, sendUnfragmented } from '../linux/descriptors.ts'
import { linuxSupport, SystemCallError } from '../linux/system-calls.ts'
import { keep, lend } from './borrowed.ts'
import { HostCache } from './host-cache.ts'

/**
 * One bound UDP socket. The portable one is below; a batching one has the same interface. Sends are fire and forget:
 * what cannot be sent is counted, as a router would.
 */
export interface UdpSocket {
  /** What it is bound to, with the port that was chosen for port 0. */
  readonly local: Address
  /** Borrows `bytes`: they may be overwritten as soon as this returns. */
  send(bytes: Buffer, start: number, end: number, to: Address, dontFragment?: boolean): void
  close(): Promise<void>
}

export interface UdpSocketOptions {
  readonly local: Address
  /** Kernel buffer in bytes, as far as the system allows. */
  readonly bufferSize: number
  /** Free bytes that the receiver wants before and behind each datagram. */
  readonly headroom: number
  readonly tailroom: number
  /** Whether `send` has to honour `dontFragment`, as far as `linuxSupport()` allows. */
  readonly canSetDontFragment?: boolean
  /** `bytes` is the receiver's to overwrite during the call; `from` is refilled for every datagram. */
  readonly onDatagram: (bytes: Buffer, start: number, end: number, from: Address) => void
  readonly onError: (error: unknown) => void
  /** Counted by the socket; several sockets may share one. */
  readonly traffic: Traffic
}

export type OpenUdpSocket = (options: UdpSocketOptions) => Promise<UdpSocket>

// What one socket may have waiting in this process when the kernel's own buffer is full.
const MAX_QUEUED = 256

const hosts = new HostCache(4096)

/** The portable socket, over node:dgram. */
export async function openUdpSocket(options: UdpSocketOptions): Promise<UdpSocket> {
  const { local, bufferSize, onError } = options
  const promised = DgramAsPromised.createSocket({
    type: local.family === 4 ? 'udp4' : 'udp6',
    ipv6Only: local.family === 6,
    // Hosts are numeric, so dgram's detour over the resolver's thread pool (one for each packet) is not needed.
    lookup: (host, _options, found) => found(null, host, local.family),
  })
  const socket = promised.socket
  socket.on('error', onError)
  let bound: { port: number }
  let fd: number | null = null
  try {
    // Node has no option for DF. A descriptor that is ours first and dgram's afterwards has.
    if (options.canSetDontFragment && linuxSupport().available) {
      fd = openUdpDescriptor(local, { bufferSize, reusePort: false })
    }
    bound = await promised.bind(
      fd === null ? { address: local.host, port: local.port, exclusive: true } : { fd, exclusive: true },
    )
    if (fd !== null) keepPortExclusive(fd)
  } catch (error) {
    socket.close()
    if (fd !== null) closeDescriptor(fd)
    throw error
  }
  growBuffers(socket, bufferSize)
  socket.on('message', receiver(options))
  return new DgramSocket(socket, () => promised.close(), local.withPort(bound.port), fd, options)
}

class DgramSocket implements UdpSocket {
  readonly local: Address
  readonly #socket: Socket
  /** For sends with DF; dgram owns and closes it. */
  readonly #fd: number | null
  readonly #traffic: Traffic
  readonly #close: () => Promise<void>
  readonly #sent: (error: unknown) => void
  #closing: Promise<void> | null = null

  constructor(
    socket: Socket,
    close: () => Promise<void>,
    local: Address,
    fd: number | null,
    options: UdpSocketOptions,
  ) {
    this.local = local
    this.#socket = socket
    this.#fd = fd
    this.#close = close
    this.#traffic = options.traffic
    this.#sent = (error) => {
      if (error) options.onError(error)
    }
  }

  send(bytes: Buffer, start: number, end: number, to: Address, dontFragment = false): void {
    // dgram throws for port 0 and for a closed socket.
    if (this.#closing !== null || to.port === 0) return
    if (this.#socket.getSendQueueCount() >= MAX_QUEUED) {
      this.#traffic.overflowPackets++
      return
    }
    this.#traffic.sentPackets++
    this.#traffic.sentBytes += end - start
    if (dontFragment && this.#fd !== null) {
      const code = sendUnfragmented(this.#fd, bytes, start, end, to, 0)
      if (code !== null) this.#sent(new SystemCallError('sendto', code))
      return
    }
    this.#socket.send(keep(bytes, start, end), to.port, to.host, this.#sent)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }
}

function receiver({ headroom, tailroom, onDatagram, traffic }: UdpSocketOptions) {
  const from = new Address()
  const spare = headroom + tailroom
  return (datagram: Buffer, source: { address: string; port: number }) => {
    traffic.receivedPackets++
    traffic.receivedBytes += datagram.length
    // Nobody can be answered at port 0.
    if (source.port === 0 || !hosts.fill(from, source.address, source.port)) return
    let bytes = datagram
    if (spare > 0) {
      bytes = Buffer.allocUnsafe(datagram.length + spare)
      datagram.copy(bytes, headroom)
    }
    lend(bytes)
    onDatagram(bytes, headroom, headroom + datagram.length, from)
    lend(null)
  }
}

// Best effort: the system caps it silently (net.core.rmem_max) or refuses.
function growBuffers(socket: Socket, size: number): void {
  for (const grow of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[grow](size)
    } catch {
      // The socket works with the system's own size; `doctor` tells who wants to know.
    }
  }
}
