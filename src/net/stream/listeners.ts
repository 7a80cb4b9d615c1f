import { Address } from '../../stun/address.ts'
import { closeDescriptor, listenOn, localAddress, openTcpDescriptor } from '../linux/descriptors.ts'
import { standsForNothing } from '../listen/interfaces.ts'
import { ListenError } from '../listen/listen-error.ts'
import type { StreamEndpoint } from './connection.ts'
import { BACKLOG } from './stream.ts'

/** A descriptor that a thread accepts connections from. */
export interface StreamListener {
  readonly fd: number
  readonly endpoint: StreamEndpoint
}

/**
 * The TCP descriptors that clients connect to: for each address one per thread, all on one port (SO_REUSEPORT), among which
 * the kernel spreads the connections. They outlive the threads: who connects to one whose thread has died waits for the next.
 */
export class StreamListeners {
  readonly #threads: number
  readonly #groups: { readonly endpoint: StreamEndpoint; readonly local: Address; readonly descriptors: number[] }[] =
    []

  constructor(threads: number) {
    this.#threads = threads
  }

  get addresses(): readonly Address[] {
    return this.#groups.map(({ local }) => local)
  }

  /** What one thread accepts from. */
  of(thread: number): StreamListener[] {
    return this.#groups.map(({ endpoint, descriptors }) => ({ endpoint, fd: descriptors[thread]! }))
  }

  /** Throws ListenError. A wildcard is one socket for all addresses: answers leave from where a connection came to anyway. */
  listen(endpoint: StreamEndpoint): void {
    const descriptors: number[] = []
    try {
      const local = vacant(endpoint)
      this.#groups.push({ endpoint, local, descriptors })
      for (let thread = 0; thread < this.#threads; thread++) {
        const fd = openTcpDescriptor(local, true)
        descriptors.push(fd)
        listenOn(fd, BACKLOG)
      }
    } catch (error) {
      if (!standsForNothing(endpoint.host, error)) throw new ListenError('tcp', endpoint.host, endpoint.port, error)
    }
  }

  close(): void {
    for (const { descriptors } of this.#groups.splice(0)) for (const fd of descriptors) closeDescriptor(fd)
  }
}

/** Where to listen. Another server of the same user could join the group unnoticed: the first bind shares with nobody. */
function vacant({ host, port }: StreamEndpoint): Address {
  const wanted = Address.parse(host, port)
  if (wanted === null) throw Object.assign(new Error('not a numeric address'), { code: 'EINVAL' })
  const probe = openTcpDescriptor(wanted, false)
  const local = localAddress(probe)
  closeDescriptor(probe)
  return local
}
