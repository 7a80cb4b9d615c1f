import { BadValue } from '../config-error.ts'
import type { ValueType } from './value-type.ts'
import { wordOr } from './words.ts'

/** coturn's booleans: the first character decides, except for the two words that begin with `o`. */
export const boolean: ValueType<boolean> = {
  placeholder: 'on|off',
  bare: true,
  neverHolds: '#',
  parse(text) {
    if (/^[0nNfF]/.test(text) || ['off', 'Off', 'OFF'].includes(text)) return false
    if (text === '' || /^[1-9yYtT]/.test(text) || ['on', 'On', 'ON'].includes(text)) return true
    // The value stays out of the message: people write a secret behind `use-auth-secret`.
    throw new BadValue('is neither on nor off', 'write on or off')
  },
  show: (value) => (value ? 'on' : 'off'),
}

/** A boolean whose default depends on what else is there. */
export const booleanOrAuto: ValueType<boolean | null> = {
  ...boolean,
  placeholder: 'on|off|auto',
  parse(text) {
    if (text === 'auto') return null
    return wordOr(text, ['on', 'off', 'auto'], boolean.parse)
  },
  show: (value) => (value === null ? 'auto' : boolean.show(value)),
}

/** RFC 8489 SHA-256: a boolean, or `strict` to demand it. */
export const sha256: ValueType<'off' | 'on' | 'strict'> = {
  placeholder: 'on|off|strict',
  bare: 'on',
  neverHolds: '#',
  parse(value) {
    if (value === 'strict') return value
    return wordOr(value, ['on', 'off', 'strict'], boolean.parse) ? 'on' : 'off'
  },
  show: (value) => value,
}
