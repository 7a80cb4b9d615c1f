import { once } from 'node:events'
import { WebSocket } from 'ws'
import { type Finding, failure, ok } from './finding.ts'
import { httpTrouble, jsonObject } from './http.ts'
import { ms } from './stun.ts'

const REGISTERED_MS = 300
const PATIENCE_MS = 8000

/** One client sends, the other has to hear it (Collider's frames). */
export async function signalingFinding(
  origin: string,
  url: URL | null,
  room: string,
  [one, two]: readonly [string, string],
): Promise<Finding> {
  if (url === null)
    return failure('signaling', 'the room server names no WebSocket', 'set wss-host-port-pair, or signaling=on')
  const sockets: WebSocket[] = []
  const open = async (client: string): Promise<WebSocket> => {
    const socket = new WebSocket(url, {
      origin,
      rejectUnauthorized: false,
      handshakeTimeout: PATIENCE_MS,
    })
    sockets.push(socket)
    socket.on('error', () => {})
    await once(socket, 'open')
    socket.send(JSON.stringify({ cmd: 'register', roomid: room, clientid: client }))
    return socket
  }
  try {
    const hearer = await open(one)
    const heard = once(hearer, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    heard.catch(() => {})
    // Collider says nothing of a registration that it has taken.
    await new Promise((later) => setTimeout(later, REGISTERED_MS))
    const speaker = await open(two)
    await new Promise((later) => setTimeout(later, REGISTERED_MS))
    const sentAt = performance.now()
    speaker.send(JSON.stringify({ cmd: 'send', msg: '{"type":"doctor"}' }))
    const [frame] = (await heard) as [Buffer]
    const { error } = (jsonObject(String(frame)) ?? {}) as { error?: unknown }
    if (typeof error === 'string' && error !== '')
      return failure('signaling', `${url.origin} answers "${error}"`, "the reason is in the server's log")
    return ok('signaling', `a message came through ${url.href} in ${ms(performance.now() - sentAt)}`)
  } catch (error) {
    return failure('signaling', `${url.href}: ${socketTrouble(error)}`, socketFix(error, url))
  } finally {
    for (const socket of sockets) socket.terminate()
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
