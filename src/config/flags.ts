import { UsageError } from './config-error.ts'
import { nearest } from './nearest.ts'
import { isOptionName, isSwitch, negatedSwitch, type OptionName, optionNames, optionOf } from './options.ts'
import type { Setting, Warning } from './setting.ts'

/** A command line, taken apart into what the option table knows and what is left for commander. */
export interface Flags {
  readonly settings: readonly Setting[]
  readonly warnings: readonly Warning[]
  /** What `-c` named; null without `-c`, false after `-n`. */
  readonly file: string | null | false
  /** Commands, operands, and flags that only a command knows. */
  readonly rest: readonly string[]
}

/**
 * Reads coturn's flags (`--realm=x`, `-r x`, `-vf`, unique beginnings of long names) and Collider's (`-port=8089`).
 * `ownFlags` are the long flags of commands, which are left alone; `commandFlags` those that are a command's only behind its
 * name, and may be options elsewhere; one letter stands for a short flag with a value.
 */
export function readFlags(
  words: readonly string[],
  ownFlags: ReadonlySet<string>,
  commandFlags: ReadonlyMap<string, ReadonlySet<string>> = new Map(),
): Flags {
  const settings: Setting[] = []
  const warnings: Warning[] = []
  const rest: string[] = []
  let file: string | null | false = null
  let at = 0

  const isOwn = (flag: string): boolean =>
    ownFlags.has(flag) || (commandFlags.get(rest.find((word) => !word.startsWith('-')) ?? '')?.has(flag) ?? false)
  const following = (flag: string): string => {
    const value = words[++at]
    if (value === undefined) throw new UsageError(`${flag} needs a value`)
    return value
  }
  const set = (name: OptionName, flag: string, attached: string | null): void => {
    const takesFollowing = attached === null && optionOf(name).type.bare === undefined
    const next = words[at + 1]
    // As with coturn a switch takes no following word; the one left over would otherwise be a command, or be lost.
    if (isSwitch(name) && attached === null && next !== undefined && /^(on|off|true|false|yes|no|[01])$/i.test(next))
      throw new UsageError(`${flag} ${next}: a switch takes its value after "="; write --${name}=${next}`)
    settings.push({ name, text: takesFollowing ? following(flag) : attached, origin: { source: 'flag', flag } })
  }
  const readShort = (letters: string): void => {
    for (let index = 0; index < letters.length; index++) {
      const flag = `-${letters[index]}`
      const attached = letters.slice(index + 1)
      if (flag === '-n') file = false
      else if (flag === '-h') rest.push('--help')
      else if (flag === '-c') {
        file = attached === '' ? following(flag) : attached
        return
      } else {
        const name = shortNames.get(letters[index]!)
        if (name === undefined) throw unknownFlag(`-${letters}`, null)
        if (isSwitch(name)) {
          set(name, flag, null)
          continue
        }
        if (attached.startsWith('='))
          warnings.push({ where: `${flag}=`, message: `a short flag takes no "="; read as ${flag} VALUE` })
        set(name, flag, attached === '' ? null : attached.replace(/^=/, ''))
        return
      }
    }
  }

  for (; at < words.length; at++) {
    const word = words[at]!
    if (word.trim() === '') {
      warnings.push({ where: null, message: 'a blank argument of the command line is ignored' })
      continue
    }
    if (word === '--') {
      rest.push(...words.slice(at))
      break
    }
    const long = /^--?([A-Za-z][A-Za-z0-9_-]+)(?:=([\s\S]*))?$/.exec(word)
    const [, written = '', attached = null] = long ?? []
    const isDouble = word.startsWith('--')
    if (long !== null && isDouble && isOwn(written)) rest.push(word)
    else if (long !== null && (isDouble || isOptionName(written) || negatedSwitch(written) !== null)) {
      const flag = `--${written}`
      const positive = negatedSwitch(written)
      const name = longName(written)
      if (name !== null) set(name, flag, attached)
      else if (positive !== null)
        settings.push({ name: positive, text: attached, negated: true, origin: { source: 'flag', flag } })
      else throw unknownFlag(flag, written)
    } else if (/^-[A-Za-z]$/.test(word) && isOwn(word.slice(1))) rest.push(word, following(word))
    else if (/^-[A-Za-z]/.test(word)) readShort(word.slice(1))
    else rest.push(word)
  }
  return { settings, warnings, file, rest }
}

const shortNames: ReadonlyMap<string, OptionName> = new Map(
  optionNames.flatMap((name) => {
    const { short } = optionOf(name)
    return short === null ? [] : [[short, name] as const]
  }),
)

function longName(written: string): OptionName | null {
  if (isOptionName(written)) return written
  if (negatedSwitch(written) !== null) return null
  const matches = optionNames.filter((name) => name.startsWith(written))
  if (matches.length > 1)
    throw new UsageError(
      `--${written} may be ${matches
        .slice(0, 6)
        .map((name) => `--${name}`)
        .join(', ')}; write one of them`,
    )
  return matches[0] ?? null
}

function unknownFlag(flag: string, written: string | null): UsageError {
  const near = written === null ? null : nearest(written, optionNames)
  return new UsageError(`unknown option ${flag}; ${near === null ? 'see --help-all' : `did you mean --${near}?`}`)
}
