import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Address } from '../../stun/address.ts'
import { AccountCache, type AccountCacheOptions } from '../../turn/auth/account-cache.ts'
import { Authenticator } from '../../turn/auth/auth.ts'
import { Nonces } from '../../turn/auth/nonce.ts'
import { StaticAccounts } from '../../turn/auth/static-accounts.ts'
import { ChallengeLimit, type SharedBudgets } from '../../turn/limits/challenge-limit.ts'
import { AlternateServers } from '../../turn/methods/alternate-servers.ts'
import { NatBehaviour } from '../../turn/methods/nat-behaviour.ts'
import type { PortSource, TurnOptions } from '../../turn/options.ts'
import type { Nat64Prefix } from '../../turn/peers/nat64.ts'
import { PeerPolicy, type PeerRange, parsePeerRange } from '../../turn/peers/peer-policy.ts'
import { ExternalIp } from '../../turn/relay-addresses/external-ip.ts'
import type { PeerPlan, TurnPlan } from '../plan/turn-plan.ts'
import type { RunSecrets } from '../run-secrets.ts'
import type { TurnMemory } from '../shared-memory.ts'

const random = (size: number): Buffer => randomBytes(size)

/** What all threads have beside the plan, for as long as the program runs. */
export interface TurnRun {
  readonly memory: TurnMemory
  readonly secrets: RunSecrets
}

/** What a thread knows of a database's accounts; null when there is no database. */
export function accountCache(
  { accountLifetimeSeconds: seconds }: TurnPlan,
  ask: AccountCacheOptions['ask'],
): TurnOptions['stored'] {
  return seconds === null ? null : new AccountCache({ lifetimeMs: seconds * 1000, ask })
}

/** What one thread's TURN core is told; quota, ports and sources are its share of what all threads have together. */
export function turnOptions(
  plan: TurnPlan,
  { memory, secrets }: TurnRun,
  shares: Pick<TurnOptions, 'quota' | 'relayPorts' | 'sources' | 'stored'>,
): TurnOptions {
  const relayAddresses = plan.relayAddresses.map(addressOf)
  const externalIp = plan.externalIp.map((pair) => ({
    public: addressOf(pair.public),
    private: pair.private === null ? null : addressOf(pair.private),
  }))
  return {
    ...plan.settings,
    ...shares,
    authenticator: authenticator(plan, secrets, shares.stored),
    challengeLimit: new ChallengeLimit(plan.challengesPerSecond, 1000, shared(memory.challengesUsed)),
    guessLimit: new ChallengeLimit(plan.guessesPerMinute, 60_000, shared(memory.guessesUsed)),
    relayAddresses,
    relayWhereReached: plan.relayWhereReached,
    externalIp: new ExternalIp(externalIp, relayAddresses),
    alternateServers: alternateServers(plan),
    natBehaviour:
      plan.natBehaviour && new NatBehaviour(plan.natBehaviour.hosts.map(addressOf), plan.natBehaviour.ports),
    peerPolicy: peerPolicy(plan.peers, shares.relayPorts),
  }
}

function alternateServers({ alternateServers: { udp, tcp, tls, dtls } }: TurnPlan): AlternateServers {
  const listOf = (list: typeof udp) =>
    list.map(({ address, port, name }) => {
      return { address: addressOf(address).withPort(port), domain: name ?? null }
    })
  return new AlternateServers({ udp: listOf(udp), tcp: listOf(tcp), tls: listOf(tls), dtls: listOf(dtls) })
}

// Each thread's `now` counts from its own start.
function shared(memory: SharedArrayBuffer): SharedBudgets {
  return { memory, clockOffsetMs: performance.timeOrigin }
}

/** What the log says of a peer that no key of the operator's denies names the key that opens it. */
const UNASKED: readonly PeerRange[] = ranges('recommended').map(({ text, ...range }) => {
  return { ...range, text: `${text}; see allow-private-peers and allowed-peer-ip` }
})

/** `relayPorts` knows which of our relay addresses have an allocation. */
function peerPolicy(plan: PeerPlan, relayPorts: Pick<PortSource, 'isInUse'>): PeerPolicy {
  const { closesPrivate, isClosedByAddresses } = plan
  return new PeerPolicy({
    allowed: plan.allowed.flatMap(ranges),
    denied: [...(closesPrivate && !isClosedByAddresses ? UNASKED : []), ...plan.denied.flatMap(ranges)],
    deniedToNew: isClosedByAddresses ? (closesPrivate ? UNASKED : []) : null,
    allowLoopback: plan.allowLoopback,
    ownAddresses: plan.ownAddresses.map(addressOf),
    ownPorts: plan.ownPorts,
    services: plan.services.map(({ host, port }) => addressOf(host).withPort(port)),
    relayAddresses: plan.relayAddresses.map(addressOf),
    isRelayed: (local) => relayPorts.isInUse(local),
    externalAddresses: plan.externalAddresses.map(addressOf),
    nat64: plan.nat64.map(nat64Prefix),
    minPort: plan.minPort,
    maxPort: plan.maxPort,
  })
}

function authenticator(
  { auth, users, nonces }: TurnPlan,
  { nonceKey }: RunSecrets,
  accounts: TurnOptions['stored'],
): Authenticator {
  const known = users.map(({ name, password, key }) =>
    key === undefined ? { name, password: password ?? '' } : { name, key: Buffer.from(key, 'hex') },
  )
  return new Authenticator(
    { ...auth, users: new StaticAccounts(known, auth.realm), stored: accounts },
    new Nonces({ ...nonces, key: Buffer.from(nonceKey, 'hex'), random }),
    Date.now,
  )
}

// The option table has read both already; what it lets through, we must understand.
function addressOf(host: string): Address {
  const address = Address.parse(host)
  if (address === null) throw new Error(`not a numeric address: ${host}`)
  return address
}

function nat64Prefix(text: string): Nat64Prefix {
  const [prefix, bits] = text.split('/')
  return { prefix: addressOf(prefix!), bits: Number(bits) }
}

function ranges(text: string): readonly PeerRange[] {
  const parsed = parsePeerRange(text)
  if (typeof parsed === 'string') throw new Error(`peer range ${text}: ${parsed}`)
  return parsed
}
