import type { Address } from '../../stun/address.ts'
import type { Relay, RelayFailure } from '../../turn/allocation.ts'
import { HEADROOM, TAILROOM } from '../../turn/effects.ts'
import type { NetCounters } from '../counters.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { OpenUdpSocket, UdpSocket, UdpSocketOptions } from './udp.ts'

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
  /** Bound for whoever brings the token of a reservation (RFC 8656 §7.2), by address. */
  readonly #held = new Map<string, HeldSocket>()

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
    // Before it was opened what it would have taken is held still.
    if (!socket) {
      this.closeReserved(relay.local)
      return
    }
    this.#sockets[relay.handle] = null
    this.#free.push(relay.handle)
    relay.handle = -1
    this.#track(socket.close())
  }

  /** Closes what was bound for a reservation, if it is there. */
  closeReserved(local: Address): void {
    const key = local.toString()
    const held = this.#held.get(key)
    this.#held.delete(key)
    if (held !== undefined) this.#track(held.socket.close())
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
    for (const { socket } of this.#held.values()) await socket.close()
    this.#held.clear()
  }

  async #open(relay: Relay): Promise<void> {
    const { errors, onOpened, onFailed, onDatagram } = this.#options
    const { local, reserved } = relay
    let socket: UdpSocket | null = null
    try {
      socket =
        this.#takeHeld(relay) ??
        (await this.#bind(local, (bytes, start, end, peer) => onDatagram(relay, peer, bytes, start, end)))
      if (reserved !== null) await this.#hold(reserved)
    } catch (error) {
      if (socket !== null) await socket.close()
      const reason = errors.relayFailure(error)
      if (this.#opening.delete(relay)) onFailed(relay, reason)
      return
    }
    if (!this.#opening.delete(relay)) {
      if (reserved !== null) this.closeReserved(reserved)
      await socket.close()
      return
    }
    relay.handle = this.#free.pop() ?? this.#sockets.length
    this.#sockets[relay.handle] = socket
    onOpened(relay)
  }

  #bind(local: Address, onDatagram: UdpSocketOptions['onDatagram']): Promise<UdpSocket> {
    const { openUdp, bufferSize, counters, errors } = this.#options
    return openUdp({
      local,
      bufferSize,
      headroom: HEADROOM,
      tailroom: TAILROOM,
      canSetDontFragment: true,
      onDatagram,
      onError: (error) => errors.count('relay', error),
      traffic: counters.relay,
    })
  }

  async #hold(local: Address): Promise<void> {
    const { onDatagram } = this.#options
    let owner: Relay | null = null
    const socket = await this.#bind(local, (bytes, start, end, peer) => {
      if (owner !== null) onDatagram(owner, peer, bytes, start, end)
    })
    const serve = (relay: Relay) => {
      owner = relay
    }
    this.#held.set(local.toString(), { socket, serve })
  }

  #takeHeld(relay: Relay): UdpSocket | null {
    const key = relay.local.toString()
    const held = this.#held.get(key)
    if (held === undefined) return null
    this.#held.delete(key)
    held.serve(relay)
    return held.socket
  }

  #track(ending: Promise<void>): void {
    const tracked = ending.catch((error: unknown) => this.#options.errors.count('relay', error))
    this.#ending.add(tracked)
    void tracked.then(() => this.#ending.delete(tracked))
  }
}

interface HeldSocket {
  readonly socket: UdpSocket
  /** What arrives is for this relay from now on, and for nobody before. */
  readonly serve: (relay: Relay) => void
}
