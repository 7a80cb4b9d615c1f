import type { Address } from '../../stun/address.ts'
import type { Allocation, Drops } from '../allocation.ts'
import type { ClientTransport } from '../five-tuple.ts'
import type { PeerConnection } from '../tcp/peer-connection.ts'

/** An allocation as an operator sees it: plain values that can be copied to another thread. */
export interface Session {
  /** Unique across threads and restarts. */
  readonly id: string
  readonly transport: ClientTransport
  /** Where the client's packets come from, `IP:PORT`. */
  readonly client: string
  /** Empty without credentials (`no-auth`). */
  readonly username: string
  /** As the client is told them. */
  readonly relays: readonly string[]
  readonly ageSeconds: number
  readonly expiresInSeconds: number
  readonly permissions: number
  readonly channels: number
  readonly toPeerPackets: number
  readonly toPeerBytes: number
  readonly toClientPackets: number
  readonly toClientBytes: number
  /** Set for one that was asked for by its id. */
  readonly more?: SessionMore
}

/** What takes too much room in a list. */
interface SessionMore {
  /** Where the client reaches this server. */
  readonly server: string
  readonly realm: string
  /** Relayed addresses as they are bound here; others than `relays` behind external-ip. */
  readonly boundTo: readonly string[]
  /** It can move to another address with a ticket (RFC 8016). */
  readonly mobile: boolean
  /** Each ip that may send to the client. */
  readonly permittedPeers: readonly { readonly ip: string; readonly expiresInSeconds: number }[]
  readonly boundChannels: readonly {
    readonly number: number
    readonly peer: string
    readonly expiresInSeconds: number
  }[]
  /** TCP connections with peers (RFC 6062), and whether the client has bound them. */
  readonly peerConnections: readonly {
    readonly peer: string
    readonly state: 'connecting' | 'waiting' | 'bound'
  }[]
  /** Packets that were dropped, by reason. */
  readonly droppedToPeer: Drops
  readonly droppedToClient: Drops
}

export function sessionOf(allocation: Allocation, now: number): Session {
  const { client, username, createdAt, expiresAt, permissionCount, channels } = allocation
  const { toPeerPackets, toPeerBytes, toClientPackets, toClientBytes } = allocation
  return {
    id: allocation.id,
    transport: client.transport,
    client: client.client.toString(),
    username,
    relays: allocation.relays.map(({ advertised }) => advertised.toString()),
    ageSeconds: Math.floor((now - createdAt) / 1000),
    expiresInSeconds: secondsTo(expiresAt, now),
    permissions: permissionCount,
    channels: channels.size,
    toPeerPackets,
    toPeerBytes,
    toClientPackets,
    toClientBytes,
  }
}

/** The same with everything that is known of it; `shown` gives the address that clients know a peer by. */
export function wholeSessionOf(
  allocation: Allocation,
  connections: Iterable<PeerConnection>,
  shown: (peer: Address) => Address,
  now: number,
): Session {
  const { client, user, relays, permissions, channels, ticket } = allocation
  return {
    ...sessionOf(allocation, now),
    more: {
      server: client.server.toString(),
      realm: user.account.realm,
      boundTo: relays.map(({ local }) => local.toString()),
      mobile: ticket !== null,
      permittedPeers: Array.from(permissions, ({ peer, expiresAt }) => {
        return { ip: shown(peer.copy()).host, expiresInSeconds: secondsTo(expiresAt, now) }
      }),
      boundChannels: Array.from(channels.values(), ({ number, peer, expiresAt }) => {
        return { number, peer: shown(peer.copy()).toString(), expiresInSeconds: secondsTo(expiresAt, now) }
      }),
      peerConnections: Array.from(connections, ({ peer, state }) => {
        const isBound = state !== 'connecting' && state !== 'waiting'
        return { peer: shown(peer.copy()).toString(), state: isBound ? 'bound' : state }
      }),
      droppedToPeer: { ...allocation.droppedToPeer },
      droppedToClient: { ...allocation.droppedToClient },
    },
  }
}

/** What has expired and is not swept yet has no time left. */
function secondsTo(expiresAt: number, now: number): number {
  return Math.max(0, Math.ceil((expiresAt - now) / 1000))
}
