import type { Flags } from '../config/flags.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { Applies } from '../config/option.ts'
import { type OptionName, optionNames, optionOf } from '../config/options.ts'
import { describeOrigin } from '../config/setting.ts'
import { ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'

/** Loads the configuration as `serve` would and tells about it; a wrong one throws ConfigError. */
export async function checkConfig(
  flags: Flags,
  asked: { readonly show?: true; readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const loaded = await loadConfig(flags)
  if (asked.json) {
    terminal.out(JSON.stringify({ file: loaded.file, warnings: loaded.warnings, values: values(loaded) }, null, 2))
    return ExitCode.OK
  }
  if (asked.show) terminal.out(table(values(loaded)))
  for (const { where, message } of loaded.warnings)
    terminal.err(`warning: ${where === null ? '' : `${where}: `}${message}`)
  const checked = loaded.file ?? 'no configuration file; the defaults'
  terminal.err(`${checked}: ${loaded.warnings.length === 0 ? 'all right' : 'usable, see the warnings'}`)
  return ExitCode.OK
}

interface Shown {
  readonly key: string
  readonly value: string
  readonly from: string
  /** When a change takes effect; null for an option without effect. */
  readonly applies: Applies | null
}

function values(loaded: LoadedConfig): Shown[] {
  return optionNames
    .filter((name) => optionOf(name).state.kind === 'works' || loaded.origins.has(name))
    .flatMap((name) => shown(name, loaded))
}

function shown(name: OptionName, { config, origins }: LoadedConfig): Shown[] {
  const { list, type, defaultNote, default: unset, applies } = optionOf(name)
  const value: unknown = config[name]
  const given = origins.get(name)
  const from = (index: number) => {
    const origin = given?.[index]
    if (origin !== undefined) return describeOrigin(origin)
    return value === unset || given !== undefined ? 'default' : 'worked out'
  }
  if (list && (value as readonly unknown[]).length > 0)
    return (value as readonly unknown[]).map((item, index) => ({
      key: name,
      value: type.show(item),
      from: from(index),
      applies,
    }))
  const text = list ? '' : type.show(value)
  return [{ key: name, value: text === '' && defaultNote !== null ? `(${defaultNote})` : text, from: from(0), applies }]
}

function table(rows: readonly Shown[]): string {
  const keyWidth = Math.max(...rows.map(({ key }) => key.length))
  const valueWidth = Math.min(40, Math.max(...rows.map(({ value }) => value.length)))
  const fromWidth = Math.max(...rows.map(({ from }) => from.length))
  return rows
    .map(({ key, value, from, applies }) =>
      [key.padEnd(keyWidth), value.padEnd(valueWidth), from.padEnd(fromWidth), applies ?? ''].join('  ').trimEnd(),
    )
    .join('\n')
}
