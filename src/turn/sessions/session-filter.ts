import { Address } from '../../stun/address.ts'
import type { Allocation } from '../allocation.ts'
import { quotaName } from '../auth/account.ts'
import type { ClientTransport } from '../five-tuple.ts'
import { type PeerRange, parsePeerRange } from '../peers/peer-policy.ts'
import type { PeerConnection } from '../tcp/peer-connection.ts'

/** Which sessions; all that is given must be true of one. Plain values that can be copied to another thread. */
export interface SessionFilter {
  readonly id?: string | undefined
  /** The whole name, or of a temporary one (`1735689600:alice`) the part that names the user. */
  readonly username?: string | undefined
  /** The client's: an address that `readAddressFilter` takes. */
  readonly address?: string | undefined
  /** Somebody it may exchange data with, in the same form. */
  readonly peer?: string | undefined
  readonly transport?: ClientTransport | undefined
  readonly olderThanSeconds?: number | undefined
}

/** Whether an address is meant. */
type AddressFilter = (address: Address) => boolean

/**
 * Reads `192.0.2.1`, `192.0.2.1:3478`, `[2001:db8::1]:3478`, `192.0.2.0/24` or `192.0.2.1-192.0.2.9`. A string says what is wrong.
 */
export function readAddressFilter(text: string): AddressFilter | string {
  const [, host, port] = /^\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/.exec(text) ?? []
  const isWithPort = host !== undefined && (text.startsWith('[') || !host.includes(':'))
  if (isWithPort) {
    const address = Number(port) <= 65_535 ? Address.parse(host, Number(port)) : null
    return address === null ? `"${text}" is not an address with a port` : (other) => other.equals(address)
  }
  const ranges = parsePeerRange(text.replace(/^\[(.*)\]$/, '$1'))
  // A word that stands for many ranges is of no use here.
  if (typeof ranges === 'string' || ranges.length !== 1) return `"${text}" is not an address or a range of them`
  const [range] = ranges as readonly [PeerRange]
  return (other) => range.holds(other)
}

/** What a filter means now. An address that cannot be read means nobody: who asks has read it before. */
export function matching(
  filter: SessionFilter,
  now: number,
  connectionsOf: (allocation: Allocation) => Iterable<PeerConnection> = () => [],
): (allocation: Allocation) => boolean {
  const { id, username, transport, olderThanSeconds } = filter
  const client = filter.address === undefined ? null : readAddressFilter(filter.address)
  const peer = filter.peer === undefined ? null : readAddressFilter(filter.peer)
  if (typeof client === 'string' || typeof peer === 'string') return () => false
  return (allocation) =>
    (id === undefined || allocation.id === id) &&
    (username === undefined || isOf(allocation, username)) &&
    (transport === undefined || allocation.client.transport === transport) &&
    (olderThanSeconds === undefined || now - allocation.createdAt >= olderThanSeconds * 1000) &&
    (client === null || client(allocation.client.client)) &&
    (peer === null || hasPeer(allocation, peer, now) || hasConnection(connectionsOf(allocation), peer))
}

function isOf({ user: { account, quotaName: counted } }: Allocation, username: string): boolean {
  return account.name === username || counted === quotaName('temporary', username, account.realm)
}

function hasPeer({ permissions, channels }: Allocation, isMeant: AddressFilter, now: number): boolean {
  for (const { peer, expiresAt } of channels.values()) if (expiresAt > now && isMeant(peer)) return true
  for (const { peer, expiresAt } of permissions) if (expiresAt > now && isMeant(peer)) return true
  return false
}

function hasConnection(connections: Iterable<PeerConnection>, isMeant: AddressFilter): boolean {
  for (const { peer } of connections) if (isMeant(peer)) return true
  return false
}
