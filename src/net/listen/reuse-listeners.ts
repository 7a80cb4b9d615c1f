import { Address } from '../../stun/address.ts'
import { closeDescriptor, localAddress, openUdpDescriptor } from '../linux/descriptors.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { UdpEndpoint } from '../udp/udp-listeners.ts'
import { isAbsent, isWildcard, listeningHosts } from './interfaces.ts'
import { ListenError } from './listen-error.ts'

export interface ReuseListenersOptions {
  /** Sockets per address. */
  readonly threads: number
  readonly bufferSize: number
  readonly errors: SocketErrors
}

/**
 * The UDP descriptors that clients talk to: for each address one per thread, all on one port (SO_REUSEPORT), and the kernel
 * keeps every client with one of them. They outlive the threads, so that a thread's end moves nobody else's clients.
 */
export class ReuseListeners {
  readonly #options: ReuseListenersOptions
  readonly #groups: { readonly local: Address; readonly descriptors: readonly number[] }[] = []
  readonly #wildcards: UdpEndpoint[] = []

  constructor(options: ReuseListenersOptions) {
    this.#options = options
  }

  get addresses(): readonly Address[] {
    return this.#groups.map(({ local }) => local)
  }

  /** What one thread listens on, in the order of FiveTuple.listener. */
  descriptorsOf(thread: number): number[] {
    return this.#groups.map(({ descriptors }) => descriptors[thread]!)
  }

  /** Throws ListenError. */
  listen(endpoint: UdpEndpoint): void {
    const { host, port } = endpoint
    if (isWildcard(host)) {
      // Sockets of port 0 have a port each: a new address would have nothing in common with the others.
      if (port !== 0) this.#wildcards.push(endpoint)
      for (const present of listeningHosts(host)) this.#openIfPresent(present, port)
      return
    }
    try {
      this.#open(host, port)
    } catch (error) {
      throw new ListenError('udp', host, port, error)
    }
  }

  /** Listens also on addresses that the machine has got since, as far as a wildcard covers them; how many there are. */
  rescan(): number {
    const before = this.#groups.length
    for (const { host: wildcard, port } of this.#wildcards) {
      for (const host of listeningHosts(wildcard)) {
        const address = Address.parse(host, port)!
        if (this.#groups.some(({ local }) => local.equals(address))) continue
        try {
          this.#openIfPresent(host, port)
        } catch (error) {
          this.#options.errors.count('listener', error)
        }
      }
    }
    return this.#groups.length - before
  }

  close(): void {
    for (const { descriptors } of this.#groups.splice(0)) for (const fd of descriptors) closeDescriptor(fd)
  }

  #openIfPresent(host: string, port: number): void {
    try {
      this.#open(host, port)
    } catch (error) {
      if (!isAbsent(error)) throw new ListenError('udp', host, port, error)
      this.#options.errors.count('listener', error)
    }
  }

  #open(host: string, port: number): void {
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
    this.#groups.push({ local, descriptors })
  }
}
