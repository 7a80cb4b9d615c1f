import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'
import { SocketErrors } from '../../src/net/socket-errors.ts'
import type { StreamEndpoint, StreamLimits } from '../../src/net/stream/options.ts'
import type { TlsOptions } from '../../src/net/stream/tls-context.ts'
import { claimMemory } from '../../src/shared/port-claims.ts'
import { SourceTable } from '../../src/shared/source-table.ts'
import type { TurnPlan } from '../../src/start/plan/turn-plan.ts'
import { turnMemory } from '../../src/start/shared-memory.ts'
import { RelayThreads, type RelayThreadsOptions } from '../../src/threads/relay-threads.ts'
import { SharedCounters, TurnReadings } from '../../src/threads/shared-counters.ts'
import { spawnRelayThread } from '../../src/threads/spawn-relay-thread.ts'
import { NO_LIMITS } from '../../src/turn/auth/account.ts'
import { Quota, type QuotaLimits } from '../../src/turn/limits/quota.ts'
import { RelayPorts } from '../../src/turn/relay-addresses/relay-ports.ts'
import { defaultNet } from './default-net.ts'
import { defaultSettings } from './default-settings.ts'
import { HANDSHAKE_LIMITS } from './handshakes.ts'
import { ALICE, LoopbackClient, REALM } from './loopback-turn.ts'
import { sessionsOf } from './sessions.ts'
import { localUdp, silentLog } from './sockets.ts'

const RELAY_PORTS = { minPort: 49_152, maxPort: 65_535 }
const THREADS = 2
// Other tests have ports of 127.0.0.1, and a reserved port must be free when its client comes for it.
export const RELAY_HOST = `127.${randomBytes(2)
  .map((byte) => byte % 200)
  .join('.')}.9`

export function planFor(quota: QuotaLimits, more: Partial<TurnPlan> = {}): TurnPlan {
  const { ports = RELAY_PORTS } = more
  const peers = {
    allowed: [],
    denied: [],
    closesPrivate: false,
    isClosedByAddresses: false,
    allowLoopback: true,
    ownAddresses: [],
    ownPorts: [],
    relayAddresses: [RELAY_HOST],
    externalAddresses: [],
    nat64: [],
    services: [],
  }
  return {
    settings: { ...defaultSettings, dontFragment: true },
    auth: {
      realm: REALM,
      anonymous: false,
      secrets: [],
      separator: ':',
      strictExpiry: false,
      sha256: 'off',
      limits: NO_LIMITS,
    },
    users: [{ name: ALICE.username, password: ALICE.password }],
    accountLifetimeSeconds: null,
    nonces: { lifetimeSeconds: 600, bitOrder: 'msb' },
    quota,
    challengesPerSecond: 0,
    guessesPerMinute: 0,
    relayAddresses: [RELAY_HOST],
    relayWhereReached: false,
    ports,
    handshakes: { tls: HANDSHAKE_LIMITS, dtls: HANDSHAKE_LIMITS },
    alternateServers: { udp: [], tcp: [], tls: [], dtls: [] },
    natBehaviour: null,
    externalIp: [],
    peers: { ...peers, ...ports },
    ...more,
  }
}

export interface ThreadOptions {
  readonly workers?: Partial<RelayThreadsOptions>
  readonly plan?: Partial<TurnPlan>
  readonly quota?: QuotaLimits
  readonly streams?: readonly StreamEndpoint[]
  readonly limits?: Partial<StreamLimits>
  readonly tls?: TlsOptions | null
}

/** Two threads that relay on 127.0.0.1. */
export async function startThreads(options: ThreadOptions = {}) {
  const {
    quota: quotaLimits = { user: 0, total: 0, bytesPerSecond: 0 },
    streams = [],
    limits = {},
    tls = null,
  } = options
  const plan = planFor(quotaLimits, options.plan)
  const memory = turnMemory(plan, THREADS, randomBytes)
  const run = { memory, secrets: { nonceKey: randomBytes(32).toString('hex') } }
  const portMemory = new Map(plan.relayAddresses.map((host) => [host, claimMemory()]))
  const ownPorts = new RelayPorts(plan.ports, randomBytes, { thread: 0, claims: portMemory })
  const ownSources = new SourceTable(memory.sourceCounts, 0)
  const spawned: Worker[] = []
  const counters: SharedArrayBuffer[] = []
  const quota = new Quota(memory.quota)
  const workers = new RelayThreads({
    threads: THREADS,
    endpoints: [localUdp],
    streams: {
      endpoints: streams,
      limits: { ...defaultNet.limits, ...limits },
      http: { respondUnsupported: false, acmeRedirect: null },
      tls,
    },
    bufferSize: 1 << 20,
    plan: () => ({ turn: plan, portMemory, run, dtls: null }),
    findAccount: null,
    forgetThread: (thread) => {
      quota.forgetThread(thread)
      ownSources.forgetThread(thread)
      return ownPorts.forgetThread(thread)
    },
    errors: new SocketErrors(silentLog, () => 0),
    ended: () => {},
    died: () => {},
    log: silentLog,
    clock: () => performance.now(),
    spawn: (workerOptions) => {
      const worker = spawnRelayThread(workerOptions)
      spawned.push(worker)
      counters.push(workerOptions.workerData.counters)
      return worker
    },
    ...options.workers,
  })
  onTestFinished(() => workers.close())
  await workers.start()
  const readings = async () => {
    await sessionsOf(workers)
    const sum = new TurnReadings()
    workers.addTo(sum)
    return sum
  }
  /** Of each thread that was started, the dead among them. */
  const readingsByThread = async () => {
    await sessionsOf(workers)
    return counters.map((memory) => {
      const sum = new TurnReadings()
      new SharedCounters(memory).addTo(sum)
      return sum
    })
  }
  /** How many allocations each thread has created so far. */
  const created = async () => (await readingsByThread()).map(({ turn }) => turn.allocationsCreated)
  const portOf = (transport: 'udp' | 'tcp') =>
    workers.addresses.find((bound) => bound.transport === transport)?.address.port ?? 0
  const port = portOf('udp')
  return {
    workers,
    portMemory,
    spawned,
    quota,
    port,
    streamPort: portOf('tcp'),
    readings,
    readingsByThread,
    created,
    client: () => LoopbackClient.overUdp(port),
  }
}
