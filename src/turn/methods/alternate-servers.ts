import type { Address } from '../../stun/address.ts'
import type { ClientTransport, FiveTuple } from '../five-tuple.ts'

/** Another server, and the name in its certificate where that is known (RFC 8489 §10). */
export interface AlternateServer {
  readonly address: Address
  readonly domain: string | null
}

/** An entry that is there several times gets so many shares. */
export type AlternateServerLists = Readonly<Record<ClientTransport, readonly AlternateServer[]>>

/** Sends new clients to other servers, each in its turn (RFC 8489 §10). */
export class AlternateServers {
  readonly #lists: AlternateServerLists
  readonly #isEmpty: boolean
  readonly #next: Record<ClientTransport, number> = { udp: 0, tcp: 0, tls: 0, dtls: 0 }

  constructor(lists: AlternateServerLists) {
    this.#lists = lists
    this.#isEmpty = Object.values(lists).every(({ length }) => length === 0)
  }

  /** Nobody is ever sent away. */
  get isEmpty(): boolean {
    return this.#isEmpty
  }

  /**
   * Where a new Allocate of `client` is to go; null when it is to be served here. All servers may have the same list:
   * one that finds itself in it serves its clients, until it drains (STUN-ALT-04 in the tests). `ours` is what the client
   * knows us by.
   */
  next(client: FiveTuple, ours: Address, isDraining: boolean): AlternateServer | null {
    const list = this.#lists[client.transport]
    const isOurs = (address: Address) => address.equals(client.server) || address.equals(ours)
    if (!isDraining && list.some(({ address }) => isOurs(address))) return null
    for (let tried = 0; tried < list.length; tried++) {
      const server = list[this.#next[client.transport]++ % list.length]!
      if (server.address.family === client.client.family && !isOurs(server.address)) return server
    }
    return null
  }
}
