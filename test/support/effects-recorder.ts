import type { Address } from '../../src/stun/address.ts'
import type { Relay } from '../../src/turn/allocation.ts'
import type { Effects, Refusal } from '../../src/turn/effects.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import type { PeerConnection } from '../../src/turn/tcp/peer-connection.ts'

export interface ToClient {
  readonly client: FiveTuple
  readonly bytes: Buffer
}

export interface ToPeer {
  readonly relay: Relay
  readonly peer: string
  readonly data: Buffer
}

/** Keeps copies of all that the core asked for, in order. */
export class EffectsRecorder implements Effects {
  readonly toClient: ToClient[] = []
  readonly toPeer: ToPeer[] = []
  /** Relays whose socket has been asked for and not been answered. */
  readonly opening: Relay[] = []
  readonly open = new Set<Relay>()
  /** Ports held for whoever brings the token: whoever opens relays enters them. */
  readonly held = new Set<string>()
  readonly closedClients: FiveTuple[] = []
  readonly refusals: Refusal[] = []
  /** Peers that are being connected to. */
  readonly connecting: PeerConnection[] = []
  /** Those that are connected: whoever connects or lets them arrive enters them. */
  readonly peers = new Set<PeerConnection>()
  /** Data connections, by FiveTuple.connection. */
  readonly joined = new Map<number, PeerConnection>()
  /** Clients that nothing more is read from, by FiveTuple.connection. */
  readonly paused = new Set<number>()

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    this.toClient.push({ client: client.copy(), bytes: Buffer.from(bytes.subarray(start, end)) })
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    const path = new FiveTuple('udp', client.copy(), server.copy(), 0, 0)
    this.toClient.push({ client: path, bytes: Buffer.from(bytes.subarray(start, end)) })
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, _dontFragment?: boolean): void {
    if (!this.open.has(relay)) throw new Error('sent through a relay that is not open')
    this.toPeer.push({ relay, peer: peer.toString(), data: Buffer.from(bytes.subarray(start, end)) })
  }

  openRelay(relay: Relay): void {
    this.opening.push(relay)
  }

  closeRelay(relay: Relay): void {
    const at = this.opening.indexOf(relay)
    if (at >= 0) this.opening.splice(at, 1)
    else if (!this.open.delete(relay)) throw new Error('closed a relay that was never opened')
  }

  closeReserved(local: Address): void {
    this.held.delete(local.toString())
  }

  closeClient(client: FiveTuple): void {
    this.closedClients.push(client.copy())
  }

  connectPeer(connection: PeerConnection): void {
    if (connection.relay === null || !this.open.has(connection.relay)) throw new Error('connects from a closed relay')
    this.connecting.push(connection)
  }

  closePeer(connection: PeerConnection): void {
    const at = this.connecting.indexOf(connection)
    if (at >= 0) this.connecting.splice(at, 1)
    else if (!this.peers.delete(connection)) throw new Error('closed a peer that was never there')
    for (const [client, joined] of this.joined) if (joined === connection) this.joined.delete(client)
  }

  joinPeer(client: FiveTuple, connection: PeerConnection): void {
    if (!this.peers.has(connection)) throw new Error('joined with a peer that is not there')
    this.paused.delete(client.connection)
    this.joined.set(client.connection, connection)
  }

  pauseClient(client: FiveTuple): void {
    this.paused.add(client.connection)
  }

  resumeClient(client: FiveTuple): void {
    this.paused.delete(client.connection)
  }

  refused(_client: FiveTuple, refusal: Refusal): void {
    this.refusals.push(refusal)
  }

  /** Forgets what was sent so far. */
  clear(): void {
    this.toClient.length = 0
    this.toPeer.length = 0
    this.refusals.length = 0
    this.closedClients.length = 0
  }
}
