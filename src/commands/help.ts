import { appliesNote, stateNote } from '../config/option.ts'
import { groups, type OptionName, optionNames, optionOf } from '../config/options.ts'
import { boolean } from '../config/values/booleans.ts'
import { wrap } from './wrap.ts'

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
    entry('  turnserver', "Start TURN alone, with coturn's command line"),
    entry('  check-config [--show] [--json]', 'Check the configuration, show what is in force'),
    entry('  init', 'Write a turnserver.conf with a fresh secret'),
    entry('  credentials [USER]', 'Make TURN credentials for a limited time'),
    entry('  bench', 'Load a TURN server of your own, measure loss'),
    entry('  doctor [URL], stun, turn', 'Say what works, what does not, and the fix'),
    entry('  status, sessions, disconnect,', 'Ask and steer the running server'),
    '  drain, reload and more',
    entry('  systemd, version', 'Print a systemd unit, or the version'),
    '',
    'Options',
    entry('  -c FILE', 'Read this file instead of turnserver.conf'),
    entry('  -n', 'Read no file'),
    entry('  --no-rooms, --no-signaling,', 'Leave one of the three servers out'),
    '  --no-turn',
    ...COMMON.map((name) => optionEntry(name, false)),
    entry('  --help-all', `All commands and ${optionNames.length} options, coturn's too`),
    '',
    wrap(
      'Each option is also a key of turnserver.conf (realm=example.org) and an environment variable (WEBRTC_STACK_REALM).',
      0,
    ),
  ].join('\n')
}

const FOR_A_RUNNING_SERVER = [
  ['status', 'What it is, has and has done'],
  ['sessions', 'Who is relayed now; --user, --address, --peer, --transport, --older-than, --watch'],
  ['session ID', 'All that is known of one session'],
  ['disconnect', 'End a session by its ID, or all of a --user, an --address …'],
  ['rooms', 'The rooms and who is in them'],
  ['close-room ROOM', 'Say bye to everybody in a room'],
  ['drain', 'Take no new calls, and with --deadline end the others then'],
  ['undrain', 'Take new calls again'],
  ['reload', 'Read the configuration again, and say what has changed or is wrong'],
  ['log-level [LEVEL]', 'Say the least level that is logged, or change it'],
  ['certificates', 'Which are served, and for how long'],
] as const

const FOR_TRYING = [
  ['doctor', 'Look at the server of this configuration; --stun-server asks how strangers see it'],
  ['doctor URL…', 'The same from outside: https://HOST/ of a call page, stun: and turn: URIs'],
  ['stun HOST[:PORT]', 'Ask over each transport where this machine is seen, and what the NAT does'],
  ['turn URI', 'Relay between two allocations; -u NAME -w PASSWORD, or --secret'],
] as const

/** Commands for a running server and for trying one, and every option there is, grouped. */
export function allHelp(): string {
  return [
    commandHelp('Commands for a running server', FOR_A_RUNNING_SERVER),
    commandHelp('Commands that say what works', FOR_TRYING),
    optionHelp(),
  ].join('\n')
}

function commandHelp(title: string, commands: readonly (readonly [string, string])[]): string {
  return [title, ...commands.map(([name, text]) => entry(`  ${name}`, text)), ''].join('\n')
}

function optionHelp(): string {
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
