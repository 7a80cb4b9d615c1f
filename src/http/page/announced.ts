import { randomInt } from 'node:crypto'
import { isTlsPort, type Visitor } from '../caller/caller.ts'
import { parseHost } from '../caller/host.ts'
import type { HttpOptions } from '../options.ts'

/** Where clients are sent: hub, TURN document, ICE document. '' means that nobody is to be asked. */
export interface Announced {
  readonly origin: string
  readonly wssUrl: string
  readonly wssPostUrl: string
  readonly turnUrl: string
  readonly iceServerUrl: string
}

/** Whom an answer is for: a client that gets a place in a room. */
export interface Place {
  readonly room: string
  readonly client: string
}

/**
 * The addresses this caller is to use. A link may shape them (`wshpp`, `wstls`, `ts`, `apikey`), but only within our own hosts:
 * it must not send a visitor's call to a stranger's hub. `url-overrides=compat` lifts that, as in the original.
 */
export function announce(
  query: URLSearchParams,
  visitor: Visitor,
  place: Place | null,
  options: HttpOptions,
): Announced {
  const compat = options.urlOverrides === 'compat'
  const host = visitor.host.text
  const own = ownHosts(host, options)

  const asked = query.get('wshpp')
  const wshpp = asked && (compat || own.has(parseHost(asked)?.name ?? '')) ? asked : null
  const hub = wshpp ?? options.wssHostPortPair
  // Where a port speaks TLS alone no link can change that: nobody would get through to a ws:// address of it.
  const tlsOnly = hub === null || hub === host ? visitor.secure : isOurTls(hub, visitor, options)
  const tlsAsked = query.get('wstls')
  const tls = tlsOnly || (tlsAsked ? tlsAsked !== 'false' : (options.wssTls ?? (compat || visitor.secure)))

  const ts = query.get('ts')
  const base = ts === null || ts === '' || compat ? ts : ownBase(ts, own)
  return {
    origin: originOf(visitor),
    wssUrl: `${tls ? 'wss' : 'ws'}://${hub ?? host}/ws`,
    // Under a prefix no room can be mistaken for a route; every client just appends /ROOM/CLIENT.
    wssPostUrl: `${tls ? 'https' : 'http'}://${hub ?? `${host}/collider`}`,
    ...providerUrls(base, query, visitor, place, options),
  }
}

/** Where credentials are to be had: from us, from whom the configuration names, or at the `base` of a link ('': from nobody). */
function providerUrls(
  base: string | null,
  query: URLSearchParams,
  visitor: Visitor,
  place: Place | null,
  options: HttpOptions,
): Pick<Announced, 'turnUrl' | 'iceServerUrl'> {
  const { ceodKey, iceServerApiKey } = options
  const ownKey = iceServerApiKey || ceodKey
  const turnBase = base ?? options.turnBaseUrl ?? originOf(visitor)
  const iceBase = base ?? options.iceServerBaseUrl ?? originOf(visitor)
  const asksUs = (at: string) => URL.canParse(at) && parseHost(new URL(at).host)?.name === visitor.host.name
  const named = place !== null && options.iceConfigNeedsRoom ? { username: place.client, room: place.room } : {}
  // Old apps that read `turn_url` know nothing of `tt`, and the page of their time filtered their document as it should.
  const transport = query.get('tt') ? { tt: query.get('tt')! } : {}
  // We take either key and no other, so that no answer of ours sends its reader to a closed door.
  const turnKey = ceodKey || (asksUs(turnBase) ? ownKey : '')
  const iceKey = asksUs(iceBase) && ownKey !== '' ? ownKey : (query.get('apikey') ?? iceServerApiKey)
  const user = place?.client ?? randomDigits(9)
  const turnUrl = turnBase && fill(options.turnUrlTemplate, turnBase, user, turnKey)
  const iceServerUrl = iceBase && fill(options.iceServerUrlTemplate, iceBase, iceKey)
  return {
    turnUrl: asksUs(turnBase) ? withQuery(turnUrl, named) : turnUrl,
    iceServerUrl: asksUs(iceBase) ? withQuery(iceServerUrl, { ...named, ...transport }) : iceServerUrl,
  }
}

function originOf({ secure, host }: Visitor): string {
  return `${secure ? 'https' : 'http'}://${host.text}`
}

/** Digits from the system's randomness: client ids are the only secret of a room (AppRTC's were predictable). */
export function randomDigits(length: number): string {
  return Array.from({ length }, () => randomInt(10)).join('')
}

/** Whether `hub` is a port of this server that speaks TLS alone. */
function isOurTls(hub: string, visitor: Visitor, options: HttpOptions): boolean {
  const at = parseHost(hub)
  if (at === null || (hub !== options.wssHostPortPair && at.name !== visitor.host.name)) return false
  return isTlsPort(at, options)
}

function ownHosts(host: string, options: HttpOptions): Set<string> {
  const names = [host, ...options.allowedHosts, options.wssHostPortPair ?? '']
  for (const base of [options.turnBaseUrl, options.iceServerBaseUrl])
    if (base && URL.canParse(base)) names.push(new URL(base).host)
  return new Set(names.map((name) => parseHost(name)?.name ?? '').filter((name) => name !== ''))
}

/** A base URL of one of our hosts, without anything that could hide another; null otherwise, as if it were not there. */
function ownBase(text: string, own: ReadonlySet<string>): string | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || !own.has(url.hostname)) return null
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}

function fill(template: string, base: string, ...values: string[]): string {
  const rest = values.map(encodeURIComponent)
  return [base, ...rest].reduce((text, value) => text.replace('%s', () => value), template)
}

/** The same URL with these arguments, unless its template has them already. */
function withQuery(url: string, args: Readonly<Record<string, string>>): string {
  if (!URL.canParse(url) || Object.keys(args).length === 0) return url
  const full = new URL(url)
  for (const [name, value] of Object.entries(args)) if (!full.searchParams.has(name)) full.searchParams.set(name, value)
  return full.href
}
