import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { BadValue } from './config-error.ts'
import { Secret } from './secret.ts'

/** How the text of one option becomes a value, and how the value is shown again. */
export interface ValueType<Value> {
  readonly placeholder: string
  /** Throws BadValue, whose message never repeats a secret. */
  parse(text: string): Value
  show(value: Value): string
  /** What the bare key means; a key without this needs a value. */
  readonly bare?: Value
  /** No value of this type holds a blank followed by `#`, so such an ending is a misplaced comment. */
  readonly neverHolds?: '#'
  /** What separates list entries in an environment variable; without it only a new line does. */
  readonly commaSeparated?: true
}

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
  parse: (text) => (text === 'auto' ? null : boolean.parse(text)),
  show: (value) => (value === null ? 'auto' : boolean.show(value)),
}

export function integer(placeholder: string, from: number, to: number, bare?: number): ValueType<number> {
  return {
    placeholder,
    neverHolds: '#',
    ...(bare === undefined ? {} : { bare }),
    parse(text) {
      if (!/^[+-]?\d+$/.test(text)) throw new BadValue(`"${clip(text)}" is not a whole number`)
      const value = Number(text)
      if (value < from || value > to) throw new BadValue(`${clip(text)} is not between ${from} and ${to}`)
      return value
    },
    show: String,
  }
}

/** Empty for what is worked out at start. */
export function optionalInteger(placeholder: string, from: number, to: number): ValueType<number | null> {
  const number = integer(placeholder, from, to)
  return {
    placeholder,
    parse: (value) => (value === '' ? null : number.parse(value)),
    show: (value) => (value === null ? '' : number.show(value)),
  }
}

export const port: ValueType<number> = integer('PORT', 0, 65_535)

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

export function choice<Word extends string>(...words: readonly Word[]): ValueType<Word> {
  return {
    placeholder: words.join('|'),
    neverHolds: '#',
    parse(value) {
      const word = words.find((candidate) => candidate === value)
      if (word === undefined) throw new BadValue(`"${clip(value)}" is none of ${words.join(', ')}`)
      return word
    },
    show: (value) => value,
  }
}

/** An IP address, or a host name that the loader resolves. */
export const address: ValueType<string> = {
  placeholder: 'IP',
  commaSeparated: true,
  parse: parseHost,
  show: (value) => value,
}

/** Empty, as `0.0.0.0`, means every IPv4 address. */
export const listeningAddress: ValueType<string> = {
  ...address,
  parse: (value) => (value === '' ? '0.0.0.0' : parseHost(value)),
}

export const optionalAddress: ValueType<string | null> = {
  placeholder: 'IP',
  parse: (value) => (value === '' ? null : parseHost(value)),
  show: (value) => value ?? '',
}

/** HOST[:PORT] as it stands in a URL: an IPv6 address gets its brackets, and nothing else may be there. */
export const publicHost: ValueType<string | null> = {
  placeholder: 'HOST[:PORT]',
  parse(value) {
    if (value === '') return null
    const written = isIP(value) === 6 ? `[${value}]` : value
    const isHost = /^(?:\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*)(?::[1-9]\d{0,4})?$/i.test(written)
    if (!isHost || !URL.canParse(`http://${written}`))
      throw new BadValue(
        `"${clip(value)}" is not HOST or HOST:PORT`,
        'write call.example.org or 203.0.113.7:8080, without http://',
      )
    return written
  },
  show: (value) => value ?? '',
}

export interface HostAndPort {
  readonly address: string
  readonly port: number
}

export function hostAndPort(defaultPort: number | null): ValueType<HostAndPort> {
  return {
    placeholder: defaultPort === null ? 'IP:PORT' : 'IP[:PORT]',
    commaSeparated: true,
    parse(value) {
      if (isIP(value) !== 0 && defaultPort !== null) return { address: value, port: defaultPort }
      const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(value)
      const groups = match?.groups
      if (groups === undefined || (groups['port'] === undefined && defaultPort === null))
        throw new BadValue(
          `"${clip(value)}" is not an address with a port`,
          'write 192.0.2.1:3478 or [2001:db8::1]:3478',
        )
      return {
        address: parseHost(groups['v6'] ?? groups['host'] ?? ''),
        port: groups['port'] === undefined ? (defaultPort ?? 0) : port.parse(groups['port']),
      }
    },
    show: ({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`),
  }
}

/** The address the world sees, for one private address or (null) for every relay address of its family. */
export interface ExternalIp {
  readonly publicIp: string
  readonly privateIp: string | null
}

export const externalIp: ValueType<ExternalIp> = {
  placeholder: 'PUBLIC[/PRIVATE]',
  commaSeparated: true,
  parse(value) {
    const [publicIp = '', privateIp, ...rest] = value.split('/')
    if (rest.length > 0) throw new BadValue(`"${clip(value)}" has more than one "/"`, 'write PUBLIC/PRIVATE')
    return { publicIp: parseHost(publicIp), privateIp: privateIp === undefined ? null : parseHost(privateIp) }
  },
  show: ({ publicIp, privateIp }) => (privateIp === null ? publicIp : `${publicIp}/${privateIp}`),
}

/** `IP`, `IP-IP`, CIDR, or the word `recommended`, checked and otherwise left as it was written. */
export const peerRange: ValueType<string> = {
  placeholder: 'IP|IP-IP|CIDR',
  commaSeparated: true,
  parse(value) {
    if (value === 'recommended') return value
    const bad = (why: string) => new BadValue(`"${clip(value)}" ${why}`, 'write an address, FIRST-LAST or a CIDR range')
    if (value.includes('/')) {
      if (!ipaddr.isValidCIDR(value)) throw bad('is not a CIDR range')
      return value
    }
    const [first = '', last = first, ...rest] = value.split('-').map((part) => part.trim())
    if (rest.length > 0 || isIP(first) === 0 || isIP(last) === 0) throw bad('is not an address range')
    if (isIP(first) !== isIP(last)) throw bad('mixes IPv4 and IPv6')
    if (Buffer.compare(toBytes(first), toBytes(last)) > 0) throw bad('ends before it begins')
    return first === last ? first : `${first}-${last}`
  },
  show: (value) => value,
}

/** The prefix of a NAT64, of one of the lengths that RFC 6052 §2.2 knows. */
export const nat64Prefix: ValueType<string> = {
  placeholder: 'PREFIX/LENGTH',
  commaSeparated: true,
  parse(value) {
    const [prefix = '', length = ''] = value.split('/')
    const isPrefix = isIP(prefix) === 6 && ipaddr.isValidCIDR(value) && !ipaddr.IPv6.parse(prefix).isIPv4MappedAddress()
    if (!isPrefix || !['32', '40', '48', '56', '64', '96'].includes(length))
      throw new BadValue(
        `"${clip(value)}" is not the prefix of a NAT64`,
        'write 2001:db8:64::/96; its length is 32, 40, 48, 56, 64 or 96 (RFC 6052)',
      )
    return value
  },
  show: (value) => value,
}

/** An address or a CIDR range. */
export const network: ValueType<string> = {
  placeholder: 'IP|CIDR',
  commaSeparated: true,
  parse(value) {
    if (isIP(value) === 0 && !ipaddr.isValidCIDR(value))
      throw new BadValue(`"${clip(value)}" is neither an address nor a CIDR range`)
    return value
  },
  show: (value) => value,
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

/** An http or https URL of somebody else's server; empty: nobody's. */
export const providerUrl: ValueType<string | null> = {
  placeholder: 'URL',
  parse: (value) => url.parse(value) ?? '',
  show: (value) => value ?? '',
}

/** An http or https URL to which others are appended with a slash. */
export const url: ValueType<string | null> = {
  placeholder: 'URL',
  parse: (value) => prefixUrl.parse(value)?.replace(/\/+$/, '') ?? null,
  show: (value) => value ?? '',
}

/** An http or https URL to which more is appended as it is. */
export const prefixUrl: ValueType<string | null> = {
  placeholder: 'URL',
  parse(value) {
    if (value === '') return null
    if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value
    throw new BadValue(`"${clip(value)}" is not an http or https URL`)
  },
  show: (value) => value ?? '',
}

/** RFC 8489 SHA-256: a boolean, or `strict` to demand it. */
export const sha256: ValueType<'off' | 'on' | 'strict'> = {
  placeholder: 'on|off|strict',
  bare: 'on',
  neverHolds: '#',
  parse: (value) => (value === 'strict' ? 'strict' : boolean.parse(value) ? 'on' : 'off'),
  show: (value) => value,
}

export const realm: ValueType<string> = {
  placeholder: 'REALM',
  parse(value) {
    if (Buffer.byteLength(value) > 127) throw new BadValue('is longer than 127 bytes')
    return value
  },
  show: (value) => value,
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

const IceServers = z.array(
  z.object({
    urls: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
    username: z.string().optional(),
    credential: z.string().optional(),
  }),
)

/** ICE servers given to every client as they are; their credentials are as public as the clients are. */
export const iceServers: ValueType<z.output<typeof IceServers> | null> = {
  placeholder: 'JSON',
  parse(value) {
    if (value === '') return null
    const parsed = IceServers.safeParse(parseJson(value))
    if (!parsed.success)
      throw new BadValue(
        'is not a JSON list of ICE servers',
        'write [{"urls":["turn:…"],"username":"…","credential":"…"}]',
      )
    return parsed.data
  },
  show: (value) =>
    value === null
      ? ''
      : JSON.stringify(
          value.map((server) => ('credential' in server ? { ...server, credential: '[redacted]' } : server)),
        ),
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

function parseHost(value: string): string {
  const bare = value.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) === 6 && /^[0:]+$/.test(bare)) return '::'
  if (isIP(bare) !== 0) return bare
  if (value.includes('~~'))
    throw new BadValue(`"${clip(value)}" is not an address`, 'remove the "~~", which a Markdown page left in the text')
  if (/^[0-9.]+$/.test(value) || !/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(value))
    throw new BadValue(`"${clip(value)}" is neither an address nor a host name`)
  return value
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function toBytes(ip: string): Buffer {
  return Buffer.from(ipaddr.parse(ip).toByteArray())
}

function clip(value: string): string {
  return value.length > 80 ? `${value.slice(0, 80)}…` : value
}
