import { alternatePorts } from '../../config/listeners.ts'
import type { Config } from '../../config/options.ts'
import type { HostAndPort } from '../../config/values/addresses.ts'
import type { HandshakeLimits, SecureTransport } from '../../net/limits/handshakes.ts'
import { linuxSupport } from '../../net/linux/system-calls.ts'
import type { RelayPortRange } from '../../shared/port-claims.ts'
import type { Address } from '../../stun/address.ts'
import type { AuthOptions } from '../../turn/auth/auth.ts'
import type { NonceOptions } from '../../turn/auth/nonce.ts'
import type { ClientTransport } from '../../turn/five-tuple.ts'
import type { QuotaLimits } from '../../turn/limits/quota.ts'
import type { TurnSettings } from '../../turn/options.ts'
import type { PeerRules } from '../../turn/peers/peer-policy.ts'
import type { DatabaseEndpoint } from '../../users/account-database.ts'
import type { StoredSettings } from '../../users/account-store.ts'
import { deniesPrivatePeers, type TurnAddresses, withoutSpareLoopback } from '../addresses.ts'

/**
 * All that TURN cores are told, in values that can be copied to other threads: secrets are revealed, addresses are text.
 * Every thread makes its own TurnOptions of it.
 */
export interface TurnPlan {
  readonly settings: TurnSettings
  readonly auth: Omit<AuthOptions, 'users' | 'stored'>
  readonly users: readonly UserPlan[]
  /** How long what a database says of an account is good; null without one. */
  readonly accountLifetimeSeconds: number | null
  readonly nonces: Omit<NonceOptions, 'random' | 'key'>
  readonly quota: QuotaLimits
  /** 0 = no limit. */
  readonly challengesPerSecond: number
  readonly guessesPerMinute: number
  readonly relayAddresses: readonly string[]
  readonly relayWhereReached: boolean
  readonly ports: RelayPortRange
  /** Of all threads together. */
  readonly handshakes: Readonly<Record<SecureTransport, HandshakeLimits>>
  /** By the client's transport: where new clients are sent instead. */
  readonly alternateServers: Readonly<Record<ClientTransport, readonly HostAndPort[]>>
  /** Null without `rfc5780`. */
  readonly natBehaviour: {
    readonly hosts: readonly string[]
    readonly ports: readonly (readonly [number, number])[]
  } | null
  readonly externalIp: readonly { readonly public: string; readonly private: string | null }[]
  readonly peers: PeerPlan
}

/** A key is hexadecimal. */
interface UserPlan {
  readonly name: string
  readonly password?: string
  readonly key?: string
}

export type PeerPlan = Pick<PeerRules, 'allowLoopback' | 'ownPorts' | 'minPort' | 'maxPort'> & {
  readonly allowed: readonly string[]
  readonly denied: readonly string[]
  /** Private and special ranges are denied although `denied` does not name them. */
  readonly closesPrivate: boolean
  /** Not the operator but this machine's addresses have decided that: new clients alone are told so. */
  readonly isClosedByAddresses: boolean
  readonly ownAddresses: readonly string[]
  readonly relayAddresses: readonly string[]
  readonly externalAddresses: readonly string[]
  readonly nat64: readonly string[]
  /** The host that accounts come from. */
  readonly services: readonly DatabaseEndpoint[]
}

/** What the plan has to respect beside the configuration and the addresses of now. */
export interface Existing {
  /** Ports of this machine's own services, once they are known: before, nobody has got a relay. */
  readonly ownPorts: readonly number[]
  /** Addresses that somebody is relayed from still: who is, has peers there. */
  readonly relayedFrom: readonly string[]
  /** All ports that there may be relays on. */
  readonly relayedPorts: RelayPortRange | null
  /** The database of accounts; null without one. */
  readonly accounts: {
    /** What it says of the realm; null before it has answered. */
    readonly settings: StoredSettings | null
    readonly services: readonly DatabaseEndpoint[]
  } | null
}

/** A function of its arguments alone: two plans can be compared, and one can take another's place. */
export function turnPlan(config: Config, addresses: TurnAddresses, existing: Existing = NOTHING): TurnPlan {
  const stored = settingsOf(config, existing.accounts?.settings ?? null)
  return {
    settings: settings(config),
    auth: {
      realm: config.realm,
      limits: { userQuota: stored.userQuota, maxBytesPerSecond: stored.maxBytesPerSecond },
      anonymous: config['no-auth'],
      secrets: [...config['static-auth-secret'].map((secret) => secret.reveal()), ...stored.secrets],
      separator: config['rest-api-separator'],
      strictExpiry: config['strict-expiry'],
      sha256: config.sha256 === 'off' ? 'off' : config.sha256 === 'strict' ? 'required' : 'offered',
    },
    users: config.user.map(({ name, password, key }) =>
      key === null ? { name, password: password?.reveal() ?? '' } : { name, key: key.reveal() },
    ),
    accountLifetimeSeconds: existing.accounts === null ? null : config['account-cache-seconds'],
    nonces: { lifetimeSeconds: config['stale-nonce'], bitOrder: config['nonce-bit-order'] },
    quota: {
      user: config['user-quota'],
      total: stored.totalQuota ?? config['total-quota'],
      bytesPerSecond: config['bps-capacity'],
    },
    challengesPerSecond: config['unauthorized-ratelimit'] ? config['unauthorized-ratelimit-rps'] : 0,
    guessesPerMinute: config['max-wrong-guesses-per-minute'],
    relayAddresses: hosts(addresses.relay),
    relayWhereReached: addresses.relayWhereReached,
    ports: { minPort: config['min-port'], maxPort: config['max-port'] },
    handshakes: handshakeLimits(config),
    alternateServers: alternateServers(config),
    natBehaviour: natBehaviour(config, addresses),
    externalIp: config['external-ip'].map(({ publicIp, privateIp }) => ({ public: publicIp, private: privateIp })),
    peers: peerPlan(config, addresses, existing, stored),
  }
}

const NOTHING: Existing = { ownPorts: [], relayedFrom: [], relayedPorts: null, accounts: null }

function handshakeLimits(config: Config): TurnPlan['handshakes'] {
  const limits = (atOnce: number): HandshakeLimits => ({
    atOnce: atOnce || Number.MAX_SAFE_INTEGER,
    perSource: config['max-handshakes-per-address'] || Number.MAX_SAFE_INTEGER,
    perSecond: config['handshake-ratelimit-rps'],
  })
  return { tls: limits(config['max-tls-handshakes']), dtls: limits(config['max-dtls-handshakes']) }
}

/** As in coturn: the list of a transport goes before that of all, and DTLS is UDP first. */
function alternateServers(config: Config): TurnPlan['alternateServers'] {
  const all = config['alternate-server']
  const udp = config['udp-alternate-server']
  const tcp = config['tcp-alternate-server']
  const tls = config['tls-alternate-server']
  const firstOf = (...lists: (readonly HostAndPort[])[]) => lists.find((list) => list.length > 0) ?? []
  return { udp: firstOf(udp, all), tcp: firstOf(tcp, all), tls: firstOf(tls, all), dtls: firstOf(udp, tls, all) }
}

/** Loopback stands beside other addresses only where there is nothing else: nobody outside could be answered from it. */
function natBehaviour(config: Config, { listening }: TurnAddresses): TurnPlan['natBehaviour'] {
  if (!config.rfc5780) return null
  const { plain, secure } = alternatePorts(config)
  return {
    hosts: hosts(withoutSpareLoopback(listening)),
    ports: [
      [config['listening-port'], plain],
      [config['tls-listening-port'], secure],
    ],
  }
}

const NOTHING_STORED: StoredSettings = {
  secrets: [],
  userQuota: null,
  totalQuota: null,
  maxBytesPerSecond: null,
  allowedPeers: [],
  deniedPeers: [],
}

/** Of what the database says, what the configuration wants to hear. */
function settingsOf(config: Config, stored: StoredSettings | null): StoredSettings {
  if (stored === null) return NOTHING_STORED
  const { userQuota, totalQuota, maxBytesPerSecond, allowedPeers, deniedPeers } = NOTHING_STORED
  return {
    ...stored,
    ...(config['use-auth-secret'] ? {} : { secrets: [] }),
    ...(config['no-dynamic-realms'] ? { userQuota, totalQuota, maxBytesPerSecond } : {}),
    ...(config['no-dynamic-ip-list'] ? { allowedPeers, deniedPeers } : {}),
  }
}

function peerPlan(
  config: Config,
  addresses: TurnAddresses,
  { ownPorts, relayedFrom, relayedPorts, accounts }: Existing,
  { allowedPeers, deniedPeers }: StoredSettings,
): PeerPlan {
  const denied = [...config['denied-peer-ip'], ...deniedPeers]
  const closesPrivate = deniesPrivatePeers(config, addresses)
  const nat64 = config['nat64-prefix']
  const isOwn = (ip: Address) => addresses.own.some((own) => own.sameIp(ip))
  return {
    allowed: [...config['allowed-peer-ip'], ...allowedPeers],
    // They are to this network what 64:ff9b::/96 is to all.
    denied: closesPrivate || denied.includes('recommended') ? [...denied, ...nat64] : denied,
    closesPrivate,
    isClosedByAddresses: config['allow-private-peers'] === null,
    allowLoopback: config['allow-loopback-peers'],
    ownAddresses: hosts(addresses.own),
    ownPorts,
    services: accounts?.services ?? [],
    relayAddresses: [...new Set([...hosts(addresses.relay), ...relayedFrom])],
    // Peers are looked at before and after external-ip is applied. A private half that is neither relayed from nor on this
    // machine is somebody else's relay.
    externalAddresses: hosts([...addresses.external, ...addresses.behindExternal.filter((ip) => !isOwn(ip))]),
    nat64,
    ...(relayedPorts ?? { minPort: config['min-port'], maxPort: config['max-port'] }),
  }
}

function settings(config: Config): TurnSettings {
  return {
    stun: config['no-stun'] ? 'off' : config['secure-stun'] ? 'secure' : 'open',
    noUdpRelay: config['no-udp-relay'],
    authenticatedRedirect: config['authenticated-redirect'],
    tcpRelay: config['tcp-relay'] && !config['no-tcp-relay'],
    stunOnly: config['stun-only'],
    stunBackwardCompatibility: config['stun-backward-compatibility'],
    rfc3489Compatibility: config['rfc3489-compatibility'],
    fingerprint: config.fingerprint,
    software: config['software-attribute'] ? `webrtc-stack ${__VERSION__}` : null,
    includeReasonString: config['include-reason-string'],
    maxAllocateLifetimeSeconds: config['max-allocate-lifetime'],
    channelLifetimeSeconds: config['channel-lifetime'],
    permissionLifetimeSeconds: config['permission-lifetime'],
    rfc8656ChannelNumbers: config['rfc8656-channel-numbers'],
    dontFragment: linuxSupport().available,
    allocationDefaultAddressFamily: config['allocation-default-address-family'],
    serverRelay: config['server-relay'],
    maxAllocationsPerAddress: config['max-allocations-per-address'],
    maxPermissions: config['max-permissions'],
    maxChannels: config['max-channels'],
    maxPeerConnections: config['max-peer-connections'],
    mobility: config.mobility,
    maxBytesPerSecond: config['max-bps'],
    maxPacketsPerSecond: config['max-pps'],
  }
}

function hosts(addresses: readonly Address[]): string[] {
  return addresses.map(({ host }) => host)
}
