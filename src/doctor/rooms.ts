import { randomInt } from 'node:crypto'
import { type Finding, failure, ok, warning } from './finding.ts'
import { ask, type HttpAnswer, httpTrouble, jsonObject } from './http.ts'
import { type IceServer, iceServersIn, iceVerdicts } from './ice-servers.ts'
import { signalingFinding } from './signaling.ts'

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
 * the document of ICE servers, and leaves. What the answers say of `publicHost` is asked at `base`: behind NAT a machine may not
 * reach itself by its public name.
 */
export async function lookAtRooms(base: URL, publicHost: string | null = null): Promise<RoomsSeen> {
  const findings: Finding[] = []
  const page = await attempt('page', base, findings, () => ask('GET', new URL('/', base)))
  if (page === null) return { findings, iceServers: [], aheadSeconds: null }
  const { aheadSeconds } = page
  findings.push(pageVerdict(base, page))
  findings.push(...(await readiness(base)))

  const room = `doctor-${randomInt(1e9)}`
  const places: Place[] = []
  try {
    await takePlaces(base, room, places, findings)
    const [one, two] = places
    if (one !== undefined && two !== undefined) {
      findings.push(ok('room', `two clients have joined ${room}`))
      findings.push(
        await signalingFinding(base.origin, readUrl(one.wssUrl, base, publicHost), room, [one.client, two.client]),
      )
    }
    // Before leaving: some servers give it to clients in a room alone.
    const iceUrl = readUrl(one?.iceServerUrl ?? null, base, publicHost) ?? new URL('/v1alpha/iceconfig', base)
    const document = await attempt('iceconfig', iceUrl, findings, () => ask('POST', iceUrl))
    const iceServers = document === null ? [] : iceServersIn(document.text)
    if (document !== null) findings.push(...iceVerdicts(document, iceServers, base.hostname))
    return { findings, iceServers, aheadSeconds }
  } finally {
    for (const { client } of places) await ask('POST', new URL(`/leave/${room}/${client}`, base)).catch(() => null)
  }
}

async function takePlaces(base: URL, room: string, places: Place[], findings: Finding[]): Promise<void> {
  while (places.length < 2) {
    const answer = await attempt('room', base, findings, () => ask('POST', new URL(`/join/${room}`, base)))
    if (answer === null) return
    const place = placeIn(answer)
    if (place === null) {
      findings.push(joinTrouble(answer))
      return
    }
    places.push(place)
  }
}

/** What our own servers say of themselves to load balancers; others have no such address. */
async function readiness(base: URL): Promise<Finding[]> {
  const answer = await ask('GET', new URL('/readyz', base)).catch(() => null)
  const told = answer?.status === 503 ? /^not ready(?:: (.*))?$/.exec(answer.text.trim()) : null
  if (told === null) return []
  const reason = told[1] ?? 'no reason'
  const fix =
    reason === 'draining'
      ? 'it takes no new calls: webrtc-stack undrain, or wait for its successor'
      : 'load balancers send nobody here until that is mended'
  return [warning('ready', `the server says that it is not ready: ${reason}`, fix)]
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
  const { result, params } = (jsonObject(text) ?? {}) as { result?: unknown; params?: Record<string, unknown> }
  if (result !== 'SUCCESS' || typeof params?.['client_id'] !== 'string') return null
  const textOf = (name: string) => (typeof params[name] === 'string' && params[name] !== '' ? params[name] : null)
  return { client: params['client_id'], wssUrl: textOf('wss_url'), iceServerUrl: textOf('ice_server_url') }
}

function joinTrouble({ status, text }: HttpAnswer): Finding {
  const { result } = (jsonObject(text) ?? {}) as { result?: unknown }
  if (status === 429)
    return warning(
      'room',
      'this address opens too many rooms (429)',
      'wait a minute; new-rooms-per-minute says how many',
    )
  if (result === 'DRAINING')
    return failure(
      'room',
      'the server is draining: it opens no room',
      'webrtc-stack undrain, or wait for its successor',
    )
  if (typeof result === 'string')
    return failure('room', `joining is answered with ${result}`, "the reason is in the server's log")
  return failure(
    'room',
    `joining is answered with ${status} and no AppRTC answer`,
    'hand POST /join/ on in the proxy, too',
  )
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

function readUrl(text: string | null, base: URL, publicHost: string | null): URL | null {
  if (text === null) return null
  try {
    const url = new URL(text, base)
    if (url.hostname !== publicHost) return url
    const scheme = url.protocol.startsWith('ws') ? base.protocol.replace('http', 'ws') : base.protocol
    return new URL(`${scheme}//${base.host}${url.pathname}${url.search}`)
  } catch {
    return null
  }
}
