import { createServer, type Server, Socket } from 'node:net'
import type { Address } from '../../stun/address.ts'
import { PEER_BACKLOG, PEER_SOCKET, type PeerPort, type PeerPortEvents } from './peer-port.ts'

/**
 * By Node alone, which cannot connect from a port that it listens on: it stops listening, begins to connect, and listens again,
 * all before it looks at the network (RUN-01 in the tests). A peer that connects in between is refused.
 */
export function openPortablePort(local: Address, events: PeerPortEvents): PeerPort {
  return new PortablePort(local, events)
}

class PortablePort implements PeerPort {
  readonly #local: Address
  readonly #events: PeerPortEvents
  /** One at a time: each stops the listening for a moment. */
  readonly #toConnect: (() => void)[] = []
  #server: Server
  #isOpen = false
  #isBroken = false
  #isClosed = false

  constructor(local: Address, events: PeerPortEvents) {
    this.#local = local
    this.#events = events
    this.#server = this.#listen()
  }

  connect({ host, port }: Address): Socket {
    const { host: localAddress, port: localPort } = this.#local
    const socket = new Socket(PEER_SOCKET)
    socket.pause()
    this.#toConnect.push(() => {
      if (!socket.destroyed) socket.connect({ host, port, localAddress, localPort }).setNoDelay(true)
    })
    this.#connectNext()
    return socket
  }

  mend(): void {
    if (this.#isBroken) this.#server = this.#listen()
    this.#isBroken = false
  }

  close(): void {
    this.#isClosed = true
    this.#isBroken = false
    this.#server.close()
  }

  #connectNext(): void {
    if (!this.#server.listening) return
    const begin = this.#toConnect.shift()
    if (begin === undefined) return
    this.#server.close()
    begin()
    // Both wait for the end of what is being done now, one behind the other.
    this.#server = this.#listen()
  }

  #listen(): Server {
    const { listening, failed, arrived } = this.#events
    const { host, port } = this.#local
    const server = createServer(PEER_SOCKET, arrived)
    server.once('listening', () => {
      // Closed before it had begun.
      if (this.#isClosed) {
        server.close()
        return
      }
      const isFirst = !this.#isOpen
      this.#isOpen = true
      if (isFirst) listening()
      this.#connectNext()
    })
    server.on('error', (error) => {
      this.#isBroken = this.#isOpen && !this.#isClosed
      failed(error)
    })
    server.listen({ host, port, ipv6Only: true, exclusive: true, backlog: PEER_BACKLOG })
    return server
  }
}
