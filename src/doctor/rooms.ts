import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type Finding, failure, ok, warning } from './finding.ts'
import { ask, type HttpAnswer, httpTrouble } from './http.ts'
import { skewVerdict } from './machine.ts'
import { ms } from './stun.ts'

/** A TURN or STUN URI that a server hands out, with its login. */
export interface IceServer {
  readonly url: string
  readonly username: string | null
  readonly credential: string | null
}

export interface RoomsSeen {
  readonly findings: readonly Finding[]
  readonly iceServers: readonly IceServer[]
  /** How far the server's clock is ahead; null where it does not say. */
  readonly aheadSeconds: number | null
}

interface Place {
  readonly client: string
  readonly wssUrl: string | null
  readonly iceServerUrl: string | null
}

/**
 * Walks through a call as a page would: page, two places in a room of its own name, a message from one WebSocket to the other,
 * the document of ICE servers, and leaves. `replace` turns an address of the answers into one to be asked, for a server behind a proxy.
 */
export async function lookAtRooms(base: URL, replace: (url: URL) => URL = (url) => url): Promise<RoomsSeen> {
  const findings: Finding[] = []
  const page = await attempt('page', base, findings, () => ask('GET', new URL('/', base)))
  if (page === null) return { findings, iceServers: [], aheadSeconds: null }
  const { aheadSeconds } = page
  findings.push(pageVerdict(base, page))
  const ready = await ask('GET', new URL('/readyz', base)).catch(() => null)
  if (ready?.status === 503)
    findings.push(
      warning('ready', 'the server is draining: it takes no new allocations', 'wait for its successor, or restart it'),
    )

  const room = `doctor-${randomInt(1e9)}`
  const places: Place[] = []
  try {
    for (let i = 0; i < 2; i++) {
      const answer = await attempt('room', base, findings, () => ask('POST', new URL(`/join/${room}`, base)))
      const place = answer === null ? null : placeIn(answer)
      if (place === null) {
        if (answer !== null) findings.push(joinTrouble(answer))
        break
      }
      places.push(place)
    }
    const [one, two] = places
    if (one !== undefined && two !== undefined) {
      findings.push(
        ok('room', `two clients have joined ${room}`),
        await signalingFinding(base, room, one, two, replace),
      )
    }
  } finally {
    for (const { client } of places) await ask('POST', new URL(`/leave/${room}/${client}`, base)).catch(() => null)
  }
  const iceUrl = readUrl(places[0]?.iceServerUrl ?? null, base) ?? new URL('/v1alpha/iceconfig', base)
  const document = await attempt('iceconfig', iceUrl, findings, () => ask('POST', replace(iceUrl)))
  if (document === null) return { findings, iceServers: [], aheadSeconds }
  const iceServers = iceServersIn(document.text)
  findings.push(...iceVerdicts(document, iceServers, base.hostname))
  return { findings, iceServers, aheadSeconds }
}

function pageVerdict(base: URL, { status, location, text }: HttpAnswer): Finding {
  if (status === 200 && /<html/i.test(text)) return ok('page', `${base.origin} answers`)
  if (status >= 300 && status < 400)
    return warning('page', `${base.origin} leads to ${location}`, `ask there: webrtc-stack doctor ${location}`)
  return failure(
    'page',
    `${base.origin} answers ${status}`,
    'no call page is there: compare the address, and the proxy in front of it',
  )
}

/** AppRTC's answer to a join; null where it is none, or a refusal. */
function placeIn({ text }: HttpAnswer): Place | null {
  const { result, params } = (object(text) ?? {}) as { result?: unknown; params?: Record<string, unknown> }
  if (result !== 'SUCCESS' || typeof params?.['client_id'] !== 'string') return null
  const textOf = (name: string) => (typeof params[name] === 'string' && params[name] !== '' ? params[name] : null)
  return { client: params['client_id'], wssUrl: textOf('wss_url'), iceServerUrl: textOf('ice_server_url') }
}

function joinTrouble({ status, text }: HttpAnswer): Finding {
  const { result } = (object(text) ?? {}) as { result?: unknown }
  if (status === 429)
    return warning(
      'room',
      'this address opens too many rooms (429)',
      'wait a minute; new-rooms-per-minute says how many',
    )
  if (typeof result === 'string')
    return failure('room', `joining is answered with ${result}`, "the reason is in the server's log")
  return failure(
    'room',
    `joining is answered with ${status} and no AppRTC answer`,
    'hand POST /join/ on in the proxy, too',
  )
}

const REGISTERED_MS = 300
const PATIENCE_MS = 8000

/** One client sends, the other has to hear it (Collider's frames). */
async function signalingFinding(
  base: URL,
  room: string,
  one: Place,
  two: Place,
  replace: (url: URL) => URL,
): Promise<Finding> {
  const url = readUrl(one.wssUrl, base)
  if (url === null)
    return failure('signaling', 'the room server names no WebSocket', 'set wss-host-port-pair, or signaling=on')
  const target = replace(url)
  const sockets: WebSocket[] = []
  const open = async (client: string): Promise<WebSocket> => {
    const socket = new WebSocket(target, {
      origin: base.origin,
      rejectUnauthorized: false,
      handshakeTimeout: PATIENCE_MS,
    })
    sockets.push(socket)
    await once(socket, 'open')
    socket.send(JSON.stringify({ cmd: 'register', roomid: room, clientid: client }))
    return socket
  }
  try {
    const hearer = await open(one.client)
    const heard = once(hearer, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    // Collider says nothing of a registration that it has taken.
    await new Promise((later) => setTimeout(later, REGISTERED_MS))
    const speaker = await open(two.client)
    await new Promise((later) => setTimeout(later, REGISTERED_MS))
    const sentAt = performance.now()
    speaker.send(JSON.stringify({ cmd: 'send', msg: '{"type":"doctor"}' }))
    const [frame] = (await heard) as [Buffer]
    const { error } = (object(String(frame)) ?? {}) as { error?: unknown }
    if (typeof error === 'string' && error !== '')
      return failure('signaling', `${url.origin} answers "${error}"`, "the reason is in the server's log")
    return ok('signaling', `a message came through ${url.href} in ${ms(performance.now() - sentAt)}`)
  } catch (error) {
    return failure('signaling', `${url.href}: ${socketTrouble(error)}`, socketFix(error, url))
  } finally {
    for (const socket of sockets) {
      socket.on('error', () => {})
      socket.terminate()
    }
  }
}

function socketTrouble(error: unknown): string {
  const refused = /Unexpected server response: (\d+)/.exec(error instanceof Error ? error.message : '')
  if (refused !== null) return `the WebSocket is answered with ${refused[1]}`
  return error instanceof Error && error.name === 'AbortError' ? 'the message did not arrive' : httpTrouble(error)
}

function socketFix(error: unknown, url: URL): string {
  if (/Unexpected server response/.test(error instanceof Error ? error.message : ''))
    return `let the proxy hand on Upgrade and Connection for ${url.pathname} (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade)`
  return `open tcp port ${url.port || (url.protocol === 'wss:' ? 443 : 80)} at ${url.hostname}, or announce another: wss-host-port-pair`
}

/** CEOD's shape (`uris`) or the provider's (`iceServers`). */
export function iceServersIn(text: string): IceServer[] {
  const document = (object(text) ?? {}) as Record<string, unknown>
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
  const { username, ttl } = (object(text) ?? {}) as { username?: unknown; ttl?: unknown }
  const [, ends] = /^(\d{9,11})(?!\d)/.exec(typeof username === 'string' ? username : '') ?? []
  return ends === undefined || typeof ttl !== 'number' ? null : Number(ends) - ttl - wallMs / 1000
}

async function attempt(
  subject: string,
  url: URL,
  findings: Finding[],
  act: () => Promise<HttpAnswer>,
): Promise<HttpAnswer | null> {
  try {
    return await act()
  } catch (error) {
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    findings.push(
      failure(
        subject,
        `${url.origin}: ${httpTrouble(error)}`,
        `start the server there, and let tcp port ${port} through firewalls`,
      ),
    )
    return null
  }
}

function readUrl(text: string | null, base: URL): URL | null {
  try {
    return text === null ? null : new URL(text, base)
  } catch {
    return null
  }
}

function object(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
