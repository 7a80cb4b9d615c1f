import type { IncomingMessage } from 'node:http'

/** A Host that is safe to put into URLs we hand out. */
export interface Host {
  /** Lower-case name, IPv4 address, or IPv6 address in brackets. */
  readonly name: string
  readonly port: number | null
  /** name[:port] */
  readonly text: string
}

/** Reads `host[:port]`; null for anything else, so that nothing odd in a header reaches an answer. */
export function parseHost(text: string): Host | null {
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?$/.exec(text.toLowerCase())
  if (!match) return null
  const port = match[2] === undefined ? null : Number(match[2])
  if (port !== null && (port === 0 || port > 65_535)) return null
  const name = match[1]!
  if (!URL.canParse(`http://${name}`)) return null
  return { name, port, text: port === null ? name : `${name}:${port}` }
}

/**
 * The host a request is for. Null: it names none, as HTTP/1.0 may and load balancers' checks do. `bad`: it names several, or
 * something that is no host (RFC 9112 §3.2).
 */
export function hostOf({
  headersDistinct,
  url = '',
}: Pick<IncomingMessage, 'headersDistinct' | 'url'>): Host | null | 'bad' {
  const named = headersDistinct['host'] ?? []
  if (named.length > 1) return 'bad'
  // A target with a host of its own is what counts (RFC 9112 §3.2.2).
  const text = /^https?:\/\/([^/?#]*)/.exec(url)?.[1] ?? named[0] ?? ''
  return text === '' ? null : (parseHost(text) ?? 'bad')
}

/**
 * Whether a request can have meant this server, by `names` or by what nobody outside can have: an address, or a name that
 * the public DNS does not know. Any other may be that of a web page which has had its own name point here (DNS rebinding).
 */
export function isOwnHost({ name }: Host, names: readonly string[]): boolean {
  const bare = name.replace(/\.$/, '')
  if (/^\[|^[0-9.]+$/.test(bare) || !bare.includes('.')) return true
  // RFC 6761, RFC 6762, RFC 8375, and what ICANN keeps for private use or cannot give away.
  if (/\.(localhost|test|local|home\.arpa|internal|lan)$/.test(bare)) return true
  return names.some((own) => parseHost(own)?.name === bare)
}
