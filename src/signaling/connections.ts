import type { WebSocket } from 'ws'
import type { EffectOf } from '../rooms/command.ts'
import type { RoomEffects } from '../rooms/rooms.ts'
import { Connection } from './connection.ts'
import type { SignalingOptions } from './options.ts'
import { ErrorText, errorFrame, messageFrame } from './protocol.ts'
import { Unread } from './unread.ts'

/** Status of an ordinary end (RFC 6455 §7.4.1). */
const NORMAL = 1000

/** The WebSockets of this process, by the names that rooms know them by. */
export class Connections implements RoomEffects {
  readonly unread: Unread
  /** Those that are bound to a client. */
  bound = 0
  readonly #byName = new Map<string, Connection>()
  /** May be gone through as often as one likes. */
  readonly all: Iterable<Connection> = { [Symbol.iterator]: () => this.#byName.values() }
  readonly #now: () => number
  readonly #forgotten: (room: string, client: string) => void
  #opened = 0

  /** `now`: monotonic milliseconds. `forgotten` tells a foreign room server that a client is gone (Collider's `-room-server`). */
  constructor(
    { unreadBytes }: SignalingOptions,
    now: () => number,
    forgotten: (room: string, client: string) => void = () => {},
  ) {
    this.unread = new Unread(unreadBytes)
    this.#now = now
    this.#forgotten = forgotten
  }

  get size(): number {
    return this.#byName.size
  }

  /** `work` is what is done for each frame. */
  open(
    socket: WebSocket,
    address: string,
    options: SignalingOptions,
    work: (connection: Connection, frame: string) => Promise<void> | null,
  ): Connection {
    const connection = new Connection(String(++this.#opened), socket, address, options, this.#now(), work)
    this.#byName.set(connection.name, connection)
    return connection
  }

  /** It is over, and everything it has said is done. */
  remove(connection: Connection): void {
    this.#byName.delete(connection.name)
    this.unread.forget(connection)
  }

  /** It is the socket of this client from now on. */
  bind(connection: Connection, room: string, client: string): void {
    connection.room = room
    connection.client = client
    this.bound++
  }

  /** It is nobody's, and says nothing more. False when it was nobody's before. */
  unbind(connection: Connection): boolean {
    connection.finished = true
    if (connection.room === null) return false
    connection.room = null
    this.bound--
    return true
  }

  deliver(_room: string, { socket, text }: EffectOf<'deliver'>): boolean {
    const connection = this.#byName.get(socket)
    if (!connection?.send(messageFrame(text))) return false
    this.unread.weigh(connection, this.all)
    return true
  }

  /** Rooms have let go of it: nothing is reported back to them. */
  disconnect(_room: string, { socket, why, notice }: EffectOf<'disconnect'>): void {
    const connection = this.#byName.get(socket)
    if (!connection) return
    this.unbind(connection)
    if (why === 'closed') connection.send(errorFrame(ErrorText.ROOM_CLOSED + notice))
    // Who answers no ping answers no close frame either.
    if (why === 'replaced') connection.socket.terminate()
    else connection.socket.close(NORMAL)
  }

  isLive(socket: string): boolean {
    return this.#byName.get(socket)?.isLive(this.#now()) ?? false
  }

  forgotten(room: string, client: string): void {
    this.#forgotten(room, client)
  }
}
