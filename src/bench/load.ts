import { randomBytes } from 'node:crypto'
import { NoAnswer } from '../client/transactions.ts'
import { TurnClient } from '../client/turn-client.ts'
import type { Wire } from '../client/wire.ts'
import type { UdpSocket } from '../net/udp/udp.ts'
import type { Address } from '../stun/address.ts'
import type { Credentials } from '../turn/auth/credentials.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'
import { CHANNEL_DATA_HEADER } from '../turn/framing.ts'
import { Direction, type DirectionResult } from './measure.ts'

/** Up is from clients to peers. */
export type DirectionName = 'up' | 'down'

export interface LoadOptions {
  readonly server: Address
  readonly serverName: string | null
  readonly transport: ClientTransport
  readonly login: Credentials | null
  readonly allocations: number
  /** Packets a second, all allocations and directions together. */
  readonly rate: number
  /** Payload bytes of each. */
  readonly size: number
  readonly seconds: number
  readonly directions: readonly DirectionName[]
  /** An address of this machine that the server reaches. */
  readonly peerAddress: Address
}

export interface LoadResult {
  readonly io: Wire['io']
  readonly allocations: number
  /** Of setup and upkeep: how often each went wrong. */
  readonly failures: Readonly<Record<string, number>>
  /** Packets that the rate asks for in the time that passed. */
  readonly planned: number
  readonly seconds: number
  readonly directions: Readonly<Partial<Record<DirectionName, DirectionResult>>>
}

export interface LoadProgress {
  readonly phase: 'allocating' | 'sending' | 'waiting for the last packets' | 'giving allocations back'
  readonly allocations: number
  readonly elapsedSeconds: number
  readonly sent: number
  readonly received: number
  readonly medianMs: number | null
}

/**
 * What a packet says, big endian: 4 bytes that mark this run, 4 of the allocation's index, 4 of the sequence number, 8 of the
 * time it was sent; the rest is zeros.
 */
export const SMALLEST_PAYLOAD = 20

const PEERS = 16
const AT_ONCE = 32
/** Of a client, to get an allocation from a server that has given one to the first. */
const ATTEMPTS = 4
/** Packets in one turn; what is due beyond waits for the next. */
const MOST_IN_A_TURN = 1024
/** Permissions last for 300 s unless the server is set up otherwise (RFC 8656 §9). */
const UPKEEP_MS = 60_000
/** The last packets are waited for until none has come for this long. */
const QUIET_MS = 300
const LIFETIME_SECONDS = 600

interface Flow {
  readonly client: TurnClient
  readonly peer: UdpSocket
}

/** One run: allocates, sends at an even pace both ways, and counts what arrives. */
export class Load {
  readonly #wire: Wire
  readonly #options: LoadOptions
  readonly #stop: AbortSignal
  readonly #run = randomBytes(4).readUInt32BE()
  readonly #flows: Flow[] = []
  readonly #failures = new Map<string, number>()
  readonly #packet: Buffer
  readonly #directions: Readonly<Partial<Record<DirectionName, Direction>>>
  readonly #ways: readonly DirectionName[]
  #phase: LoadProgress['phase'] = 'allocating'
  #beganAt = 0
  #seconds = 0
  #sent = 0
  #lastArrival = 0
  #upkeep: Promise<void> | null = null
  /** The server has left the Refresh of an allocation unanswered. */
  #isSilent = false

  /** `stop` ends the run early, with what there is. */
  constructor(wire: Wire, options: LoadOptions, stop: AbortSignal) {
    this.#wire = wire
    this.#options = options
    this.#stop = stop
    this.#packet = Buffer.alloc(CHANNEL_DATA_HEADER + options.size)
    this.#ways = options.directions
    this.#directions = Object.fromEntries(options.directions.map((name) => [name, new Direction(options.allocations)]))
  }

  /** Throws when not even one allocation could be made. */
  async run(): Promise<LoadResult> {
    const peers = await this.#openPeers()
    try {
      // The first alone: what is wrong with it would be wrong with all.
      this.#flows.push(await this.#openFlow(peers[0]!))
      await this.#openOthers(peers)
      if (!this.#stop.aborted) await this.#send()
    } finally {
      this.#wire.onTurn = () => {}
      this.#phase = 'giving allocations back'
      await forEach(this.#flows, ({ client }) => this.#release(client))
    }
    return this.#result()
  }

  get progress(): LoadProgress {
    const all = Object.values(this.#directions)
    const isOver = this.#seconds > 0
    return {
      phase: this.#phase,
      allocations: this.#flows.length,
      elapsedSeconds: isOver ? this.#seconds : this.#beganAt === 0 ? 0 : (performance.now() - this.#beganAt) / 1000,
      sent: this.#sent,
      received: all.reduce((sum, { received }) => sum + received, 0),
      medianMs: all[0]?.medianMs ?? null,
    }
  }

  async #openPeers(): Promise<UdpSocket[]> {
    const { peerAddress, allocations } = this.#options
    const up = this.#directions.up
    const peers: UdpSocket[] = []
    for (let i = 0; i < Math.min(PEERS, allocations); i++) {
      const receive = (bytes: Buffer, start: number, end: number, _from: Address, now: number) =>
        this.#arrived(up, bytes, start, end, now)
      peers.push(await this.#wire.open(peerAddress, receive))
    }
    return peers
  }

  async #openOthers(peers: readonly UdpSocket[]): Promise<void> {
    const indexes = Array.from({ length: this.#options.allocations - 1 }, (_, i) => i + 1)
    await forEach(indexes, async (index) => {
      if (this.#stop.aborted) return
      for (let attempt = 1; ; attempt++) {
        try {
          this.#flows.push(await this.#openFlow(peers[index % peers.length]!))
          return
        } catch (error) {
          // Servers answer only so many newcomers of one address a second, and some client always meets a second that is spent.
          if (error instanceof NoAnswer && attempt < ATTEMPTS && !this.#stop.aborted) continue
          return this.#failed(error)
        }
      }
    })
  }

  async #openFlow(peer: UdpSocket): Promise<Flow> {
    const { transport, server, serverName, login, peerAddress } = this.#options
    const down = this.#directions.down
    const client = await TurnClient.open(this.#wire, {
      transport,
      server,
      serverName,
      login,
      onData: (bytes, start, end, now) => this.#arrived(down, bytes, start, end, now),
    })
    try {
      await client.allocate(peerAddress.family)
      await client.bind(peer.local)
      return { client, peer }
    } catch (error) {
      await this.#release(client)
      throw error
    }
  }

  async #send(): Promise<void> {
    const { seconds } = this.#options
    const timer = setInterval(() => {
      this.#upkeep ??= this.#keepUp().finally(() => {
        this.#upkeep = null
      })
    }, UPKEEP_MS)
    this.#phase = 'sending'
    this.#beganAt = performance.now()
    await new Promise<void>((over) => {
      this.#wire.onTurn = (now) => {
        const elapsed = (now - this.#beganAt) / 1000
        if (!this.#stop.aborted) this.#sendDue(Math.min(elapsed, seconds))
        if (elapsed < seconds && !this.#stop.aborted) return
        this.#seconds = Math.min(elapsed, seconds)
        over()
      }
    })
    clearInterval(timer)
    this.#phase = 'waiting for the last packets'
    this.#lastArrival = performance.now()
    await new Promise<void>((quiet) => {
      this.#wire.onTurn = (now) => {
        if (this.progress.received === this.#sent || now - this.#lastArrival > QUIET_MS) quiet()
      }
    })
    // A client has one request under way at a time, and the next is the one that gives its allocation back.
    await this.#upkeep
  }

  /** Sends what is due at this time, one allocation after the other. */
  #sendDue(elapsedSeconds: number): void {
    const due = Math.floor(this.#options.rate * elapsedSeconds) - this.#sent
    const ways = this.#ways
    const flows = this.#flows
    for (let i = Math.min(due, MOST_IN_A_TURN); i > 0; i--) {
      const turn = this.#sent++
      const index = Math.floor(turn / ways.length) % flows.length
      this.#sendOne(ways[turn % ways.length]!, index)
    }
  }

  #sendOne(way: DirectionName, index: number): void {
    const { client, peer } = this.#flows[index]!
    const packet = this.#packet
    const start = CHANNEL_DATA_HEADER
    packet.writeUInt32BE(this.#run, start)
    packet.writeUInt32BE(index, start + 4)
    packet.writeUInt32BE(this.#directions[way]!.send(index), start + 8)
    packet.writeDoubleBE(performance.now(), start + 12)
    if (way === 'up') client.send(packet, start, packet.length)
    else peer.send(packet, start, packet.length, client.relayed)
  }

  #arrived(direction: Direction | undefined, bytes: Buffer, start: number, end: number, now: number): void {
    if (direction === undefined || end - start !== this.#options.size) return
    if (bytes.readUInt32BE(start) !== this.#run) return
    this.#lastArrival = now
    const index = bytes.readUInt32BE(start + 4)
    direction.receive(index, bytes.readUInt32BE(start + 8), now - bytes.readDoubleBE(start + 12))
  }

  async #keepUp(): Promise<void> {
    await forEach(this.#flows, async ({ client, peer }) => {
      if (this.#phase !== 'sending') return
      try {
        await client.refresh(LIFETIME_SECONDS)
        await client.bind(peer.local)
      } catch (error) {
        this.#failed(error)
      }
    })
  }

  async #release(client: TurnClient): Promise<void> {
    const hasAllocation = client.relayed.port !== 0
    // A server that is gone would cost seconds for each.
    if (hasAllocation && !this.#isSilent) {
      try {
        await client.refresh(0)
      } catch (error) {
        this.#isSilent = error instanceof NoAnswer
        this.#failed(error)
      }
    }
    await client.close()
  }

  #failed(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error)
    this.#failures.set(text, (this.#failures.get(text) ?? 0) + 1)
  }

  #result(): LoadResult {
    const entries = Object.entries(this.#directions).map(([name, direction]) => [name, direction.result()])
    return {
      io: this.#wire.io,
      allocations: this.#flows.length,
      failures: Object.fromEntries(this.#failures),
      planned: Math.floor(this.#options.rate * this.#seconds),
      seconds: this.#seconds,
      directions: Object.fromEntries(entries),
    }
  }
}

/** Does it for all, a bounded number at a time. */
async function forEach<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  let next = 0
  const work = async () => {
    while (next < items.length) await act(items[next++]!)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}
