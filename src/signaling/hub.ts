import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import type { Claim } from '../rooms/command.ts'
import { PATIENCE_MS, type Rooms } from '../rooms/rooms.ts'
import type { Connection } from './connection.ts'
import type { Connections } from './connections.ts'
import type { SignalingOptions } from './options.ts'
import { type ClientMessage, ErrorText, errorFrame, parseClientMessage } from './protocol.ts'

/** Statuses of an ordinary end, of a server that goes away, and of one that cannot serve now (RFC 6455 §7.4.1 and IANA). */
const NORMAL = 1000
const GOING_AWAY = 1001
const TRY_AGAIN_LATER = 1013

const REFUSALS = { 'too-many': ErrorText.ROOM_FULL, draining: ErrorText.DRAINING } as const

export interface HubWorld {
  readonly log: Log
  /** Monotonic milliseconds. */
  now(): number
  readonly rooms: Rooms
  /** What the effects of `rooms` reach. */
  readonly connections: Connections
  readonly limits: HubLimits
  readonly sockets: SocketPool
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
  readonly openSockets: number
  /** Successful registers. */
  totalSockets: number
  socketErrors: number
  httpErrors: number
}

/** The Collider: binds WebSockets to clients of rooms and relays their texts. */
export class Hub {
  readonly counters: HubCounters
  readonly #options: SignalingOptions
  readonly #world: HubWorld
  readonly #rooms: Rooms
  readonly #connections: Connections
  readonly #server: WebSocketServer
  readonly #heartbeat: NodeJS.Timeout
  readonly #startedAt: number
  readonly #troubles = new OncePerMinute()
  #sweepingSince: number | null = null
  #closing = false

  constructor(options: SignalingOptions, world: HubWorld) {
    const { rooms, connections } = world
    this.#options = { ...options }
    this.#world = world
    this.#rooms = rooms
    this.#connections = connections
    this.counters = {
      get openSockets() {
        return connections.bound
      },
      totalSockets: 0,
      socketErrors: 0,
      httpErrors: 0,
    }
    this.#startedAt = world.now()
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes,
      handleProtocols: () => false,
    })
    this.#heartbeat = setInterval(() => this.beat(), 1000)
    this.#heartbeat.unref()
  }

  /** Other options from now on, for the sockets there are, too: each of them looks at the one object. */
  apply(options: SignalingOptions): void {
    Object.assign(this.#options, options)
    this.#server.options.maxPayload = options.maxFrameBytes
    this.#connections.unread.apply(options.unreadBytes)
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

  /** What happens once a second: expiry of places, registration timeouts, pings, and an end to waiting for rooms. */
  beat(): void {
    const now = this.#world.now()
    this.#sweep()
    const timeout = this.#options.registerTimeoutSeconds * 1000
    for (const connection of this.#connections.all) {
      this.#connections.unread.weigh(connection, this.#connections.all)
      const unregistered = connection.room === null && !connection.finished
      if (connection.askedAt !== null && now - connection.askedAt >= PATIENCE_MS) this.#giveUp(connection)
      else if (unregistered && timeout > 0 && now - connection.openedAt >= timeout)
        this.#fail(connection, ErrorText.REGISTER_TIMEOUT)
      else connection.beat(now)
    }
  }

  /** Ends every socket, politely first. */
  async close(): Promise<void> {
    this.#closing = true
    clearInterval(this.#heartbeat)
    const open = [...this.#connections.all].filter(({ socket }) => socket.readyState !== socket.CLOSED)
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
    const connection = this.#connections.open(socket, address, this.#options, (speaker, frame) =>
      this.#take(speaker, frame),
    )
    socket.on('message', (data, isBinary) => this.#received(connection, data, isBinary))
    for (const event of ['ping', 'pong'])
      socket.on(event, () => {
        connection.heard()
        connection.spend(this.#world.now())
      })
    // Broken frames (1002, 1007, 1009) and broken networks: ws closes the socket, which is all there is to do.
    socket.on('error', () => this.counters.socketErrors++)
    socket.on('close', (code) => {
      connection.dispose()
      connection.mailbox.end(() => this.#ended(connection, code === GOING_AWAY))
    })
  }

  #received(connection: Connection, data: RawData, isBinary: boolean): void {
    connection.heard()
    connection.spend(this.#world.now())
    if (connection.finished) return
    if (isBinary) this.#fail(connection, ErrorText.NOT_TEXT)
    else connection.mailbox.put(data.toString())
  }

  #take(connection: Connection, text: string): Promise<void> | null {
    if (connection.finished) return null
    const message = parseClientMessage(text)
    if (message.cmd === 'unexpected') {
      this.counters.socketErrors++
      connection.send(errorFrame(ErrorText.UNEXPECTED_COMMAND))
      return null
    }
    if (message.cmd === 'invalid') return this.#refuse(connection, message.error)
    const refusal = refusalOf(connection, message)
    if (refusal !== null) return this.#refuse(connection, refusal)
    connection.askedAt = this.#world.now()
    if (message.cmd === 'send') return this.#send(connection, message.msg)
    return this.#register(connection, message.roomid, message.clientid, message.claim ?? null)
  }

  #refuse(connection: Connection, error: string): null {
    this.#fail(connection, error)
    return null
  }

  async #register(connection: Connection, room: string, client: string, claim: Claim | null): Promise<void> {
    const { limits } = this.#world
    const { address: from, name: socket } = connection
    try {
      const known = await this.#rooms.look(room, client)
      const verdict = known.exists ? 'yes' : await limits.mayOpenRoom(from)
      if (verdict !== 'yes') return this.#fail(connection, REFUSALS[verdict])
      // As for a client that nobody knows: the answer tells a guesser nothing.
      if (limits.clientWait(from, room, known.client?.from === from) > 0)
        return this.#fail(connection, ErrorText.ROOM_FULL)
      const command = { verb: 'register', client, from, claim, socket, over: '' } as const
      const { refusal } = await this.#rooms.run(room, command)
      if (refusal === null) return this.#registered(connection, room, client)
      if (known.client === null && known.exists) limits.unknownClient(from, room)
      this.#fail(connection, refusal)
    } catch (error) {
      this.#troubled(error)
      this.#fail(connection, ErrorText.UNREACHABLE, TRY_AGAIN_LATER)
      // It may have been carried out.
      this.#tellClosed(room, client, socket, false)
    } finally {
      connection.askedAt = null
    }
  }

  #registered(connection: Connection, room: string, client: string): void {
    if (connection.finished) {
      // Too late: nobody waits for it any more.
      this.#tellClosed(room, client, connection.name, false)
      return
    }
    this.#connections.bind(connection, room, client)
    this.counters.totalSockets++
    this.#world.log.debug({ room, client }, 'client registered')
  }

  /**
   * Trouble of delivery is never reported to the sender, as by Collider. Where rooms are out of reach the text is lost, but the
   * socket stays: apps end a call whose socket closes, and the call itself needs nothing of us.
   */
  async #send(connection: Connection, text: string): Promise<void> {
    try {
      const refusal = await this.#rooms.run(connection.room!, { verb: 'send', client: connection.client, text })
      if (refusal !== null) this.counters.socketErrors++
    } catch (error) {
      this.counters.socketErrors++
      this.#troubled(error)
    }
    connection.askedAt = null
  }

  /** The rooms have not answered. A later frame must not overtake the one that waits, so this socket is of no use any more. */
  #giveUp(connection: Connection): void {
    connection.askedAt = null
    this.#troubled(new Error(`no answer within ${PATIENCE_MS} ms`))
    this.#fail(connection, ErrorText.UNREACHABLE, TRY_AGAIN_LATER)
  }

  #fail(connection: Connection, error: string, status: number = NORMAL): void {
    if (connection.finished) return
    this.counters.socketErrors++
    connection.send(errorFrame(error))
    connection.socket.close(status)
    this.#release(connection, false)
    connection.mailbox.abandon()
  }

  /** Its socket is closed, and all that it had said is done. */
  #ended(connection: Connection, goingAway: boolean): void {
    this.#release(connection, goingAway)
    this.#connections.remove(connection)
  }

  /** Takes the socket away from its client, who keeps the place for the grace time. */
  #release(connection: Connection, goingAway: boolean): void {
    const { room, client, name } = connection
    if (this.#connections.unbind(connection)) this.#tellClosed(room!, client, name, goingAway)
  }

  #tellClosed(room: string, client: string, socket: string, goingAway: boolean): void {
    this.#rooms.run(room, { verb: 'closed', client, socket, goingAway }).catch((error) => this.#troubled(error))
  }

  #sweep(): void {
    const now = this.#world.now()
    if (this.#sweepingSince !== null && now - this.#sweepingSince < PATIENCE_MS) return
    this.#sweepingSince = now
    const over = () => {
      this.#sweepingSince = null
    }
    this.#rooms.sweep().then(over, (error) => {
      over()
      this.#troubled(error)
    })
  }

  #troubled(err: unknown): void {
    const held = this.#troubles.pass('rooms', this.#world.now())
    if (held !== null) this.#world.log.error({ err, held }, 'rooms are out of reach')
  }
}

/** What is wrong with a frame before any room is asked. */
function refusalOf(
  connection: Connection,
  message: Extract<ClientMessage, { cmd: 'register' | 'send' }>,
): string | null {
  if (message.cmd === 'register') {
    if (connection.room !== null) return ErrorText.DUPLICATED_REGISTER_REQUEST
    return isName(message.roomid) && isName(message.clientid) ? null : ErrorText.MISSING_ID
  }
  if (connection.room === null) return ErrorText.NOT_REGISTERED
  return message.msg === '' ? ErrorText.MISSING_MESSAGE : null
}

/** Whether the hub takes `name` for a room or a client: any text without `/`, as Collider, but bounded and printable. */
export function isName(name: string): boolean {
  return name.length > 0 && name.length <= 256 && !/[/\x00-\x1f\x7f]/.test(name)
}
