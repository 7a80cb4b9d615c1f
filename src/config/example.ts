import { appliesNote, stateNote } from './option.ts'
import { groups, type OptionName, optionOf } from './options.ts'

const WIDTH = 80

/** turnserver.conf.example: every option with its default, all of them commented out. */
export function renderExample(): string {
  const body = groups.map(({ title, names }) => [heading(title), ...names.map(paragraph)].join('\n'))
  return `${INTRODUCTION}\n${body.join('\n')}`
}

const INTRODUCTION = `# turnserver.conf of webrtc-stack: every option, with its default.
#
# Copy this file to turnserver.conf, or let \`webrtc-stack init\` write a short
# one with a fresh secret, and take the "#" off the lines you want to change.
# \`webrtc-stack check-config\` tells what is wrong with the result.
#
#   key=value       key = value and key value mean the same
#   key             switches an option on; key=off switches it off
#   key="a value"   the quotes are taken off; there are no escapes
#   # a comment     on lines of its own only
#
# Lists grow when their key is repeated. Limits that are 0 are off.
# A flag wins over the environment, which wins over this file:
#   webrtc-stack --realm=example.org    WEBRTC_STACK_REALM=example.org
`

function heading(title: string): string {
  return `\n# ${`--- ${title} `.padEnd(WIDTH - 2, '-')}\n`
}

function paragraph(name: OptionName): string {
  const option = optionOf(name)
  const { help, list, state, type, default: value, defaultNote } = option
  const shown: readonly string[] = list
    ? (value as readonly unknown[]).map((item) => type.show(item))
    : [type.show(value)]
  const notes = [
    ...(type.bare === true ? [] : [type.placeholder]),
    ...(list ? ['may be repeated'] : []),
    ...(defaultNote === null ? [] : [`default: ${defaultNote}`]),
    ...stateNote(state),
    ...appliesNote(option),
  ]
  const lines = shown.length === 0 ? [''] : shown
  return `# ${help}.\n${wrapped(notes)}${lines.map((text) => `#${name}=${text}\n`).join('')}`
}

/** Notes on as many lines as they need; none is cut in two. */
function wrapped(notes: readonly string[]): string {
  const lines: string[] = []
  for (const note of notes) {
    const last = lines.at(-1)
    if (last !== undefined && `#   ${last}; ${note}`.length < WIDTH) lines[lines.length - 1] = `${last}; ${note}`
    else lines.push(note)
  }
  return lines.map((line) => `#   ${line}\n`).join('')
}
