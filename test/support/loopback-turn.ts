import { randomBytes } from 'node:crypto'
import type { NetOptions, PortableTurn } from '../../src/net/portable-turn.ts'
import type { StreamLimits } from '../../src/net/stream/options.ts'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import { NO_LIMITS } from '../../src/turn/auth/account.ts'
import { Authenticator } from '../../src/turn/auth/auth.ts'
import { Nonces } from '../../src/turn/auth/nonce.ts'
import { StaticAccounts } from '../../src/turn/auth/static-accounts.ts'
import type { Effects } from '../../src/turn/effects.ts'
import { ChallengeLimit } from '../../src/turn/limits/challenge-limit.ts'
import { SourceCount } from '../../src/turn/limits/source-count.ts'
import { AlternateServers } from '../../src/turn/methods/alternate-servers.ts'
import type { TurnSettings } from '../../src/turn/options.ts'
import { PeerPolicy } from '../../src/turn/peers/peer-policy.ts'
import { ExternalIp } from '../../src/turn/relay-addresses/external-ip.ts'
import { RelayPorts } from '../../src/turn/relay-addresses/relay-ports.ts'
import { TurnServer } from '../../src/turn/turn-server.ts'
import { localhostEc } from './certificates.ts'
import { defaultSettings } from './default-settings.ts'
import { quotaOf } from './quota.ts'
import {
  connectTcp,
  connectTls,
  Inbox,
  localStream,
  localUdp,
  portOf,
  type StreamClient,
  startPortable,
  UdpClient,
} from './sockets.ts'
import { Answer, type Login, TurnClient, type Write } from './turn-client.ts'

export const REALM = 'example.org'
export const ALICE: Login = { username: 'alice', password: 'correct horse' }
const PORTS = { minPort: 49_152, maxPort: 65_535 }

/** A TurnServer whose clients, relays and peers are all on this machine. */
export function loopbackTurn(
  effects: Effects,
  settings: Partial<TurnSettings> = {},
  relayHosts = ['127.0.0.1', '::1'],
): TurnServer {
  const relayAddresses = relayHosts.map((host) => Address.parse(host)!)
  const nonces = new Nonces({ lifetimeSeconds: 600, key: randomBytes(32), bitOrder: 'msb', random: randomBytes })
  const users = new StaticAccounts([{ name: ALICE.username, password: ALICE.password }], REALM)
  const rules = { realm: REALM, anonymous: false, users, stored: null, limits: NO_LIMITS, secrets: [] } as const
  const names = { separator: ':', strictExpiry: false } as const
  const options = {
    ...defaultSettings,
    // Suites that count packets send more of them than one call has.
    maxPacketsPerSecond: 0,
    ...settings,
    authenticator: new Authenticator({ ...rules, ...names, sha256: 'off' }, nonces, Date.now),
    stored: null,
    quota: quotaOf(),
    challengeLimit: new ChallengeLimit(0, 1000, randomBytes),
    guessLimit: new ChallengeLimit(0, 60_000, randomBytes),
    relayAddresses,
    relayWhereReached: false,
    relayPorts: new RelayPorts(PORTS, randomBytes),
    sources: new SourceCount(),
    externalIp: new ExternalIp([], relayAddresses),
    alternateServers: new AlternateServers({ udp: [], tcp: [], tls: [], dtls: [] }),
    natBehaviour: null,
    peerPolicy: new PeerPolicy({
      allowed: [],
      denied: [],
      deniedToNew: null,
      allowLoopback: true,
      ownAddresses: [],
      ownPorts: [],
      services: [],
      relayAddresses: [],
      isRelayed: () => true,
      externalAddresses: [],
      nat64: [],
      ...PORTS,
    }),
  }
  return new TurnServer(options, effects, { random: randomBytes })
}

/** A driver with a TurnServer on UDP, TCP and TLS of 127.0.0.1. */
export function startTurn(
  options: Partial<Omit<NetOptions, 'limits'>> & { readonly limits?: Partial<StreamLimits> } = {},
  settings: Partial<TurnSettings> = {},
): Promise<PortableTurn<TurnServer>> {
  const all = { udp: [localUdp], streams: [localStream], tls: { certificates: [localhostEc] } as const, ...options }
  return startPortable(all, (effects) => loopbackTurn(effects, settings))
}

/** A client with credentials on one of the driver's transports; whole messages go in and come out. */
export class LoopbackClient extends TurnClient {
  readonly inbox = new Inbox<Buffer>()
  readonly send: (bytes: Buffer) => void
  readonly close: () => void

  private constructor(connect: (inbox: Inbox<Buffer>) => { send: (bytes: Buffer) => void; close: () => void }) {
    super(ALICE)
    const { send, close } = connect(this.inbox)
    this.send = send
    this.close = close
  }

  static async connect(portable: PortableTurn<TurnServer>, transport: 'udp' | 'tcp' | 'tls'): Promise<LoopbackClient> {
    if (transport === 'udp') return LoopbackClient.overUdp(portOf(portable, 'udp'))
    return LoopbackClient.over(await (transport === 'tcp' ? connectTcp : connectTls)(portOf(portable, 'tcp')))
  }

  /** On a connection that is there already. */
  static over(stream: StreamClient): LoopbackClient {
    return new LoopbackClient((inbox) => {
      const pump = async () => {
        for (;;) {
          const header = await stream.read(4)
          const isStun = header[0]! < 0x40
          const length = header.readUInt16BE(2)
          const rest = await stream.read(isStun ? 16 + length : Math.ceil(length / 4) * 4)
          inbox.push(Buffer.concat([header, rest]))
        }
      }
      pump().catch(() => {})
      return { send: (bytes) => stream.socket.write(bytes), close: () => stream.socket.destroy() }
    })
  }

  /** From a port of its own to one of whatever serves TURN on 127.0.0.1. */
  static async overUdp(port: number): Promise<LoopbackClient> {
    const socket = await UdpClient.open()
    return new LoopbackClient((inbox) => {
      socket.socket.on('message', (bytes) => inbox.push(bytes))
      return { send: (bytes) => socket.send(bytes, port), close: () => {} }
    })
  }

  async ask(method: number, write?: Write): Promise<Answer> {
    this.send(this.request(method, write))
    return new Answer(await this.inbox.next())
  }

  /** Allocates after the usual challenge; the answer may be a refusal. */
  async allocate(more: Write = () => {}): Promise<Answer> {
    const transport: Write = (writer) => {
      writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000)
      more(writer)
    }
    if (this.nonce === null) this.learn(await this.ask(Method.ALLOCATE, transport))
    return this.ask(Method.ALLOCATE, transport)
  }

  async bind(channel: number, peer: Address): Promise<Answer> {
    return this.ask(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, channel * 0x10000).xorAddress(Attribute.XOR_PEER_ADDRESS, peer),
    )
  }

  async permit(peer: Address): Promise<Answer> {
    return this.ask(Method.CREATE_PERMISSION, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, peer))
  }
}
