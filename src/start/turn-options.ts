import { randomBytes } from 'node:crypto'
import type { Config } from '../config/options.ts'
import { linuxSupport } from '../net/linux-sockets.ts'
import { Authenticator } from '../turn/auth.ts'
import { ChallengeLimit } from '../turn/challenge-limit.ts'
import { Nonces, nonceKey } from '../turn/nonce.ts'
import type { TurnOptions } from '../turn/options.ts'
import { PeerPolicy, type PeerRange, parsePeerRange } from '../turn/peer-policy.ts'
import { Quota } from '../turn/quota.ts'
import { RelayPorts } from '../turn/relay-ports.ts'
import { type StaticUser, StaticUsers } from '../turn/user-store.ts'
import { deniesPrivatePeers, type TurnAddresses } from './addresses.ts'

const random = (size: number): Buffer => randomBytes(size)

/** What the TURN core is told, from the configuration and the addresses of this machine. */
export function turnOptions(config: Config, addresses: TurnAddresses): TurnOptions {
  return {
    authenticator: authenticator(config),
    quota: new Quota({ user: config['user-quota'], total: config['total-quota'] }),
    challengeLimit: new ChallengeLimit(
      config['unauthorized-ratelimit'] ? config['unauthorized-ratelimit-rps'] : 0,
      1000,
      random,
    ),
    guessLimit: new ChallengeLimit(config['max-wrong-guesses-per-minute'], 60_000, random),
    relayAddresses: addresses.relay,
    relayPorts: new RelayPorts({ minPort: config['min-port'], maxPort: config['max-port'] }, random),
    externalIp: addresses.externalIp,
    // Until the ports of all servers are known nobody has got a relay.
    peerPolicy: peerPolicy(config, addresses, []),
    stun: config['no-stun'] ? 'off' : config['secure-stun'] ? 'secure' : 'open',
    stunOnly: config['stun-only'],
    stunBackwardCompatibility: config['stun-backward-compatibility'],
    rfc3489Compatibility: config['rfc3489-compatibility'],
    fingerprint: config.fingerprint,
    software: config['software-attribute'] ? `webrtc-stack ${__VERSION__}` : null,
    includeReasonString: config['include-reason-string'],
    maxAllocateLifetimeSeconds: config['max-allocate-lifetime'],
    channelLifetimeSeconds: config['channel-lifetime'],
    permissionLifetimeSeconds: config['permission-lifetime'],
    rfc5766ChannelNumbers: config['rfc5766-channel-numbers'],
    dontFragment: linuxSupport().available,
    allocationDefaultAddressFamily: config['allocation-default-address-family'],
    serverRelay: config['server-relay'],
    maxPermissions: config['max-permissions'],
    maxChannels: config['max-channels'],
    maxBytesPerSecond: config['max-bps'],
    maxPacketsPerSecond: config['max-pps'],
  }
}

export function peerPolicy(config: Config, addresses: TurnAddresses, ownPorts: readonly number[]): PeerPolicy {
  const denied = deniesPrivatePeers(config, addresses)
    ? ['recommended', ...config['denied-peer-ip']]
    : config['denied-peer-ip']
  return new PeerPolicy({
    allowed: config['allowed-peer-ip'].flatMap(ranges),
    denied: denied.flatMap(ranges),
    allowLoopback: config['allow-loopback-peers'],
    ownAddresses: [...addresses.own, ...addresses.external],
    ownPorts,
    services: [],
    // Peers are looked at before and after external-ip is applied, so each half needs the limits of a relay address.
    relayAddresses: [...addresses.relay, ...addresses.external, ...addresses.behindExternal],
    minPort: config['min-port'],
    maxPort: config['max-port'],
  })
}

function authenticator(config: Config): Authenticator {
  const nonceSecret = config['stateless-nonce-secret']
  const nonces = new Nonces({
    lifetimeSeconds: config['stale-nonce'],
    key: nonceSecret === null ? random(32) : nonceKey(nonceSecret.reveal()),
    bitOrder: config['nonce-bit-order'],
    random,
  })
  const users = config.user.map(({ name, password, key }): StaticUser => {
    return key === null ? { name, password: password?.reveal() ?? '' } : { name, key: Buffer.from(key.reveal(), 'hex') }
  })
  return new Authenticator(
    {
      realm: config.realm,
      anonymous: config['no-auth'],
      users: new StaticUsers(users, config.realm),
      secrets: config['static-auth-secret'].map((secret) => secret.reveal()),
      separator: config['rest-api-separator'],
      strictExpiry: config['strict-expiry'],
      sha256: config.sha256 === 'off' ? 'off' : config.sha256 === 'strict' ? 'required' : 'offered',
    },
    nonces,
    Date.now,
  )
}

function ranges(text: string): readonly PeerRange[] {
  const parsed = parsePeerRange(text)
  // The option table has read it already; what it lets through, the policy must understand.
  if (typeof parsed === 'string') throw new Error(`peer range ${text}: ${parsed}`)
  return parsed
}
