import { type Finding, failure, ok, warning } from './finding.ts'
import { type HttpAnswer, jsonObject } from './http.ts'
import { skewVerdict } from './machine.ts'

/** A TURN or STUN URI that a server hands out, with its login. */
export interface IceServer {
  readonly url: string
  readonly username: string | null
  readonly credential: string | null
}

/** CEOD's shape (`uris`) or the provider's (`iceServers`). */
export function iceServersIn(text: string): IceServer[] {
  const document = (jsonObject(text) ?? {}) as Record<string, unknown>
  const listed = Array.isArray(document['iceServers']) ? (document['iceServers'] as unknown[]) : []
  const old = { urls: document['uris'], username: document['username'], credential: document['password'] }
  const entries = listed.length > 0 ? listed : [old]
  const found = entries.flatMap((entry) => {
    const { urls, url, username, credential } = (entry ?? {}) as Record<string, unknown>
    const word = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
    return [urls ?? url ?? []]
      .flat()
      .filter((each): each is string => typeof each === 'string')
      .map((each) => ({ url: each, username: word(username), credential: word(credential) }))
  })
  return found.filter(({ url }, i) => found.findIndex((other) => other.url === url) === i)
}

/** Whether the document is one, and made by a clock like ours. */
export function iceVerdicts({ status, text }: HttpAnswer, servers: readonly IceServer[], pageHost: string): Finding[] {
  if (status === 403)
    return [
      warning(
        'iceconfig',
        'credentials are given to clients with a key or in a room only (403)',
        'fine where ice-server-api-key or ice-config-needs-room is set',
      ),
    ]
  if (status !== 200)
    return [
      failure(
        'iceconfig',
        `the ICE servers are answered with ${status}`,
        'hand /v1alpha/iceconfig on in the proxy, too',
      ),
    ]
  const turn = servers.filter(({ url }) => /^turns?:/.test(url))
  if (turn.length === 0)
    return [
      failure(
        'iceconfig',
        'the document names no TURN server: calls across NATs fail',
        'set turn=on, or ice-server-urls',
      ),
    ]
  const hosts = [...new Set(turn.map(({ url }) => /^turns?:(\[[^\]]+\]|[^:?]+)/.exec(url)?.[1] ?? '?'))]
  const findings = [ok('iceconfig', `${turn.length} TURN URIs at ${hosts.join(', ')}`)]
  const foreign = hosts.filter((host) => host !== pageHost)
  const isAddress = (host: string) => /^[\d.]+$|^\[/.test(host)
  if (foreign.length > 0 && !foreign.some(isAddress) && !isAddress(pageHost))
    findings.push(
      warning(
        'iceconfig',
        `TURN is at another host than the page: ${foreign.join(', ')}`,
        `right where TURN has a machine of its own; else set public-host=${pageHost}`,
      ),
    )
  const ahead = aheadOfUs(text, Date.now())
  if (ahead !== null && Math.abs(ahead) > 30) findings.push(skewVerdict('iceconfig', ahead))
  return findings
}

/** A name that ends by itself was made `ttl` before its end, by the server's clock. */
function aheadOfUs(text: string, wallMs: number): number | null {
  const { username, ttl } = (jsonObject(text) ?? {}) as { username?: unknown; ttl?: unknown }
  const [, ends] = /^(\d{9,11})(?!\d)/.exec(typeof username === 'string' ? username : '') ?? []
  return ends === undefined || typeof ttl !== 'number' ? null : Number(ends) - ttl - wallMs / 1000
}
