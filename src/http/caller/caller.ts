import type { IncomingMessage } from 'node:http'
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import ipaddr from 'ipaddr.js'
import type { HttpOptions } from '../options.ts'
import { type Host, hostOf, parseHost } from './host.ts'

/** Who asks, and how the request reached us. */
export interface Caller {
  readonly address: string
  /** What limits are counted by: the IPv4 address, or the /64 of an IPv6 one, which is what one person has. */
  readonly block: string
  /** It came over TLS, to us or to the proxy in front of us. */
  readonly secure: boolean
  /** Null when the request names none, which HTTP/1.0 may. */
  readonly host: Host | null
  /** A proxy passed it on, trusted or not: its socket says nothing about who asks. */
  readonly forwarded: boolean
}

/** A caller who can be sent a link of ours, because we know our name in it. */
export interface Visitor extends Caller {
  readonly host: Host
  /** It came over TLS, or `public-host` names a port that speaks nothing else. */
  readonly secure: boolean
}

/** Null for a caller to whom no link can be given: it named no host, and no `public-host` is set. */
export function visitorOf(caller: Caller, options: Pick<HttpOptions, 'publicHost' | 'tlsPorts'>): Visitor | null {
  const host = parseHost(options.publicHost ?? '') ?? caller.host
  return host && { ...caller, host, secure: caller.secure || isTlsPort(host, options) }
}

/** Whether `host`, which is ours, names a port that speaks TLS alone. */
export function isTlsPort({ port }: Host, { tlsPorts }: Pick<HttpOptions, 'tlsPorts'>): boolean {
  return port !== null && tlsPorts.includes(port)
}

/** The caller of a request; null when its Host is nothing we may repeat. Only `trusted` proxies speak for others. */
export function callerOf(request: IncomingMessage, trusted: BlockList): Caller | null {
  const host = hostOf(request)
  if (host === 'bad') return null
  const direct = plain(request.socket.remoteAddress ?? '')
  const { 'x-forwarded-for': chain, 'x-forwarded-proto': proto, forwarded, via } = request.headers
  const proxied = chain !== undefined || forwarded !== undefined || via !== undefined
  const encrypted = request.socket instanceof TLSSocket
  if (!holds(trusted, direct))
    return { address: direct, block: blockOf(direct), secure: encrypted, host, forwarded: proxied }
  const scheme = lastOf(proto)
  const address = clientOf(chain, direct, trusted)
  const secure = scheme === 'https' || (scheme !== 'http' && encrypted)
  return { address, block: blockOf(address), secure, host, forwarded: proxied }
}

/** A list of addresses and CIDR ranges; throws on anything else, because a wrong list must not pass for a short one. */
export function addressList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', length] = entry.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    if (length === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(length), family)
  }
  return list
}

export function holds(list: BlockList, address: string): boolean {
  if (isIPv4(address)) return list.check(address, 'ipv4')
  return isIPv6(address) && list.check(address, 'ipv6')
}

/** The part of an address that one person or household has. */
export function blockOf(address: string): string {
  if (!isIPv6(address)) return address
  return ipaddr.IPv6.parse(address)
    .parts.slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')
}

// Each proxy appends who called it, so the first one from the right that is no proxy of ours is the caller.
function clientOf(chain: string | string[] | undefined, direct: string, trusted: BlockList): string {
  const hops = String(chain ?? '')
    .split(',')
    .map((hop) => plain(hop.trim()))
  let address = direct
  for (const hop of hops.reverse()) {
    if (!isIPv4(hop) && !isIPv6(hop)) return address
    address = hop
    if (!holds(trusted, hop)) return address
  }
  return address
}

function lastOf(header: string | string[] | undefined): string {
  return String(header ?? '')
    .split(',')
    .at(-1)!
    .trim()
    .toLowerCase()
}

/** IPv4 in IPv6 clothes is IPv4; a zone index says nothing about who it is. */
function plain(address: string): string {
  const bare = address.split('%')[0]!
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : bare
}
