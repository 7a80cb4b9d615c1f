import { type Listener, listeners, withoutServer } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import { isWildcard } from '../net/interfaces.ts'
import type { ListenError } from '../net/listen-error.ts'

/** One line about a port that could not be had: which of our servers wanted it, why it failed, and the ways out. */
export function listenAdvice(error: ListenError, config: Config): string {
  const wanted = listeners(config).find((listener) => opens(listener, error))
  if (wanted === undefined) return `${error.message}; ${error.fix}`
  const isBusy = error.code === 'EADDRINUSE'
  const moved = isBusy && wanted.portKey !== 'aux-server' ? ` with ${wanted.portKey}=` : ''
  const without = isBusy && wanted.server !== 'TURN' ? `, or ${withoutServer(wanted)}` : ''
  const purpose = wanted.server === 'TURN' ? '' : ` (wanted for ${wanted.server})`
  return `${error.message}${purpose}; ${error.fix}${moved}${without}`
}

function opens({ transport, host, port }: Listener, error: ListenError): boolean {
  return transport === error.transport && port === error.port && (host === error.address || isWildcard(host))
}
