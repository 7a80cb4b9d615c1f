import { BadValue } from '../config-error.ts'
import { Secret } from '../secret.ts'
import { clip, type ValueType } from './value-type.ts'

export const text: ValueType<string> = {
  placeholder: 'TEXT',
  parse: (value) => value,
  show: (value) => value,
}

export const optionalText: ValueType<string | null> = {
  placeholder: 'TEXT',
  parse: (value) => (value === '' ? null : value),
  show: (value) => value ?? '',
}

/** The name of a file to write. */
export const path: ValueType<string | null> = { ...optionalText, placeholder: 'FILE' }

/** Where a unix socket is to be; false for none, null for the usual place. */
export const socketPath: ValueType<string | false | null> = {
  placeholder: 'FILE',
  parse: (value) => (/^(off|no|false|none)$/i.test(value) ? false : value || null),
  show: (value) => (value === false ? 'off' : (value ?? '')),
}

/** The name of a file to read; the loader looks for it where coturn would and puts the path found in its place. */
export const file: ValueType<string | null> = { ...optionalText, placeholder: 'FILE' }

export const secret: ValueType<Secret> = {
  placeholder: 'SECRET',
  parse(value) {
    if (value === '') throw new BadValue('needs a value')
    return new Secret(value)
  },
  show: String,
}

export function optionalSecret(placeholder: string): ValueType<Secret | null> {
  return {
    placeholder,
    parse: (value) => (value === '' ? null : new Secret(value)),
    show: (value) => (value === null ? '' : String(value)),
  }
}

/** A static account: a password, or the key that turnadmin -k prints. */
export interface User {
  readonly name: string
  readonly password: Secret | null
  /** 32 hexadecimal digits. */
  readonly key: Secret | null
}

export const user: ValueType<User> = {
  placeholder: 'NAME:PASSWORD',
  parse(value) {
    const colon = value.indexOf(':')
    if (colon === -1) throw new BadValue('has no ":" between name and password', 'write NAME:PASSWORD')
    const name = value.slice(0, colon)
    if (name === '') throw new BadValue('has an empty user name', 'write NAME:PASSWORD')
    const credential = value.slice(colon + 1).replace(/^[ \t]+/, '')
    if (/\p{Cc}/u.test(name + credential)) throw new BadValue('has a control character in name or password')
    if (!credential.startsWith('0x')) return { name, password: new Secret(credential), key: null }
    const key = /^0x([0-9a-fA-F]{32})/.exec(credential)?.[1]
    if (key === undefined)
      throw new BadValue(
        `the key of user "${clip(name)}" has fewer than 32 hexadecimal digits`,
        'a password that begins with 0x must be given as a key',
      )
    return { name, password: null, key: new Secret(key.toLowerCase()) }
  },
  show: ({ name, key, password }) => `${name}:${key ?? password ?? ''}`,
}

export const realm: ValueType<string> = {
  placeholder: 'REALM',
  parse(value) {
    if (Buffer.byteLength(value) > 127) throw new BadValue('is longer than 127 bytes')
    return value
  },
  show: (value) => value,
}
