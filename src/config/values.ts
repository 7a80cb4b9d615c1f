import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { BadValue } from './config-error.ts'
import { isPlaceholder } from './file/oddities.ts'
import { nearest } from './nearest.ts'
import { Secret } from './secret.ts'

/** Takes what the operator should hear about a value that is used all the same. */
type Remark = (message: string) => void

/** How the text of one option becomes a value, and how the value is shown again. */
export interface ValueType<Value> {
  readonly placeholder: string
  /** Throws BadValue, whose message never repeats a secret. */
  parse(text: string, remark?: Remark): Value
  show(value: Value): string
  /** What the bare key means; a key without this needs a value. */
  readonly bare?: Value
  /** No value of this type holds a blank followed by `#`, so such an ending is a misplaced comment. */
  readonly neverHolds?: '#'
  /** An empty value is as if the key were not there, with a warning: generators write such lines. */
  readonly ignoresEmpty?: true
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
  parse(text) {
    if (text === 'auto') return null
    return wordOr(text, ['on', 'off', 'auto'], boolean.parse)
  },
  show: (value) => (value === null ? 'auto' : boolean.show(value)),
}

/** A whole number; one beyond the ends becomes the end, with a remark. */
export function integer(placeholder: string, from: number, to: number): ValueType<number> {
  return {
    placeholder,
    neverHolds: '#',
    parse(text, remark) {
      const value = wholeNumber(text, remark)
      if (value >= from && value <= to) return value
      const end = value < from ? from : to
      remark?.(`${clip(text)} is not between ${from} and ${to}; ${end} is used`)
      return end
    },
    show: String,
  }
}

const LONGEST_SECONDS = 1e9

/** Seconds, of which a bare key means `bare` and a negative number as many as possible, both as in coturn. */
export function lifetimeSeconds(bare: number): ValueType<number> {
  const number = integer('SECONDS', 0, LONGEST_SECONDS)
  return {
    ...number,
    bare,
    parse(text, remark) {
      if (!/^-\d+$/.test(text)) return number.parse(text, remark)
      remark?.(`${clip(text)} stands for as long as possible, ${LONGEST_SECONDS} seconds`)
      return LONGEST_SECONDS
    },
  }
}

/** As coturn reads it, a number ends where its digits end; but `100k` would be taken for far less than is meant. */
function wholeNumber(text: string, remark?: Remark): number {
  const [, digits, rest = ''] = /^([+-]?\d+)(?:[^0-9A-Za-z.](.*))?$/.exec(text) ?? []
  if (digits === undefined) throw new BadValue(`"${clip(text)}" is not a whole number`)
  if (digits !== text) remark?.(`"${clip(text)}" is read as ${digits}${rest === '' ? '' : ', the rest is ignored'}`)
  return Number(digits)
}

/** Empty, or beyond the ends, for what is worked out at start. */
export function optionalInteger(placeholder: string, from: number, to: number): ValueType<number | null> {
  const number = integer(placeholder, from, to)
  return {
    placeholder,
    neverHolds: '#',
    parse(value, remark) {
      if (value === '') return null
      const wanted = wholeNumber(value, remark)
      if (wanted >= from && wanted <= to) return wanted
      remark?.(`${clip(value)} is not between ${from} and ${to}; the default is used`)
      return null
    },
    show: (value) => (value === null ? '' : number.show(value)),
  }
}

/** Another port than the one that is written helps nobody, so that a wrong one is refused. */
export const port: ValueType<number> = {
  ...integer('PORT', 0, 65_535),
  parse(text) {
    if (!/^[+-]?\d+$/.test(text)) throw new BadValue(`"${clip(text)}" is not a whole number`)
    const value = Number(text)
    if (value < 0 || value > 65_535) throw new BadValue(`${clip(text)} is not between 0 and 65535`)
    return value
  },
}

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
    parse: (value) =>
      words.find((candidate) => candidate === value) ?? wordOr(value, words, (text) => notOneOf(words, text)),
    show: (value) => value,
  }
}

/** What `read` makes of a text; if it is refused and near one of `words`, the refusal names that. */
function wordOr<Value>(text: string, words: readonly string[], read: (text: string) => Value): Value {
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

/** An IP address, or a host name that the loader resolves. */
export const address: ValueType<string> = {
  placeholder: 'IP',
  neverHolds: '#',
  commaSeparated: true,
  parse: parseHost,
  show: (value) => value,
}

/** Empty, as `0.0.0.0`, means every IPv4 address. */
export const listeningAddress: ValueType<string> = {
  ...address,
  parse: (value, remark) => (value === '' ? '0.0.0.0' : parseHost(value, remark)),
}

/** Empty is as if it were not set. */
export const relayAddress: ValueType<string> = { ...address, ignoresEmpty: true }

export const optionalAddress: ValueType<string | null> = {
  placeholder: 'IP',
  neverHolds: '#',
  parse: (value, remark) => (value === '' ? null : parseHost(value, remark)),
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
    neverHolds: '#',
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
  neverHolds: '#',
  ignoresEmpty: true,
  commaSeparated: true,
  parse(written, remark) {
    const value = unquoted(written, remark)
    if (isPlaceholder(value)) throw unfilled(value)
    const [publicIp = '', privateIp, ...rest] = value.split('/')
    if (rest.length > 0) throw new BadValue(`"${clip(value)}" has more than one "/"`, 'write PUBLIC/PRIVATE')
    return { publicIp: parseHost(publicIp), privateIp: privateIp === undefined ? null : parseHost(privateIp) }
  },
  show: ({ publicIp, privateIp }) => (privateIp === null ? publicIp : `${publicIp}/${privateIp}`),
}

/** `IP`, `IP-IP`, CIDR, or the word `recommended`, checked and otherwise left as it was written. */
export const peerRange: ValueType<string> = {
  placeholder: 'IP|IP-IP|CIDR',
  neverHolds: '#',
  commaSeparated: true,
  parse(written, remark) {
    const value = unquoted(written, remark)
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
  neverHolds: '#',
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
  parse(value) {
    if (value === 'strict') return value
    return wordOr(value, ['on', 'off', 'strict'], boolean.parse) ? 'on' : 'off'
  },
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

function parseHost(written: string, remark?: Remark): string {
  const value = unquoted(written, remark)
  const bare = value.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) === 6 && /^[0:]+$/.test(bare)) return '::'
  if (isIP(bare) !== 0) return bare
  if (value.includes('~~'))
    throw new BadValue(`"${clip(value)}" is not an address`, 'remove the "~~", which a Markdown page left in the text')
  if (isPlaceholder(value)) throw unfilled(value)
  if (/^[0-9.]+$/.test(value) || !/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$/.test(value))
    throw new BadValue(`"${clip(value)}" is neither an address nor a host name`)
  return value
}

/** No address has quotes; command lines that no shell has seen do. */
function unquoted(value: string, remark?: Remark): string {
  const [, inner] = /^['"‘’“”](.*)['"‘’“”]$/.exec(value) ?? []
  if (inner === undefined) return value
  remark?.('the quotes around the value are left out')
  return inner
}

function unfilled(value: string): BadValue {
  return new BadValue(`"${clip(value)}" is a placeholder that nobody filled in`, 'write the address itself')
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
