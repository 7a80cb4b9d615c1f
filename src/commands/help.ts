import { appliesNote, stateNote } from '../config/option.ts'
import { groups, type OptionName, optionNames, optionOf } from '../config/options.ts'
import { boolean } from '../config/values/booleans.ts'

const WIDTH = 80
const HELP_COLUMN = 34

/** What most people look for first. */
const COMMON: readonly OptionName[] = [
  'dev',
  'public-host',
  'http-port',
  'https-port',
  'port',
  'cert',
  'pkey',
  'listening-port',
  'tls-listening-port',
  'external-ip',
  'min-port',
  'max-port',
  'static-auth-secret',
  'user',
  'realm',
  'Verbose',
]

/** The first screen: commands and the options that most people need. */
export function shortHelp(): string {
  return [
    `webrtc-stack ${__VERSION__}: rooms, signaling and a STUN/TURN server in one program`,
    '',
    'Usage: webrtc-stack [serve] [OPTIONS]',
    '       webrtc-stack COMMAND [OPTIONS]',
    '',
    'Commands',
    entry('  serve', 'Start the servers; the default command'),
    entry('  turnserver', "Start TURN alone, with coturn's command line and file"),
    entry('  check-config [--show] [--json]', 'Check the configuration, show what is in force'),
    entry('  init', 'Write a turnserver.conf with a fresh secret'),
    entry('  credentials [USER]', 'Make TURN credentials for a limited time'),
    entry('  bench', 'Load a TURN server of your own, measure loss and delay'),
    entry('  systemd', 'Print a systemd unit'),
    entry('  version', 'Print the version'),
    '',
    'Options',
    entry('  -c FILE', 'Read this file instead of turnserver.conf'),
    entry('  -n', 'Read no file'),
    entry('  --no-rooms, --no-signaling,', 'Leave one of the three servers out'),
    '  --no-turn',
    ...COMMON.map((name) => optionEntry(name, false)),
    entry('  --help-all', `All ${optionNames.length} options and defaults, coturn's too`),
    '',
    wrap(
      'Each option is also a key of turnserver.conf (realm=example.org) and an environment variable (WEBRTC_STACK_REALM).',
      0,
    ),
  ].join('\n')
}

/** Every option there is, grouped. */
export function allHelp(): string {
  return groups
    .map(({ title, names }) => [title, ...names.map((name) => optionEntry(name, true)), ''].join('\n'))
    .join('\n')
    .trimEnd()
}

function optionEntry(name: OptionName, withNotes: boolean): string {
  const option = optionOf(name)
  const { short, help, list, state, type, default: value } = option
  const placeholder = type === boolean ? '' : `=${type.placeholder}`
  const notes = [
    ...defaultNote(name),
    ...(list ? ['may be repeated'] : []),
    ...stateNote(state),
    ...appliesNote(option),
  ]
  const dash = short === null ? '  ' : `  -${short}, `
  const shown = withNotes ? notes : typeof value === 'number' ? [`${value}`] : []
  return entry(`${dash}--${name}${placeholder}`, shown.length > 0 ? `${help} (${shown.join('; ')})` : help)
}

function defaultNote(name: OptionName): string[] {
  const { defaultNote: note, default: value, list, type } = optionOf(name)
  if (note !== null) return [`default: ${note}`]
  const shown = list ? (value as readonly unknown[]).map((item) => type.show(item)).join(' ') : type.show(value)
  return shown === '' || value === false ? [] : [`default: ${shown}`]
}

function entry(left: string, right: string): string {
  const text = wrap(right, HELP_COLUMN)
  return left.length < HELP_COLUMN - 1 ? left + text.slice(left.length) : `${left}\n${text}`
}

function wrap(text: string, indent: number): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (indent + line.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.map((line) => ' '.repeat(indent) + line).join('\n')
}
