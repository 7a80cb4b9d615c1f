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
 * the document of ICE servers, and leaves.
 */
export async function lookAtRooms(base: URL): Promise<RoomsSeen> {
  const findings: Finding[] = []
  const page = await attempt('page', base, findings, () => ask('GET', new URL('/', base)))
  if (page === null) return { findings, iceServers: [], aheadSeconds: null }
  const { aheadSeconds } = page
  findings.push(pageVerdict(base, page))
  const ready = await ask('GET', new URL('/readyz', base)).catch(() => null)
  if (ready?.status === 503)
    findings.push(
      warning(
        'ready',
        'the server is draining: it takes no new allocations',
        'webrtc-stack undrain, or wait for its successor',
      ),
    )

  const room = `doctor-${randomInt(1e9)}`
  const places: Place[] = []
  try {
    await takePlaces(base, room, places, findings)
    const [one, two] = places
    if (one !== undefined && two !== undefined) {
      findings.push(ok('room', `two clients have joined ${room}`))
      findings.push(await signalingFinding(base.origin, readUrl(one.wssUrl, base), room, [one.client, two.client]))
    }
    // Before leaving: some servers give it to clients in a room alone.
    const iceUrl = readUrl(one?.iceServerUrl ?? null, base) ?? new URL('/v1alpha/iceconfig', base)
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

function readUrl(text: string | null, base: URL): URL | null {
  try {
    return text === null ? null : new URL(text, base)
  } catch {
    return null
  }
}
