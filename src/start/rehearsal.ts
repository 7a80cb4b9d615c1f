import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { type Listener, listeners } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import { isAbsent, isWildcard, listeningHosts, standsForNothing } from '../net/listen/interfaces.ts'
import { ListenError } from '../net/listen/listen-error.ts'
import { openAccounts } from './accounts.ts'
import { certificate } from './certificate.ts'
import { accountPlan } from './plan/account-plan.ts'
import { netOptions } from './plan/net-options.ts'
import { dtlsPlan } from './relaying/dtls.ts'

/** What a start on this machine would run into. */
export interface Rehearsal {
  /** Addresses and ports that cannot be had, whoever runs now. */
  readonly stops: readonly ListenError[]
  /** Those that somebody has, who may be this very server. */
  readonly busy: readonly Listener[]
  /** What is wrong with the database of accounts and does not stop a start; null for nothing. */
  readonly accounts: string | null
}

/** Does what a start does before it serves anybody, and gives everything back. Throws ConfigError where a start would. */
export async function rehearse(config: Config, log: Log): Promise<Rehearsal> {
  const files = await certificate(config, [])
  if (config.turn && files !== null) {
    dtlsPlan(config, files, log)
    netOptions(config, files, false)
  }
  const stops: ListenError[] = []
  const busy: Listener[] = []
  for (const listener of listeners(config)) {
    const error = await probe(listener)
    if (error?.code === 'EADDRINUSE') busy.push(listener)
    else if (error !== null) stops.push(error)
  }
  return { stops, busy, accounts: await troubleWithAccounts(config, log) }
}

async function troubleWithAccounts(config: Config, log: Log): Promise<string | null> {
  const store = await openAccounts(config, log, () => {})
  await store?.close()
  if (store === null)
    return accountPlan(config) === null ? null : 'the account database cannot be read; a start says why'
  return store.isUp ? null : 'the account database does not answer now'
}

async function probe({ transport, host, port }: Listener): Promise<ListenError | null> {
  const hosts = transport === 'udp' ? listeningHosts(host) : [host]
  for (const each of hosts) {
    try {
      await (transport === 'udp' ? bindUdp(each, port) : listenTcp(each, port))
    } catch (error) {
      const isMissing = isWildcard(host) && (isAbsent(error) || standsForNothing(host, error))
      if (!isMissing) return new ListenError(transport, each, port, error)
    }
  }
  return null
}

async function bindUdp(address: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })
  try {
    socket.bind({ address, port, exclusive: true })
    await once(socket, 'listening')
  } finally {
    socket.close()
  }
}

async function listenTcp(host: string, port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy())
  server.listen({ host, port, exclusive: true, ipv6Only: true })
  try {
    await once(server, 'listening')
  } finally {
    server.close()
  }
}
