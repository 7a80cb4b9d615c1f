import { Address } from '../stun/address.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** Where a `stun:`, `stuns:`, `turn:` or `turns:` URI leads (RFC 7064, RFC 7065). */
export interface ServerUri {
  readonly scheme: 'stun' | 'stuns' | 'turn' | 'turns'
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  readonly transport: ClientTransport
}

export interface UriReading {
  /** What `HOST` and `HOST:PORT` without a scheme are taken for. */
  readonly bare: 'stun' | 'turn'
  /** Wins over what the URI says. */
  readonly transport?: ClientTransport | undefined
}

/** Reads a URI, or HOST and HOST:PORT alone; a string says what is wrong with it. */
export function parseServerUri(text: string, { bare, transport: wanted }: UriReading): ServerUri | string {
  const [, written, rest = ''] = /^(?:(stuns?|turns?):)?(.*)$/is.exec(text.trim()) ?? []
  if (rest.startsWith('//')) return `"${text}": ${written ?? 'such'} URIs have no "//"; write ${written ?? bare}:HOST`
  if (rest.includes('@')) return `"${text}": a login is not part of the URI`
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(rest)) return `"${text}" is no URI of a ${bare.toUpperCase()} server`
  const scheme = (written?.toLowerCase() ?? bare) as ServerUri['scheme']
  const parts = withoutBrackets(rest) ?? /^([^[\]:?/#\s]+)(?::(\d*))?(?:\?(.*))?$/.exec(rest)
  const [, host, portText, query] = parts ?? []
  if (host === undefined) return `"${text}" names no host; write ${scheme}:HOST:PORT, with an IPv6 address in brackets`
  if (portText !== undefined && !(Number(portText) >= 1 && Number(portText) <= 65_535))
    return `"${text}" names port ${portText === '' ? '""' : portText}; ports are 1 to 65535`
  const over = query === undefined ? null : (/^transport=(udp|tcp)$/i.exec(query)?.[1]?.toLowerCase() ?? '')
  if (over === '') return `"${text}": behind "?" stands transport=udp or transport=tcp`
  const transport = wanted ?? transportOf(scheme, over as 'udp' | 'tcp' | null)
  const port = portText === undefined ? defaultPort(transport) : Number(portText)
  return { scheme, host, port, transport }
}

/** As it stands in `iceServers`. */
export function formatServerUri({ scheme, host, port, transport }: ServerUri): string {
  const name = host.includes(':') ? `[${host}]` : host
  const query = scheme.startsWith('turn')
    ? `?transport=${transport === 'udp' || transport === 'dtls' ? 'udp' : 'tcp'}`
    : ''
  return `${scheme}:${name}:${port}${query}`
}

/** RFC 8489 §14.1's ports of `stun` and `stuns`, which `turn` and `turns` share. */
function defaultPort(transport: ClientTransport): number {
  return transport === 'tls' || transport === 'dtls' ? 5349 : 3478
}

function transportOf(scheme: ServerUri['scheme'], over: 'udp' | 'tcp' | null): ClientTransport {
  if (scheme === 'stuns' || scheme === 'turns') return over === 'udp' ? 'dtls' : 'tls'
  return over ?? 'udp'
}

/** An address of IPv6 in brackets, or one that nothing follows without. */
function withoutBrackets(text: string): RegExpExecArray | readonly [string, string] | null {
  if (text.includes(':') && Address.parse(text) !== null) return [text, text]
  const bracketed = /^\[([^\]]+)\](?::(\d*))?(?:\?(.*))?$/.exec(text)
  return bracketed !== null && Address.parse(bracketed[1]!) !== null ? bracketed : null
}
