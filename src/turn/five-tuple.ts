import type { Address } from '../stun/address.ts'

/** How the client reaches us. */
export type ClientTransport = 'udp' | 'tcp' | 'tls' | 'dtls'

/**
 * The client's address and port, ours, and the transport between them (RFC 8656 §3.2).
 *
 * UDP drivers refill one instance for every packet: whoever keeps a FiveTuple copies it. A TCP, TLS or DTLS connection
 * has one instance of its own for as long as it lives.
 */
export class FiveTuple {
  readonly transport: ClientTransport
  /** Where the client's packets come from. */
  readonly client: Address
  /** The local address that they came to; answers leave from it (STUN-HDR-12 in the tests). */
  readonly server: Address
  /** Which UDP socket of this worker they came through; 0 for streams. */
  readonly listener: number
  /** The driver's number of the connection, from 1 and never reused; 0 for plain UDP. */
  readonly connection: number

  constructor(transport: ClientTransport, client: Address, server: Address, listener: number, connection: number) {
    this.transport = transport
    this.client = client
    this.server = server
    this.listener = listener
    this.connection = connection
  }

  /** TCP and TLS carry a byte stream; UDP and DTLS carry datagrams. */
  get isStream(): boolean {
    return this.transport === 'tcp' || this.transport === 'tls'
  }

  /** The client has seen a certificate of ours. */
  get isSecure(): boolean {
    return this.transport === 'tls' || this.transport === 'dtls'
  }

  /** For whoever keeps it: a connection's own instance, or a copy of one that is refilled. */
  kept(): FiveTuple {
    return this.connection === 0 ? this.copy() : this
  }

  copy(): FiveTuple {
    return new FiveTuple(this.transport, this.client.copy(), this.server.copy(), this.listener, this.connection)
  }
}

/** A table keyed by 5-tuple. The only place that knows what the key looks like. */
export class FiveTupleMap<T extends { readonly client: FiveTuple }> {
  readonly #connections = new Map<number, T>()
  readonly #listeners: Map<number, T>[] = []

  get size(): number {
    return this.#listeners.reduce((sum, map) => sum + (map?.size ?? 0), this.#connections.size)
  }

  /** Entries of plain UDP by this socket of ours. */
  countOn(listener: number): number {
    return this.#listeners[listener]?.size ?? 0
  }

  get(client: FiveTuple): T | undefined {
    if (client.connection !== 0) return this.#connections.get(client.connection)
    const found = this.#listeners[client.listener]?.get(client.client.key)
    // An IPv6 key is a hash (see Address.key): make sure.
    return found?.client.client.equals(client.client) ? found : undefined
  }

  /** False when another entry holds the key: two IPv6 addresses with one hash, so rare that refusing is right. */
  hasRoomFor({ connection, listener, client }: FiveTuple): boolean {
    return connection !== 0 || this.#listeners[listener]?.has(client.key) !== true
  }

  /** False, and nothing done, where there is no room. */
  add(entry: T): boolean {
    if (!this.hasRoomFor(entry.client)) return false
    const { connection, listener, client } = entry.client
    if (connection !== 0) {
      this.#connections.set(connection, entry)
      return true
    }
    const map = this.#listeners[listener] ?? new Map<number, T>()
    this.#listeners[listener] = map
    map.set(client.key, entry)
    return true
  }

  delete(client: FiveTuple): void {
    if (client.connection !== 0) this.#connections.delete(client.connection)
    else if (this.get(client) !== undefined) this.#listeners[client.listener]?.delete(client.client.key)
  }
}
