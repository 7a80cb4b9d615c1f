import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Log } from '../log.ts'
import type { Claim } from '../rooms/client.ts'
import type { RoomEffects } from '../rooms/room.ts'
import type { RoomStore } from '../rooms/room-store.ts'
import { Connection } from './connection.ts'
import type { SignalingOptions } from './options.ts'
import { type ClientMessage, ErrorText, errorFrame, messageFrame, parseClientMessage } from './protocol.ts'
import { Unread } from './unread.ts'

/** Status of an ordinary end, and of a server that goes away (RFC 6455 §7.4.1). */
const NORMAL = 1000
const GOING_AWAY = 1001

const REFUSALS = { 'too-many': ErrorText.ROOM_FULL, draining: ErrorText.DRAINING } as const

export interface HubWorld {
  readonly log: Log
  /** Monotonic milliseconds. */
  now(): number
  readonly limits: HubLimits
  readonly sockets: SocketPool
  /** Tells a foreign room server that a client is gone (Collider's `-room-server`). */
  forgotten?(room: string, client: string): void
}

export type RoomVerdict = 'yes' | 'too-many' | 'draining'

/** What one address may do; `address` is what it is counted by. */
interface HubLimits {
  /** Whether it may open one more room; counts it. While draining nobody may. */
  mayOpenRoom(address: string): Promise<RoomVerdict>
  /** 0, or the seconds for which it may name no client of this room, after too many wrong ones. */
  clientWait(address: string, room: string, fromThere: boolean): number
  /** It has named a client of the room that nobody knows. */
  unknownClient(address: string, room: string): void
}

/** WebSockets that may be open; each address has a share of them. */
interface SocketPool {
  /** Null when there is a place for `socket`, or why there is none; `displace` ends another one for it. */
  take(address: string, socket: Duplex, displace: (other: Duplex) => void): 'too-many' | 'too-many-from-source' | null
  /** It is over. */
  give(socket: Duplex): void
}

/** What Collider's /status shows. */
export interface HubCounters {
  /** Sockets bound to a client. */
  openSockets: number
  /** Successful registers. */
  totalSockets: number
  socketErrors: number
  httpErrors: number
}

/** The Collider: binds WebSockets to clients of rooms and relays their texts. */
export class Hub {
  readonly rooms: RoomStore
  readonly counters: HubCounters = { openSockets: 0, totalSockets: 0, socketErrors: 0, httpErrors: 0 }
  readonly unread: Unread
  readonly #options: SignalingOptions
  readonly #world: HubWorld
  readonly #server: WebSocketServer
  readonly #connections = new Set<Connection>()
  readonly #registered = new Map<string, Connection>()
  readonly #heartbeat: NodeJS.Timeout
  readonly #startedAt: number
  #closing = false

  constructor(options: SignalingOptions, createRooms: (effects: RoomEffects) => RoomStore, world: HubWorld) {
    this.#options = { ...options }
    this.#world = world
    this.unread = new Unread(options.unreadBytes)
    this.#startedAt = world.now()
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes,
      handleProtocols: () => false,
    })
    this.rooms = createRooms({
      deliver: (room, client, text) => this.#deliver(keyOf(room, client), text),
      disconnect: (room, client, reason) => this.#disconnect(room, client, reason),
      forgotten: (room, client) => world.forgotten?.(room, client),
    })
    this.#heartbeat = setInterval(() => this.beat(), 1000)
    this.#heartbeat.unref()
  }

  /** Other options from now on, for the sockets there are, too: each of them looks at the one object. */
  apply(options: SignalingOptions): void {
    Object.assign(this.#options, options)
    this.#server.options.maxPayload = options.maxFrameBytes
    this.unread.apply(options.unreadBytes)
  }

  /** Open sockets, registered or not. */
  get connections(): number {
    return this.#connections.size
  }

  get uptimeSeconds(): number {
    return (this.#world.now() - this.#startedAt) / 1000
  }

  /** Answers an upgrade request for a path the hub listens on; `address` is what limits are counted by. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, address: string): void {
    const refusal = this.#refusal(request, socket, address)
    if (refusal !== null) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    socket.once('close', () => this.#world.sockets.give(socket))
    this.#server.handleUpgrade(request, socket, head, (accepted) => this.#opened(accepted, address))
  }

  /** What happens once a second: expiry of places, registration timeouts, pings. */
  beat(): void {
    const now = this.#world.now()
    this.rooms.sweep(now)
    const timeout = this.#options.registerTimeoutSeconds * 1000
    for (const connection of this.#connections) {
      this.unread.weigh(connection, this.#connections)
      const unregistered = connection.room === null && !connection.finished
      if (unregistered && timeout > 0 && now - connection.openedAt >= timeout)
        this.#fail(connection, ErrorText.REGISTER_TIMEOUT)
      else connection.beat(now)
    }
  }

  /** Ends every socket, politely first. */
  async close(): Promise<void> {
    this.#closing = true
    clearInterval(this.#heartbeat)
    const open = [...this.#connections]
    const closed = open.map((connection) => new Promise<void>((done) => connection.socket.once('close', () => done())))
    for (const { socket } of open) socket.close(GOING_AWAY)
    const impatient = setTimeout(() => {
      for (const { socket } of open) socket.terminate()
    }, 500)
    await Promise.all(closed)
    clearTimeout(impatient)
    this.#server.close()
  }

  #refusal(request: IncomingMessage, socket: Duplex, address: string): string | null {
    const { allowOrigins } = this.#options
    const origin = request.headers.origin
    if (allowOrigins.length > 0 && (origin === undefined || !allowOrigins.includes(origin.toLowerCase())))
      return '403 Forbidden'
    if (this.#closing || socket.destroyed) return '503 Service Unavailable'
    const refused = this.#world.sockets.take(address, socket, (other) => other.destroy())
    if (refused === null) return null
    return refused === 'too-many' ? '503 Service Unavailable' : '429 Too Many Requests'
  }

  #opened(socket: WebSocket, address: string): void {
    const connection = new Connection(socket, address, this.#options, this.#world.now())
    this.#connections.add(connection)
    socket.on('message', (data, isBinary) => this.#received(connection, data, isBinary))
    for (const event of ['ping', 'pong'])
      socket.on(event, () => {
        connection.heard()
        connection.spend(this.#world.now())
      })
    // Broken frames (1002, 1007, 1009) and broken networks: ws closes the socket, which is all there is to do.
    socket.on('error', () => this.counters.socketErrors++)
    socket.on('close', (code) => this.#closed(connection, code === GOING_AWAY))
  }

  #received(connection: Connection, data: RawData, isBinary: boolean): void {
    connection.heard()
    connection.spend(this.#world.now())
    if (connection.finished) return
    if (isBinary) this.#fail(connection, ErrorText.NOT_TEXT)
    else if (connection.backlog) connection.backlog.push(data.toString())
    else this.#take(connection, data.toString())
  }

  #take(connection: Connection, text: string): void {
    const message = parseClientMessage(text)
    if (message.cmd === 'unexpected') {
      this.counters.socketErrors++
      connection.send(errorFrame(ErrorText.UNEXPECTED_COMMAND))
      return
    }
    const error = this.#act(connection, message)
    if (error !== null) this.#fail(connection, error)
  }

  /** Does what a frame asks for; a refusal ends the socket. */
  #act(connection: Connection, message: Exclude<ClientMessage, { cmd: 'unexpected' }>): string | null {
    if (message.cmd === 'invalid') return message.error
    return message.cmd === 'register'
      ? this.#register(connection, message.roomid, message.clientid, message.claim ?? null)
      : this.#send(connection, message.msg)
  }

  #register(connection: Connection, room: string, client: string, claim: Claim | null): string | null {
    if (connection.room !== null) return ErrorText.DUPLICATED_REGISTER_REQUEST
    if (!isName(room) || !isName(client)) return ErrorText.MISSING_ID
    if (this.rooms.has(room)) return this.#bind(connection, room, client, claim)
    connection.backlog = []
    this.#world.limits.mayOpenRoom(connection.address).then(
      (verdict) => this.#admit(connection, verdict, room, client, claim),
      (err: unknown) => {
        this.#world.log.error({ err }, 'room limit failed')
        this.#admit(connection, 'too-many', room, client, claim)
      },
    )
    return null
  }

  #admit(connection: Connection, verdict: RoomVerdict, room: string, client: string, claim: Claim | null): void {
    const waiting = connection.backlog ?? []
    connection.backlog = null
    if (connection.finished) return
    const refusal = verdict === 'yes' ? this.#bind(connection, room, client, claim) : REFUSALS[verdict]
    if (refusal !== null) this.#fail(connection, refusal)
    for (const text of waiting) if (!connection.finished) this.#take(connection, text)
  }

  #bind(connection: Connection, room: string, client: string, claim: Claim | null): string | null {
    const now = this.#world.now()
    const { limits } = this.#world
    const { address } = connection
    // As for a client that nobody knows: the answer tells a guesser nothing.
    const from = this.rooms.comesFrom(room, client)
    if (limits.clientWait(address, room, from === address) > 0) return ErrorText.ROOM_FULL
    const key = keyOf(room, client)
    const old = this.#registered.get(key)
    if (old) {
      // A socket whose network is gone looks alive for a while; its owner knows better.
      const proven = claim !== null && this.rooms.proves(room, client, claim.secret)
      if (!proven && old.isLive(now)) return ErrorText.DUPLICATED_REGISTRATION
      old.socket.terminate()
      this.#release(old, false)
    }
    // Bound before the rooms know, because they hand over waiting texts at once.
    this.#registered.set(key, connection)
    const isNewRoom = !this.rooms.has(room)
    const refusal = this.rooms.register(room, client, now, address, claim)
    if (refusal !== null) {
      if (from === undefined && !isNewRoom) limits.unknownClient(address, room)
      this.#registered.delete(key)
      return refusal
    }
    connection.room = room
    connection.client = client
    this.counters.openSockets++
    this.counters.totalSockets++
    this.#world.log.debug({ room, client }, 'client registered')
    return null
  }

  #send(connection: Connection, text: string): string | null {
    if (connection.room === null) return ErrorText.NOT_REGISTERED
    if (text === '') return ErrorText.MISSING_MESSAGE
    // Trouble of delivery is never reported to the sender, as by Collider.
    const refusal = this.rooms.send(connection.room, connection.client, text, this.#world.now())
    if (refusal !== null) this.counters.socketErrors++
    return null
  }

  #fail(connection: Connection, error: string): void {
    this.counters.socketErrors++
    connection.send(errorFrame(error))
    connection.finished = true
    connection.socket.close(NORMAL)
    this.#release(connection, false)
  }

  #closed(connection: Connection, goingAway: boolean): void {
    connection.finished = true
    connection.dispose()
    this.#connections.delete(connection)
    this.unread.forget(connection)
    this.#release(connection, goingAway)
  }

  /** Takes the socket away from its client, who keeps the place for the grace time. */
  #release(connection: Connection, goingAway: boolean): void {
    const { room, client } = connection
    if (room === null) return
    connection.room = null
    connection.finished = true
    this.counters.openSockets--
    this.#registered.delete(keyOf(room, client))
    this.rooms.closed(room, client, goingAway, this.#world.now())
  }

  #deliver(key: string, text: string): void {
    const connection = this.#registered.get(key)
    if (!connection) return
    connection.send(messageFrame(text))
    this.unread.weigh(connection, this.#connections)
  }

  /** The rooms have forgotten this client: nothing may be reported back to them. */
  #disconnect(room: string, client: string, reason?: string): void {
    const key = keyOf(room, client)
    const connection = this.#registered.get(key)
    if (!connection) return
    this.#registered.delete(key)
    connection.room = null
    connection.finished = true
    this.counters.openSockets--
    if (reason !== undefined) connection.send(errorFrame(ErrorText.ROOM_CLOSED + reason))
    connection.socket.close(NORMAL)
  }
}

/** Whether the hub takes `name` for a room or a client: any text without `/`, as Collider, but bounded and printable. */
export function isName(name: string): boolean {
  return name.length > 0 && name.length <= 256 && !/[/\x00-\x1f\x7f]/.test(name)
}

function keyOf(room: string, client: string): string {
  return `${room}/${client}`
}
