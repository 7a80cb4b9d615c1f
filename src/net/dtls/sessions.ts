import type { Address } from '../../stun/address.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { SourceCount } from '../../turn/limits/source-count.ts'
import { BySource } from '../limits/by-source.ts'
import type { Handshakes } from '../limits/handshakes.ts'
import type { DtlsWorld } from './endpoint.ts'
import type { DtlsSession } from './session.ts'

/** Who has a handshake or a session, and who of them would have to make room: no word of DTLS itself. */
export class DtlsSessions {
  readonly handshakes: Handshakes<DtlsSession>
  readonly #bySource: Map<number, DtlsSession>[] = []
  /** The open ones, by the connection number of their 5-tuple. */
  readonly #open = new Map<number, DtlsSession>()
  /** Of these, those that have not been seen with an allocation. */
  readonly #withoutAllocation = new BySource<DtlsSession>()
  /** Of handshakes and sessions. */
  readonly #sources: SourceCount
  readonly #limits: { readonly maxSessions: number; readonly maxSessionsPerSource: number }
  readonly #world: Pick<DtlsWorld, 'hasAllocation' | 'counters'>

  constructor(
    handshakes: Handshakes<DtlsSession>,
    sources: SourceCount,
    limits: { readonly maxSessions: number; readonly maxSessionsPerSource: number },
    world: Pick<DtlsWorld, 'hasAllocation' | 'counters'>,
  ) {
    this.handshakes = handshakes
    this.#sources = sources
    this.#limits = limits
    this.#world = world
  }

  /** Those whose handshake is done. */
  get opened(): Iterable<DtlsSession> {
    return this.#open.values()
  }

  get isFull(): boolean {
    return this.handshakes.size + this.#open.size >= this.#limits.maxSessions
  }

  /** By the plain UDP 5-tuple it comes by. */
  find(source: FiveTuple): DtlsSession | undefined {
    const found = this.#bySource[source.listener]?.get(source.client.key)
    // An IPv6 key is a hash (see Address.key): make sure.
    return found?.client.client.equals(source.client) ? found : undefined
  }

  /** Whether anybody is here by this UDP socket of ours. */
  hasClients(listener: number): boolean {
    return (this.#bySource[listener]?.size ?? 0) > 0
  }

  /** By its own 5-tuple, once its handshake is done. */
  open(client: FiveTuple): DtlsSession | undefined {
    return this.#open.get(client.connection)
  }

  /** Whether its source has a share left, and its place is not another's. */
  mayBegin(source: FiveTuple): boolean {
    if (this.#sources.of(source.client) >= this.#limits.maxSessionsPerSource) return false
    // Two IPv6 addresses with one hash are so rare that refusing the second is right.
    return this.find(source) !== undefined || this.#bySource[source.listener]?.has(source.client.key) !== true
  }

  /** False when its source has too many handshakes; `displace` ends one that has to make room. */
  begin(session: DtlsSession, displace: (other: DtlsSession) => void): boolean {
    const { listener, client } = session.client
    if (!this.handshakes.begin(client, session, displace)) return false
    this.#bySource[listener] ??= new Map()
    this.#bySource[listener].set(client.key, session)
    this.#sources.add(client)
    this.#count()
    return true
  }

  /** The handshake of `session` is done. */
  opens(session: DtlsSession): void {
    session.open()
    this.handshakes.end(session.client.client, session)
    this.#withoutAllocation.add(session.client.client, session)
    this.#open.set(session.client.connection, session)
    this.#world.counters.opened++
    this.#count()
  }

  /** The oldest session without allocation, of the source that has the most of these, unless `newcomer` has as many. */
  toGiveWay(newcomer: Address): DtlsSession | null {
    // Whoever had an allocation has credentials, and limits of his own.
    return this.#withoutAllocation.toGiveWay(this.#sources.of(newcomer), ({ client }) =>
      this.#world.hasAllocation(client),
    )
  }

  forget(session: DtlsSession): void {
    const { client, listener, connection } = session.client
    session.isOver = true
    this.#bySource[listener]?.delete(client.key)
    this.handshakes.end(client, session)
    this.#withoutAllocation.delete(client, session)
    this.#open.delete(connection)
    this.#sources.remove(client)
    this.#count()
  }

  #count(): void {
    this.#world.counters.handshakes = this.handshakes.size
    this.#world.counters.sessions = this.#open.size
  }
}
