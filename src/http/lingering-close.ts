import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How long, and for how many more bytes, a sender is listened to that has its answer already. */
const LINGER_MS = 10_000
const LINGER_BYTES = 8 * 1024 * 1024
const LOOK_MS = 50

const lingering = new WeakSet<Socket>()
/** The latest request of each connection, with its answer. */
const exchanges = new WeakMap<Socket, { readonly request: IncomingMessage; readonly response: ServerResponse }>()

/**
 * Lets whoever is still sending `request` read an answer that came before its end. Node closes when an answer is out; closed
 * with bytes unread, the kernel sends a reset, and at that the sender's kernel throws away what it has not read yet (RFC 9112 §9.6).
 */
export function outliveAnswer(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request
  const isNew = !exchanges.has(socket)
  exchanges.set(socket, { request, response })
  if (!isNew) return
  // What Node calls after the last answer of a connection.
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    const latest = exchanges.get(socket)!.request
    if (latest.complete) {
      destroySoon()
      return
    }
    // Whoever was reading the body has answered.
    latest.removeAllListeners('data')
    latest.resume()
    linger(socket)
  }
}

/** Whether an answer has begun on this connection and not ended, so that nothing else may be written to it. */
export function isAnswering(socket: Socket): boolean {
  const response = exchanges.get(socket)?.response
  return response?.headersSent === true && !response.writableFinished
}

/** Ends our side with `last`, and reads on for a while before it closes. Whoever calls it sees to it that bytes are read. */
export function linger(socket: Socket, last = ''): void {
  if (lingering.has(socket) || socket.destroyed) return
  lingering.add(socket)
  socket.end(last)
  const mostBytes = socket.bytesRead + LINGER_BYTES
  let looks = LINGER_MS / LOOK_MS
  const looking = setInterval(() => {
    if (--looks <= 0 || socket.bytesRead > mostBytes) socket.destroy()
  }, LOOK_MS)
  socket.once('close', () => clearInterval(looking))
}
