import type { ConfigError } from '../config/config-error.ts'
import { problemAt } from '../config/draft.ts'
import { type Listener, listeners, withoutServer } from '../config/listeners.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { isWildcard } from '../net/listen/interfaces.ts'
import type { ListenError } from '../net/listen/listen-error.ts'

/** One line about a port that could not be had: which of our servers wanted it, why it failed, and the ways out. */
export function listenAdvice(error: ListenError, config: Config): string {
  const { message, fix } = advice(error, config)
  return `${message}; ${fix}`
}

/** The same as what is wrong with the option that wants the port; `ownPorts` are those that this server has now. */
export function listenProblem(
  error: ListenError,
  { config, origins }: LoadedConfig,
  ownPorts: readonly number[],
): ConfigError {
  const { message, fix: general, wanted } = advice(error, config)
  const isOurs = error.code === 'EADDRINUSE' && ownPorts.includes(error.port)
  const fix = isOurs
    ? 'this server has it itself for something else: move that first, and this with another reload'
    : general
  const { portKey = 'listening-port', hostKey = 'listening-ip' } = wanted ?? {}
  const key = error.code === 'EADDRNOTAVAIL' || !origins.has(portKey) ? hostKey : portKey
  return problemAt(origins.get(key)?.at(-1) ?? { source: 'default' }, key, message, fix)
}

function advice(error: ListenError, config: Config) {
  const wanted = wantedBy(error, config)
  if (wanted === null) return { message: error.message, fix: error.fix, wanted }
  const isBusy = error.code === 'EADDRINUSE'
  const moved = isBusy && wanted.portKey !== 'aux-server' ? ` with ${wanted.portKey}=` : ''
  const without = isBusy && wanted.server !== 'TURN' ? `, or ${withoutServer(wanted)}` : ''
  const purpose = wanted.server === 'TURN' ? '' : ` (wanted for ${wanted.server})`
  return { message: `${error.message}${purpose}`, fix: `${error.fixFor(wanted.hostKey)}${moved}${without}`, wanted }
}

function wantedBy({ transport, port, address }: ListenError, config: Config): Listener | null {
  const candidates = listeners(config).filter((one) => one.transport === transport && one.port === port)
  return candidates.find(({ host }) => host === address) ?? candidates.find(({ host }) => isWildcard(host)) ?? null
}
