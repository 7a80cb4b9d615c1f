import type { Config } from '../../config/options.ts'
import type { LogOptions } from '../../log.ts'

/** coturn's keys in pino's terms. */
export function logLevel(config: Config): LogOptions['level'] {
  const level = config.Verbose && config['log-min-level'] === 'info' ? 'debug' : config['log-min-level']
  return level === 'warning' ? 'warn' : level
}
