import { Address } from '../../stun/address.ts'
import { FiveTuple } from '../../turn/five-tuple.ts'
import type { NetCounters } from '../counters.ts'
import { isAbsent, isWildcard, listeningHosts } from '../listen/interfaces.ts'
import { ListenError } from '../listen/listen-error.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { OpenUdpSocket, UdpSocket } from './udp.ts'

export interface UdpEndpoint {
  /** Numeric; 0.0.0.0 and :: stand for the addresses this machine has. */
  readonly host: string
  readonly port: number
}

export interface UdpListenersOptions {
  readonly openUdp: OpenUdpSocket
  readonly bufferSize: number
  readonly counters: NetCounters
  readonly errors: SocketErrors
  /** `client` is refilled for every datagram. */
  readonly onDatagram: (bytes: Buffer, start: number, end: number, client: FiveTuple) => void
}

/** The UDP sockets that clients talk to: one per address, so that answers leave from the address that was asked. */
export class UdpListeners {
  readonly #options: UdpListenersOptions
  // By FiveTuple.listener.
  readonly #sockets: UdpSocket[] = []
  readonly #wildcards: UdpEndpoint[] = []
  #rescanning: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: UdpListenersOptions) {
    this.#options = options
  }

  /** What is bound; the index is FiveTuple.listener. */
  get addresses(): readonly Address[] {
    return this.#sockets.map(({ local }) => local)
  }

  async listen(endpoint: UdpEndpoint): Promise<void> {
    if (isWildcard(endpoint.host)) {
      // Sockets of port 0 have a port each: a new address would have nothing in common with the others.
      if (endpoint.port !== 0) this.#wildcards.push(endpoint)
      for (const host of listeningHosts(endpoint.host)) await this.#openIfPresent(host, endpoint.port)
      return
    }
    try {
      await this.#open(endpoint.host, endpoint.port)
    } catch (error) {
      throw new ListenError('udp', endpoint.host, endpoint.port, error)
    }
  }

  /** Listens also on addresses that the machine has got since, as far as a wildcard covers them. */
  rescan(): void {
    if (this.#wildcards.length > 0) this.#rescanning = this.#rescanning.then(() => this.#rescan())
  }

  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const socket = this.#sockets[client.listener]
    if (socket !== undefined) socket.send(bytes, start, end, client.client)
    else this.#options.counters.dropped['client-gone']++
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    const socket = this.#sockets.find(({ local }) => local.equals(server))
    if (socket !== undefined) socket.send(bytes, start, end, client)
    else this.#options.counters.dropped['client-gone']++
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#rescanning
    await Promise.all(this.#sockets.map((socket) => socket.close()))
  }

  async #rescan(): Promise<void> {
    for (const { host: wildcard, port } of this.#wildcards) {
      for (const host of listeningHosts(wildcard)) {
        const address = Address.parse(host, port)!
        if (this.#closed || this.#sockets.some(({ local }) => local.equals(address))) continue
        try {
          await this.#openIfPresent(host, port)
        } catch (error) {
          this.#options.errors.count('listener', error)
        }
      }
    }
  }

  async #openIfPresent(host: string, port: number): Promise<void> {
    try {
      await this.#open(host, port)
    } catch (error) {
      if (!isAbsent(error)) throw new ListenError('udp', host, port, error)
      this.#options.errors.count('listener', error)
    }
  }

  async #open(host: string, port: number): Promise<void> {
    const { openUdp, bufferSize, counters, errors, onDatagram } = this.#options
    const local = Address.parse(host, port)
    if (local === null) throw Object.assign(new Error('not a numeric address'), { code: 'EINVAL' })
    let client: FiveTuple | null = null
    const socket = await openUdp({
      local,
      bufferSize,
      headroom: 0,
      tailroom: 0,
      onDatagram: (bytes, start, end, from) => {
        if (client === null) return
        client.client.set(from)
        onDatagram(bytes, start, end, client)
      },
      onError: (error) => errors.count('udp', error),
      traffic: counters.clients.udp,
    })
    client = new FiveTuple('udp', new Address(), socket.local, this.#sockets.length, 0)
    this.#sockets.push(socket)
  }
}
