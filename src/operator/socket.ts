import { once } from 'node:events'
import { lstatSync, unlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { getRequestListener } from '@hono/node-server'

/** Answers requests of operators; loaded with the first of them. */
export type LoadApi = () => Promise<{ fetch(request: Request): Response | Promise<Response> }>

/** Connections at one time. Whoever may open the socket is an operator, and needs one. */
const MAX_CONNECTIONS = 64
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
const IDLE_MS = 30_000
const CLOSE_MS = 1000
/** How long a server that has the socket may take to accept a connection. */
const PROBE_MS = 1000

/**
 * HTTP on a unix socket that only this user, and root, may open: it is made so, and never was otherwise. A file that a dead server
 * has left gives way; one of a living server does not. Rejects with Node's error, EADDRINUSE for that.
 */
export class OperatorSocket {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(path: string, load: LoadApi, failed: (error: unknown) => void): Promise<OperatorSocket> {
    const server = serverOf(load)
    try {
      await listen(server, path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' || !(await isLeftBehind(path))) throw error
      unlinkSync(path)
      await listen(server, path)
    }
    server.on('error', failed)
    return new OperatorSocket(server)
  }

  /** Takes nothing more, lets answers finish, and removes the file. */
  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()))
    this.#server.closeIdleConnections()
    const impatient = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS)
    await closed
    clearTimeout(impatient)
  }
}

function serverOf(load: LoadApi): Server {
  const server = createServer({
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: 1000,
  })
  server.maxConnections = MAX_CONNECTIONS
  let api: ReturnType<LoadApi> | null = null
  const answer = getRequestListener(
    async (request) => {
      api ??= load()
      return (await api).fetch(request)
    },
    // A socket has no name, and some clients send none.
    { hostname: 'localhost' },
  )
  server.on('request', (incoming, outgoing) => void answer(incoming, outgoing))
  return server
}

/** Binding happens during the call, so that the mask holds for this file alone. */
async function listen(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177)
  try {
    server.listen(path)
  } finally {
    process.umask(before)
  }
  await once(server, 'listening')
}

/** Whether there is a socket that nobody listens on any more. */
async function isLeftBehind(path: string): Promise<boolean> {
  if (!lstatSync(path).isSocket()) return false
  const probe = connect(path)
  try {
    await once(probe, 'connect', { signal: AbortSignal.timeout(PROBE_MS) })
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  } finally {
    probe.destroy()
  }
}
