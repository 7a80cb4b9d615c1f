import type { Socket } from 'node:net'
import { Address } from '../../stun/address.ts'
import type { Relay } from '../../turn/allocation.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { PeerConnection } from '../../turn/tcp/peer-connection.ts'
import type { PeerConnections } from '../../turn/tcp/peer-connections.ts'
import type { TurnServer } from '../../turn/turn-server.ts'
import type { NetCounters } from '../counters.ts'
import { descriptorOf, isReserved } from '../descriptor-reserve.ts'
import { duplicate } from '../linux/descriptors.ts'
import { SystemCallError } from '../linux/system-calls.ts'
import { errorCode, isExhausted, type SocketErrors } from '../socket-errors.ts'
import type { HandOver } from '../stream/connection.ts'
import { DataConnection } from './data-connection.ts'
import type { OpenPeerPort, PeerPort } from './peer-port.ts'
import { socketOf } from './shared-port.ts'

/** What the sockets of TCP allocations need of the one who has them. */
export interface TcpRelaysWorld {
  readonly turn: Pick<TurnServer, 'relayOpened' | 'relayFailed'> & {
    readonly peerConnections: Pick<PeerConnections, 'connected' | 'failed' | 'arrived' | 'passed' | 'ended'>
  }
  readonly openPort: OpenPeerPort
  /** See StreamConnection.handOver. */
  handOver(client: FiveTuple, taken: HandOver['taken'], gone: HandOver['gone']): void
  /** Something was begun that only the event loop can bring to an end. */
  begun(): void
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly clock: () => number
}

/** The relays of TCP allocations, their connections with peers and the data connections of clients (RFC 6062 §5). */
export class TcpRelays {
  readonly #world: TcpRelaysWorld
  readonly #ports = new Map<Relay, PeerPort>()
  /** Those that have no data connection yet: nothing is read from them, so what a peer sends waits in the kernel. */
  readonly #peers = new Map<PeerConnection, Socket>()
  readonly #joined = new Map<PeerConnection, DataConnection>()

  constructor(world: TcpRelaysWorld) {
    this.#world = world
  }

  /** Relays that are open. */
  get size(): number {
    return this.#ports.size
  }

  openRelay(relay: Relay): void {
    const { turn, errors, clock, openPort } = this.#world
    this.#world.begun()
    let isListening = false
    const fail = (error: unknown) => {
      if (isListening) {
        errors.count('relay', error)
        return
      }
      this.#ports.get(relay)?.close()
      this.#ports.delete(relay)
      turn.relayFailed(relay, errors.relayFailure(error), clock())
    }
    try {
      const port = openPort(relay.local, {
        listening: () => {
          isListening = true
          turn.relayOpened(relay, clock())
        },
        failed: fail,
        arrived: (socket) => this.#arrived(relay, socket),
      })
      this.#ports.set(relay, port)
    } catch (error) {
      // The core is at work, and hears of nothing before it has returned.
      process.nextTick(fail, error)
    }
  }

  closeRelay(relay: Relay): void {
    this.#world.begun()
    this.#ports.get(relay)?.close()
    this.#ports.delete(relay)
  }

  connectPeer(connection: PeerConnection): void {
    const { turn, errors } = this.#world
    this.#world.begun()
    const fail = (error: unknown) => {
      if (this.#peers.get(connection) !== undefined) this.#peers.delete(connection)
      const code = errorCode(error)
      if (isExhausted(code)) errors.count('relay', error)
      turn.peerConnections.failed(connection, code, isExhausted(code))
    }
    try {
      const port = this.#ports.get(connection.relay!)
      if (port === undefined) throw new SystemCallError('connect', 'EBADF')
      const socket = port.connect(connection.peer)
      this.#peers.set(connection, socket)
      socket.once('connect', () => turn.peerConnections.connected(connection, this.#world.clock()))
      // While it connects, and when its data connection has closed it, there is somebody else who hears of it.
      socket.on('error', (error) => {
        if (this.#peers.get(connection) === socket) fail(error)
      })
    } catch (error) {
      process.nextTick(fail, error)
    }
  }

  closePeer(connection: PeerConnection): void {
    this.#world.begun()
    this.#joined.get(connection)?.close()
    this.#peers.get(connection)?.destroy()
    this.#peers.delete(connection)
  }

  joinPeer(client: FiveTuple, connection: PeerConnection): void {
    const { turn, errors, counters, clock } = this.#world
    this.#world.begun()
    const ended = () => {
      this.#joined.delete(connection)
      turn.peerConnections.ended(connection)
    }
    const traffic = counters.clients[client.transport]
    this.#world.handOver(
      client,
      (socket, early) => {
        const peer = this.#peers.get(connection)
        if (peer === undefined) {
          socket.destroySoon()
          ended()
          return
        }
        this.#peers.delete(connection)
        const joined = new DataConnection(socket, peer, early, {
          passed: (direction, bytes) => {
            const [from, to] = direction === 'toPeer' ? [traffic, counters.relay] : [counters.relay, traffic]
            from.receivedBytes += bytes
            to.sentBytes += bytes
            return turn.peerConnections.passed(connection, direction, bytes, clock())
          },
          failed: (error) => errors.count('relay', error),
          ended,
        })
        this.#joined.set(connection, joined)
      },
      () => {
        this.#peers.get(connection)?.destroy()
        this.#peers.delete(connection)
        ended()
      },
    )
  }

  /** Lets go of a connection without closing it: its descriptor is the caller's; -1 when it is gone. */
  detach(connection: PeerConnection): number {
    const socket = this.#peers.get(connection)
    this.#peers.delete(connection)
    if (socket === undefined) return -1
    this.#world.begun()
    try {
      return duplicate(descriptorOf(socket))
    } catch {
      return -1
    } finally {
      socket.destroy()
    }
  }

  /** Serves what was let go of elsewhere; false, and it is not touched, when that cannot be. */
  attach(connection: PeerConnection, descriptor: number): boolean {
    this.#world.begun()
    const socket = socketOf(descriptor)
    if (socket === null) return false
    this.#keep(connection, socket)
    return true
  }

  sweep(now: number): void {
    for (const port of this.#ports.values()) port.mend()
    for (const joined of this.#joined.values()) joined.sweep(now)
  }

  /** Closes at once what is left. */
  async close(): Promise<void> {
    for (const port of this.#ports.values()) port.close()
    for (const socket of this.#peers.values()) socket.destroy()
    for (const joined of this.#joined.values()) joined.destroy()
    this.#ports.clear()
    this.#peers.clear()
    // A socket that is destroyed is closed when the event loop has come round.
    if (this.#joined.size > 0) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  #keep(connection: PeerConnection, socket: Socket): void {
    // Nothing is read from it yet, so there is nothing that could fail.
    socket.on('error', () => {})
    this.#peers.set(connection, socket)
  }

  #arrived(relay: Relay, socket: Socket): void {
    const { turn, errors, clock } = this.#world
    const from = Address.parse(socket.remoteAddress ?? '', socket.remotePort)
    if (isReserved(descriptorOf(socket))) errors.count('relay', new SystemCallError('accept', 'EMFILE'))
    else {
      const connection = from && turn.peerConnections.arrived(relay, from, clock())
      if (connection !== null) {
        this.#keep(connection, socket)
        return
      }
    }
    socket.destroy()
  }
}
