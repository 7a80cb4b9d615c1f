import { isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Address } from '../../stun/address.ts'
import { errorCode } from '../socket-errors.ts'

/**
 * The addresses to bind for one entry of `listening-ip`. A wildcard becomes the addresses this machine has now, because
 * a socket bound to one address also answers from it (STUN-HDR-12 in the tests).
 */
export function listeningHosts(host: string, present: readonly string[] = presentHosts()): readonly string[] {
  if (!isWildcard(host)) return [host]
  return present.filter((each) => isIPv6(each) === (host === '::'))
}

let lastSeen: ReturnType<typeof networkInterfaces> | null = null

/**
 * The interfaces of this machine; as they were when last seen where there is no descriptor to ask with, of which whoever wanted one
 * for a client says enough. Throws when they have never been seen.
 */
export function presentInterfaces(): ReturnType<typeof networkInterfaces> {
  try {
    lastSeen = networkInterfaces()
  } catch (error) {
    if (lastSeen === null) throw error
  }
  return lastSeen
}

/** The addresses that this machine has now and that can be listened on. */
export function presentHosts(): readonly string[] {
  return Object.values(presentInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter(isUsable)
}

/** Where to listen by UDP. */
export interface UdpEndpoint {
  /** Numeric; 0.0.0.0 and :: stand for the addresses this machine has. */
  readonly host: string
  readonly port: number
}

/** An address that such an endpoint stands for now. */
export interface PresentEndpoint extends UdpEndpoint {
  /** The same for the same address and port. */
  readonly key: string
  /** A wildcard stands for it, and it may be gone when it is opened. */
  readonly mayBeAbsent: boolean
}

/** What endpoints stand for now, each place once. */
export function presentEndpoints(endpoints: readonly UdpEndpoint[]): readonly PresentEndpoint[] {
  const present = presentHosts()
  const found = new Map<string, PresentEndpoint>()
  for (const { host, port } of endpoints) {
    for (const each of listeningHosts(host, present)) {
      const key = `${each} ${port}`
      const mayBeAbsent = isWildcard(host) && found.get(key)?.mayBeAbsent !== false
      // Each port 0 is another one.
      found.set(port === 0 ? `${key} ${found.size}` : key, { key, host: each, port, mayBeAbsent })
    }
  }
  return [...found.values()]
}

/** Whether one of two sockets would take what the other one is there for: of those for IPv6, none takes IPv4. */
export function overlap(one: UdpEndpoint, other: UdpEndpoint): boolean {
  if (one.port === 0 || one.port !== other.port || isIPv6(one.host) !== isIPv6(other.host)) return false
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host)
}

/** True for 0.0.0.0 and ::, whose addresses may come and go. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Whether an address that a wildcard stands for is not to be had: it is gone again, is IPv6 that is still looking for duplicates of itself, or the system has IPv6 switched off. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

/** Whether a wildcard could not be listened on because it stands for nothing: the system has its family switched off. */
export function standsForNothing(host: string, error: unknown): boolean {
  return isWildcard(host) && errorCode(error) === 'EAFNOSUPPORT'
}

// A link-local IPv6 address means nothing without its zone, which Address and the wire have no place for.
function isUsable(host: string): boolean {
  const address = Address.parse(host)
  return address !== null && !(address.family === 6 && address.w0 >>> 22 === 0xfe80 >>> 6)
}
