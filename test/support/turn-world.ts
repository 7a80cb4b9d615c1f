import { randomBytes } from 'node:crypto'
import { Address } from '../../src/stun/address.ts'
import { Attribute, Method } from '../../src/stun/constants.ts'
import type { StunWriter } from '../../src/stun/writer.ts'
import type { Allocation, Relay } from '../../src/turn/allocation.ts'
import { type AccountName, NO_LIMITS } from '../../src/turn/auth/account.ts'
import { AccountCache, type StoreAnswer } from '../../src/turn/auth/account-cache.ts'
import { Authenticator, type AuthOptions } from '../../src/turn/auth/auth.ts'
import { Nonces } from '../../src/turn/auth/nonce.ts'
import { StaticAccounts } from '../../src/turn/auth/static-accounts.ts'
import { HEADROOM, TAILROOM } from '../../src/turn/effects.ts'
import type { TurnEvents } from '../../src/turn/events.ts'
import { type ClientTransport, FiveTuple } from '../../src/turn/five-tuple.ts'
import { ChallengeLimit } from '../../src/turn/limits/challenge-limit.ts'
import { Quota } from '../../src/turn/limits/quota.ts'
import { SourceCount } from '../../src/turn/limits/source-count.ts'
import { type AlternateServerLists, AlternateServers } from '../../src/turn/methods/alternate-servers.ts'
import type { NatBehaviour } from '../../src/turn/methods/nat-behaviour.ts'
import { NO_OTHER_SERVERS } from '../../src/turn/mobility/other-servers.ts'
import type { TurnOptions, TurnSettings } from '../../src/turn/options.ts'
import { PeerPolicy, type PeerRange, type PeerRules, parsePeerRange } from '../../src/turn/peers/peer-policy.ts'
import { ExternalIp, type ExternalIpPair } from '../../src/turn/relay-addresses/external-ip.ts'
import { RelayPorts } from '../../src/turn/relay-addresses/relay-ports.ts'
import { NO_LENDERS } from '../../src/turn/tcp/connection-lenders.ts'
import type { PeerConnection } from '../../src/turn/tcp/peer-connection.ts'
import { TurnServer } from '../../src/turn/turn-server.ts'
import { Clock } from './clock.ts'
import { defaultSettings } from './default-settings.ts'
import { EffectsRecorder } from './effects-recorder.ts'
import { quotaOf } from './quota.ts'
import type { ServerGroup } from './server-group.ts'
import { Answer, channelData, type Login, type RequestOptions, TurnClient, type Write } from './turn-client.ts'

export const REALM = 'example.org'
export const ALICE: Login = { username: 'alice', password: 'correct horse' }
export const BOB: Login = { username: 'bob', password: 'battery staple' }

export interface WorldOptions {
  readonly settings?: Partial<TurnSettings>
  readonly auth?: Partial<AuthOptions>
  readonly relayAddresses?: readonly string[]
  readonly relayWhereReached?: boolean
  readonly ports?: readonly [number, number]
  readonly userQuota?: number
  readonly challengesPerSecond?: number
  readonly guessesPerMinute?: number
  readonly externalIps?: readonly ExternalIpPair[]
  readonly denied?: string
  readonly events?: TurnEvents
  /** How long what a store of accounts says is good; without it there is no store. */
  readonly storeLifetimeMs?: number
  readonly natBehaviour?: NatBehaviour
  readonly alternateServers?: Partial<AlternateServerLists>
  /** Other worlds that the same clients may come to. */
  readonly group?: ServerGroup
}

const NO_ALTERNATES: AlternateServerLists = { udp: [], tcp: [], tls: [], dtls: [] }

/** A TurnServer with everything around it but the network. */
export class TurnWorld {
  readonly clock = new Clock()
  readonly effects = new EffectsRecorder()
  readonly options: TurnOptions & { readonly quota: Quota; readonly relayPorts: RelayPorts }
  readonly server: TurnServer
  readonly nonces: Nonces
  /** What the store of accounts has been asked for and has not answered. */
  readonly asked: AccountName[] = []
  /** Whether the store can be asked. */
  storeTakesQuestions = true
  /** Whether relay sockets open as soon as they are asked for. */
  opensRelays = true
  readonly #auth: AuthOptions
  #connections = 0
  #clients = 0
  readonly #rules: PeerRules
  readonly #group: ServerGroup | null

  constructor(options: WorldOptions = {}) {
    const { settings, auth, ports = [49152, 65535], externalIps = [], userQuota = 0, group } = options
    const { thread, others, lenders } = group?.join(this) ?? {
      thread: 0,
      others: NO_OTHER_SERVERS,
      lenders: NO_LENDERS,
    }
    this.#group = group ?? null
    // What one world sends must not be taken for what another one does.
    this.#clients = thread * 1000
    const relayAddresses = (options.relayAddresses ?? ['192.0.2.1', '2001:db8::1']).map((ip) => Address.parse(ip)!)
    const externalIp = new ExternalIp(externalIps, relayAddresses)
    this.#rules = {
      allowed: [],
      denied: ranges(options.denied),
      deniedToNew: null,
      allowLoopback: false,
      ownAddresses: relayAddresses,
      ownPorts: [3478, 5349],
      services: [],
      relayAddresses,
      isRelayed: (local) => this.options.relayPorts.isInUse(local),
      externalAddresses: relayAddresses.map((ip) => externalIp.toPublic(ip.copy())),
      nat64: [],
      minPort: ports[0],
      maxPort: ports[1],
    }
    this.nonces = new Nonces({ lifetimeSeconds: 600, key: randomBytes(32), bitOrder: 'msb', random: randomBytes })
    const { storeLifetimeMs: lifetimeMs } = options
    const ask = (account: AccountName) => {
      if (this.storeTakesQuestions) this.asked.push(account)
      return this.storeTakesQuestions
    }
    const stored = lifetimeMs === undefined ? null : new AccountCache<Allocation>({ lifetimeMs, ask })
    this.#auth = {
      realm: REALM,
      anonymous: false,
      users: new StaticAccounts(
        [
          { name: ALICE.username, password: ALICE.password },
          { name: BOB.username, password: BOB.password },
        ],
        REALM,
      ),
      stored,
      limits: NO_LIMITS,
      secrets: [],
      separator: ':',
      strictExpiry: false,
      sha256: 'off',
      ...auth,
    }
    this.options = {
      ...defaultSettings,
      ...settings,
      authenticator: new Authenticator(this.#auth, this.nonces, () => this.clock.wall),
      stored,
      quota:
        group === undefined
          ? quotaOf({ user: userQuota }, Math.max(2000, options.ports ? ports[1] - ports[0] : 0))
          : new Quota(group.quota(userQuota), thread),
      challengeLimit: new ChallengeLimit(options.challengesPerSecond ?? 0, 1000, randomBytes),
      guessLimit: new ChallengeLimit(options.guessesPerMinute ?? 0, 60_000, randomBytes),
      relayAddresses,
      relayWhereReached: options.relayWhereReached ?? false,
      relayPorts: new RelayPorts(
        { minPort: ports[0], maxPort: ports[1] },
        randomBytes,
        group === undefined ? null : { thread, claims: group.claims },
      ),
      sources: new SourceCount(),
      externalIp,
      alternateServers: new AlternateServers({ ...NO_ALTERNATES, ...options.alternateServers }),
      natBehaviour: options.natBehaviour ?? null,
      peerPolicy: new PeerPolicy(this.#rules),
    }
    this.server = new TurnServer(this.options, this.effects, {
      random: randomBytes,
      others,
      lenders,
      ...(options.events && { events: options.events }),
    })
  }

  get now(): number {
    return this.clock.now
  }

  get dropped(): Record<string, number> {
    const all = Object.entries(this.server.counters.dropped)
    return Object.fromEntries(all.filter(([, count]) => count > 0))
  }

  /** A client on its own address; the transport's connection is its own too. */
  client(login: Login | null = ALICE, transport: ClientTransport = 'udp', address?: string): WorldClient {
    const host = address ?? '198.51.100.7'
    const connection = transport === 'udp' ? 0 : ++this.#connections
    const client = Address.parse(host, 20_000 + this.#clients++)!
    const server = Address.parse(client.family === 4 ? '192.0.2.1' : '2001:db8::1', 3478)!
    return new WorldClient(this, login, new FiveTuple(transport, client, server, 0, connection))
  }

  /** Hands bytes to the server as a driver does: in a buffer of its own that is reused at once. */
  receive(bytes: Buffer, fiveTuple: FiveTuple): void {
    const borrowed = Buffer.concat([Buffer.alloc(7, 0xee), bytes, Buffer.alloc(5, 0xee)])
    const refilled = fiveTuple.connection === 0 ? fiveTuple.copy() : fiveTuple
    this.server.receive(borrowed, 7, 7 + bytes.length, refilled, this.now)
    borrowed.fill(0xdd)
    if (fiveTuple.connection === 0) refilled.client.setIpv4(0, 0)
    if (this.opensRelays) this.openRelays()
    if (this.#group?.isPrompt) this.#group.deliver()
  }

  peerData(relay: Relay, peer: string, data: Buffer): void {
    const bytes = Buffer.concat([Buffer.alloc(HEADROOM, 0xee), data, Buffer.alloc(TAILROOM, 0xee)])
    this.server.peerData(relay, addressOf(peer), bytes, HEADROOM, HEADROOM + data.length, this.now)
    bytes.fill(0xdd)
  }

  /** Answers every openRelay. */
  openRelays(): void {
    for (let relay = this.effects.opening.shift(); relay !== undefined; relay = this.effects.opening.shift()) {
      this.effects.open.add(relay)
      this.effects.held.delete(relay.local.toString())
      if (relay.reserved !== null) this.effects.held.add(relay.reserved.toString())
      this.server.relayOpened(relay, this.now)
    }
  }

  /** Answers the oldest openRelay with a failure, and says which it was. */
  failRelay(reason: 'in-use' | 'exhausted' | 'unavailable'): Relay {
    const relay = this.effects.opening.shift()!
    this.server.relayFailed(relay, reason, this.now)
    return relay
  }

  /** Answers the oldest question to the store of accounts, and says which it was. */
  answer(answer: StoreAnswer): AccountName {
    const account = this.asked.shift()
    if (account === undefined) throw new Error('nobody has asked for an account')
    this.server.accountFound(account, answer, this.now)
    if (this.opensRelays) this.openRelays()
    return account
  }

  /** The peer accepts: the oldest connection that is being opened. */
  acceptPeer(): PeerConnection {
    const connection = this.effects.connecting.shift()!
    this.effects.peers.add(connection)
    this.server.peerConnections.connected(connection, this.now)
    return connection
  }

  /** The peer refuses. */
  refusePeer(reason = 'ECONNREFUSED', isExhausted = false): void {
    this.server.peerConnections.failed(this.effects.connecting.shift()!, reason, isExhausted)
  }

  /** A peer connects to a relayed address; null when it is closed at once. */
  peerArrives(relay: Relay, peer: string): PeerConnection | null {
    const connection = this.server.peerConnections.arrived(relay, addressOf(peer), this.now)
    if (connection !== null) this.effects.peers.add(connection)
    return connection
  }

  /** Lets time pass the way a driver does: a sweep every second. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.clock.advanceSeconds(1)
      this.server.sweep(this.now)
    }
  }

  /** Changes users and secrets at run time. */
  authenticate(auth: Partial<AuthOptions>): void {
    this.options.authenticator.reload({ ...this.#auth, ...auth })
  }

  /** Replaces the denied peers at run time. */
  deny(range: string): void {
    this.server.apply({ peerPolicy: new PeerPolicy({ ...this.#rules, denied: ranges(range) }) })
  }
}

/** One 5-tuple and what was sent to it. */
export class WorldClient extends TurnClient {
  readonly world: TurnWorld
  readonly fiveTuple: FiveTuple

  constructor(world: TurnWorld, login: Login | null, fiveTuple: FiveTuple) {
    super(login)
    this.world = world
    this.fiveTuple = fiveTuple
  }

  /** Hands bytes to the server and returns what it sends back to this client for them. */
  send(bytes: Buffer): Buffer[] {
    const { toClient } = this.world.effects
    const before = toClient.length
    this.world.receive(bytes, this.fiveTuple)
    return toClient.slice(before).map((sent) => sent.bytes)
  }

  /** One request as it is; null when nothing comes back. */
  ask(method: number, write?: Write, options?: RequestOptions): Answer | null {
    const [bytes] = this.send(this.request(method, write, options))
    return bytes === undefined ? null : new Answer(bytes)
  }

  /** A request with credentials, as a client makes it: meets the challenge first, and takes a new nonce from a 438. */
  demand(method: number, write?: Write, options?: RequestOptions): Answer {
    if (this.nonce === null && this.login !== null) this.learn(this.ask(Method.ALLOCATE, write)!)
    const answer = this.ask(method, write, options)
    if (answer === null) throw new Error('no answer')
    if (answer.code !== 438) return answer
    this.learn(answer)
    return this.ask(method, write, options) ?? answer
  }

  allocate(write: Write = () => {}, options?: RequestOptions): Answer {
    return this.demand(Method.ALLOCATE, (writer) => write(udp(writer)), options)
  }

  /** REQUESTED-TRANSPORT: TCP. */
  allocateTcp(write: Write = () => {}): Answer {
    return this.demand(Method.ALLOCATE, (writer) => write(writer.uint32(Attribute.REQUESTED_TRANSPORT, 6 * 0x1000000)))
  }

  /** Null: the answer follows. */
  connect(peer: string): Answer | null {
    return this.ask(Method.CONNECT, (writer) => writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)))
  }

  /** Meets the challenge before, if need be. Null: the answer follows. */
  bindConnection(id: number | null): Answer | null {
    if (this.nonce === null && this.login !== null) this.learn(this.ask(Method.CONNECTION_BIND)!)
    return this.ask(Method.CONNECTION_BIND, (writer) => {
      if (id !== null) writer.uint32(Attribute.CONNECTION_ID, id)
    })
  }

  /** The last message that was sent to this client. */
  get lastAnswer(): Answer {
    const sent = this.world.effects.toClient.filter(({ client }) => client.connection === this.fiveTuple.connection)
    return new Answer(sent.at(-1)!.bytes)
  }

  refresh(lifetime: number | null = null): Answer {
    return this.demand(Method.REFRESH, (writer) => {
      if (lifetime !== null) writer.uint32(Attribute.LIFETIME, lifetime)
    })
  }

  permit(...peers: string[]): Answer {
    return this.demand(Method.CREATE_PERMISSION, (writer) => {
      for (const peer of peers) writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer))
    })
  }

  bind(number: number, peer: string): Answer {
    return this.demand(Method.CHANNEL_BIND, (writer) =>
      writer.uint32(Attribute.CHANNEL_NUMBER, number * 0x10000).xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)),
    )
  }

  sendIndication(peer: string, data: Buffer | string, write: Write = () => {}): void {
    this.send(
      this.indication(Method.SEND, (writer) => {
        writer.xorAddress(Attribute.XOR_PEER_ADDRESS, addressOf(peer)).bytes(Attribute.DATA, Buffer.from(data))
        write(writer)
      }),
    )
  }

  sendChannelData(number: number, data: Buffer | string, padding = 0): void {
    this.send(channelData(number, Buffer.from(data), padding))
  }

  get relays(): Relay[] {
    for (const allocation of this.world.server.allocations) {
      const { client, connection } = allocation.client
      if (connection === this.fiveTuple.connection && client.equals(this.fiveTuple.client)) return allocation.relays
    }
    return []
  }

  get relay(): Relay {
    return this.relays[0]!
  }
}

/** REQUESTED-TRANSPORT: UDP. */
export function udp(writer: StunWriter): StunWriter {
  return writer.uint32(Attribute.REQUESTED_TRANSPORT, 17 * 0x1000000)
}

/** `192.0.2.1:5000` or `[2001:db8::1]:5000`. */
export function addressOf(text: string): Address {
  const colon = text.lastIndexOf(':')
  const address = Address.parse(text.slice(0, colon).replace(/[[\]]/g, ''), Number(text.slice(colon + 1)))
  if (address === null) throw new Error(`not an address: ${text}`)
  return address
}

function ranges(text: string | undefined): readonly PeerRange[] {
  const parsed = text === undefined ? [] : parsePeerRange(text)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}
