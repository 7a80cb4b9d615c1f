import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { BadValue } from '../config-error.ts'
import { isPlaceholder } from '../file/oddities.ts'
import { port } from './numbers.ts'
import { clip, type Remark, unquoted, type ValueType } from './value-type.ts'

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

export interface HostAndPort {
  readonly address: string
  readonly port: number
  /** The host name that `address` was found by. */
  readonly name?: string
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

function unfilled(value: string): BadValue {
  return new BadValue(`"${clip(value)}" is a placeholder that nobody filled in`, 'write the address itself')
}

function toBytes(ip: string): Buffer {
  return Buffer.from(ipaddr.parse(ip).toByteArray())
}
