import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import { type BoundAddress, type NetOptions, TurnDriver } from '../net/driver.ts'
import { RelayWorkers, relayWorkersSupport, spawnRelayWorker } from '../net/relay-workers.ts'
import { addReadings, TurnReadings } from '../net/shared-counters.ts'
import { SharedRelayPorts } from '../net/shared-ports.ts'
import type { SocketKind } from '../net/socket-errors.ts'
import { Quota } from '../turn/quota.ts'
import { RelayPorts } from '../turn/relay-ports.ts'
import { SourceCount } from '../turn/source-count.ts'
import { SourceTable } from '../turn/source-table.ts'
import { TurnServer } from '../turn/turn-server.ts'
import type { TurnAddresses } from './addresses.ts'
import { type CertificateFiles, turnTls } from './certificate.ts'
import { type DtlsPlan, dtlsIdentity, dtlsOf, dtlsPlan } from './dtls.ts'
import { netOptions } from './net-options.ts'
import { peerPolicy, turnOptions } from './turn-options.ts'
import { peerPlan, turnPlan } from './turn-plan.ts'

/** Where clients reach TURN; null where a transport is off. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  readonly dtls: number | null
}

export interface RunningTurn {
  /** Serves streams, and UDP too where there are no workers. */
  readonly driver: TurnDriver
  readonly workers: RelayWorkers | null
  readonly bound: readonly BoundAddress[]
  readonly ports: TurnPorts
  /** Closes this machine's own services, by the ports they really got, to relayed traffic. */
  protect(ports: readonly number[]): void
  reload(files: CertificateFiles): void
  drain(on: boolean): void
  /** Of all threads together. */
  readings(): TurnReadings
  readonly socketErrors: readonly (readonly [SocketKind, string, number])[]
  close(): Promise<void>
}

export async function startTurn(
  config: Config,
  addresses: TurnAddresses,
  files: CertificateFiles | null,
  parentLog: Log,
): Promise<RunningTurn> {
  const log = parentLog.child({ part: 'turn' })
  const secure = files === null ? null : dtlsPlan(config, files, log)
  const dtls = secure === null ? null : dtlsOf(secure, log)
  const wanted = netOptions(config, files, dtls?.open ?? null)
  const threads = relayThreads(config, wanted, log)
  const plan = turnPlan(config, addresses, threads + 1)
  const quota = new Quota(plan.quota)

  // All goes to the workers where there are any.
  const options = threads === 0 ? wanted : { ...wanted, udp: [], streams: [], dtls: null, tls: null }
  let workers: RelayWorkers | null = null
  const ownPorts = new RelayPorts(plan.ports, randomBytes, { thread: 0, claims: plan.portClaims })
  const relayPorts = new SharedRelayPorts(ownPorts, (message) => workers?.tellPorts(message))
  const sourceTable = new SourceTable(plan.sourceCounts, 0)
  const sources = new SourceCount(sourceTable)
  const driver = new TurnDriver(
    options,
    (effects) => new TurnServer(turnOptions(plan, { quota, relayPorts, sources }), effects, { random: randomBytes }),
    log,
  )
  if (threads > 0) {
    workers = new RelayWorkers({
      threads,
      endpoints: wanted.udp,
      streams: { endpoints: wanted.streams, limits: wanted.limits, http: wanted.http, tls: wanted.tls },
      bufferSize: wanted.socketBufferBytes,
      plan,
      dtls: secure === null ? null : shareOf(secure, threads),
      quota,
      quotaLimits: plan.quota,
      hearPorts: (message) => relayPorts.hear(message, options.clock()),
      forgetThread: (thread) => {
        ownPorts.forgetThread(thread)
        sourceTable.forgetThread(thread)
      },
      errors: driver.errors,
      log,
      clock: options.clock,
      spawn: spawnRelayWorker,
    })
    await workers.start()
  }
  const close = async () => {
    await driver.close()
    await workers?.close()
  }
  try {
    await driver.start()
  } catch (error) {
    await close()
    throw error
  }

  const bound = [...(workers?.addresses ?? []), ...driver.addresses]
  const own = new TurnReadings(driver.turn.counters, driver.counters)
  return {
    driver,
    workers,
    bound,
    ports: portsOf(config, bound, { tls: wanted.tls !== null, dtls: dtls !== null }),
    protect: (ports) => {
      const peers = peerPlan(config, addresses, ports)
      driver.turn.setPeerPolicy(peerPolicy(peers))
      workers?.setPeerPolicy(peers)
    },
    reload: (renewed) => {
      if (wanted.tls !== null) {
        const tls = turnTls(config, renewed)
        if (workers === null) driver.reload(tls)
        else workers.reloadTls(tls)
      }
      if (secure === null) return
      const identity = dtlsIdentity(renewed)
      if (workers === null) dtls?.reload(identity)
      else workers.reloadDtls(identity, shareOf({ ...secure, identity }, workers.size))
    },
    drain: (on) => {
      driver.turn.drain(on)
      workers?.drain(on)
    },
    readings: () => {
      own.update(driver.turn.openAllocations, driver.openRelays)
      const sum = new TurnReadings()
      addReadings(sum, own)
      workers?.addTo(sum)
      return sum
    },
    get socketErrors() {
      return [...driver.errors.entries, ...(workers?.errorCounts ?? [])]
    },
    close,
  }
}

/** How many threads relay besides this one. */
function relayThreads(config: Config, options: NetOptions, log: Log): number {
  const alone = (reason: string | null) => {
    if (reason !== null && config['udp-io'] === 'batch')
      log.warn({ reason }, 'UDP packets are moved one by one (dgram)')
    else log.info({ reason: reason ?? 'as configured' }, 'UDP packets are moved one by one (dgram)')
    return 0
  }
  const threads = config['relay-threads'] ?? availableParallelism()
  if (options.udp.length + options.streams.length === 0) return 0
  if (config['udp-io'] === 'dgram' || threads === 0) return alone(null)
  // Its allocation is in one thread, and there is no way to another.
  if (config.mobility) return alone('with mobility a client may come back to another thread')
  const support = relayWorkersSupport()
  if (!support.available) return alone(support.reason)
  log.info({ threads }, 'UDP packets are moved in batches (recvmmsg, sendmmsg)')
  return threads
}

/** Limits hold for all threads together. */
function shareOf(plan: DtlsPlan, threads: number): DtlsPlan {
  const { maxHandshakes, maxSessions, ...rest } = plan.limits
  return {
    ...plan,
    limits: {
      ...rest,
      ...(maxHandshakes === undefined ? {} : { maxHandshakes: Math.ceil(maxHandshakes / threads) }),
      ...(maxSessions === undefined ? {} : { maxSessions: Math.ceil(maxSessions / threads) }),
    },
  }
}

// The port of a transport is that of its first socket: what was asked for, or what the system chose for port 0.
function portsOf(config: Config, bound: readonly BoundAddress[], has: { tls: boolean; dtls: boolean }): TurnPorts {
  const firstPort = (transport: 'udp' | 'tcp', wanted: number): number | null => {
    const sockets = bound.filter((socket) => socket.transport === transport)
    return sockets.find(({ address }) => address.port === wanted)?.address.port ?? sockets[0]?.address.port ?? null
  }
  const plain = config['listening-port']
  const secure = config['tls-listening-port']
  return {
    udp: firstPort('udp', plain),
    tcp: config['no-tcp'] ? null : firstPort('tcp', plain),
    tls: has.tls ? firstPort('tcp', secure) : null,
    dtls: has.dtls ? firstPort('udp', secure) : null,
  }
}
