import { setTimeout as sleep } from 'node:timers/promises'
import { TurnClient, TurnRefusal } from '../src/client/turn-client.ts'
import type { Wire } from '../src/client/wire.ts'
import type { UdpSocket } from '../src/net/udp/udp.ts'
import { Address } from '../src/stun/address.ts'
import { ErrorCode } from '../src/stun/constants.ts'
import type { Credentials } from '../src/turn/auth/credentials.ts'
import type { ClientTransport } from '../src/turn/five-tuple.ts'

export interface PassingClientsOptions {
  readonly servers: Readonly<Record<Exclude<ClientTransport, 'dtls'>, Address>>
  readonly login: Credentials
  /** Clients at a time. */
  readonly clients: number
  /** Packets a second, of all together. */
  readonly rate: number
  /** Without another ChannelBind a client's channel and permission are over after this. */
  readonly lapseMs: number
}

/** How a client lives and goes. */
const KINDS = [
  { name: 'leaves', transport: 'udp', ends: 'refresh', lives: 'long', share: 15 },
  { name: 'leaves at once', transport: 'udp', ends: 'refresh', lives: 'short', share: 25 },
  { name: 'vanishes', transport: 'udp', ends: 'close', lives: 'long', share: 12 },
  { name: 'lets channel and permission expire', transport: 'udp', ends: 'refresh', lives: 'unrenewed', share: 12 },
  { name: 'takes the port of one that vanished', transport: 'udp', ends: 'refresh', lives: 'long', share: 8 },
  { name: 'leaves, over TCP', transport: 'tcp', ends: 'refresh', lives: 'long', share: 8 },
  { name: 'breaks its TCP connection', transport: 'tcp', ends: 'close', lives: 'short', share: 8 },
  { name: 'leaves, over TLS', transport: 'tls', ends: 'refresh', lives: 'long', share: 6 },
  { name: 'breaks its TLS connection', transport: 'tls', ends: 'close', lives: 'short', share: 6 },
] as const

type Kind = (typeof KINDS)[number]

const PEERS = 16
const PAYLOAD = 200
const HEADER = 4
/** Hardly anybody else binds ports of this address, so one that a client has left can be had again. */
const CLIENTS = Address.parse('127.0.1.1')!
/** How often, a second apart, the ports of vanished clients are tried. */
const RECALLS = 30
const LIFE_MS = { short: [0, 1000], long: [2000, 14_000] } as const

interface Live {
  readonly client: TurnClient
  readonly peer: UdpSocket
}

/** Clients that come, exchange packets with peers, and go in every way that clients have. */
export class PassingClients {
  readonly counts = { came: 0, sent: 0, received: 0, mismatches: 0, failures: new Map<string, number>() }
  /** Client ports whose allocation the server still holds. */
  readonly vanished = new Set<number>()
  readonly kinds = new Map<string, number>()
  readonly #wire: Wire
  readonly #options: PassingClientsOptions
  readonly #peers: UdpSocket[] = []
  readonly #live: Live[] = []
  readonly #lives = new Set<Promise<void>>()
  readonly #packet = Buffer.alloc(HEADER + PAYLOAD)
  #isOn = false
  #sentAt = 0
  #next = 0

  static async open(wire: Wire, options: PassingClientsOptions): Promise<PassingClients> {
    const clients = new PassingClients(wire, options)
    const loopback = Address.parse('127.0.0.1')!
    for (let i = 0; i < PEERS; i++) clients.#peers.push(await wire.open(loopback, () => clients.counts.received++))
    return clients
  }

  private constructor(wire: Wire, options: PassingClientsOptions) {
    this.#wire = wire
    this.#options = options
  }

  get live(): number {
    return this.#live.length
  }

  /** Clients come and go for this long; then those that are there end as each would. */
  async run(ms: number): Promise<void> {
    const until = performance.now() + ms
    this.#isOn = true
    this.#sentAt = performance.now()
    this.#wire.onTurn = (now) => this.#send(now)
    while (performance.now() < until) {
      // One by one, so that lives begin and end at all times.
      if (this.#lives.size < this.#options.clients) this.#begin(drawn())
      await sleep(20)
    }
    this.#isOn = false
    await Promise.all(this.#lives)
    this.#wire.onTurn = () => {}
  }

  /** Ends the allocations of those that vanished, each from its own port. */
  async recall(): Promise<void> {
    for (let tries = 0; this.vanished.size > 0 && tries < RECALLS; tries++) {
      if (tries > 0) await sleep(1000)
      for (const port of Array.from(this.vanished)) {
        const client = await this.#open('udp', port)
        await this.#allocate(client, client.localPort)
        await client.refresh(0)
        await client.close()
      }
    }
  }

  #begin(kind: Kind): void {
    this.counts.came++
    this.kinds.set(kind.name, (this.kinds.get(kind.name) ?? 0) + 1)
    const life = this.#liveAs(kind)
      .catch((error: unknown) => {
        const text = `${kind.name}: ${error instanceof Error ? error.message : error}`
        this.counts.failures.set(text, (this.counts.failures.get(text) ?? 0) + 1)
      })
      .finally(() => this.#lives.delete(life))
    this.#lives.add(life)
  }

  async #liveAs(kind: Kind): Promise<void> {
    const port = kind.name === 'takes the port of one that vanished' ? this.#takeVanished() : 0
    const client = await this.#open(kind.transport, port)
    const peer = this.#peers[this.counts.came % PEERS]!
    await this.#allocate(client, kind.transport === 'udp' ? client.localPort : 0)
    await client.bind(peer.local)
    const entry = { client, peer }
    this.#live.push(entry)
    const { lapseMs } = this.#options
    const until = performance.now() + (kind.lives === 'unrenewed' ? 1.5 * lapseMs : between(LIFE_MS[kind.lives]))
    while (this.#isOn && performance.now() < until) {
      await sleep(Math.min(lapseMs / 3, Math.max(0, until - performance.now())))
      if (kind.lives !== 'unrenewed') await client.bind(peer.local)
    }
    this.#live.splice(this.#live.indexOf(entry), 1)
    if (kind.ends === 'refresh') await client.refresh(0)
    else if (kind.transport === 'udp') this.vanished.add(client.localPort)
    await client.close()
  }

  async #open(transport: Exclude<ClientTransport, 'dtls'>, localPort: number): Promise<TurnClient> {
    const { servers, login } = this.#options
    const options = { transport, server: servers[transport], login, onData: () => this.counts.received++ }
    try {
      return await TurnClient.open(this.#wire, { ...options, local: CLIENTS.withPort(localPort) })
    } catch (error) {
      if (localPort === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      // Somebody else was given the port meanwhile: this client takes another one, that of the vanished one waits.
      this.vanished.add(localPort)
      return TurnClient.open(this.#wire, { ...options, local: CLIENTS })
    }
  }

  /** RFC 8656 §7.3: 437 tells that this 5-tuple has an allocation already, of a client before. */
  async #allocate(client: TurnClient, port: number): Promise<void> {
    this.vanished.delete(port)
    try {
      await client.allocate(4)
    } catch (error) {
      if (!(error instanceof TurnRefusal) || error.code !== ErrorCode.ALLOCATION_MISMATCH) throw error
      this.counts.mismatches++
      await client.refresh(0)
      await client.allocate(4)
    }
  }

  #takeVanished(): number {
    // The one that went last: those that went long ago are left to expire.
    const port = Array.from(this.vanished).at(-1) ?? 0
    this.vanished.delete(port)
    return port
  }

  #send(now: number): void {
    const { rate } = this.#options
    const due = Math.min(512, Math.floor(((now - this.#sentAt) / 1000) * rate))
    if (due === 0) return
    this.#sentAt = now
    for (let i = 0; i < due && this.#live.length > 0; i++) {
      const { client, peer } = this.#live[this.#next++ % this.#live.length]!
      if (i % 2 === 0) client.send(this.#packet, HEADER, this.#packet.length)
      else peer.send(this.#packet, HEADER, this.#packet.length, client.relayed)
      this.counts.sent++
    }
  }
}

function between([least, most]: readonly [number, number]): number {
  return least + Math.random() * (most - least)
}

function drawn(): Kind {
  let lot = Math.random() * KINDS.reduce((sum, { share }) => sum + share, 0)
  for (const kind of KINDS) {
    lot -= kind.share
    if (lot < 0) return kind
  }
  return KINDS[0]
}
