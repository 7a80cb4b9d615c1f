import { createServer, Socket } from 'node:net'
import type { Address } from '../../stun/address.ts'
import { isReserved } from '../descriptor-reserve.ts'
import { closeDescriptor, openTcpDescriptor, sharePort } from '../linux/descriptors.ts'
import { SystemCallError } from '../linux/system-calls.ts'
import { PEER_BACKLOG, PEER_SOCKET, type PeerPort, type PeerPortEvents } from './peer-port.ts'

/** By system calls: the port listens and connects at once (SO_REUSEPORT). Throws SystemCallError. */
export function openSharedPort(local: Address, { listening, failed, arrived }: PeerPortEvents): PeerPort {
  // No other program has the port, or this fails; from then on other sockets of ours may have it, too.
  const fd = available(openTcpDescriptor(local, false))
  sharePort(fd)
  const server = createServer(PEER_SOCKET, arrived)
  server.once('listening', listening)
  server.on('error', failed)
  server.listen({ fd }, PEER_BACKLOG)
  return {
    connect: (peer) => {
      const fd = available(openTcpDescriptor(local, true))
      const socket = socketOf(fd)
      if (socket === null) {
        closeDescriptor(fd)
        throw new SystemCallError('socket', 'EINVAL')
      }
      socket.connect({ host: peer.host, port: peer.port })
      return socket
    },
    mend: () => {},
    close: () => void server.close(),
  }
}

/** A paused socket of Node's for a descriptor that is its own from now on; null where there can be none. */
export function socketOf(fd: number): Socket | null {
  try {
    const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true, ...UNREAD })
    socket.pause()
    socket.setNoDelay(true)
    return socket
  } catch {
    return null
  }
}

// Not among Node's types: without it the constructor begins to read.
const UNREAD = { manualStart: true }

function available(fd: number): number {
  if (!isReserved(fd)) return fd
  closeDescriptor(fd)
  throw new SystemCallError('socket', 'EMFILE')
}
