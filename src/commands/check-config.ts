import type { Flags } from '../config/flags.ts'
import type { Listener } from '../config/listeners.ts'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import type { Applies } from '../config/option.ts'
import { type OptionName, optionNames, optionOf } from '../config/options.ts'
import { describeOrigin } from '../config/setting.ts'
import { createLog } from '../log.ts'
import { bracketed, turnAddresses } from '../start/addresses.ts'
import { listenAdvice } from '../start/listen-advice.ts'
import { relayAdvice } from '../start/relay-advice.ts'
import { ExitCode } from './exit-code.ts'
import { checkLogFile } from './serve.ts'
import type { Terminal } from './terminal.ts'

/**
 * Loads the configuration as `serve` would, tries on this machine what it would open, and tells about both; what `serve` would
 * refuse throws ConfigError, what it could not open is printed as it would print it.
 */
export async function checkConfig(
  flags: Flags,
  asked: { readonly show?: true; readonly json?: true },
  terminal: Terminal,
): Promise<number> {
  const loaded = await loadConfig(flags)
  const { config } = loaded
  checkLogFile(config)
  // Loaded late, so that complaints about the configuration come at once.
  const { rehearse } = await import('../start/rehearsal.ts')
  const { stops, busy, accounts } = await rehearse(config, createLog({ level: 'silent', pretty: false }))
  const refusals = stops.map((error) => listenAdvice(error, config))
  const exitCode = stops.length === 0 ? ExitCode.OK : ExitCode.FAILED
  if (asked.json) {
    const { file, warnings } = loaded
    const inUse = busy.map(({ transport, host, port, server }) => ({ transport, host, port, server }))
    terminal.out(JSON.stringify({ file, warnings, refusals, inUse, values: values(loaded) }, null, 2))
    return exitCode
  }
  if (asked.show) terminal.out(table(values(loaded)))
  for (const { where, message } of loaded.warnings)
    terminal.err(`warning: ${where === null ? '' : `${where}: `}${message}`)
  for (const { trouble, fix } of config.turn ? relayAdvice(config, turnAddresses(config)) : [])
    terminal.err(`warning: ${trouble} ${fix}`)
  if (accounts !== null) terminal.err(`warning: ${accounts}`)
  if (busy.length > 0)
    terminal.err(
      `note: in use now, and a start would fail unless it is this server that has them: ${busy.map(place).join(', ')}`,
    )
  for (const refusal of refusals) terminal.err(`webrtc-stack: ${refusal}`)
  const checked = loaded.file ?? 'no configuration file; the defaults'
  if (stops.length > 0) terminal.err(`${checked}: cannot be started with on this machine`)
  else terminal.err(`${checked}: ${loaded.warnings.length === 0 ? 'all right' : 'usable, see the warnings'}`)
  return exitCode
}

function place({ transport, host, port, server }: Listener): string {
  return `${transport} ${bracketed(host)}:${port} (${server})`
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
