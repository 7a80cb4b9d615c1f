import { BadValue } from '../config-error.ts'
import { nearest } from '../nearest.ts'
import { clip, type ValueType } from './value-type.ts'

export function choice<Word extends string>(...words: readonly Word[]): ValueType<Word> {
  return {
    placeholder: words.join('|'),
    neverHolds: '#',
    parse: (value) =>
      words.find((candidate) => candidate === value) ?? wordOr(value, words, (text) => notOneOf(words, text)),
    show: (value) => value,
  }
}

/** What `read` makes of a text; if it is refused and near one of `words`, the refusal names that. */
export function wordOr<Value>(text: string, words: readonly string[], read: (text: string) => Value): Value {
  try {
    return read(text)
  } catch (error) {
    const plain = text.toLowerCase()
    const begun = plain.length > 2 ? words.find((word) => word.startsWith(plain)) : undefined
    const near = begun ?? nearest(clip(text), words, Math.min(2, text.length - 2))
    if (!(error instanceof BadValue) || near === null) throw error
    throw new BadValue(error.message, `did you mean "${near}"?`)
  }
}

function notOneOf(words: readonly string[], text: string): never {
  throw new BadValue(`"${clip(text)}" is none of ${words.join(', ')}`)
}

/** The facilities of syslog by coturn's names, which are those of the C library; `daemon` is LOG_DAEMON. */
export function facility<Word extends string>(...words: readonly Word[]): ValueType<Word> {
  const exact = choice(...words)
  const spelled = (text: string) => `LOG_${text.toUpperCase().replace(/^LOG_/, '')}`
  return { ...exact, placeholder: 'LOG_NAME', parse: (text) => exact.parse(spelled(text)) }
}

export const words: ValueType<readonly string[]> = {
  placeholder: 'A,B,…',
  parse: (value) =>
    value
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  show: (value) => value.join(','),
}

/** Only the first character counts, as in coturn. */
export const character: ValueType<string> = {
  placeholder: 'CHAR',
  parse(value) {
    const [first] = value
    if (first === undefined) throw new BadValue('needs a character')
    return first
  },
  show: (value) => value,
}
