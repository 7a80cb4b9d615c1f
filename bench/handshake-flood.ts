// The other end of bench/handshakes.ts, in a process of its own: begins TLS or DTLS handshakes at a rate and leaves each once the
// server has signed its answer. Words: tls|dtls, port, handshakes a second, how many of them at one moment, seconds, number of addresses they come from.

import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import { clientHello, cookieOf } from '../test/support/client-hello.ts'

const [kind, ...numbers] = process.argv.slice(2)
const [port, rate, burst, seconds, sources] = numbers.map(Number) as [number, number, number, number, number]
/** What a client does that only wants the server to work; the answer is counted. */
const begin = kind === 'dtls' ? await datagrams() : await streams()
let begun = 0
let answered = 0

const since = performance.now()
await new Promise<void>((done) => {
  const timer = setInterval(() => {
    const elapsed = (performance.now() - since) / 1000
    // Never more at once than it can be rid of: this loop has to come to its end, too.
    const due = Math.min(begun + Math.max(burst, rate / 50), Math.floor((elapsed * rate) / burst) * burst)
    for (; begun < due; begun++) begin(begun)
    if (elapsed < seconds) return
    clearInterval(timer)
    done()
  }, 1)
})
process.stdout.write(JSON.stringify({ begun, answered }))
process.exit(0)

function sourceOf(i: number): string {
  return `127.1.${Math.floor((i % sources) / 250)}.${1 + ((i % sources) % 250)}`
}

async function streams(): Promise<(i: number) => void> {
  const hello = await tlsClientHello()
  return (i) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: sourceOf(i) }, () => socket.write(hello))
    socket.on('error', () => {})
    socket.once('data', () => {
      answered++
      // By a reset: ports that wait for the last packets of an orderly end are searched through at each bind.
      socket.resetAndDestroy()
    })
  }
}

/** A cookie is good for many handshakes of one address and port, each of which replaces the one before. */
async function datagrams(): Promise<(i: number) => void> {
  const clients = await Promise.all(
    Array.from({ length: Math.max(sources, 64) }, async (_, i) => {
      const socket = createSocket('udp4').bind(0, sourceOf(i))
      await once(socket, 'listening')
      socket.send(clientHello({ random: randomBytes(32) }), port, '127.0.0.1')
      const [verify] = (await once(socket, 'message')) as [Buffer]
      socket.on('message', () => answered++)
      return { socket, cookie: cookieOf(verify) }
    }),
  )
  return (i) => {
    const { socket, cookie } = clients[i % clients.length]!
    socket.send(clientHello({ random: randomBytes(32), cookie }), port, '127.0.0.1')
  }
}

/** The first flight of a client, as it would leave its socket. */
async function tlsClientHello(): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const raw = connect((listener.address() as AddressInfo).port, '127.0.0.1')
  const client = connectSecurely({ socket: raw, rejectUnauthorized: false }).on('error', () => {})
  const [socket] = await once(listener, 'connection')
  const [hello] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  listener.close()
  return hello
}
