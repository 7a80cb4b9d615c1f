import { Address } from '../../stun/address.ts'
import { type Nat64Prefix, translatedIpv4 } from './nat64.ts'

/** A range of peer addresses and how the operator wrote it. */
export interface PeerRange {
  readonly text: string
  /** It is one ip and no more. */
  readonly isOneIp: boolean
  holds(ip: Address): boolean
  /** Whether ::ffff:a.b.c.d is in it, the IPv4 address given as a number: only ranges in IPv6 notation speak of that form. */
  holdsMapped(ipv4: number): boolean
}

export interface PeerRules {
  /** `allowed-peer-ip`: wins over `denied`, never over what is always denied. */
  readonly allowed: readonly PeerRange[]
  readonly denied: readonly PeerRange[]
  /**
   * Denied without anybody's word (private networks, while the world reaches us): not to those who began while it was not so.
   * Null where the operator has said what holds.
   */
  readonly deniedToNew: readonly PeerRange[] | null
  readonly allowLoopback: boolean
  /**
   * Every ip of this machine: what we send there arrives over loopback, behind any firewall outside. Nobody there is a peer
   * but our own relays, unless `allowed` names the very ip.
   */
  readonly ownAddresses: readonly Address[]
  /** Ports of our listeners: refused on every ip of ours. */
  readonly ownPorts: readonly number[]
  /** Redis and the databases: the whole host is refused, or the port alone when it is on an ip of ours. */
  readonly services: readonly Address[]
  /** Where our relays are bound: two clients of one server must reach each other. */
  readonly relayAddresses: readonly Address[]
  /** Whether there is an allocation whose relay is bound to this. */
  isRelayed(local: Address): boolean
  /** What stands for a relay address of ours outside (`external-ip`); what is behind it is looked at on its own. */
  readonly externalAddresses: readonly Address[]
  /** Under which a translator of this network makes IPv6 addresses of IPv4 ones (`nat64-prefix`). */
  readonly nat64: readonly Nat64Prefix[]
  readonly minPort: number
  readonly maxPort: number
}

/** Whether private networks were closed by themselves when a client began (PeerRules.deniedToNew). */
export type PeersAtBegin = 'private open' | 'private closed'

/** Which peers may be relayed to (RFC 8656 §21.4 and SEC-01 … SEC-05 in the tests). Works on numbers alone. */
export class PeerPolicy {
  readonly #rules: PeerRules
  /** What is denied to those who begin now. */
  readonly #denied: readonly PeerRange[]
  readonly #ownPorts: ReadonlySet<number>
  readonly #embedded = new Address()

  constructor(rules: PeerRules) {
    this.#rules = rules
    this.#denied = [...(rules.deniedToNew ?? []), ...rules.denied]
    this.#ownPorts = new Set(rules.ownPorts)
  }

  /** Why a client may not send to `peer`; null when it may. `since` is what it began under. */
  refusal(peer: Address, since: PeersAtBegin = 'private closed'): string | null {
    if (peer.port === 0) return 'port 0'
    return this.#refusalOfEveryForm(peer, true, since)
  }

  /** Why `peer` may have no permission, which is for an ip whatever the port; null when it may. */
  refusalOfIp(peer: Address, since: PeersAtBegin = 'private closed'): string | null {
    return this.#refusalOfEveryForm(peer, false, since)
  }

  /** What clients begin under that come now. */
  get atBegin(): PeersAtBegin {
    return this.#rules.deniedToNew?.length === 0 ? 'private open' : 'private closed'
  }

  /**
   * Why a peer that its client wrote as IPv4-mapped IPv6 may not be: what ranges in IPv6 notation say of that form. Whether the
   * IPv4 address itself may be is asked apart, so that no range opens in one form what another closes in the other.
   */
  refusalOfMapped({ w3, host }: Address, since: PeersAtBegin = 'private closed'): string | null {
    if (this.#rules.allowed.some((range) => range.holdsMapped(w3))) return null
    const range = this.#deniedTo(since).find((range) => range.holdsMapped(w3))
    return range === undefined ? null : `::ffff:${host} is denied (${range.text})`
  }

  // An IPv6 address that carries IPv4 ones ends up there somewhere on its way, so all of them must pass.
  #refusalOfEveryForm(peer: Address, withPort: boolean, since: PeersAtBegin): string | null {
    if (peer.family === 6) {
      for (const word of embeddedIpv4(peer, this.#rules.nat64)) {
        const refusal = this.#refusalOfForm(this.#embedded.setIpv4(word, peer.port), withPort, since)
        if (refusal !== null) return `${peer.host} holds ${refusal}`
      }
    }
    return this.#refusalOfForm(peer, withPort, since)
  }

  #refusalOfForm(peer: Address, withPort: boolean, since: PeersAtBegin): string | null {
    const { allowed, allowLoopback, services } = this.#rules
    const loopback = LOOPBACK.find((range) => range.holds(peer))
    if (loopback !== undefined && !allowLoopback) return refusedBy(peer, loopback)
    const never = ALWAYS_DENIED.find((range) => range.holds(peer))
    // Two clients of a server in such a network must reach each other (TURN-PEER-08 in the tests).
    const isRelay = never === UNIQUE_LOCAL && this.#rules.relayAddresses.some((ip) => ip.sameIp(peer))
    if (never !== undefined && !isRelay) return refusedBy(peer, never)

    const isOurs = loopback !== undefined || this.#isOurs(peer)
    if (withPort) {
      if (isOurs && this.#ownPorts.has(peer.port)) return `${peer} is a service of this server`
      if (services.some((service) => service.equals(peer))) return `${peer} is a service of this server`
    }
    if (isOurs && loopback === undefined) return this.#refusalOfOurs(peer, withPort)
    if (!isOurs && services.some((service) => service.sameIp(peer))) return `${peer.host} serves this server`

    if (allowed.some((range) => range.holds(peer))) return null
    const range = this.#deniedTo(since).find((range) => range.holds(peer))
    return range === undefined ? null : refusedBy(peer, range)
  }

  #deniedTo(since: PeersAtBegin): readonly PeerRange[] {
    return since === 'private open' ? this.#rules.denied : this.#denied
  }

  #isOurs(peer: Address): boolean {
    const { ownAddresses, relayAddresses, externalAddresses } = this.#rules
    return [ownAddresses, relayAddresses, externalAddresses].some((ours) => ours.some((ip) => ip.sameIp(peer)))
  }

  #refusalOfOurs(peer: Address, withPort: boolean): string | null {
    const { allowed, relayAddresses, externalAddresses, minPort, maxPort } = this.#rules
    // A wide range that happens to hold us does not mean us.
    if (allowed.some((range) => range.isOneIp && range.holds(peer))) return null
    const isRelay = relayAddresses.some((ip) => ip.sameIp(peer))
    const fix = `allowed-peer-ip=${peer.host} would open it`
    if (!isRelay && !externalAddresses.some((ip) => ip.sameIp(peer)))
      return `${peer.host} is this machine, and nothing is relayed from there (${fix})`
    if (!withPort) return null
    const mayBeRelayed = peer.port >= minPort && peer.port <= maxPort && (!isRelay || this.#rules.isRelayed(peer))
    return mayBeRelayed ? null : `${peer} is this machine, but no relayed address of ours (${fix})`
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

/**
 * Every IPv4 address that an IPv6 one carries, but for IPv4-mapped ones, which Address has turned into IPv4 already. Under one
 * of the prefixes `nat64` there is no other reading.
 */
export function embeddedIpv4(ip: Address, nat64: readonly Nat64Prefix[] = []): readonly number[] {
  for (const prefix of nat64) {
    const word = translatedIpv4(ip, prefix)
    if (word !== null) return [word]
  }
  const { w0, w1, w2, w3 } = ip
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
  const address = asWritten(host!)
  if (address === null || more !== undefined) return `"${value}" is not an address range`
  const bits = /^[0-9]{1,3}$/.test(prefix!) ? Number(prefix) : -1
  const most = address.family === 4 ? 32 : 128
  if (bits < 0 || bits > most) return `the prefix of "${value}" must be between 0 and ${most}`
  return cidr(value, address, bits)
}

function parseFromTo(value: string): PeerRange | string {
  const [from, to, more] = value.split('-')
  const low = asWritten(from!.trim())
  const high = to === undefined ? low : asWritten(to.trim())
  if (low === null || high === null || more !== undefined) return `"${value}" is not an address range`
  if (low.family !== high.family) return `both ends of "${value}" must be of one family`
  if (compare(low.words, ...high.words) > 0) return `"${value}" ends before it begins`
  return fromTo(value, low.family, low.words, high.words)
}

/** Most significant first; IPv4 lies in the last one. */
type Words = readonly [w0: number, w1: number, w2: number, w3: number]

/** An address in the family it was written in: Address has turned IPv4-mapped ones into IPv4. */
interface Written {
  readonly family: 4 | 6
  readonly words: Words
}

function asWritten(host: string): Written | null {
  const address = Address.parse(host)
  if (address === null) return null
  const { family, w0, w1, w2, w3 } = address
  if (family === 4 && host.includes(':')) return { family: 6, words: [0, 0, MAPPED, w3] }
  return { family, words: [w0, w1, w2, w3] }
}

function cidr(text: string, { family, words }: Written, bits: number): PeerRange {
  const lead = family === 4 ? 96 : 0
  const low = eachWord(words, (word, i) => word & maskOf(bits + lead - 32 * i))
  const high = eachWord(words, (word, i) => (i * 32 < lead ? word : word | ~maskOf(bits + lead - 32 * i)))
  return fromTo(text, family, low, high)
}

function eachWord([w0, w1, w2, w3]: Words, change: (word: number, index: number) => number): Words {
  return [change(w0, 0) >>> 0, change(w1, 1) >>> 0, change(w2, 2) >>> 0, change(w3, 3) >>> 0]
}

/** The first `bits` of 32, which may be fewer than none or more than all. */
function maskOf(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffffffff : (-1 << (32 - bits)) >>> 0
}

function fromTo(text: string, family: 4 | 6, low: Words, high: Words): PeerRange {
  return {
    text,
    isOneIp: compare(low, ...high) === 0,
    holds: ({ family: own, w0, w1, w2, w3 }) =>
      own === family && compare(low, w0, w1, w2, w3) <= 0 && compare(high, w0, w1, w2, w3) >= 0,
    holdsMapped: (ipv4) =>
      family === 6 && compare(low, 0, 0, MAPPED, ipv4) <= 0 && compare(high, 0, 0, MAPPED, ipv4) >= 0,
  }
}

/** The order of two addresses of one family as numbers of 32 or 128 bits. */
function compare(a: Words, w0: number, w1: number, w2: number, w3: number): number {
  return a[0] - w0 || a[1] - w1 || a[2] - w2 || a[3] - w3
}

/** The third word of ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
const MAPPED = 0xffff

function named(name: string, ...cidrs: readonly string[]): PeerRange[] {
  return cidrs.map((text) => {
    const [host, bits] = text.split('/')
    return cidr(`${name} ${text}`, asWritten(host!)!, Number(bits))
  })
}

const LOOPBACK: readonly PeerRange[] = named('loopback', '127.0.0.0/8', '::1/128')

const TUNNELS: readonly PeerRange[] = [...named('6to4', '2002::/16'), ...named('Teredo', '2001::/32')]

const UNIQUE_LOCAL: PeerRange = named('unique local', 'fc00::/7')[0]!

/** No allow list opens these: nobody there can be a peer, or it is this very network. */
const ALWAYS_DENIED: readonly PeerRange[] = [
  ...named('unspecified', '0.0.0.0/8', '::/128'),
  ...named('link-local', '169.254.0.0/16', 'fe80::/10'),
  ...named('multicast', '224.0.0.0/4', 'ff00::/8'),
  ...named('reserved', '240.0.0.0/4'),
  UNIQUE_LOCAL,
  ...named('site-local', 'fec0::/10'),
  ...TUNNELS,
]

/**
 * `denied-peer-ip=recommended`: private, shared, documentation and translation ranges: what IANA's special-purpose registries
 * hold (RFC 6890) that is not always denied, but for AS112 and AMT, which anybody may reach.
 */
const RECOMMENDED: readonly PeerRange[] = [
  ...named('private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'),
  ...named('shared', '100.64.0.0/10'),
  ...named('IETF protocol assignments', '192.0.0.0/24', '2001::/23'),
  ...named('documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'),
  ...named('documentation', '2001:db8::/32', '3fff::/20'),
  ...named('6to4 relay', '192.88.99.0/24'),
  ...named('benchmarking', '198.18.0.0/15'),
  ...named('NAT64', '64:ff9b::/96', '64:ff9b:1::/48'),
  ...named('discard', '100::/64'),
  ...named('dummy', '100:0:0:1::/64'),
  ...named('segment routing', '5f00::/16'),
  {
    text: 'ISATAP',
    isOneIp: false,
    holds: ({ family, w2 }) => family === 6 && (w2 & 0xfdffffff) === 0x00005efe,
    holdsMapped: () => false,
  },
]
