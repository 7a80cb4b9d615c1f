import { randomBytes } from 'node:crypto'
import type { Log } from '../../log.ts'
import { forgetHandshakes } from '../../net/limits/handshakes.ts'
import { SocketErrors } from '../../net/socket-errors.ts'
import { SourceTable } from '../../shared/source-table.ts'
import type { FindAccount } from '../../threads/accounts.ts'
import { LOG_LEVEL } from '../../threads/control.ts'
import { RelayThreads } from '../../threads/relay-threads.ts'
import { SESSIONS } from '../../threads/sessions.ts'
import { TurnReadings } from '../../threads/shared-counters.ts'
import { spawnRelayThread } from '../../threads/spawn-relay-thread.ts'
import { Quota } from '../../turn/limits/quota.ts'
import type { PortMemory } from '../../turn/relay-addresses/relay-ports.ts'
import { RelayPorts } from '../../turn/relay-addresses/relay-ports.ts'
import type { NetPlan } from '../plan/net-options.ts'
import { DTLS_PLAN, STREAM_LIMITS, type ThreadPlan, TURN_PLAN } from '../plan/subjects.ts'
import type { TurnPlan } from '../plan/turn-plan.ts'
import type { DtlsPlan } from './dtls.ts'
import type { EndsListener, Relaying } from './relaying.ts'
import type { TurnRun } from './turn-options.ts'

/** Relays on `threads` threads; this one never sees a packet. */
export function relayOnThreads(
  threads: number,
  plan: TurnPlan,
  portMemory: PortMemory,
  run: TurnRun,
  options: NetPlan,
  dtls: DtlsPlan | null,
  findAccount: FindAccount | null,
  log: Log,
  ends: EndsListener,
): Relaying {
  const { udp, streams, limits, http, tls, socketBufferBytes: bufferSize, clock } = options
  const { memory } = run
  const errors = new SocketErrors(log, clock)
  const ports = new RelayPorts(plan.ports, randomBytes, { thread: 0, claims: portMemory })
  const quota = new Quota(memory.quota)
  const sources = new SourceTable(memory.sourceCounts, 0)
  // What a thread begins with that is started again.
  let now = { turn: plan, portMemory }
  let secure = dtls && shareOf(dtls, threads)
  const workers = new RelayThreads<ThreadPlan>({
    threads,
    endpoints: udp,
    streams: { endpoints: streams, limits, http, tls },
    bufferSize,
    plan: () => ({ ...now, run, dtls: secure }),
    findAccount,
    forgetThread: (thread) => {
      quota.forgetThread(thread)
      const relays = ports.forgetThread(thread)
      sources.forgetThread(thread)
      forgetHandshakes(memory.handshakes.memory, thread)
      new SourceTable(memory.handshakes.dtlsSources, thread).forgetThread(thread)
      return relays
    },
    errors,
    ended: (news, thread) => ends.ended(news, thread),
    died: (relays, thread) => ends.died(relays, thread),
    log,
    clock,
    spawn: spawnRelayThread,
  })
  return {
    here: null,
    workers,
    get addresses() {
      return workers.addresses
    },
    start: () => workers.start(),
    apply: async (next, memory, limits) => {
      now = { turn: next, portMemory: memory }
      ports.apply(next.ports, memory)
      quota.limit(next.quota)
      const answers = workers.ask(TURN_PLAN, now)
      workers.limitStreams(limits)
      workers.tell(STREAM_LIMITS, limits)
      return (await answers).length === workers.size
    },
    prepare: async ({ udp, streams }, wanted) => workers.prepare(udp, streams, wanted),
    reload: (renewed, next) => {
      if (renewed !== null) workers.reloadTls(renewed)
      if (next === null) return
      secure = shareOf(next, threads)
      workers.tell(DTLS_PLAN, secure)
    },
    setLogLevel: (level) => workers.tell(LOG_LEVEL, level),
    drain: (on) => workers.drain(on),
    threads,
    sessions: (thread, question) => workers.askOne(thread, SESSIONS, question),
    readings: () => {
      const sum = new TurnReadings()
      workers.addTo(sum)
      return sum
    },
    get socketErrors() {
      return errors.entries
    },
    close: () => workers.close(),
  }
}

/** Limits hold for all threads together. */
function shareOf(plan: DtlsPlan, threads: number): DtlsPlan {
  const { maxSessions, ...rest } = plan.limits
  return {
    ...plan,
    limits: {
      ...rest,
      ...(maxSessions === undefined ? {} : { maxSessions: Math.ceil(maxSessions / threads) }),
    },
  }
}
