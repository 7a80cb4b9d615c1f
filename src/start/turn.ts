import { availableParallelism } from 'node:os'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import type { BoundAddress } from '../net/driver.ts'
import { linuxSupport } from '../net/linux/system-calls.ts'
import type { TurnAddresses } from './addresses.ts'
import { type CertificateFiles, ticketKeys, turnTls } from './certificate.ts'
import { dtlsIdentity, dtlsPlan } from './dtls.ts'
import { type NetPlan, netOptions } from './plan/net-options.ts'
import { peerPlan, turnPlan } from './plan/turn-plan.ts'
import { relayHere } from './relay-here.ts'
import { relayOnThreads } from './relay-threads.ts'
import type { Relaying } from './relaying.ts'

/** Where clients reach TURN; null where a transport is off. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  readonly dtls: number | null
}

export interface RunningTurn extends Pick<Relaying, 'driver' | 'workers' | 'readings' | 'socketErrors' | 'close'> {
  readonly bound: readonly BoundAddress[]
  readonly ports: TurnPorts
  readonly isDraining: boolean
  /** Closes this machine's own services, by the ports they really got, to relayed traffic. */
  protect(ports: readonly number[]): void
  reload(files: CertificateFiles): void
  drain(on: boolean): void
}

export async function startTurn(
  config: Config,
  addresses: TurnAddresses,
  files: CertificateFiles | null,
  parentLog: Log,
): Promise<RunningTurn> {
  const log = parentLog.child({ part: 'turn' })
  const secure = files === null ? null : dtlsPlan(config, files, log)
  const options = netOptions(config, files, secure !== null)
  const threads = relayThreads(config, options, log)
  const plan = turnPlan(config, addresses, Math.max(1, threads))
  const relaying =
    threads === 0 ? relayHere(plan, options, secure, log) : relayOnThreads(threads, plan, options, secure, log)
  await relaying.start()
  if (config['allow-private-peers'] === null && plan.peers.closesPrivate)
    log.info(
      {},
      'peers in private networks are refused, because the world reaches this server; allow-private-peers opens them all, allowed-peer-ip some',
    )

  let { tls } = options
  // Whoever gets hold of these keys can read what was sealed with them, so that they must not last.
  const renewal = setInterval(() => relaying.reload(tls && { ...tls, ticketKeys: ticketKeys() }, null), DAY_MS).unref()
  let isDraining = false
  return {
    driver: relaying.driver,
    workers: relaying.workers,
    bound: relaying.addresses,
    ports: portsOf(config, relaying.addresses, { tls: options.tls !== null, dtls: secure !== null }),
    get isDraining() {
      return isDraining
    },
    protect: (ports) => relaying.setPeerPolicy(peerPlan(config, addresses, ports)),
    reload: (renewed) => {
      const next = tls && turnTls(config, renewed)
      relaying.reload(next, secure === null ? null : dtlsIdentity(renewed))
      // Bad ones have been refused.
      tls = next
    },
    drain: (on) => {
      isDraining = on
      relaying.drain(on)
    },
    readings: () => relaying.readings(),
    get socketErrors() {
      return relaying.socketErrors
    },
    close: () => {
      clearInterval(renewal)
      return relaying.close()
    },
  }
}

const DAY_MS = 86_400_000

/** How many threads relay besides this one; 0 when this one does. */
function relayThreads(config: Config, { udp, streams }: NetPlan, log: Log): number {
  const alone = (reason: string) => {
    log[config['udp-io'] === 'batch' ? 'warn' : 'info']({ reason }, 'UDP packets are moved one by one (dgram)')
    return 0
  }
  const wanted = config['relay-threads'] ?? availableParallelism()
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
