import type { Places } from './find-file.ts'

/** What loading a configuration asks of the machine. */
export interface Surroundings extends Places {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Addresses of each network interface. */
  readonly interfaces: ReadonlyMap<string, readonly string[]>
  /** The addresses of a host name; throws when there are none. */
  resolve(host: string): Promise<readonly string[]>
  /** Where coturn keeps accounts and secrets when no key says otherwise; null when there is no such file. */
  readonly accountFile: string | null
  /** The NIS domain, which coturn takes for its realm; null without one. */
  readonly domainName: string | null
  /** Where the operator's socket can be when nobody says; null for nowhere. */
  readonly operatorSocket: string | null
  /** Stands in for a secret that the configuration does not name: random, and the same as long as the process runs. */
  runSecret(): string
}
