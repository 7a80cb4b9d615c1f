import { performance } from 'node:perf_hooks'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { opensslHmac } from '../../net/openssl/openssl-hmac.ts'
import { randomBlocks } from '../../net/openssl/random-blocks.ts'
import { RelayLoop } from '../../net/relay-loop.ts'
import type { StreamConnection } from '../../net/stream/connection.ts'
import { StreamPlaces } from '../../net/stream/places.ts'
import { SourceTable } from '../../shared/source-table.ts'
import type { Address } from '../../stun/address.ts'
import { ErrorCode } from '../../stun/constants.ts'
import { replaceHmac } from '../../stun/hmac.ts'
import { ACCOUNT_PATIENCE_MS, ACCOUNTS } from '../../threads/accounts.ts'
import {
  CLOSE,
  DRAIN,
  ERRORS,
  LEAVE,
  LISTEN,
  LISTEN_STREAM,
  LOG_LEVEL,
  LOG_LINES,
  READY,
  STOP_STREAM,
  TLS,
} from '../../threads/control.ts'
import { EndedSessionsToTell } from '../../threads/ended-sessions.ts'
import { ASKER_PATIENCE_MS, MOVES } from '../../threads/handovers.ts'
import { type Envelope, Line } from '../../threads/line.ts'
import { LineQueue } from '../../threads/line-queue.ts'
import { LOANS } from '../../threads/loans.ts'
import { PORTS, SharedRelayPorts } from '../../threads/ports.ts'
import type { RelayThreadData } from '../../threads/relay-thread-data.ts'
import { SESSIONS } from '../../threads/sessions.ts'
import { SharedCounters, TurnReadings } from '../../threads/shared-counters.ts'
import { ThreadLog } from '../../threads/thread-log.ts'
import type { Relay } from '../../turn/allocation.ts'
import { Quota } from '../../turn/limits/quota.ts'
import { SourceCount } from '../../turn/limits/source-count.ts'
import { type Answer, NO_OTHER_SERVERS, type OtherServers } from '../../turn/mobility/other-servers.ts'
import { RelayPorts } from '../../turn/relay-addresses/relay-ports.ts'
import { tellingOfEnds } from '../../turn/sessions/ended-session.ts'
import type { ConnectionAnswer, ConnectionLenders } from '../../turn/tcp/connection-lenders.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { DTLS_PLAN, STREAM_LIMITS, type ThreadPlan, TURN_PLAN } from '../plan/subjects.ts'
import { dtlsOf } from './dtls.ts'
import { handshakeShare, handshakesOf } from './handshakes.ts'
import { accountCache, turnOptions } from './turn-options.ts'

// The entry of a thread that relays (`virtual:relay-thread`). It never returns to its event loop for long.

/** How old what the main thread reads may be. */
const SHOW_MS = 250
/** How long log lines may wait for more of them. */
const LOG_MS = 50
/** How long the main thread may take to pass a reservation on; a client comes with its token later than that. */
const ANNOUNCE_PATIENCE_MS = 2000
const NO_ANSWER: Answer & ConnectionAnswer = {
  kind: 'refused',
  error: ErrorCode.SERVER_ERROR,
  reason: 'no answer of the main thread',
}

const fastHmac = opensslHmac()
if (fastHmac !== null) replaceHmac(fastHmac)

// Written by threads/relay-threads.ts, from the same plan that the main thread uses itself.
const data = workerData as RelayThreadData<ThreadPlan>
const { control, wakeUp, thread, bufferSize } = data
const { turn: plan, portMemory, run } = data.plan
const { memory } = run
const clock = () => performance.now()
const random = randomBlocks()
const line = new Line({
  post: (envelope) => control.postMessage(envelope),
  // The main thread sends nothing else.
  next: () => receiveMessageOnPort(control)?.message as Envelope | undefined,
  memory: data.lineMemory,
  end: 1,
  clock,
})
const logged = new ThreadLog(data.logLevel, new LineQueue(data.lines), () => line.tell(LOG_LINES, null))
const { log } = logged

const quota = new Quota(memory.quota, thread)
const ownPorts = new RelayPorts(plan.ports, random, { thread, claims: portMemory })
const held = {
  share: (local: Address, descriptor: number) => driver.plane.share(local, descriptor),
  release: (local: Address) => driver.closeReserved(local),
}
const relayPorts = new SharedRelayPorts(
  ownPorts,
  quota,
  (message) => line.tell(PORTS, message),
  held,
  // What concerns ports changes nothing in the core, which may be at work.
  () => line.takeOnly(PORTS),
)
const sources = new SourceCount(new SourceTable(memory.sourceCounts, thread))
const stored = accountCache(plan, (account) => {
  // What cannot be asked is said at once, and then the core is in the midst of the request.
  let isDuringCall = true
  let isAsked = true
  line.ask(ACCOUNTS, account, ACCOUNT_PATIENCE_MS, (answer) => {
    if (isDuringCall) isAsked = false
    else driver.turn.accountFound(account, typeof answer === 'string' ? 'unavailable' : answer, clock())
  })
  isDuringCall = false
  return isAsked
})
const shares = { quota, relayPorts, sources, stored }
const dtls = data.plan.dtls === null ? null : dtlsOf(data.plan.dtls, plan, memory.handshakes, thread, log)
const handshakes = handshakesOf<StreamConnection>(plan, memory.handshakes, 'tls', thread)
const descriptors = new Int32Array(data.descriptors)

const others: OtherServers = {
  ask: (id, question) => {
    line.ask(MOVES, question, ASKER_PATIENCE_MS, (answer) => {
      driver.turn.handover.answered(id, typeof answer === 'string' ? NO_ANSWER : answer, clock())
      if (typeof answer !== 'string' && answer.kind === 'moved') {
        line.tell(MOVES, { kind: 'adopted', id: answer.allocation.id })
      }
    })
    return true
  },
  ticketIssued: (ticket) => line.tell(MOVES, { kind: 'ticket', ticket, isGood: true }),
  ticketRevoked: (ticket) => line.tell(MOVES, { kind: 'ticket', ticket, isGood: false }),
  detach: (relay) => driver.plane.detach(relay),
  attach: (relay, descriptor) => driver.plane.attach(relay, descriptor),
}

const ends = new EndedSessionsToTell()

const lenders: ConnectionLenders = {
  place: thread,
  count: data.threads,
  ask: (id, question) => {
    line.ask(LOANS, question, ASKER_PATIENCE_MS, (answer) => {
      const given = typeof answer === 'string' ? NO_ANSWER : answer
      const isTaken = driver.turn.peerConnections.answered(id, given)
      if (given.kind === 'lent') line.tell(LOANS, { kind: isTaken ? 'taken' : 'declined', id: given.connectionId })
    })
    return true
  },
  detach: (connection) => driver.tcpRelays.detach(connection),
  attach: (connection, descriptor) => driver.tcpRelays.attach(connection, descriptor),
  recall: (id) => line.tell(LOANS, { kind: 'recalled', id }),
  giveBack: (id) => line.tell(LOANS, { kind: 'over', id }),
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
      handshakes,
    },
    onWake: () => line.take(),
    mayTell,
    onDescriptor: (place, fd) => {
      // Places below 0 are counted from the end.
      const at = place < 0 ? descriptors.length + place : place
      if (at >= 0 && at < descriptors.length) descriptors[at] = fd === null ? 0 : fd + 1
    },
  },
  (effects, events) =>
    new TurnServer(turnOptions(plan, run, shares), effects, {
      random,
      events: tellingOfEnds(events, clock, (session) => ends.add(session)),
      others: data.threads > 1 ? others : NO_OTHER_SERVERS,
      lenders,
      clockOffsetMs: performance.timeOrigin,
    }),
)
const { driver } = loop
const readings = new TurnReadings(driver.turn.counters, driver.counters)
const publish = new SharedCounters(data.counters).publisher(readings)
let shownAt = clock()
let flushedAt = shownAt
let isClosing = false
/** Whom to tell what becomes of each FiveTuple.listener that takes no new clients. */
const leaving = new Map<number, (answer: 'left' | 'stays') => void>()

driver.turn.drain(data.draining)
listen()
for (const { listener, fd } of data.listeners) driver.plane.listen(listener, fd)
line.tell(READY, null)
relayOn()

function relayOn(): void {
  loop.run()
  line.take()
  // The event loop may come by thousands of times a second.
  const now = clock()
  if (now - shownAt >= SHOW_MS) show()
  if (now - flushedAt >= LOG_MS) flushLog()
  if (isClosing) void end()
  else setImmediate(relayOn)
}

/** What this thread does about what it is told and asked. */
function listen(): void {
  line.on(LISTEN, {
    told: ({ listener, fd }) => {
      driver.plane.listen(listener, fd)
      leaving.get(listener)?.('stays')
      leaving.delete(listener)
    },
  })
  line.on(LEAVE, {
    asked: (listener, answer) => {
      leaving.set(listener, answer)
      driver.plane.leave(listener, () => {
        leaving.delete(listener)
        answer('left')
      })
    },
  })
  line.on(LISTEN_STREAM, { told: (listener) => driver.streams?.listen(listener) })
  line.on(STOP_STREAM, {
    asked: (id, answer) => {
      driver.streams?.stop(id)
      answer(true)
    },
  })
  line.on(TLS, { told: (tls) => driver.reload(tls) })
  line.on(DTLS_PLAN, { told: (next) => dtls?.apply(next) })
  line.on(TURN_PLAN, {
    asked: (next, answer) => {
      ownPorts.apply(next.turn.ports, next.portMemory)
      driver.turn.apply(turnOptions(next.turn, run, shares))
      handshakes.apply(handshakeShare(next.turn, memory.handshakes, 'tls'))
      dtls?.limit(next.turn)
      answer(true)
    },
  })
  line.on(STREAM_LIMITS, { told: (limits) => driver.limitStreams(limits) })
  line.on(LOG_LEVEL, { told: (level) => logged.setLevel(level) })
  line.on(DRAIN, { told: (on) => driver.turn.drain(on) })
  line.on(CLOSE, {
    told: () => {
      isClosing = true
    },
  })
  line.on(PORTS, { told: (message) => relayPorts.told(message, clock()) })
  line.on(SESSIONS, {
    asked: (question, answer) => {
      show()
      answer(driver.turn.sessions.answer(question, clock()))
      // Connections that have been ended.
      driver.flush()
    },
  })
  const { handover } = driver.turn
  line.on(MOVES, {
    told: (message) => {
      if (message.kind === 'given') handover.given(message)
      else if (message.kind === 'returned') handover.returned(message.allocation, clock())
    },
    asked: (question, answer) => answer(handover.answer(question, clock())),
    answeredLate: (answer) => {
      if (answer.kind === 'moved') line.tell(MOVES, { kind: 'declined', id: answer.allocation.id })
    },
  })
  const { peerConnections } = driver.turn
  line.on(LOANS, {
    told: ({ kind, id }) => {
      if (kind === 'recalled') peerConnections.recalled(id)
      else if (kind === 'returned') peerConnections.returned(id)
    },
    asked: (question, answer) => answer(peerConnections.lend(question, clock())),
    answeredLate: (answer) => {
      if (answer.kind === 'lent') line.tell(LOANS, { kind: 'declined', id: answer.connectionId })
    },
  })
}

/** Nobody is told that a relay is open before every thread has heard of the reservation beside it. */
function mayTell(relay: Relay, reserved: number | null): 'now' | 'later' {
  const { reservationToken } = relay.allocation.request
  if (reservationToken === null || reserved === null) return 'now'
  const announcement = relayPorts.announcement(reservationToken, reserved)
  if (announcement === null) return 'now'
  line.ask(PORTS, announcement, ANNOUNCE_PATIENCE_MS, () => driver.turn.relayOpened(relay, clock()))
  return 'later'
}

function flushLog(): void {
  flushedAt = clock()
  logged.flush()
  ends.flush((subject, message) => line.tell(subject, message))
}

function show(): void {
  shownAt = clock()
  readings.update(driver.turn.allocations.open, driver.openRelays)
  publish()
  line.sweep(shownAt)
  const news = driver.errors.news()
  if (news.length > 0) line.tell(ERRORS, news)
}

async function end(): Promise<void> {
  await driver.close()
  show()
  flushLog()
  control.close()
}
