import type { Address } from '../stun/address.ts'
import type { Allocation } from './allocation.ts'
import type { AccountCache } from './auth/account-cache.ts'
import type { Authenticator } from './auth/auth.ts'
import type { ChallengeLimit } from './limits/challenge-limit.ts'
import type { Quota } from './limits/quota.ts'
import type { SourceCount } from './limits/source-count.ts'
import type { AlternateServers } from './methods/alternate-servers.ts'
import type { NatBehaviour } from './methods/nat-behaviour.ts'
import type { PeerPolicy } from './peers/peer-policy.ts'
import type { ExternalIp } from './relay-addresses/external-ip.ts'
import type { RelayPorts } from './relay-addresses/relay-ports.ts'

/** What the core asks of relay ports: its own, or its share of what several threads have together. */
export type PortSource = Pick<
  RelayPorts,
  | 'thread'
  | 'isInUse'
  | 'take'
  | 'takePair'
  | 'takeReserved'
  | 'takeOver'
  | 'endReservation'
  | 'reservedBy'
  | 'sweep'
  | 'free'
  | 'skip'
>

/** Everything that a TurnServer is told when it is made; resolved values, nothing left to default. */
export interface TurnOptions extends TurnSettings {
  readonly authenticator: Authenticator
  /** What is known of the accounts of a store; null without one. */
  readonly stored: AccountCache<Allocation> | null
  readonly quota: Quota
  /** Holds back answers over UDP to those who have proved nothing (SEC-12 in the tests). */
  readonly challengeLimit: ChallengeLimit
  /** Wrong guesses from one source; beyond it there is no answer (SEC-23 in the tests). */
  readonly guessLimit: ChallengeLimit
  /** Where relay sockets are bound, used in turn per family; the port is ignored. A family without one is not offered. */
  readonly relayAddresses: readonly Address[]
  /** Nobody chose them: a client's relayed address is then the one of them where it reached us. */
  readonly relayWhereReached: boolean
  readonly relayPorts: PortSource
  /** Allocations by source, for `maxAllocationsPerAddress`. */
  readonly sources: SourceCount
  readonly externalIp: ExternalIp
  /** Where new clients are sent instead. */
  readonly alternateServers: AlternateServers
  /** Whom the answers to Binding requests may leave from (`rfc5780`); null when that is off. */
  readonly natBehaviour: NatBehaviour | null
  /** The peer rules at the start; TurnServer.apply replaces them. */
  readonly peerPolicy: PeerPolicy
}

/** The plain values among TurnOptions, named after coturn's keys. */
export interface TurnSettings {
  /** Binding for all, only with credentials (`secure-stun`), or not at all (`no-stun`). */
  readonly stun: 'open' | 'secure' | 'off'
  /** UDP allocations are refused (`no-udp-relay`). */
  readonly noUdpRelay: boolean
  /** Only clients that have logged in are redirected, and that answer is signed (RFC 8489 §14.8). */
  readonly authenticatedRedirect: boolean
  /** TCP allocations are granted (`tcp-relay`, RFC 6062). */
  readonly tcpRelay: boolean
  /** Nothing but Binding (`stun-only`). */
  readonly stunOnly: boolean
  /** Also MAPPED-ADDRESS in Binding answers (`stun-backward-compatibility`). */
  readonly stunBackwardCompatibility: boolean
  /** Answers Binding without the magic cookie (`rfc3489-compatibility`). */
  readonly rfc3489Compatibility: boolean
  /** FINGERPRINT in everything, not only for clients that send one. */
  readonly fingerprint: boolean
  /** SOFTWARE in Allocate and Refresh answers; null for none. */
  readonly software: string | null
  readonly includeReasonString: boolean
  readonly maxAllocateLifetimeSeconds: number
  readonly channelLifetimeSeconds: number
  readonly permissionLifetimeSeconds: number
  /** No ChannelBind for 0x5000-0x7FFF, which RFC 5766 still had. */
  readonly rfc8656ChannelNumbers: boolean
  /** Whether the driver can set DF on request. */
  readonly dontFragment: boolean
  /** What a client gets that names no family; `keep` is the family it speaks itself. */
  readonly allocationDefaultAddressFamily: 'ipv4' | 'ipv6' | 'keep'
  /** No permissions needed, in either direction. */
  readonly serverRelay: boolean
  /** From one IPv4 address or one IPv6 /64; 0 for no limit. */
  readonly maxAllocationsPerAddress: number
  readonly maxPermissions: number
  readonly maxChannels: number
  /** TCP connections with peers of one allocation; 0 for no limit. */
  readonly maxPeerConnections: number
  /** Clients may take their allocations to other 5-tuples (RFC 8016). */
  readonly mobility: boolean
  /** Per allocation and direction; 0 for no limit. */
  readonly maxBytesPerSecond: number
  readonly maxPacketsPerSecond: number
}
