// Does the server give everything back? Clients come and go in every way, for half an hour or as long as asked, and then
// memory, descriptors and timers have to be where they were.
//   npm run soak                  30 minutes
//   npm run soak -- --minutes 3

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openWire } from '../src/client/wire.ts'
import { Address } from '../src/stun/address.ts'
import { mint } from '../src/turn/auth/credentials.ts'
import type { Held } from './inspected-threads.ts'
import { PassingClients } from './passing-clients.ts'
import { type Sample, total, WatchedServer } from './watched-server.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } })
const minutes = Number(values.minutes)
if (!(minutes >= 2 && minutes <= 24 * 60)) throw new Error('--minutes takes 2 to 1440')

// An allocation lives for 600 s at least, whatever max-allocate-lifetime says: as long as the server remembers clients
// that vanished. A run that has the time waits for that; a short one comes back for them from their own ports.
const EXPIRY_MINUTES = 10.5
const waits = minutes >= 30
const warmUpMs = (waits ? 3 : minutes / 3) * 60_000
const settleMs = 10_000
const loadMs = minutes * 60_000 - warmUpMs - 2 * settleMs - (waits ? EXPIRY_MINUTES * 60_000 : 0)

const SAMPLE_MS = 2000
const LOOPBACK = Address.parse('127.0.0.1')!
const SECRET = 'soak-only-on-loopback'
const PERMISSION_SECONDS = 6
const CHANNEL_SECONDS = 8

// Memory is judged on the server without clients, warmed up and after the load, each time right after all its threads have
// collected their garbage: how much of that lies about says when V8 looked last, and is many times what a leak adds in
// minutes. What is left then must be what was left before:
//  - as many objects, and a few hundred that V8 and Node make late. Keeping one for each allocation, however small, is thousands;
//    one for each broken connection still is more than the share allowed.
//  - about as much on the heap. Lists that go with compiled code grow for as long as V8 goes on compiling, by some 200 bytes
//    for each allocation of the short run and 5 of the long one.
//  - resident memory of its own, to a seventh: that is where a leak outside V8 shows (OpenSSL, koffi, the allocator). 1 KiB
//    for each allocation is a quarter in half an hour; the allocator keeps a few MiB of the load's peak, which is three times
//    that of the warming up.
//  - in a long run, resident memory in the second half of the load, garbage and all, must not climb, either.
const MOST_NEW_OBJECTS = 500
const MOST_NEW_OBJECTS_EACH = 0.05
const MOST_BYTES_EACH = waits ? 256 : 512
const MOST_OWN = 1.15
const MOST_MIB_PER_MINUTE = 1
const MIB = 1024 * 1024

/** V8 keeps up to 48 MiB of young garbage in each thread before it looks; then nothing could be told from the last one. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--inspect=127.0.0.1:0']

const serverFlags = [
  '--no-signaling',
  '--listening-ip=127.0.0.1',
  '--relay-ip=127.0.0.1',
  '--allow-loopback-peers',
  `--static-auth-secret=${SECRET}`,
  `--permission-lifetime=${PERMISSION_SECONDS}`,
  `--channel-lifetime=${CHANNEL_SECONDS}`,
  '--stale-nonce=10',
  '--max-allocations-per-address=0',
  '--cert=test/fixtures/certificates/localhost-rsa.crt',
  '--pkey=test/fixtures/certificates/localhost-rsa.key',
  '--tls-listening-port=0',
  // So few that each is had many times.
  '--min-port=20000',
  '--max-port=21999',
]
const server = await WatchedServer.start(serverFlags, NODE_FLAGS)
const samples: Sample[] = []
let phase = 'warming up'
let isWatching = true
const watching = watch()
let isRight = false
try {
  isRight = await soak()
} finally {
  isWatching = false
  await watching
  const exitCode = await server.stop()
  if (exitCode !== 0) console.log(`the server ended with ${exitCode}:\n${server.log}`)
  process.exitCode = isRight && exitCode === 0 ? 0 : 1
}

async function soak(): Promise<boolean> {
  const wire = openWire()
  const [udp, tcp] = [LOOPBACK.withPort(server.turnPorts.udp), LOOPBACK.withPort(server.turnPorts.tcp)]
  // TLS is spoken on the port of TCP, too.
  const servers = { udp, tcp, tls: tcp }
  const clients = await PassingClients.open(wire, {
    servers,
    login: mint(SECRET, { userid: 'soak', lifetimeSeconds: 2 * minutes * 60, wallMs: Date.now() }),
    clients: 120,
    rate: 3000,
    lapseMs: CHANNEL_SECONDS * 1000,
  })
  console.log(`server ${server.pid} on port ${server.turnPorts.udp}, ${wire.io} I/O, ${minutes} minutes`)
  const progress = setInterval(() => report(clients), 15_000)
  try {
    await clients.run(warmUpMs)
    await clients.recall()
    phase = 'settling'
    await sleep(settleMs)
    const began = await settled()

    phase = 'load'
    await clients.run(loadMs)
    if (!waits) await clients.recall()
    phase = 'quiet'
    if (waits) await sleep(EXPIRY_MINUTES * 60_000)
    await sleep(settleMs)
    return verdict(began, await settled(), clients)
  } finally {
    clearInterval(progress)
    await wire.close()
  }
}

interface Settled extends Sample {
  readonly held: Held
  readonly uncollectedMib: number
}

async function settled(): Promise<Settled> {
  const { ownMib } = await server.sample()
  const held = await server.collectGarbage()
  return { held, uncollectedMib: ownMib, ...(await server.sample()) }
}

async function watch(): Promise<void> {
  while (isWatching && server.isRunning) {
    try {
      samples.push(await server.sample())
    } catch (error) {
      // A server that has just died is reported at the end, with its log.
      console.log(`! no sample: ${error}`)
    }
    await sleep(SAMPLE_MS)
  }
}

function report({ live, vanished, counts }: PassingClients): void {
  const last = samples.at(-1)
  if (last === undefined) return
  const { at, rssMib, ownMib, descriptors, allocations } = last
  console.log(
    `${at.toFixed(0).padStart(5)} s  ${phase.padEnd(10)}  RSS ${rssMib.toFixed(1)} MiB, own ${ownMib.toFixed(1)} MiB, ${descriptors} descriptors, ${allocations} allocations; clients: ${live} live, ${vanished.size} vanished, ${counts.came} came`,
  )
}

function verdict(began: Settled, ended: Settled, clients: PassingClients): boolean {
  const rows: { what: string; began: number; ended: number; bound: string; isRight: boolean }[] = []
  const atMost = (what: string, before: number, after: number, most = before) =>
    rows.push({ what, began: before, ended: after, bound: `<= ${round(most)}`, isRight: after <= most })
  const atLeast = (what: string, before: number, after: number, least: number) =>
    rows.push({ what, began: before, ended: after, bound: `>= ${round(least)}`, isRight: after >= least })

  atMost('allocations', began.allocations, ended.allocations, 0)
  atMost('relay sockets', began.relays, ended.relays, 0)
  atMost('TURN connections', began.connections, ended.connections, 0)
  atMost('descriptors', began.descriptors, ended.descriptors)
  atMost('threads', began.threads, ended.threads)
  atMost('sockets, timers and such of all threads', began.held.resources, ended.held.resources)
  atMost('resident memory of its own, MiB', began.ownMib, ended.ownMib, began.ownMib * MOST_OWN)
  if (waits) atMost('MiB a minute in the second half', 0, slope(began.at, ended.at), MOST_MIB_PER_MINUTE)
  const counted = (name: string) => (sample: Sample) => total(sample.metrics, name)
  const created = counted('webrtc_stack_allocations_created_total')
  const gone = counted('webrtc_stack_allocations_ended_total')
  const made = created(ended) - created(began)
  const mostObjects = began.held.objects + MOST_NEW_OBJECTS + Math.round(made * MOST_NEW_OBJECTS_EACH)
  atMost('objects in all threads', began.held.objects, ended.held.objects, mostObjects)
  const each = (ended.held.heapBytes - began.held.heapBytes) / made
  atMost('bytes of heap kept for each allocation made', 0, each, MOST_BYTES_EACH)
  atMost('allocations made and not ended', created(began) - gone(began), created(ended) - gone(ended), 0)

  // A soak in which nothing happened proves nothing.
  const relayed = counted('webrtc_stack_relayed_packets_total')
  const expired = (sample: Sample) => sample.metrics.get('webrtc_stack_allocations_ended_total{reason="expired"}') ?? 0
  const lapsed = (sample: Sample) =>
    ['unbound-channel', 'no-permission'].reduce(
      (sum, reason) => sum + (sample.metrics.get(`webrtc_stack_dropped_packets_total{reason="${reason}"}`) ?? 0),
      0,
    )
  atLeast('allocations made', created(began), created(ended), created(began) + 100)
  atLeast('packets relayed', relayed(began), relayed(ended), relayed(began) + clients.counts.sent / 4)
  atLeast('packets dropped for want of a channel or permission', lapsed(began), lapsed(ended), lapsed(began) + 100)
  atLeast('clients on the port of one that vanished', 0, clients.counts.mismatches, 10)
  if (waits) atLeast('allocations that expired', expired(began), expired(ended), expired(began) + 100)
  const failures = Array.from(clients.counts.failures.values()).reduce((sum, count) => sum + count, 0)
  atMost('lives of clients that went wrong', 0, failures, 0)

  const width = Math.max(...rows.map(({ what }) => what.length))
  console.log(
    `\n${' '.repeat(width + 3)}${['warmed up', 'at the end', 'wanted'].map((text) => text.padStart(14)).join('')}`,
  )
  for (const { what, began, ended, bound, isRight } of rows)
    console.log(
      `${isRight ? ' ' : '!'}  ${what.padEnd(width)}${[round(began), round(ended), bound].map((text) => text.padStart(14)).join('')}`,
    )
  const both = (read: (settled: Settled) => number) =>
    [began, ended].map((at) => `${round(read(at))} MiB`).join(' and ')
  console.log(`
heap: ${both(({ held }) => held.heapBytes / MIB)}; compiled code: ${both(({ held }) => held.codeBytes / MIB)}
resident before the collections: ${both(({ uncollectedMib }) => uncollectedMib)}`)
  console.log(`\n${clients.counts.came} clients came; each`)
  for (const [kind, count] of clients.kinds) console.log(`${`${count}`.padStart(6)}  ${kind}`)
  for (const [failure, count] of clients.counts.failures) console.log(`! ${count} × ${failure}`)
  const isRight = rows.every((row) => row.isRight)
  console.log(
    isRight ? '\nEverything is back where it was.' : '\nNot everything is back where it was: see the lines with "!".',
  )
  return isRight
}

/** Growth of the memory of its own, MiB a minute, as a straight line through the second half of the load. */
function slope(from: number, to: number): number {
  const end = Math.min(to, from + loadMs / 1000)
  const points = samples.filter(({ at }) => at >= (from + end) / 2 && at <= end)
  const mean = (read: (sample: Sample) => number) => points.reduce((sum, point) => sum + read(point), 0) / points.length
  const meanAt = mean(({ at }) => at)
  const meanOwn = mean(({ ownMib }) => ownMib)
  const above = points.reduce((sum, { at, ownMib }) => sum + (at - meanAt) * (ownMib - meanOwn), 0)
  const below = points.reduce((sum, { at }) => sum + (at - meanAt) ** 2, 0)
  return below === 0 ? 0 : (above / below) * 60
}

function round(value: number): string {
  return Number.isInteger(value) ? `${value}` : value.toFixed(2)
}
