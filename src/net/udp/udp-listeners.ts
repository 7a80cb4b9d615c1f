import type { Log } from '../../log.ts'
import { Address } from '../../stun/address.ts'
import { FiveTuple } from '../../turn/five-tuple.ts'
import type { NetCounters } from '../counters.ts'
import { isAbsent, type PresentEndpoint, presentEndpoints, type UdpEndpoint } from '../listen/interfaces.ts'
import { compare, type ListenChange, type Wanted } from '../listen/listen-change.ts'
import { ListenError } from '../listen/listen-error.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { OpenUdpSocket, UdpSocket } from './udp.ts'

type Receive = (bytes: Buffer, start: number, end: number, client: FiveTuple) => void

export interface UdpListenersOptions {
  readonly openUdp: OpenUdpSocket
  readonly bufferSize: number
  readonly counters: NetCounters
  readonly errors: SocketErrors
  readonly log: Log
  /** `client` is refilled for every datagram. */
  readonly onDatagram: Receive
  /** The same where no new clients are taken. */
  readonly onKnownOnly: Receive
  /** Whether there is a client that came by this FiveTuple.listener. */
  readonly hasClients: (listener: number) => boolean
}

/** The UDP sockets that clients talk to: one per address, so that answers leave from the address that was asked. */
export class UdpListeners {
  readonly #options: UdpListenersOptions
  /** By FiveTuple.listener; a place is free again when its socket is closed. */
  readonly #sockets: (Listening | null)[] = []

  constructor(options: UdpListenersOptions) {
    this.#options = options
  }

  /** What new clients may come by. */
  get addresses(): readonly Address[] {
    return this.#open.filter(({ isLeaving }) => !isLeaving).map(({ socket }) => socket.local)
  }

  /** Opens what is wanted and not yet open; throws ListenError, and leaves nothing open, for the first that cannot be had. */
  async prepare(endpoints: readonly UdpEndpoint[], wanted: Wanted): Promise<ListenChange> {
    const { kept, missing, spare } = compare(presentEndpoints(endpoints), this.#open)
    const opened: Listening[] = []
    const abort = async () => {
      await Promise.all(opened.map(({ socket }) => socket.close()))
    }
    try {
      for (const endpoint of missing) {
        const listening = await this.#openIfPresent(endpoint, wanted)
        if (listening !== null) opened.push(listening)
      }
    } catch (error) {
      await abort()
      throw error
    }
    return {
      commit: () => {
        for (const listening of kept) this.#stay(listening)
        for (const listening of opened) this.#serve(listening)
        for (const listening of spare) this.#leave(listening)
      },
      abort,
    }
  }

  send(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const listening = this.#sockets[client.listener]
    if (listening) listening.socket.send(bytes, start, end, client.client)
    else this.#options.counters.dropped['client-gone']++
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    const listening = this.#open.find(({ socket }) => socket.local.equals(server))
    if (listening !== undefined) listening.socket.send(bytes, start, end, client)
    else this.#options.counters.dropped['client-gone']++
  }

  /** Closes those that take no new clients, once their last one has gone. */
  sweep(): void {
    this.#sockets.forEach((listening, i) => {
      if (!listening?.isLeaving || this.#options.hasClients(i)) return
      this.#sockets[i] = null
      void listening.socket.close()
      this.#options.log.info(at(listening), 'closed: its last client has gone')
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map(({ socket }) => socket.close()))
  }

  get #open(): Listening[] {
    return this.#sockets.filter((listening) => listening !== null)
  }

  #serve(listening: Listening): void {
    const { socket } = listening
    const free = this.#sockets.indexOf(null)
    const listener = free < 0 ? this.#sockets.length : free
    listening.client = new FiveTuple('udp', new Address(), socket.local, listener, 0)
    this.#sockets[listener] = listening
    this.#options.log.info(at(listening), 'listening')
  }

  #stay(listening: Listening): void {
    if (!listening.isLeaving) return
    listening.isLeaving = false
    listening.receive = this.#options.onDatagram
    this.#options.log.info(at(listening), 'listening again')
  }

  #leave(listening: Listening): void {
    if (listening.isLeaving) return
    listening.isLeaving = true
    listening.receive = this.#options.onKnownOnly
    this.#options.log.info(at(listening), 'takes no new clients, and is closed when its last one has gone')
  }

  async #openIfPresent(endpoint: PresentEndpoint, wanted: Wanted): Promise<Listening | null> {
    const { host, port, mayBeAbsent } = endpoint
    try {
      return await this.#bind(endpoint)
    } catch (error) {
      if (wanted === 'all' && !(mayBeAbsent && isAbsent(error))) throw new ListenError('udp', host, port, error)
      this.#options.errors.count('listener', error)
      return null
    }
  }

  async #bind({ key, host, port }: PresentEndpoint): Promise<Listening> {
    const { openUdp, bufferSize, counters, errors, onDatagram } = this.#options
    const local = Address.parse(host, port)
    if (local === null) throw Object.assign(new Error('not a numeric address'), { code: 'EINVAL' })
    const state: Omit<Listening, 'socket'> = { key, client: null, receive: onDatagram, isLeaving: false }
    const socket = await openUdp({
      local,
      bufferSize,
      headroom: 0,
      tailroom: 0,
      onDatagram: (bytes, start, end, from) => {
        const { client } = state
        if (client === null) return
        client.client.set(from)
        state.receive(bytes, start, end, client)
      },
      onError: (error) => errors.count('udp', error),
      traffic: counters.clients.udp,
    })
    return Object.assign(state, { socket })
  }
}

interface Listening {
  readonly key: string
  readonly socket: UdpSocket
  /** Null until it is served: what arrives before is dropped. */
  client: FiveTuple | null
  receive: Receive
  /** Takes no new clients. */
  isLeaving: boolean
}

function at({ socket }: Listening) {
  return { transport: 'udp', address: socket.local.toString() }
}
