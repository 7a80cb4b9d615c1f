import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { listeners } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import { linuxSupport } from '../net/linux/system-calls.ts'
import type { BoundAddress } from '../net/listen/bound-address.ts'
import type { ListenChange } from '../net/listen/listen-change.ts'
import type { FindAccount } from '../threads/accounts.ts'
import type { AccountStore } from '../users/account-store.ts'
import { openAccounts } from './accounts.ts'
import type { TurnAddresses } from './addresses.ts'
import { type CertificateFiles, ticketKeys, turnTls } from './certificate.ts'
import { logLevel } from './plan/log-level.ts'
import { endpoints, type NetPlan, netOptions, streamLimits } from './plan/net-options.ts'
import { type TurnPlan, turnPlan } from './plan/turn-plan.ts'
import { dtlsPlan } from './relaying/dtls.ts'
import { PortMemoryByAddress } from './relaying/port-memory.ts'
import { relayHere } from './relaying/relay-here.ts'
import { relayOnThreads } from './relaying/relay-threads.ts'
import type { EndsListener, Relaying } from './relaying/relaying.ts'
import { runSecrets } from './run-secrets.ts'
import { turnMemory } from './shared-memory.ts'

/** Where clients reach TURN; null where a transport is off. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  readonly dtls: number | null
}

export interface RunningTurn
  extends Pick<Relaying, 'here' | 'workers' | 'readings' | 'threads' | 'sessions' | 'socketErrors' | 'close'> {
  /** Where new clients may come. */
  readonly bound: readonly BoundAddress[]
  readonly ports: TurnPorts
  readonly isDraining: boolean
  /** The database of accounts; null without one. */
  readonly accounts: Pick<AccountStore, 'isUp' | 'counters'> | null
  /** Closes this machine's own services, by the ports they really got, to relayed traffic; for good, as somebody may be there still. */
  protect(ports: readonly number[]): void
  /**
   * Opens what another configuration, or the addresses of now, want to be listened on, and looks whether new handshakes can get this
   * certificate; throws ListenError or ConfigError, and changes nothing, when that cannot be.
   */
  prepare(config: Config, files: CertificateFiles | null): Promise<ListenChange>
  /** Listens on addresses that have come, and no longer on those that are gone; what cannot be had is counted. */
  follow(): Promise<void>
  /** Goes by another configuration, and the addresses of now, as far as it can without a restart. */
  apply(config: Config, addresses: TurnAddresses): void
  drain(on: boolean): void
  /** Of all threads, until a configuration says otherwise. */
  setLogLevel(level: string): void
}

export async function startTurn(
  config: Config,
  addresses: TurnAddresses,
  files: CertificateFiles | null,
  parentLog: Log,
  ends: EndsListener,
): Promise<RunningTurn> {
  const log = parentLog.child({ part: 'turn' })
  const secure = files === null ? null : dtlsPlan(config, files, log)
  const options = netOptions(config, files, secure !== null)
  const threads = relayThreads(config, options, log)
  const portMemory = new PortMemoryByAddress()
  let now = { config, addresses }
  let ownPorts: readonly number[] = []
  let relayedPorts = { minPort: config['min-port'], maxPort: config['max-port'] }
  // What the database says comes to everybody as another plan; until they have begun, as the first one.
  let changed = () => {}
  const accounts = await openAccounts(config, log, () => changed())
  const planNow = () => {
    const { config: wanted } = now
    portMemory.add(now.addresses.relay.map(({ host }) => host))
    // Who is relayed from a port of before has peers there still.
    relayedPorts = {
      minPort: Math.min(relayedPorts.minPort, wanted['min-port']),
      maxPort: Math.max(relayedPorts.maxPort, wanted['max-port']),
    }
    return turnPlan(wanted, now.addresses, {
      ownPorts,
      relayedFrom: [...portMemory.memory.keys()],
      relayedPorts,
      accounts,
    })
  }
  let plan = planNow()
  const run = { memory: turnMemory(plan, Math.max(1, threads), randomBytes), secrets: runSecrets(config) }
  const findAccount: FindAccount | null = accounts && ((account, then) => accounts.find(account, then))
  const relaying =
    threads === 0
      ? relayHere(plan, portMemory.memory, run, options, secure, findAccount, log, ends)
      : relayOnThreads(threads, plan, portMemory.memory, run, options, secure, findAccount, log, ends)
  try {
    await relaying.start()
  } catch (error) {
    await accounts?.close()
    throw error
  }
  if (plan.peers.closesPrivate) tellOfPrivatePeers(plan, config, log)

  // A certificate where there was none waits for a restart.
  const endpointsOf = (wanted: Config) => endpoints(wanted, options.tls !== null, secure !== null)
  /** The last of the plans that every thread goes by. */
  let settled = plan
  const apply = () => {
    const before = plan
    plan = planNow()
    const told = plan
    void relaying.apply(told, portMemory.memory, streamLimits(now.config)).then((isSettled) => {
      if (isSettled && told === plan) settled = told
    })
    if (before.peers.closesPrivate !== plan.peers.closesPrivate) tellOfPrivatePeers(plan, now.config, log)
  }
  changed = apply
  const tidying = setInterval(() => {
    // Nobody takes ports of other addresses any more, and nobody may have one still.
    if (settled !== plan) apply()
    else if (portMemory.forgetBut(plan.relayAddresses)) apply()
  }, TIDY_MS).unref()

  let { tls } = options
  // Whoever gets hold of these keys can read what was sealed with them, so that they must not last.
  const renewal = setInterval(() => relaying.reload(tls && { ...tls, ticketKeys: ticketKeys() }, null), DAY_MS).unref()
  let isDraining = false
  return {
    here: relaying.here,
    workers: relaying.workers,
    get bound() {
      return relaying.addresses
    },
    get ports() {
      return portsOf(now.config, relaying.addresses, { tls: options.tls !== null, dtls: secure !== null })
    },
    get isDraining() {
      return isDraining
    },
    protect: (ports) => {
      if (ports.every((port) => ownPorts.includes(port))) return
      ownPorts = [...new Set([...ownPorts, ...ports])]
      apply()
    },
    apply: (next, found) => {
      const { config: before } = now
      now = { config: next, addresses: found }
      accounts?.serve(next.realm)
      // Before anybody can come by them.
      ownPorts = [...new Set([...ownPorts, ...listeners(next).map(({ port }) => port)])]
      apply()
      if (next !== before) relaying.setLogLevel(logLevel(next))
    },
    prepare: async (next, renewed) => {
      const certified = tls && renewed && turnTls(next, renewed)
      const secured = secure && renewed && dtlsPlan(next, renewed, log)
      const change = await relaying.prepare(endpointsOf(next), 'all')
      return {
        commit: () => {
          if (renewed !== null) tls = certified
          relaying.reload(certified, secured)
          change.commit()
        },
        abort: change.abort,
      }
    },
    follow: async () => {
      const change = await relaying.prepare(endpointsOf(now.config), 'what can be had')
      change.commit()
    },
    drain: (on) => {
      isDraining = on
      relaying.drain(on)
    },
    setLogLevel: (level) => relaying.setLogLevel(level),
    readings: () => relaying.readings(),
    threads: relaying.threads,
    sessions: (thread, question) => relaying.sessions(thread, question),
    get socketErrors() {
      return relaying.socketErrors
    },
    accounts,
    close: async () => {
      clearInterval(renewal)
      clearInterval(tidying)
      await relaying.close()
      await accounts?.close()
    },
  }
}

const DAY_MS = 86_400_000
/** How often to look whether addresses of before are still relayed from. */
const TIDY_MS = 10_000

/** In private networks peers are refused, or no longer. */
function tellOfPrivatePeers({ peers }: TurnPlan, config: Config, log: Log): void {
  if (config['allow-private-peers'] !== null) return
  log.info(
    {},
    peers.closesPrivate
      ? 'peers in private networks are refused, because the world reaches this server; allow-private-peers opens them all, allowed-peer-ip some'
      : 'peers in private networks are open, because this server is in one; allow-private-peers=off refuses them',
  )
}

/** How many threads relay besides this one; 0 when this one does. */
function relayThreads(config: Config, { udp, streams }: NetPlan, log: Log): number {
  const alone = (reason: string) => {
    log[config['udp-io'] === 'batch' ? 'warn' : 'info']({ reason }, 'UDP packets are moved one by one (dgram)')
    return 0
  }
  const wanted = config['relay-threads'] ?? (config.cpus || availableParallelism())
  if (udp.length + streams.length === 0) return 0
  if (config['udp-io'] === 'dgram') return alone('udp-io=dgram')
  if (wanted === 0) return alone('relay-threads=0')
  const support = linuxSupport()
  if (!support.available) return alone(support.reason)
  log.info({ threads: wanted }, 'UDP packets are moved in batches (recvmmsg, sendmmsg)')
  return wanted
}

// The port of a transport is that of its first socket: what was asked for, or what the system chose for port 0. Where TCP comes
// through a proxy that is not where clients connect, and the proxy is taken to listen where we would.
function portsOf(config: Config, bound: readonly BoundAddress[], has: { tls: boolean; dtls: boolean }): TurnPorts {
  const firstPort = (transport: 'udp' | 'tcp', wanted: number): number | null => {
    const sockets = bound.filter((socket) => socket.transport === transport)
    return sockets.find(({ address }) => address.port === wanted)?.address.port ?? sockets[0]?.address.port ?? null
  }
  const plain = config['listening-port']
  const secure = config['tls-listening-port']
  const isProxied = config['tcp-proxy-port'] > 0
  const streamPort = (wanted: number) => (isProxied && wanted > 0 ? wanted : firstPort('tcp', wanted))
  return {
    udp: firstPort('udp', plain),
    tcp: config['no-tcp'] ? null : streamPort(plain),
    tls: has.tls ? streamPort(secure) : null,
    dtls: has.dtls ? firstPort('udp', secure) : null,
  }
}
