import { once } from 'node:events'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { createApp } from '../../src/http/app.ts'
import { type ColliderWorld, colliderApp } from '../../src/http/collider.ts'
import { AddressLimits } from '../../src/http/limits/limits.ts'
import { HttpListener } from '../../src/http/listener.ts'
import type { HttpOptions, IceConfigOptions, ListenerOptions } from '../../src/http/options.ts'
import type { CallPages } from '../../src/http/page/page-parameters.ts'
import { createLog, type Log } from '../../src/log.ts'
import { type ShareLimits, Shares } from '../../src/net/limits/shares.ts'
import { MemoryRooms } from '../../src/rooms/memory-rooms.ts'
import type { RoomEffects, Rooms } from '../../src/rooms/rooms.ts'
import { Connections } from '../../src/signaling/connections.ts'
import { Hub } from '../../src/signaling/hub.ts'
import type { SignalingOptions } from '../../src/signaling/options.ts'
import { turnAddresses } from '../../src/start/addresses.ts'
import { iceConfigOptions } from '../../src/start/plan/web-options.ts'
import { roomsWith } from '../rooms/recorder.ts'
import {
  defaultConfig,
  defaultConnections,
  defaultHandshakes,
  defaultHttp,
  defaultListener,
  defaultSignaling,
  defaultSockets,
} from '../support/default-config.ts'

/** Of a TURN server on its usual port, without a certificate. */
const defaultIceConfig = iceConfigOptions(
  defaultConfig,
  { ...turnAddresses(defaultConfig), own: [] },
  { udp: 3478, tcp: 3478, tls: null, dtls: null },
  null,
)

/** A page that shows what it is given, as the real one does: data as escaped JSON. */
const PAGES: CallPages = {
  renderPage: (view, page) =>
    `<!doctype html><script type="application/json">${JSON.stringify({ view, page }).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)}</script>`,
  contentSecurityPolicy: ({ connectSources, frameAncestors }) =>
    `default-src 'none'; connect-src 'self' ${connectSources.map((url) => new URL(url).origin).join(' ')}; frame-ancestors ${frameAncestors}`,
  assets: new Map([['/assets/a.js', { contentType: 'text/javascript', body: '1', encoded: null }]]),
}

export interface ServiceOptions {
  rooms?: Parameters<typeof roomsWith>[0]
  /** Other rooms than those in memory. */
  makeRooms?: (effects: RoomEffects, now: () => number) => Rooms
  signaling?: Partial<SignalingOptions>
  http?: Partial<HttpOptions>
  listener?: Partial<ListenerOptions>
  connections?: Partial<ShareLimits>
  sockets?: Partial<ShareLimits>
  ice?: Partial<IceConfigOptions>
  pages?: CallPages
  log?: Log
  forgotten?: (room: string, client: string) => void
  metrics?: () => Promise<{ contentType: string; body: string }>
}

/** The rooms port and the Collider port on loopback, with a clock that can be moved. */
export class Service {
  readonly hub: Hub
  readonly rooms: Rooms
  readonly connections: Connections
  readonly listener: HttpListener
  readonly collider: HttpListener
  readonly #sockets: Peer[] = []
  #skew: { ms: number }

  private constructor(
    hub: Hub,
    rooms: Rooms,
    connections: Connections,
    listener: HttpListener,
    collider: HttpListener,
    skew: { ms: number },
  ) {
    this.hub = hub
    this.rooms = rooms
    this.connections = connections
    this.listener = listener
    this.collider = collider
    this.#skew = skew
  }

  static async start(options: ServiceOptions = {}): Promise<Service> {
    const skew = { ms: 0 }
    const now = () => performance.now() + skew.ms
    const log = options.log ?? createLog({ level: 'silent', pretty: false })
    const http = { ...defaultHttp, ...options.http }
    const limits = new AddressLimits(http, now)
    const signaling = { ...defaultSignaling, ...options.signaling }
    const connections = new Connections(signaling, now, options.forgotten)
    const rooms =
      options.makeRooms?.(connections, now) ?? new MemoryRooms(roomsWith(options.rooms ?? {}), connections, now, now())
    const sockets = new Shares<Duplex>({ ...defaultSockets, ...options.sockets })
    const hub = new Hub(signaling, { log, now, rooms, connections, limits, sockets })
    const collider: ColliderWorld = { hub, rooms, limits, log, maxBodyBytes: http.maxBodyBytes, now }
    const app = createApp({
      options: http,
      rooms,
      limits,
      pages: options.pages ?? PAGES,
      log,
      now,
      wallClock: () => Date.now(),
      iceConfig: () => ({ ...defaultIceConfig, secret: 'a secret of the test', ...options.ice }),
      collider,
      unready: () => null,
      metrics: options.metrics ?? null,
    })
    const port = async (fetch: typeof app.fetch) =>
      HttpListener.open(
        { host: '127.0.0.1', port: 0, tls: null },
        {
          options: { ...defaultListener, ...options.listener },
          trustedProxies: http.trustedProxies,
          fetch,
          upgrade: (request, socket, head, caller) => hub.upgrade(request, socket, head, caller.block),
          connections: new Shares({ ...defaultConnections, ...options.connections }),
          handshakes: new Shares(defaultHandshakes),
          acceptFailed: () => {},
        },
      )
    return new Service(
      hub,
      rooms,
      connections,
      await port(app.fetch),
      await port(colliderApp(collider, () => null).fetch),
      skew,
    )
  }

  get host(): string {
    return `127.0.0.1:${this.listener.address.port}`
  }

  get url(): string {
    return `http://${this.host}`
  }

  get colliderHost(): string {
    return `127.0.0.1:${this.collider.address.port}`
  }

  get colliderUrl(): string {
    return `http://${this.colliderHost}`
  }

  /** Moves the clock and does what every second does. */
  advance(seconds: number): void {
    this.#skew.ms += seconds * 1000
    this.hub.beat()
  }

  async json(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, init)
    return (await response.json()) as Record<string, unknown>
  }

  post(path: string, body = '', headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, { method: 'POST', body, headers })
  }

  async join(room: string, query = ''): Promise<{ result: string; params: Joined }> {
    const response = await this.post(`/join/${room}${query}`)
    return (await response.json()) as { result: string; params: Joined }
  }

  async message(room: string, client: string, text: string): Promise<unknown> {
    const response = await this.post(`/message/${room}/${client}`, text, {
      'Content-Type': 'text/plain; charset=utf-8',
    })
    return ((await response.json()) as { result: unknown }).result
  }

  async connect(url = `ws://${this.host}/ws`, headers: Record<string, string> = {}): Promise<Peer> {
    const peer = new Peer(new WebSocket(url, { headers, perMessageDeflate: true }))
    this.#sockets.push(peer)
    await peer.opened
    return peer
  }

  /** A socket that is registered: /status has counted it. */
  async register(room: string, client: string, url?: string): Promise<Peer> {
    const peer = await this.connect(url)
    const before = this.hub.counters.totalSockets
    peer.say({ cmd: 'register', roomid: room, clientid: client })
    await until(() => this.hub.counters.totalSockets > before)
    return peer
  }

  async close(): Promise<void> {
    for (const peer of this.#sockets) peer.socket.terminate()
    await this.hub.close()
    await Promise.all([this.listener.close(), this.collider.close()])
  }
}

export interface Joined {
  client_id: string
  is_initiator: string
  room_id: string
  room_link: string
  wss_url: string
  wss_post_url: string
  turn_url: string
  ice_server_url: string
  pc_config: string
  messages: string[]
  [key: string]: unknown
}

/** A WebSocket client that keeps what it hears. */
export class Peer {
  readonly socket: WebSocket
  readonly frames: string[] = []
  readonly opened: Promise<unknown>
  readonly closed: Promise<number>
  closeCode: number | null = null

  constructor(socket: WebSocket) {
    this.socket = socket
    this.opened = once(socket, 'open')
    this.closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        this.closeCode = code
        resolve(code)
      })
    })
    socket.on('error', () => {})
    socket.on('message', (data) => this.frames.push(data.toString()))
  }

  say(message: unknown): void {
    this.socket.send(JSON.stringify(message))
  }

  send(msg: string): void {
    this.say({ cmd: 'send', msg })
  }

  get texts(): string[] {
    return this.frames.map((frame) => (JSON.parse(frame) as { msg: string }).msg)
  }

  get errors(): string[] {
    return this.frames.map((frame) => (JSON.parse(frame) as { error: string }).error).filter((error) => error !== '')
  }

  /** The first `count` texts, once they are there. */
  async heard(count: number): Promise<string[]> {
    await until(() => this.frames.length >= count)
    return this.texts.slice(0, count)
  }
}

/** Waits for something that has no event. */
export async function until(condition: () => boolean | Promise<boolean>, milliseconds = 15_000): Promise<void> {
  const end = performance.now() + milliseconds
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('what the test waits for has not happened')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A request as raw as node:http lets it be: any path, any Host. */
export function raw(
  url: string,
  init: { method?: string; path?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  const { hostname, port, pathname, search } = new URL(url)
  const headers = { ...(init.body ? { 'Content-Length': String(Buffer.byteLength(init.body)) } : {}), ...init.headers }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        hostname,
        port,
        method: init.method ?? 'GET',
        path: init.path ?? pathname + search,
        headers,
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
      },
    )
    request.on('error', reject)
    request.end(init.body)
  })
}
