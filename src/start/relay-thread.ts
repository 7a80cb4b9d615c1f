import { performance } from 'node:perf_hooks'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { DtlsIdentity } from '../net/dtls/identity.ts'
import { opensslHmac } from '../net/openssl-hmac.ts'
import { randomBlocks } from '../net/random-blocks.ts'
import { RelayLoop } from '../net/relay-loop.ts'
import { type Session, sessionOf } from '../net/session.ts'
import { StreamPlaces } from '../net/stream/places.ts'
import { SourceTable } from '../shared/source-table.ts'
import type { Address } from '../stun/address.ts'
import { replaceHmac } from '../stun/hmac.ts'
import { LineQueue } from '../threads/line-queue.ts'
import type { FromWorker, RelayWorkerData, ToWorker } from '../threads/relay-messages.ts'
import { SharedCounters, TurnReadings } from '../threads/shared-counters.ts'
import { isAboutPorts, SharedRelayPorts } from '../threads/shared-ports.ts'
import { WorkerLog } from '../threads/thread-log.ts'
import { Quota } from '../turn/limits/quota.ts'
import { SourceCount } from '../turn/limits/source-count.ts'
import { type Elsewhere, NOWHERE_ELSE } from '../turn/mobility/elsewhere.ts'
import type { Relay } from '../turn/relay-address.ts'
import { RelayPorts } from '../turn/relay-addresses/relay-ports.ts'
import { TurnServer } from '../turn/turn-server.ts'
import { type DtlsPlan, dtlsOf } from './dtls.ts'
import { handshakesOf } from './handshakes.ts'
import type { PeerPlan, TurnPlan } from './plan/turn-plan.ts'
import { peerPolicy, turnOptions } from './turn-options.ts'

// The entry of a thread that relays (`virtual:relay-thread`). It never returns to its event loop for long.

/** How old what the main thread reads may be. */
const SHOW_MS = 250
/** How long log lines may wait for more of them. */
const LOG_MS = 50

const fastHmac = opensslHmac()
if (fastHmac !== null) replaceHmac(fastHmac)

// Written by threads/relay-threads.ts, from the same plan that the main thread uses itself.
const data = workerData as RelayWorkerData & { readonly plan: TurnPlan; readonly dtls: DtlsPlan | null }
const { control, wakeUp, thread, plan, bufferSize } = data
const clock = () => performance.now()
const random = randomBlocks()
const tell = (message: FromWorker) => control.postMessage(message)
const logged = new WorkerLog(data.logLevel, new LineQueue(data.lines), () => tell({ kind: 'lines' }))
const { log } = logged

const quota = new Quota(plan.quota, thread)
const ownPorts = new RelayPorts(plan.ports, random, { thread, claims: plan.portClaims })
const held = {
  share: (local: Address, descriptor: number) => loop.share(local, descriptor),
  release: (local: Address) => loop.closeReserved(local),
}
const relayPorts = new SharedRelayPorts(ownPorts, quota, tell, held, hearPorts)
const sources = new SourceCount(new SourceTable(plan.sourceCounts, thread))
/** Nobody is told that they are open before every thread has heard of the reservation beside them; by its token. */
const unannounced = new Map<string, Relay>()
/** Received while the core was at work, which must not be called then. */
const postponed: ToWorker[] = []
const dtls = data.dtls === null ? null : dtlsOf(data.dtls, plan.handshakes, thread, log)
const descriptors = new Int32Array(data.descriptors)

const elsewhere: Elsewhere = {
  ask: (id, question) => {
    tell({ kind: 'question', id, question })
    return true
  },
  ticketIssued: (ticket) => tell({ kind: 'ticket', ticket, isGood: true }),
  ticketRevoked: (ticket) => tell({ kind: 'ticket', ticket, isGood: false }),
  detach: (relay) => loop.detach(relay),
  attach: (relay, descriptor) => loop.attach(relay, descriptor),
}

const loop = new RelayLoop(
  {
    wakeUp,
    bufferSize,
    log,
    clock,
    dtls: dtls?.open ?? null,
    streams: data.streams && {
      ...data.streams,
      places: new StreamPlaces(data.streams.limits, data.streams.places, thread),
      handshakes: handshakesOf(plan.handshakes, 'tls', thread),
    },
    onWake: hear,
    mayTell,
    onDescriptor: (place, fd) => {
      // Places below 0 are counted from the end.
      const at = place < 0 ? descriptors.length + place : place
      if (at >= 0 && at < descriptors.length) descriptors[at] = fd === null ? 0 : fd + 1
    },
  },
  (effects, events) =>
    new TurnServer(turnOptions(plan, { quota, relayPorts, sources }), effects, {
      random,
      events,
      elsewhere: data.hasOthers ? elsewhere : NOWHERE_ELSE,
    }),
)
const readings = new TurnReadings(loop.turn.counters, loop.counters)
const publish = new SharedCounters(data.counters).publisher(readings)
let shownAt = clock()
let flushedAt = shownAt
let isClosing = false

loop.turn.drain(data.draining)
// Rules about peers that are newer than the plan hold from the first packet on.
hear()
for (const fd of data.listeners) loop.listen(fd)
tell({ kind: 'ready' })
relayOn()

function relayOn(): void {
  loop.run()
  hear()
  // The event loop may come by thousands of times a second.
  const now = clock()
  if (now - shownAt >= SHOW_MS) show()
  if (now - flushedAt >= LOG_MS) flushLog()
  if (isClosing) void end()
  else setImmediate(relayOn)
}

function hear(): void {
  for (let message = nextMessage(); message !== undefined; message = nextMessage()) obey(message)
}

function nextMessage(): ToWorker | undefined {
  // The main thread sends nothing else.
  return postponed.shift() ?? (receiveMessageOnPort(control)?.message as ToWorker | undefined)
}

/** What concerns ports changes nothing in the core. */
function hearPorts(): void {
  for (let received = receiveMessageOnPort(control); received; received = receiveMessageOnPort(control)) {
    const message = received.message as ToWorker
    if (isAboutPorts(message)) relayPorts.hear(message, clock())
    else postponed.push(message)
  }
}

function obey(message: ToWorker): void {
  switch (message.kind) {
    case 'listen':
      loop.listen(message.fd)
      break
    case 'announced':
      announced(message.token)
      break
    case 'peers':
      loop.turn.apply({ peerPolicy: peerPolicy(message.peers as PeerPlan, relayPorts) })
      break
    case 'dtls':
      dtls?.reload(message.identity as DtlsIdentity)
      break
    case 'tls':
      loop.reload(message.tls)
      break
    case 'drain':
      loop.turn.drain(message.on)
      break
    case 'sessions':
      show()
      tell({ kind: 'sessions', id: message.id, sessions: sessionsNow() })
      break
    case 'question':
      tell({ kind: 'answer', id: message.id, answer: loop.turn.handover.answer(message.question, clock()) })
      break
    case 'answer':
      loop.turn.handover.answered(message.id, message.answer, clock())
      if (message.answer.kind === 'moved') tell({ kind: 'adopted', id: message.id })
      break
    case 'given':
      loop.turn.handover.given(message)
      break
    case 'returned':
      loop.turn.handover.returned(message.allocation, clock())
      break
    case 'close':
      isClosing = true
      break
    default:
      relayPorts.hear(message, clock())
  }
}

function mayTell(relay: Relay, reserved: number | null): 'now' | 'later' {
  const { reservationToken } = relay.allocation.request
  if (reservationToken === null || reserved === null) return 'now'
  if (!relayPorts.announce(reservationToken, reserved)) return 'now'
  unannounced.set(reservationToken.toString('hex'), relay)
  return 'later'
}

function announced(token: string): void {
  const relay = unannounced.get(token)
  if (relay === undefined) return
  unannounced.delete(token)
  loop.announced(relay)
}

function flushLog(): void {
  flushedAt = clock()
  logged.flush()
}

function show(): void {
  shownAt = clock()
  readings.update(loop.turn.allocations.open, loop.openRelays)
  publish()
  const news = loop.errors.news()
  if (news.length > 0) tell({ kind: 'errors', news })
}

function sessionsNow(): Session[] {
  const now = clock()
  return Array.from(loop.turn.allocations, (allocation) => sessionOf(allocation, now))
}

async function end(): Promise<void> {
  await loop.close()
  show()
  flushLog()
  control.close()
}
