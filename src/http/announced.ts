import { randomInt } from 'node:crypto'
import type { Visitor } from './caller.ts'
import { parseHost } from './host.ts'
import type { HttpOptions } from './options.ts'

/** Where clients are sent: hub, TURN document, ICE document. '' means that nobody is to be asked. */
export interface Announced {
  readonly origin: string
  readonly wssUrl: string
  readonly wssPostUrl: string
  readonly turnUrl: string
  readonly iceServerUrl: string
}

/**
 * The addresses this caller is to use. A link may shape them (`wshpp`, `wstls`, `ts`, `apikey`), but only within our own hosts:
 * it must not send a visitor's call to a stranger's hub. `url-overrides=compat` lifts that, as in the original.
 */
export function announce(
  query: URLSearchParams,
  visitor: Visitor,
  clientId: string | null,
  options: HttpOptions,
): Announced {
  const compat = options.urlOverrides === 'compat'
  const host = visitor.host.text
  const origin = `${visitor.secure ? 'https' : 'http'}://${host}`
  const own = ownHosts(host, options)

  const asked = query.get('wshpp')
  const wshpp = asked && (compat || own.has(parseHost(asked)?.name ?? '')) ? asked : null
  const hub = wshpp ?? options.wssHostPortPair
  const tlsAsked = query.get('wstls')
  const tls = tlsAsked ? tlsAsked !== 'false' : (options.wssTls ?? (compat || visitor.secure))

  const ts = query.get('ts')
  const base = ts === null || ts === '' || compat ? ts : ownBase(ts, own)
  const apiKey = query.get('apikey') ?? options.iceServerApiKey
  const fillTurn = (at: string) => at && fill(options.turnUrlTemplate, at, clientId ?? randomDigits(9), options.ceodKey)
  const fillIce = (at: string) => at && fill(options.iceServerUrlTemplate, at, apiKey)
  return {
    origin,
    wssUrl: `${tls ? 'wss' : 'ws'}://${hub ?? host}/ws`,
    // Under a prefix no room can be mistaken for a route; every client just appends /ROOM/CLIENT.
    wssPostUrl: `${tls ? 'https' : 'http'}://${hub ?? `${host}/collider`}`,
    turnUrl: fillTurn(base ?? options.turnBaseUrl ?? origin),
    iceServerUrl: fillIce(base ?? options.iceServerBaseUrl ?? origin),
  }
}

/** Digits from the system's randomness: client ids are the only secret of a room (AppRTC's were predictable). */
export function randomDigits(length: number): string {
  return Array.from({ length }, () => randomInt(10)).join('')
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
