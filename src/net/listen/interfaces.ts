import { networkInterfaces } from 'node:os'
import { Address } from '../../stun/address.ts'
import { errorCode } from '../socket-errors.ts'

/**
 * The addresses to bind for one entry of `listening-ip`. A wildcard becomes the addresses this machine has now, because
 * a socket bound to one address also answers from it (STUN-HDR-12 in the tests).
 */
export function listeningHosts(host: string): string[] {
  if (host === '0.0.0.0') return localHosts(4)
  if (host === '::') return localHosts(6)
  return [host]
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

function localHosts(family: 4 | 6): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((host) => isUsable(host) && Address.parse(host)!.family === family)
}

// A link-local IPv6 address means nothing without its zone, which Address and the wire have no place for.
function isUsable(host: string): boolean {
  const address = Address.parse(host)
  return address !== null && !(address.family === 6 && address.w0 >>> 22 === 0xfe80 >>> 6)
}
