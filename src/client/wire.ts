import { setTimeout as sleep, setImmediate as turnOfLoop } from 'node:timers/promises'
import { createLog } from '../log.ts'
import { Traffic } from '../net/counters.ts'
import { closeDescriptor, localAddress, openUdpDescriptor } from '../net/linux/descriptors.ts'
import { type LinuxSupport, linuxSupport } from '../net/linux/system-calls.ts'
import { openWakeUp } from '../net/linux/wake-up.ts'
import { SocketErrors } from '../net/socket-errors.ts'
import { openUdpSocket, type UdpSocket } from '../net/udp/udp.ts'
import { BatchSocket, UdpBatch } from '../net/udp/udp-batch.ts'
import type { Address } from '../stun/address.ts'

/** `bytes` and `from` are borrowed; `now` is when the datagram was taken from the kernel. */
type OnDatagram = (bytes: Buffer, start: number, end: number, from: Address, now: number) => void

/** UDP sockets of a load generator, in this thread: in batches where Linux and koffi allow, else over node:dgram. */
export interface Wire {
  readonly io: 'batch' | 'dgram'
  /** Why there are no batches. */
  readonly reason: string | null
  /** Called about every millisecond: the moment to send. */
  onTurn: (now: number) => void
  /** Rejects with an error that has errno's name as `code`. */
  open(local: Address, onDatagram: OnDatagram): Promise<UdpSocket>
  /** Closes what is still open. */
  close(): Promise<void>
}

const BUFFER_SIZE = 4 * 1024 * 1024
const TURN_MS = 1

export function openWire(support: LinuxSupport = linuxSupport()): Wire {
  return support.available ? new BatchWire() : new DgramWire(support.reason)
}

class BatchWire implements Wire {
  readonly io = 'batch'
  readonly reason = null
  onTurn: (now: number) => void = () => {}
  readonly #traffic = new Traffic()
  readonly #wakeUp = openWakeUp()
  readonly #receivers = new Map<BatchSocket, OnDatagram>()
  readonly #batch: UdpBatch
  readonly #ended: Promise<void>
  #isClosed = false

  constructor() {
    const clock = () => performance.now()
    this.#batch = new UdpBatch({
      errors: new SocketErrors(createLog({ level: 'silent', pretty: false }), clock),
      clock,
      wakeUp: this.#wakeUp,
      onWake: () => {},
      onDatagram: (socket, bytes, start, end, now) =>
        this.#receivers.get(socket)?.(bytes, start, end, socket.from, now),
    })
    this.#ended = this.#run()
  }

  async open(local: Address, onDatagram: OnDatagram): Promise<UdpSocket> {
    const fd = openUdpDescriptor(local, { bufferSize: BUFFER_SIZE, reusePort: false })
    const socket = new BatchSocket(fd, localAddress(fd), this.#traffic, null, null)
    try {
      this.#batch.add(socket)
    } catch (error) {
      closeDescriptor(fd)
      throw error
    }
    this.#receivers.set(socket, onDatagram)
    return {
      local: socket.local,
      send: (bytes, start, end, to) => {
        if (this.#receivers.has(socket)) this.#batch.send(socket, bytes, start, end, to)
      },
      close: async () => this.#remove(socket),
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return this.#ended
    this.#isClosed = true
    await this.#ended
    for (const socket of this.#receivers.keys()) this.#remove(socket)
    closeDescriptor(this.#batch.descriptor)
    closeDescriptor(this.#wakeUp)
  }

  #remove(socket: BatchSocket): void {
    if (!this.#receivers.delete(socket)) return
    this.#batch.remove(socket)
    closeDescriptor(socket.fd)
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.onTurn(performance.now())
      this.#batch.poll(TURN_MS)
      // Signals, streams and timers have their turn, too.
      await turnOfLoop()
    }
  }
}

class DgramWire implements Wire {
  readonly io = 'dgram'
  readonly reason: string
  onTurn: (now: number) => void = () => {}
  readonly #traffic = new Traffic()
  readonly #sockets = new Set<UdpSocket>()
  readonly #ended: Promise<void>
  #isClosed = false

  constructor(reason: string) {
    this.reason = reason
    this.#ended = this.#run()
  }

  async open(local: Address, onDatagram: OnDatagram): Promise<UdpSocket> {
    const socket = await openUdpSocket({
      local,
      bufferSize: BUFFER_SIZE,
      headroom: 0,
      tailroom: 0,
      onDatagram: (bytes, start, end, from) => onDatagram(bytes, start, end, from, performance.now()),
      // What is refused is missing at the other end, and counted there.
      onError: () => {},
      traffic: this.#traffic,
    })
    this.#sockets.add(socket)
    return {
      local: socket.local,
      send: (bytes, start, end, to) => socket.send(bytes, start, end, to),
      close: () => {
        this.#sockets.delete(socket)
        return socket.close()
      },
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#ended
    await Promise.all(Array.from(this.#sockets, (socket) => socket.close()))
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.onTurn(performance.now())
      await sleep(TURN_MS)
    }
  }
}
