// Does a TLS handshake that is broken off leave anything behind? On each port that speaks TLS so many are begun and aborted, in
// every way in which they can be; then memory, descriptors and timers have to be where they were.
//   npm run soak:handshakes                   20 000 a port
//   npm run soak:handshakes -- --count 5000

import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { parseArgs } from 'node:util'
import { WatchedServer } from './watched-server.ts'

const { values } = parseArgs({ options: { count: { type: 'string', default: '20000' } } })
const count = Number(values.count)
if (!(count >= 1000 && count <= 1_000_000)) throw new Error('--count takes 1000 to 1000000')

/** Of the same, before memory is looked at for the first time: code is compiled, pools have their size. */
const WARM_UP = 5000
/** At a time; fewer than one address may have. */
const IN_FLIGHT = 32
// As in the soak of allocations: one kept object for each handshake would be thousands; V8 and Node make some late.
const MOST_NEW_OBJECTS = 500
const MOST_NEW_OBJECTS_EACH = 0.05
const MOST_OWN = 1.15
/** More than the server gives a handshake. */
const SETTLE_MS = 12_000

const server = await WatchedServer.start(
  [
    '--listening-ip=127.0.0.1',
    '--static-auth-secret=soak-only-on-loopback',
    '--cert=test/fixtures/certificates/localhost-ec.crt',
    '--pkey=test/fixtures/certificates/localhost-ec.key',
    '--tls-listening-port=0',
  ],
  ['--max-semi-space-size=1', '--inspect=127.0.0.1:0'],
)
let isRight = false
try {
  const [https, collider] = [...server.log.matchAll(/"port":(\d+),"tls":true/g)].map(([, port]) => Number(port))
  const ports = { https: https!, collider: collider!, turn: server.turnPorts.tcp }
  const hello = await clientHello()
  for (const port of Object.values(ports)) await abort(port, WARM_UP, hello)
  isRight = true
  for (const [name, port] of Object.entries(ports)) {
    const before = await settled()
    const answered = await abort(port, count, hello)
    const after = await settled()
    const rows = [
      ['objects', before.objects, after.objects, before.objects + MOST_NEW_OBJECTS + count * MOST_NEW_OBJECTS_EACH],
      ['sockets and timers', before.resources, after.resources, before.resources],
      ['descriptors', before.descriptors, after.descriptors, before.descriptors],
      ['memory of its own, MiB', before.ownMib, after.ownMib, before.ownMib * MOST_OWN],
    ] as const
    console.log(`${name}: ${count} handshakes aborted, ${answered} of them after the server's flight`)
    for (const [what, began, ended, most] of rows) {
      const fits = ended <= most
      isRight &&= fits
      console.log(
        `${fits ? ' ' : '!'}  ${what.padEnd(24)}${[began, ended].map((value) => value.toFixed(1).padStart(12)).join('')}   <= ${most.toFixed(1)}`,
      )
    }
    // A soak in which nothing happened proves nothing.
    if (name !== 'turn' && answered < count / 4) {
      isRight = false
      console.log('!  too few handshakes got as far as an answer')
    }
  }
} finally {
  const exitCode = await server.stop()
  if (exitCode !== 0) console.log(`the server ended with ${exitCode}:\n${server.log}`)
  process.exitCode = isRight && exitCode === 0 ? 0 : 1
}

async function settled() {
  await sleep(SETTLE_MS)
  const { objects, resources } = await server.collectGarbage()
  const { ownMib, descriptors } = await server.sample()
  return { objects, resources, ownMib, descriptors }
}

/** Begins `total` handshakes and leaves each in the middle; how many had an answer by then. */
async function abort(port: number, total: number, hello: Buffer): Promise<number> {
  let begun = 0
  let answered = 0
  const one = (kind: number) =>
    new Promise<void>((done) => {
      const socket = connect(port, '127.0.0.1', () => {
        // Nothing at all, half a ClientHello, or a whole one.
        if (kind === 0) socket.resetAndDestroy()
        else if (kind === 1) socket.end(hello.subarray(0, hello.length / 2))
        else socket.write(hello)
      })
      socket.on('data', () => {
        answered++
        // With a reset, or politely.
        if (kind === 2) socket.resetAndDestroy()
        else socket.destroy()
      })
      socket.on('error', () => {})
      socket.on('close', () => done())
    })
  const worker = async () => {
    while (begun < total) await one(begun++ % 4)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
  return answered
}

/** As OpenSSL sends it. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read: () => {}, write: (bytes: Buffer) => resolve(bytes) })
    connectTls({ socket }).on('error', () => {})
  })
}
