import { randomBytes } from 'node:crypto'
import type { Config } from '../config/options.ts'
import { nonceKey } from '../turn/auth/nonce.ts'

/** What this run of the program has drawn, and keeps whatever the configuration becomes. */
export interface RunSecrets {
  /** Hexadecimal. One for all threads: a client may come back to another one. */
  readonly nonceKey: string
}

/** Drawn at random, but for what several servers share by configuration. */
export function runSecrets(config: Config): RunSecrets {
  const shared = config['stateless-nonce-secret']
  return { nonceKey: (shared === null ? randomBytes(32) : nonceKey(shared.reveal())).toString('hex') }
}
