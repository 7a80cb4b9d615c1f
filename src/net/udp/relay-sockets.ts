import type { Address } from '../../stun/address.ts'
import { HEADROOM, TAILROOM } from '../../turn/effects.ts'
import type { Relay, RelayFailure } from '../../turn/relay-address.ts'
import type { NetCounters } from '../counters.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { OpenUdpSocket, UdpSocket } from './udp.ts'

export interface RelaySocketsOptions {
  readonly openUdp: OpenUdpSocket
  readonly bufferSize: number
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly onOpened: (relay: Relay) => void
  readonly onFailed: (relay: Relay, reason: RelayFailure) => void
  readonly onDatagram: (relay: Relay, peer: Address, bytes: Buffer, start: number, end: number) => void
}

/** The sockets behind relayed transport addresses, one each (RFC 8656 §3). An error of one never closes it. */
export class RelaySockets {
  readonly #options: RelaySocketsOptions
  // By Relay.handle, so that the way from packet to socket is an array index.
  readonly #sockets: (UdpSocket | null)[] = []
  readonly #free: number[] = []
  readonly #opening = new Set<Relay>()
  readonly #ending = new Set<Promise<void>>()

  constructor(options: RelaySocketsOptions) {
    this.#options = options
  }

  /** How many are open. */
  get size(): number {
    return this.#sockets.length - this.#free.length
  }

  /** Answers later by `onOpened` or `onFailed`, unless `close` is called before. */
  open(relay: Relay): void {
    this.#opening.add(relay)
    this.#track(this.#open(relay))
  }

  close(relay: Relay): void {
    this.#opening.delete(relay)
    const socket = this.#sockets[relay.handle]
    if (!socket) return
    this.#sockets[relay.handle] = null
    this.#free.push(relay.handle)
    relay.handle = -1
    this.#track(socket.close())
  }

  send(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    const socket = this.#sockets[relay.handle]
    if (socket) socket.send(bytes, start, end, peer, dontFragment)
    else this.#options.counters.dropped['relay-gone']++
  }

  /** Closes all, those too that are being opened; answers nothing any more. */
  async closeAll(): Promise<void> {
    this.#opening.clear()
    for (const socket of this.#sockets.splice(0)) if (socket) this.#track(socket.close())
    this.#free.length = 0
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }

  async #open(relay: Relay): Promise<void> {
    const { openUdp, bufferSize, counters, errors, onOpened, onFailed, onDatagram } = this.#options
    let socket: UdpSocket
    try {
      socket = await openUdp({
        local: relay.local,
        bufferSize,
        headroom: HEADROOM,
        tailroom: TAILROOM,
        canSetDontFragment: true,
        onDatagram: (bytes, start, end, peer) => onDatagram(relay, peer, bytes, start, end),
        onError: (error) => errors.count('relay', error),
        traffic: counters.relay,
      })
    } catch (error) {
      const reason = errors.relayFailure(error)
      if (this.#opening.delete(relay)) onFailed(relay, reason)
      return
    }
    if (!this.#opening.delete(relay)) {
      await socket.close()
      return
    }
    relay.handle = this.#free.pop() ?? this.#sockets.length
    this.#sockets[relay.handle] = socket
    onOpened(relay)
  }

  #track(ending: Promise<void>): void {
    const tracked = ending.catch((error: unknown) => this.#options.errors.count('relay', error))
    this.#ending.add(tracked)
    void tracked.then(() => this.#ending.delete(tracked))
  }
}
