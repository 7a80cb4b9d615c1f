import { Address } from '../stun/address.ts'

/** A range of peer addresses and how the operator wrote it. */
export interface PeerRange {
  readonly text: string
  holds(ip: Address): boolean
}

export interface PeerRules {
  /** `allowed-peer-ip`: wins over `denied`, never over what is always denied. */
  readonly allowed: readonly PeerRange[]
  readonly denied: readonly PeerRange[]
  readonly allowLoopback: boolean
  /** Every ip of this machine, and those it has outside (`external-ip`). */
  readonly ownAddresses: readonly Address[]
  /** Ports of our listeners: refused on every ip of ours. */
  readonly ownPorts: readonly number[]
  /** Redis and the databases: the whole host is refused, or the port alone when it is on an ip of ours. */
  readonly services: readonly Address[]
  /** Where our relays are, as bound and as advertised: two clients of one server must reach each other. */
  readonly relayAddresses: readonly Address[]
  readonly minPort: number
  readonly maxPort: number
}

/** Which peers may be relayed to (RFC 8656 §21.4 and SEC-01 … SEC-05 in the tests). Works on numbers alone. */
export class PeerPolicy {
  readonly #rules: PeerRules
  readonly #ownPorts: ReadonlySet<number>
  readonly #embedded = new Address()

  constructor(rules: PeerRules) {
    this.#rules = rules
    this.#ownPorts = new Set(rules.ownPorts)
  }

  /** Why `peer` may not be sent to; null when it may. */
  refusal(peer: Address): string | null {
    if (peer.port === 0) return 'port 0'
    return this.#refusalOfEveryForm(peer, true)
  }

  /** Why `peer` may have no permission, which is for an ip whatever the port; null when it may. */
  refusalOfIp(peer: Address): string | null {
    return this.#refusalOfEveryForm(peer, false)
  }

  // An IPv6 address that carries IPv4 ones ends up there somewhere on its way, so all of them must pass.
  #refusalOfEveryForm(peer: Address, withPort: boolean): string | null {
    if (peer.family === 6) {
      for (const word of embeddedIpv4(peer)) {
        const refusal = this.#refusalOfForm(this.#embedded.setIpv4(word, peer.port), withPort)
        if (refusal !== null) return `${peer.host} holds ${refusal}`
      }
    }
    return this.#refusalOfForm(peer, withPort)
  }

  #refusalOfForm(peer: Address, withPort: boolean): string | null {
    const { allowed, denied, allowLoopback, ownAddresses, services, relayAddresses, minPort, maxPort } = this.#rules
    const loopback = LOOPBACK.find((range) => range.holds(peer))
    if (loopback !== undefined && !allowLoopback) return refusedBy(peer, loopback)
    const never = ALWAYS_DENIED.find((range) => range.holds(peer))
    if (never !== undefined) return refusedBy(peer, never)

    const isOwn = loopback !== undefined || ownAddresses.some((ip) => ip.sameIp(peer))
    const isRelay = loopback === undefined && relayAddresses.some((ip) => ip.sameIp(peer))
    if (withPort) {
      if ((isOwn || isRelay) && this.#ownPorts.has(peer.port)) return `${peer} is a service of this server`
      if (services.some((service) => service.equals(peer))) return `${peer} is a service of this server`
      if (isRelay && (peer.port < minPort || peer.port > maxPort)) return `${peer} is ours, but not a relay port`
    }
    if (isRelay) return null
    if (!isOwn && services.some((service) => service.sameIp(peer))) return `${peer.host} serves this server`

    if (allowed.some((range) => range.holds(peer))) return null
    const range = denied.find((range) => range.holds(peer))
    return range === undefined ? null : refusedBy(peer, range)
  }
}

/** Reads one `denied-peer-ip` or `allowed-peer-ip` value; a text for the operator when it can't be used. */
export function parsePeerRange(value: string): readonly PeerRange[] | string {
  if (value === 'recommended') return RECOMMENDED
  const range = value.includes('/') ? parseCidr(value) : parseFromTo(value)
  return typeof range === 'string' ? range : [range]
}

/** Whether the internet at large can reach `ip`. */
export function isPublic(ip: Address): boolean {
  return ![...LOOPBACK, ...ALWAYS_DENIED, ...RECOMMENDED].some((range) => range.holds(ip))
}

/** 6to4 or Teredo: not accepted as a client's address either (RFC 8656 §21.4). */
export function isTunnelled(ip: Address): boolean {
  return TUNNELS.some((range) => range.holds(ip))
}

/** Every IPv4 address that an IPv6 one carries, but for IPv4-mapped ones, which Address has turned into IPv4 already. */
export function embeddedIpv4({ w0, w1, w2, w3 }: Address): readonly number[] {
  const found: number[] = []
  // IPv4-compatible, without :: and ::1 (RFC 4291 §2.5.5.1), and IPv4-translated ::ffff:0:a.b.c.d (RFC 2765).
  if (w0 === 0 && w1 === 0 && ((w2 === 0 && w3 > 1) || w2 === 0xffff0000)) found.push(w3)
  // 6to4 (RFC 3056).
  if (w0 >>> 16 === 0x2002) found.push(((w0 << 16) | (w1 >>> 16)) >>> 0)
  // NAT64, well-known and local (RFC 6052 §2.1, RFC 8215).
  if (w0 === 0x0064ff9b && ((w1 === 0 && w2 === 0) || w1 >>> 16 === 1)) found.push(w3)
  // Teredo: server, and client in the complement (RFC 4380 §4).
  if (w0 === 0x20010000) found.push(w1, ~w3 >>> 0)
  // ISATAP, with and without the universal bit (RFC 5214 §6.1).
  if ((w2 & 0xfdffffff) === 0x00005efe) found.push(w3)
  return found
}

function refusedBy(peer: Address, { text }: PeerRange): string {
  return `${peer.host} is denied (${text})`
}

function parseCidr(value: string): PeerRange | string {
  const [host, prefix, more] = value.split('/')
  const address = Address.parse(host!)
  if (address === null || more !== undefined) return `"${value}" is not an address range`
  // An IPv4-mapped prefix counts its 96 leading bits too.
  const lead = host!.includes(':') && address.family === 4 ? 96 : 0
  const bits = /^[0-9]{1,3}$/.test(prefix!) ? Number(prefix) - lead : -1
  const most = address.family === 4 ? 32 : 128
  if (bits < 0 || bits > most) return `the prefix of "${value}" must be between ${lead} and ${most + lead}`
  return cidr(value, address, bits)
}

function parseFromTo(value: string): PeerRange | string {
  const [from, to, more] = value.split('-')
  const low = Address.parse(from!.trim())
  const high = to === undefined ? low : Address.parse(to.trim())
  if (low === null || high === null || more !== undefined) return `"${value}" is not an address range`
  if (low.family !== high.family) return `both ends of "${value}" must be of one family`
  if (compare(low, high) > 0) return `"${value}" ends before it begins`
  return fromTo(value, low, high)
}

function cidr(text: string, ip: Address, bits: number): PeerRange {
  if (ip.family === 4) {
    const mask = maskOf(bits)
    const low = (ip.w3 & mask) >>> 0
    return fromTo(text, Address.ipv4(low, 0), Address.ipv4((low | ~mask) >>> 0, 0))
  }
  const masks = [0, 32, 64, 96].map((start) => maskOf(Math.min(32, Math.max(0, bits - start)))) as [
    number,
    number,
    number,
    number,
  ]
  const { w0, w1, w2, w3 } = ip
  const low = Address.ipv6(w0 & masks[0], w1 & masks[1], w2 & masks[2], w3 & masks[3], 0)
  return fromTo(text, low, Address.ipv6(w0 | ~masks[0], w1 | ~masks[1], w2 | ~masks[2], w3 | ~masks[3], 0))
}

function maskOf(bits: number): number {
  return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0
}

function fromTo(text: string, low: Address, high: Address): PeerRange {
  return { text, holds: (ip) => ip.family === low.family && compare(ip, low) >= 0 && compare(ip, high) <= 0 }
}

/** The order of two addresses of one family as numbers of 32 or 128 bits. */
function compare(a: Address, b: Address): number {
  return a.w0 - b.w0 || a.w1 - b.w1 || a.w2 - b.w2 || a.w3 - b.w3
}

function named(name: string, ...cidrs: readonly string[]): PeerRange[] {
  return cidrs.map((text) => {
    const [host, bits] = text.split('/')
    return cidr(`${name} ${text}`, Address.parse(host!)!, Number(bits))
  })
}

const LOOPBACK: readonly PeerRange[] = named('loopback', '127.0.0.0/8', '::1/128')

const TUNNELS: readonly PeerRange[] = [...named('6to4', '2002::/16'), ...named('Teredo', '2001::/32')]

/** No allow list opens these: nobody there can be a peer, or it is this very network. */
const ALWAYS_DENIED: readonly PeerRange[] = [
  ...named('unspecified', '0.0.0.0/8', '::/128'),
  ...named('link-local', '169.254.0.0/16', 'fe80::/10'),
  ...named('multicast', '224.0.0.0/4', 'ff00::/8'),
  ...named('reserved', '240.0.0.0/4'),
  ...named('unique local', 'fc00::/7'),
  ...named('site-local', 'fec0::/10'),
  ...TUNNELS,
]

/** `denied-peer-ip=recommended`: private, shared, documentation and translation ranges. */
const RECOMMENDED: readonly PeerRange[] = [
  ...named('private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'),
  ...named('shared', '100.64.0.0/10'),
  ...named('IETF protocol assignments', '192.0.0.0/24', '2001::/23'),
  ...named('documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32'),
  ...named('6to4 relay', '192.88.99.0/24'),
  ...named('benchmarking', '198.18.0.0/15'),
  ...named('NAT64', '64:ff9b::/96', '64:ff9b:1::/48'),
  ...named('discard', '100::/64'),
  { text: 'ISATAP', holds: ({ family, w2 }) => family === 6 && (w2 & 0xfdffffff) === 0x00005efe },
]
