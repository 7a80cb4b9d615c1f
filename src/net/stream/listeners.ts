import type { Log } from '../../log.ts'
import { Address } from '../../stun/address.ts'
import { closeDescriptor, listenOn, localAddress, openTcpDescriptor } from '../linux/descriptors.ts'
import { overlap, standsForNothing } from '../listen/interfaces.ts'
import { compare, type ListenChange, type Wanted } from '../listen/listen-change.ts'
import { ListenError } from '../listen/listen-error.ts'
import type { SocketErrors } from '../socket-errors.ts'
import type { StreamEndpoint } from './options.ts'
import { BACKLOG } from './stream.ts'

/** A descriptor that a thread accepts connections from. */
export interface StreamListener {
  /** Unique in this run. */
  readonly id: number
  readonly fd: number
  readonly endpoint: StreamEndpoint
}

/** Who accepts from the descriptors: the threads. */
export interface StreamListenerUsers {
  /** Begin to accept, each from its own of these. */
  listen(id: number, endpoint: StreamEndpoint, descriptors: readonly number[]): void
  /** Accept no more; `stopped` is called when none of them uses its descriptor. */
  stop(id: number, stopped: () => void): void
}

/**
 * The TCP descriptors that clients connect to: for each address one per thread, all on one port (SO_REUSEPORT), among which
 * the kernel spreads the connections. They outlive the threads: who connects to one whose thread has died waits for the next.
 */
export class StreamListeners {
  readonly #threads: number
  readonly #users: StreamListenerUsers
  readonly #errors: SocketErrors
  readonly #log: Log
  #groups: readonly Group[] = []
  /** Those that nobody accepts from any more, as soon as every thread knows. */
  readonly #stopping = new Set<Group>()
  #lastId = 0

  constructor(threads: number, users: StreamListenerUsers, errors: SocketErrors, log: Log) {
    this.#threads = threads
    this.#errors = errors
    this.#users = users
    this.#log = log
  }

  get addresses(): readonly Address[] {
    return this.#groups.map(({ local }) => local)
  }

  /** What one thread accepts from. */
  of(thread: number): StreamListener[] {
    return this.#groups.map(({ id, endpoint, descriptors }) => ({ id, endpoint, fd: descriptors[thread]! }))
  }

  /**
   * Opens what is wanted and not yet open; throws ListenError, and leaves nothing open, for the first that cannot be had. A wildcard
   * is one socket for all addresses: answers leave from where a connection came to anyway.
   */
  prepare(endpoints: readonly StreamEndpoint[], wanted: Wanted): ListenChange {
    const { kept, missing, spare } = compare(endpoints.map(keyed), this.#groups)
    const opened: Group[] = []
    const abort = async () => {
      for (const { descriptors } of opened) closeAll(descriptors)
    }
    try {
      for (const endpoint of missing) opened.push(...this.#open(endpoint, wanted))
    } catch (error) {
      void abort()
      throw error
    }
    return {
      commit: () => {
        this.#groups = [...kept, ...opened]
        for (const group of opened) {
          this.#users.listen(group.id, group.endpoint, group.descriptors)
          this.#say(group, 'listening')
        }
        for (const group of spare) {
          this.#stopping.add(group)
          this.#users.stop(group.id, () => {
            this.#stopping.delete(group)
            closeAll(group.descriptors)
          })
          this.#say(group, 'accepts no more connections; those that are here stay')
        }
      },
      abort,
    }
  }

  close(): void {
    for (const { descriptors } of this.#groups) closeAll(descriptors)
    this.#groups = []
  }

  #open({ key, ...endpoint }: Keyed, wanted: Wanted): Group[] {
    const { host, port } = endpoint
    const descriptors: number[] = []
    try {
      // Which of two of our own is more precise, the kernel knows.
      const isOurs = [...this.#groups, ...this.#stopping].some((group) => overlap(group.endpoint, endpoint))
      const local = vacant(endpoint, isOurs)
      for (let thread = 0; thread < this.#threads; thread++) {
        const fd = openTcpDescriptor(local, true)
        descriptors.push(fd)
        listenOn(fd, BACKLOG)
      }
      return [{ id: ++this.#lastId, key, endpoint, local, descriptors }]
    } catch (error) {
      closeAll(descriptors)
      if (standsForNothing(host, error)) return []
      if (wanted === 'all') throw new ListenError('tcp', host, port, error)
      this.#errors.count('listener', error)
      return []
    }
  }

  #say({ local }: Group, what: string): void {
    this.#log.info({ transport: 'tcp', address: local.toString(), threads: this.#threads }, what)
  }
}

interface Keyed extends StreamEndpoint {
  readonly key: string
}

interface Group {
  readonly id: number
  readonly key: string
  readonly endpoint: StreamEndpoint
  readonly local: Address
  readonly descriptors: readonly number[]
}

/** With what distinguishes one listener from another. */
export function keyed(endpoint: StreamEndpoint): Keyed {
  const { host, port, plain, tls, proxy } = endpoint
  return { key: `${host} ${port} ${plain} ${tls} ${proxy}`, ...endpoint }
}

/**
 * Where to listen. Another server of the same user could join the group unnoticed: the first bind shares with nobody, unless
 * the place is ours.
 */
function vacant({ host, port }: StreamEndpoint, isOurs: boolean): Address {
  const wanted = Address.parse(host, port)
  if (wanted === null) throw Object.assign(new Error('not a numeric address'), { code: 'EINVAL' })
  const probe = openTcpDescriptor(wanted, isOurs)
  const local = localAddress(probe)
  closeDescriptor(probe)
  return local
}

function closeAll(descriptors: readonly number[]): void {
  for (const fd of descriptors) closeDescriptor(fd)
}
