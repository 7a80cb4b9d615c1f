import type { Allocation } from '../turn/allocation.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** One line per allocation. */
export interface Session {
  /** Unique across threads and restarts. */
  readonly id: string
  readonly transport: ClientTransport
  readonly client: string
  readonly username: string
  readonly relays: readonly string[]
  readonly ageSeconds: number
  readonly expiresInSeconds: number
  readonly permissions: number
  readonly channels: number
  readonly toPeerPackets: number
  readonly toPeerBytes: number
  readonly toClientPackets: number
  readonly toClientBytes: number
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
    expiresInSeconds: Math.ceil((expiresAt - now) / 1000),
    permissions: permissionCount,
    channels: channels.size,
    toPeerPackets,
    toPeerBytes,
    toClientPackets,
    toClientBytes,
  }
}
