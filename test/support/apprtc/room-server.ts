import { randomInt } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** 2015 has `/register`, `/bye` and `turn_url`; the final one has none of them, and `ice_server_url`. */
export type Era = '2015' | 'final'

interface Member {
  messages: string[]
  initiator: boolean
}

/**
 * AppRTC's room server, after its published behaviour: two places in a room, given back by leave alone; messages of a lone
 * client are stored, those of one of two are forwarded to Collider while the sender waits.
 */
export class OriginalRoomServer {
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  readonly #rooms = new Map<string, Map<string, Member>>()
  readonly #era: Era
  /** host:port of a Collider that speaks without TLS, as the guides for self-hosters set it up. */
  collider = ''
  /** ICE_SERVER_OVERRIDE, or what the service behind `turn_url` answers. */
  turn = { urls: [] as string[], username: '', credential: '' }
  /** POSTs that no route took. */
  readonly unknown: string[] = []

  private constructor(era: Era) {
    this.#era = era
  }

  static async start(era: Era): Promise<OriginalRoomServer> {
    const server = new OriginalRoomServer(era)
    await new Promise<void>((listening) => server.#server.listen(0, '127.0.0.1', listening))
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): Promise<unknown> {
    this.#server.closeAllConnections()
    return new Promise((closed) => this.#server.close(closed))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const [, action = '', room = '', client = ''] = url.pathname.split('/')
    const old = this.#era === '2015'
    const body = await textOf(request)
    const json = (value: unknown, status = 200) => {
      // The page of 2015 asked for TURN across origins.
      response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Access-Control-Allow-Origin': '*' })
      response.end(JSON.stringify(value))
    }
    const route = `${request.method} ${action}`
    if (route === 'GET params') return json(this.#parameters(url, null))
    if (route === 'POST join' || (old && route === 'POST register')) return json(this.#join(room, url))
    if (route === 'POST leave' || (old && route === 'POST bye')) {
      this.#leave(room, client)
      return void response.end()
    }
    if (route === 'POST message') {
      const result = await this.#message(room, client, body)
      return result === null ? void response.writeHead(500).end() : json({ result })
    }
    const { urls, username, credential } = this.turn
    if (old && route === 'GET turn') return json({ username, password: credential, ttl: 86_400, uris: urls })
    if (!old && route === 'POST v1alpha') return json({ iceServers: [{ urls, username, credential }] })
    if (request.method === 'POST') this.unknown.push(url.pathname)
    response.writeHead(404, { 'Content-Type': 'text/html' }).end('<!doctype html><h1>404 Not Found</h1>')
  }

  #join(name: string, url: URL): object {
    const room = this.#rooms.get(name) ?? new Map<string, Member>()
    this.#rooms.set(name, room)
    if (room.size >= 2) return { result: 'FULL', params: { messages: [] } }
    const client = String(randomInt(100_000_000)).padStart(8, '0')
    const initiator = room.size === 0
    const messages = [...room.values()].flatMap((member) => member.messages.splice(0))
    room.set(client, { messages: [], initiator })
    const params = {
      ...this.#parameters(url, client),
      room_id: name,
      room_link: `${this.url}/r/${name}`,
      client_id: client,
      is_initiator: String(initiator),
      messages,
    }
    return { result: 'SUCCESS', params }
  }

  /** Null when Collider does not take it. */
  async #message(name: string, client: string, text: string): Promise<string | null> {
    const room = this.#rooms.get(name)
    if (room === undefined) return 'UNKNOWN_ROOM'
    const member = room.get(client)
    if (member === undefined) return 'UNKNOWN_CLIENT'
    if (room.size === 1) {
      member.messages.push(text)
      return 'SUCCESS'
    }
    const collider = `http://${this.collider}/${name}/${client}`
    const answer = await fetch(collider, { method: 'POST', body: text }).catch(() => null)
    return answer?.status === 200 ? 'SUCCESS' : null
  }

  #leave(name: string, client: string): void {
    const room = this.#rooms.get(name)
    if (!room?.delete(client)) return
    for (const member of room.values()) member.initiator = true
    if (room.size === 0) this.#rooms.delete(name)
  }

  #parameters(url: URL, client: string | null): object {
    const transports = url.searchParams.get('tt') ?? ''
    const policy = url.searchParams.get('it')
    const provider =
      this.#era === '2015'
        ? { turn_url: `${this.url}/turn?username=${client ?? '123456789'}&key=4080218913`, turn_transports: transports }
        : { ice_server_url: `${this.url}/v1alpha/iceconfig?key=`, ice_server_transports: transports }
    return {
      error_messages: [],
      warning_messages: [],
      is_loopback: 'false',
      pc_config: JSON.stringify({ iceServers: [], ...(policy === null ? {} : { iceTransports: policy }) }),
      pc_constraints: JSON.stringify({ optional: [] }),
      media_constraints: JSON.stringify({ audio: true, video: url.searchParams.get('video') !== 'false' }),
      include_loopback_js: '',
      wss_url: `ws://${this.collider}/ws`,
      wss_post_url: `http://${this.collider}`,
      bypass_join_confirmation: 'false',
      ...provider,
    }
  }
}

export async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
