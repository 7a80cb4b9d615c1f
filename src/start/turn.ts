import { randomBytes } from 'node:crypto'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import { type BoundAddress, TurnDriver } from '../net/driver.ts'
import { TurnServer } from '../turn/turn-server.ts'
import type { TurnAddresses } from './addresses.ts'
import { type CertificateFiles, turnTls } from './certificate.ts'
import { dtlsFor } from './dtls.ts'
import { netOptions } from './net-options.ts'
import { peerPolicy, turnOptions } from './turn-options.ts'

/** Where clients reach TURN; null where a transport is off. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  readonly dtls: number | null
}

export interface RunningTurn {
  readonly driver: TurnDriver
  readonly bound: readonly BoundAddress[]
  readonly ports: TurnPorts
  /** Closes this machine's own services, by the ports they really got, to relayed traffic. */
  protect(ports: readonly number[]): void
  reload(files: CertificateFiles): void
}

export async function startTurn(
  config: Config,
  addresses: TurnAddresses,
  files: CertificateFiles | null,
  log: Log,
): Promise<RunningTurn> {
  const dtls = files === null ? null : dtlsFor(config, files, log)
  const options = netOptions(config, files, dtls?.open ?? null)
  const makeTurn = (effects: ConstructorParameters<typeof TurnServer>[1]) =>
    new TurnServer(turnOptions(config, addresses), effects, { random: randomBytes })
  const driver = new TurnDriver(options, makeTurn, log.child({ part: 'turn' }))
  await driver.start()
  const bound = driver.addresses
  return {
    driver,
    bound,
    ports: portsOf(config, bound, { tls: options.tls !== null, dtls: dtls !== null }),
    protect: (ports) => driver.turn.setPeerPolicy(peerPolicy(config, addresses, ports)),
    reload: (renewed) => {
      if (options.tls !== null) driver.reload(turnTls(config, renewed))
      dtls?.reload(renewed)
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
