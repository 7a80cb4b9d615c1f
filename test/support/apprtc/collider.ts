import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { textOf } from './room-server.ts'

/** Collider's register timeout, which is its grace for a broken socket, too. */
const TIMEOUT_MS = 10_000

interface Client {
  socket: WebSocket | null
  /** Its own messages, until the other one has a socket. */
  queue: string[]
  timer: NodeJS.Timeout | undefined
}

/**
 * Collider, after its published behaviour: it trusts every name, keeps the messages of a sender until the other one registers,
 * forgets a client 10 s after its socket broke, and then, or at a DELETE, calls `/bye` of its room server.
 */
export class OriginalCollider {
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  readonly #sockets = new WebSocketServer({ server: this.#server, path: '/ws', verifyClient: hasOrigin })
  readonly #rooms = new Map<string, Map<string, Client>>()
  /** Origin of the room server, known only when it runs: it must be told of this Collider first. */
  roomServer = ''

  static async start(): Promise<OriginalCollider> {
    const collider = new OriginalCollider()
    collider.#sockets.on('connection', (socket) => collider.#connected(socket))
    await new Promise<void>((listening) => collider.#server.listen(0, '127.0.0.1', listening))
    return collider
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    for (const room of this.#rooms.values()) for (const { timer } of room.values()) clearTimeout(timer)
    for (const socket of this.#sockets.clients) socket.terminate()
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  #connected(socket: WebSocket): void {
    let registered: { readonly room: string; readonly id: string } | null = null
    const fail = (error: string) => {
      socket.send(frame('', error))
      socket.close()
    }
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const { cmd, roomid, clientid, msg } = JSON.parse(data.toString()) as Record<string, string>
      if (cmd === 'register') {
        if (registered !== null) return fail('Duplicated register request')
        if (!roomid || !clientid) return fail("Invalid register request: missing 'clientid' or 'roomid'")
        const error = this.#register(roomid, clientid, socket)
        if (error !== null) return fail(error)
        registered = { room: roomid, id: clientid }
      } else if (cmd === 'send') {
        if (registered === null) return fail('Client not registered')
        if (!msg) return fail("Invalid send request: missing 'msg'")
        this.#send(registered.room, registered.id, msg)
      } else socket.send(frame('', "Invalid message: unexpected 'cmd'"))
    })
    socket.on('close', () => {
      if (registered === null) return
      const { room, id } = registered
      const client = this.#rooms.get(room)?.get(id)
      if (client?.socket !== socket) return
      client.socket = null
      this.#expire(room, id, client)
    })
  }

  #register(room: string, id: string, socket: WebSocket): string | null {
    const client = this.#client(room, id)
    if (client === null) return 'Max room capacity reached'
    if (client.socket !== null) return 'Duplicated registration'
    clearTimeout(client.timer)
    client.socket = socket
    for (const [other, { queue }] of this.#rooms.get(room)!)
      if (other !== id) for (const text of queue.splice(0)) socket.send(frame(text, ''))
    return null
  }

  #send(room: string, id: string, text: string): string | null {
    const client = this.#client(room, id)
    if (client === null) return 'Max room capacity reached'
    const other = [...this.#rooms.get(room)!].find(([name]) => name !== id)?.[1]
    if (other?.socket) other.socket.send(frame(text, ''))
    else client.queue.push(text)
    return null
  }

  /** The record of a name, made when there is none; null in a room of two others. */
  #client(room: string, id: string): Client | null {
    const clients = this.#rooms.get(room) ?? new Map<string, Client>()
    this.#rooms.set(room, clients)
    const known = clients.get(id)
    if (known) return known
    if (clients.size >= 2) return null
    const client: Client = { socket: null, queue: [], timer: undefined }
    clients.set(id, client)
    this.#expire(room, id, client)
    return client
  }

  #expire(room: string, id: string, client: Client): void {
    clearTimeout(client.timer)
    client.timer = setTimeout(() => this.#remove(room, id), TIMEOUT_MS)
  }

  #remove(room: string, id: string): void {
    const clients = this.#rooms.get(room)
    const client = clients?.get(id)
    if (clients === undefined || client === undefined) return
    clearTimeout(client.timer)
    clients.delete(id)
    if (clients.size === 0) this.#rooms.delete(room)
    client.socket?.close()
    fetch(`${this.roomServer}/bye/${room}/${id}`, { method: 'POST', headers: { 'Content-Type': 'text' } }).catch(
      () => {},
    )
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, room = '', id = '', ...more] = (request.url ?? '').split('/')
    const say = (status: number, text: string) => {
      response.writeHead(status, {
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Allow-Methods': 'POST, DELETE',
      })
      response.end(text)
    }
    const body = await textOf(request)
    if (room === '' || id === '' || more.length > 0) return say(500, `Invalid path: ${request.url}\n`)
    if (request.method === 'DELETE') {
      this.#remove(room, id)
      return say(200, 'OK\n')
    }
    if (request.method !== 'POST') return say(200, '')
    if (body === '') return say(500, 'Empty request body\n')
    const error = this.#send(room, id, body)
    return error === null ? say(200, 'OK\n') : say(500, `Failed to send the message: ${error}\n`)
  }
}

function frame(msg: string, error: string): string {
  return `${JSON.stringify({ msg, error })}\n`
}

/** Refused with 403 without an absolute URL as the Origin; whose it is does not matter. */
function hasOrigin({ origin }: { origin: string }): boolean {
  return URL.canParse(origin ?? '')
}
