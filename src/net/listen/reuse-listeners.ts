import type { Log } from '../../log.ts'
import { Address } from '../../stun/address.ts'
import { closeDescriptor, localAddress, openUdpDescriptor } from '../linux/descriptors.ts'
import type { SocketErrors } from '../socket-errors.ts'
import { isAbsent, type PresentEndpoint, presentEndpoints, type UdpEndpoint } from './interfaces.ts'
import { compare, type ListenChange, type Wanted } from './listen-change.ts'
import { ListenError } from './listen-error.ts'

/** What one thread serves. */
export interface UdpListener {
  /** FiveTuple.listener */
  readonly listener: number
  readonly fd: number
}

/** Who serves the descriptors: the threads. */
interface ListenerUsers {
  /** Begin to serve, each by its own of these, or go on after `leave`. */
  listen(listener: number, descriptors: readonly number[]): void
  /** Take no new clients; `left` is called once, when the last one of all threads has gone, unless `listen` was called before. */
  leave(listener: number, left: () => void): void
}

export interface ReuseListenersOptions {
  /** Sockets per address. */
  readonly threads: number
  readonly bufferSize: number
  readonly errors: SocketErrors
  readonly log: Log
  readonly users: ListenerUsers
}

/**
 * The UDP descriptors that clients talk to: for each address one per thread, all on one port (SO_REUSEPORT), and the kernel
 * keeps every client with one of them. They outlive the threads, so that a thread's end moves nobody else's clients. Those of
 * one address are closed together, because the kernel would share its clients out anew.
 */
export class ReuseListeners {
  readonly #options: ReuseListenersOptions
  /** By FiveTuple.listener; a place is free again when its descriptors are closed. */
  readonly #groups: (Group | null)[] = []

  constructor(options: ReuseListenersOptions) {
    this.#options = options
  }

  /** What new clients may come by. */
  get addresses(): readonly Address[] {
    return this.#open.filter(({ departure }) => departure === null).map(({ local }) => local)
  }

  /** What a thread that begins now serves. */
  descriptorsOf(thread: number): UdpListener[] {
    return this.#open.flatMap(({ listener, descriptors, departure }) =>
      departure !== null ? [] : [{ listener, fd: descriptors[thread]! }],
    )
  }

  /** Opens what is wanted and not yet open; throws ListenError, and leaves nothing open, for the first that cannot be had. */
  prepare(endpoints: readonly UdpEndpoint[], wanted: Wanted): ListenChange {
    const { kept, missing, spare } = compare(presentEndpoints(endpoints), this.#open)
    const opened: Opened[] = []
    const abort = async () => {
      for (const { descriptors } of opened) for (const fd of descriptors) closeDescriptor(fd)
    }
    try {
      for (const endpoint of missing) opened.push(...this.#openIfPresent(endpoint, wanted))
    } catch (error) {
      void abort()
      throw error
    }
    return {
      commit: () => {
        for (const group of kept) this.#stay(group)
        for (const group of opened) this.#serve(group)
        for (const group of spare) this.#leave(group)
      },
      abort,
    }
  }

  close(): void {
    for (const group of this.#open) {
      group.departure = null
      for (const fd of group.descriptors) closeDescriptor(fd)
    }
    this.#groups.length = 0
  }

  get #open(): Group[] {
    return this.#groups.filter((group) => group !== null)
  }

  #serve(opened: Opened): void {
    const free = this.#groups.indexOf(null)
    const listener = free < 0 ? this.#groups.length : free
    const group = { ...opened, listener, departure: null }
    this.#groups[listener] = group
    this.#options.users.listen(listener, group.descriptors)
    this.#say(group, 'listening')
  }

  #stay(group: Group): void {
    if (group.departure === null) return
    group.departure = null
    this.#options.users.listen(group.listener, group.descriptors)
    this.#say(group, 'listening again')
  }

  #leave(group: Group): void {
    if (group.departure !== null) return
    const departure = Symbol('departure')
    group.departure = departure
    this.#say(group, 'takes no new clients, and is closed when its last one has gone')
    this.#options.users.leave(group.listener, () => {
      // The last thread may have answered while the others were told to go on.
      if (group.departure !== departure) return
      this.#groups[group.listener] = null
      for (const fd of group.descriptors) closeDescriptor(fd)
      this.#say(group, 'closed: its last client has gone')
    })
  }

  #say({ local }: Group, what: string): void {
    const { log, threads } = this.#options
    log.info({ transport: 'udp', address: local.toString(), threads }, what)
  }

  #openIfPresent(endpoint: PresentEndpoint, wanted: Wanted): Opened[] {
    const { host, port, mayBeAbsent } = endpoint
    try {
      return [this.#bind(endpoint)]
    } catch (error) {
      if (wanted === 'all' && !(mayBeAbsent && isAbsent(error))) throw new ListenError('udp', host, port, error)
      this.#options.errors.count('listener', error)
      return []
    }
  }

  #bind({ key, host, port }: PresentEndpoint): Opened {
    const { bufferSize, threads } = this.#options
    const wanted = Address.parse(host, port)
    if (wanted === null) throw Object.assign(new Error('not a numeric address'), { code: 'EINVAL' })
    // Another server of the same user could join the group unnoticed: the first bind is one that shares with nobody.
    const probe = openUdpDescriptor(wanted, { bufferSize, reusePort: false })
    const local = localAddress(probe)
    closeDescriptor(probe)
    const descriptors: number[] = []
    try {
      for (let thread = 0; thread < threads; thread++) {
        descriptors.push(openUdpDescriptor(local, { bufferSize, reusePort: true }))
      }
    } catch (error) {
      for (const fd of descriptors) closeDescriptor(fd)
      throw error
    }
    return { key, local, descriptors }
  }
}

interface Opened {
  readonly key: string
  readonly local: Address
  readonly descriptors: readonly number[]
}

interface Group extends Opened {
  readonly listener: number
  /** Not null: it takes no new clients. */
  departure: symbol | null
}
