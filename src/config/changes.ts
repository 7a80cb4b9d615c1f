import { isDeepStrictEqual } from 'node:util'
import { type Config, type OptionName, optionNames, optionOf } from './options.ts'
import { Secret } from './secret.ts'

/** What reading the configuration again has brought. */
export interface Changes {
  /** What is in force from now on: the new configuration, but for options that need a restart. */
  readonly config: Config
  /** Options whose new value is in force now. */
  readonly applied: readonly OptionName[]
  /** Options whose new value waits for a restart. */
  readonly afterRestart: readonly OptionName[]
}

/** Compares what is in force with what has been read, option by option. */
export function changesBetween(before: Config, after: Config): Changes {
  const changed = optionNames.filter((name) => !isSame(before[name], after[name]))
  // A certificate where there was none, or none any more, opens or closes ports.
  const opensPorts = (before.cert === null) !== (after.cert === null)
  const waits = (name: OptionName) =>
    optionOf(name).applies === 'after a restart' || (opensPorts && CERTIFICATE.has(name))
  const afterRestart = changed.filter(waits)
  const kept = Object.fromEntries(afterRestart.map((name) => [name, before[name]]))
  return {
    // Each value is one that the table's parser made for this name.
    config: Object.freeze({ ...after, ...kept }) as Config,
    applied: changed.filter((name) => !waits(name)),
    afterRestart,
  }
}

const CERTIFICATE: ReadonlySet<OptionName> = new Set(['cert', 'pkey', 'pkey-pwd'])

/** Equal as an operator sees it; a secret by what it holds. */
function isSame(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(revealed(one), revealed(other))
}

function revealed(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal()
  if (Array.isArray(value)) return value.map(revealed)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, revealed(entry)]))
}
