import { listeners, withoutServer } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import { isWildcard } from '../net/listen/interfaces.ts'
import type { ListenError } from '../net/listen/listen-error.ts'

/** One line about a port that could not be had: which of our servers wanted it, why it failed, and the ways out. */
export function listenAdvice(error: ListenError, config: Config): string {
  const candidates = listeners(config).filter(
    ({ transport, port }) => transport === error.transport && port === error.port,
  )
  const wanted =
    candidates.find(({ host }) => host === error.address) ?? candidates.find(({ host }) => isWildcard(host))
  if (wanted === undefined) return `${error.message}; ${error.fix}`
  const isBusy = error.code === 'EADDRINUSE'
  const moved = isBusy && wanted.portKey !== 'aux-server' ? ` with ${wanted.portKey}=` : ''
  const without = isBusy && wanted.server !== 'TURN' ? `, or ${withoutServer(wanted)}` : ''
  const purpose = wanted.server === 'TURN' ? '' : ` (wanted for ${wanted.server})`
  return `${error.message}${purpose}; ${error.fixFor(wanted.hostKey)}${moved}${without}`
}
