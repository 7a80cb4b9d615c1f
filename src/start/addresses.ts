import { isIP } from 'node:net'
import { listeningAddresses } from '../config/listeners.ts'
import type { Config } from '../config/options.ts'
import { isBindable } from '../net/linux/descriptors.ts'
import { linuxSupport } from '../net/linux/system-calls.ts'
import { isWildcard, listeningHosts, presentHosts } from '../net/listen/interfaces.ts'
import { Address } from '../stun/address.ts'
import { isPublic } from '../turn/peers/peer-policy.ts'
import { ExternalIp } from '../turn/relay-addresses/external-ip.ts'

/** Which of this machine's addresses the TURN server uses, and which the world sees. */
export interface TurnAddresses {
  /** To listen on; wildcards are already the addresses they stand for. */
  readonly listening: readonly Address[]
  /** To relay from. */
  readonly relay: readonly Address[]
  /** Of these, what `relay-ip` or `listening-ip` names and nobody can be bound to now. */
  readonly absent: readonly Address[]
  /** Nobody named relay addresses: a client's relay is then where it reached us, when the family fits. */
  readonly relayWhereReached: boolean
  readonly externalIp: ExternalIp
  /** Both halves of `external-ip`: what the world sees, and what stands behind it where that was given. */
  readonly external: readonly Address[]
  readonly behindExternal: readonly Address[]
  /** Every address of this machine. */
  readonly own: readonly Address[]
}

export function turnAddresses(config: Config): TurnAddresses {
  const present = presentHosts()
  const own = parse(['0.0.0.0', '::'].flatMap((host) => listeningHosts(host, present)))
  const chosen = config['listening-ip']
  const listening = parse(listeningAddresses(config).flatMap((host) => listeningHosts(host, present)))
  const isRelayNamed = config['relay-ip'].length > 0
  const relayWhereReached = !isRelayNamed && (chosen.length === 0 || chosen.some(isWildcard))
  const relay = isRelayNamed
    ? parse(config['relay-ip'])
    : relayWhereReached
      ? routable(listening)
      : withoutSpareLoopback(listening)
  const pairs = config['external-ip'].map(({ publicIp, privateIp }) => ({
    public: Address.parse(publicIp)!,
    private: privateIp === null ? null : Address.parse(privateIp)!,
  }))
  return {
    listening,
    relay,
    absent: besides(relay, own).filter((address) => !canBind(address)),
    relayWhereReached,
    externalIp: new ExternalIp(pairs, relay),
    external: pairs.map((pair) => pair.public),
    behindExternal: pairs.flatMap((pair) => (pair.private === null ? [] : [pair.private])),
    own,
  }
}

/** Whether this machine has what it had. */
export function haveSameHosts(one: readonly Address[], other: readonly Address[]): boolean {
  return one.length === other.length && one.every((address, i) => address.sameIp(other[i]!))
}

/** The addresses of `all` that are not among `others`. */
export function besides(all: readonly Address[], others: readonly Address[]): readonly Address[] {
  return all.filter((address) => !others.some((other) => other.sameIp(address)))
}

/**
 * Whether private networks are closed to relayed traffic: when the world reaches us, it must not reach them through us;
 * a server that itself sits in a private network is there for calls inside it.
 */
export function deniesPrivatePeers(config: Config, addresses: TurnAddresses): boolean {
  if (config['allow-private-peers'] !== null) return !config['allow-private-peers']
  return addresses.external.length > 0 || addresses.relay.some(isPublic)
}

/** The address that other machines most likely reach us at; null when there is none but loopback. */
export function lanAddress(addresses: readonly Address[]): Address | null {
  const candidates = routable(addresses).filter((address) => !address.isLoopback)
  return candidates.find(({ family }) => family === 4) ?? candidates[0] ?? null
}

/** Stands for the TURN server in URIs: what the world calls us, else the address that other machines most likely reach. */
export function turnHost(config: Config, { external, listening }: TurnAddresses): string {
  const named = config['public-host']?.replace(/:\d+$/, '')
  return bracketed(named ?? (external[0] ?? lanAddress(listening) ?? listening[0])?.host ?? 'localhost')
}

/** As hosts stand in URIs. */
export function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host
}

/** Where no interface has it, a route of the kind `local` may. All of 127.0.0.0/8 is always there. */
function canBind(address: Address): boolean {
  return address.isLoopback || (linuxSupport().available && isBindable(address))
}

// Loopback stays last: the first address of a family serves clients that reached us through the other family.
function routable(addresses: readonly Address[]): Address[] {
  return addresses.toSorted((a, b) => Number(a.isLoopback) - Number(b.isLoopback))
}

// Relays take turns among these. To listen on loopback too, for clients of this machine, is no wish to relay from there.
export function withoutSpareLoopback(addresses: readonly Address[]): readonly Address[] {
  return addresses.filter(
    ({ isLoopback, family }) => !isLoopback || addresses.every((other) => other.isLoopback || other.family !== family),
  )
}

function parse(hosts: readonly string[]): Address[] {
  return [...new Set(hosts)].map((host) => Address.parse(host)).filter((address) => address !== null)
}
