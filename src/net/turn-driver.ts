import type { Log } from '../log.ts'
import type { Address } from '../stun/address.ts'
import type { Allocation, Relay } from '../turn/allocation.ts'
import type { Allocations } from '../turn/allocations.ts'
import type { Effects, Refusal } from '../turn/effects.ts'
import type { TurnEvents } from '../turn/events.ts'
import type { FiveTuple } from '../turn/five-tuple.ts'
import type { PeerConnection } from '../turn/tcp/peer-connection.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import { ClientDatagrams } from './client-datagrams.ts'
import { NetCounters } from './counters.ts'
import type { OpenDtls } from './dtls/endpoint.ts'
import { SocketErrors } from './socket-errors.ts'
import type { StreamLimits } from './stream/options.ts'
import type { StreamServer, StreamServerOptions } from './stream/stream.ts'
import type { TlsOptions } from './stream/tls-context.ts'
import type { OpenPeerPort } from './tcp-relay/peer-port.ts'
import { TcpRelays, type TcpRelaysWorld } from './tcp-relay/tcp-relays.ts'
import { TurnLog } from './turn-log.ts'
import type { UdpPlane, UdpPlaneWorld } from './udp/udp-plane.ts'

/** What the driver needs of a TurnServer. */
export type TurnCore = UdpPlaneWorld['turn'] &
  TcpRelaysWorld['turn'] &
  Pick<TurnServer, 'receive' | 'clientClosed' | 'hasAllocation' | 'hasClients' | 'sweep'> & {
    readonly allocations: Iterable<Allocation> & Pick<Allocations, 'release'>
  }

/** Clients that come by TCP and TLS. */
export type ClientStreams = Pick<
  StreamServer,
  | 'send'
  | 'flush'
  | 'closeClient'
  | 'pauseClient'
  | 'resumeClient'
  | 'handOver'
  | 'limit'
  | 'reload'
  | 'sweep'
  | 'close'
>

/** Whom a ClientStreams hands what comes in, and what it counts by. */
type StreamWorld = Pick<
  StreamServerOptions,
  'counters' | 'errors' | 'clock' | 'nextConnection' | 'receive' | 'hasAllocation' | 'limited' | 'closed'
>

export interface TurnDriverOptions<P extends UdpPlane, S extends ClientStreams | null> {
  /** Called at once, like `makeStreams`: driver and plane need each other. */
  readonly makePlane: (world: UdpPlaneWorld) => P
  /** Null for neither TCP nor TLS. Throws when TLS cannot be used. */
  readonly makeStreams: (world: StreamWorld) => S
  readonly dtls: OpenDtls | null
  /** How the relays of TCP allocations get their ports. */
  readonly openPort: OpenPeerPort
  /** Something was begun that only the event loop can bring to an end. */
  readonly begun: () => void
  /** There is something for `work` to do. */
  readonly waiting: () => void
  readonly log: Log
  /** Monotonic milliseconds. */
  readonly clock: () => number
}

/**
 * One TurnServer and its clients by every transport: carries out its effects, and says in the log what became of them.
 * It is run by PortableTurn or RelayLoop.
 */
export class TurnDriver<
  T extends TurnCore = TurnServer,
  P extends UdpPlane = UdpPlane,
  S extends ClientStreams | null = ClientStreams | null,
> implements Effects
{
  readonly turn: T
  readonly plane: P
  readonly streams: S
  /** The relays of TCP allocations. */
  readonly tcpRelays: TcpRelays
  readonly counters = new NetCounters()
  readonly errors: SocketErrors
  readonly #clock: () => number
  readonly #datagrams: ClientDatagrams
  readonly #log: TurnLog
  #connections = 0

  /** `makeTurn` is called at once: core and driver need each other. Throws when `tls` or `dtls` cannot be used. */
  constructor(options: TurnDriverOptions<P, S>, makeTurn: (effects: Effects, events: TurnEvents) => T) {
    const { clock, log, waiting } = options
    const { counters } = this
    const turnLog = new TurnLog(log, clock)
    const errors = new SocketErrors(log, clock)
    const nextConnection = () => ++this.#connections
    const turn = makeTurn(this, turnLog)
    this.turn = turn
    this.errors = errors
    this.#clock = clock
    this.#log = turnLog
    const datagrams = new ClientDatagrams(options.dtls, turn, counters, {
      ...{ clock, nextConnection, waiting },
      sendDatagram: (to, bytes, start, end) => this.plane.sendToClient(to, bytes, start, end),
    })
    this.#datagrams = datagrams
    this.plane = options.makePlane({ clients: datagrams, turn, counters, errors, log, clock })
    this.streams = options.makeStreams({
      ...{ counters, errors, clock, nextConnection },
      hasAllocation: (client) => turn.hasAllocation(client),
      receive: (bytes, start, end, client, now) => turn.receive(bytes, start, end, client, now),
      limited: (reason, host) => turnLog.limited(reason, host),
      closed: (client) => turn.clientClosed(client, clock()),
    })
    this.tcpRelays = new TcpRelays({
      ...{ turn, counters, errors, clock, openPort: options.openPort, begun: options.begun },
      handOver: (client, taken, gone) => this.streams!.handOver(client, taken, gone),
    })
  }

  /** Sockets of relayed addresses now open. */
  get openRelays(): number {
    return this.plane.openRelays + this.tcpRelays.size
  }

  /** Other limits for the connections there are, and for new ones. */
  limitStreams(limits: StreamLimits): void {
    this.streams?.limit(limits)
  }

  /** New TLS handshakes get these certificates; live connections notice nothing. Throws, and keeps the old, if they are bad. */
  reload(tls: TlsOptions | null): void {
    this.streams?.reload(tls)
  }

  /** A bounded part of the DTLS handshake work that waits; true while more could be done at once. */
  work(now: number): boolean {
    if (!this.#datagrams.isWaiting) return false
    const hasMore = this.#datagrams.work(now)
    this.flush()
    return hasMore
  }

  /** What is due by time; to be called about once a second. */
  sweep(now: number): void {
    this.turn.sweep(now)
    this.#datagrams.sweep(now)
    this.streams?.sweep(now)
    this.tcpRelays.sweep(now)
    this.plane.sweep(now)
  }

  /** Sends what an input that came neither by UDP nor by a stream has led to. */
  flush(): void {
    this.plane.flush()
    this.streams?.flush()
  }

  /** Ends every connection and allocation and closes every socket. */
  async close(): Promise<void> {
    const { turn, plane } = this
    // Clients first, so that nobody asks for another relay while the last ones are closed.
    await this.streams?.close()
    this.#datagrams.close()
    plane.flush()
    await plane.stopListening()
    for (const allocation of turn.allocations) turn.allocations.release(allocation, 'stopped', this.#clock())
    await this.tcpRelays.close()
    await plane.close()
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    if (client.connection === 0) this.plane.sendToClient(client, bytes, start, end)
    else if (client.isStream) this.streams?.send(client, bytes, start, end)
    else this.#datagrams.sendByDtls(client, bytes, start, end)
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    this.plane.answerFrom(server, client, bytes, start, end)
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    this.plane.sendToPeer(relay, peer, bytes, start, end, dontFragment)
  }

  openRelay(relay: Relay): void {
    if (isTcp(relay)) this.tcpRelays.openRelay(relay)
    else this.plane.openRelay(relay)
  }

  closeRelay(relay: Relay): void {
    if (isTcp(relay)) this.tcpRelays.closeRelay(relay)
    else this.plane.closeRelay(relay)
  }

  closeReserved(local: Address): void {
    this.plane.closeReserved(local)
  }

  closeClient(client: FiveTuple): void {
    if (client.isStream) this.streams?.closeClient(client)
    else this.#datagrams.closeClient(client)
  }

  connectPeer(connection: PeerConnection): void {
    this.tcpRelays.connectPeer(connection)
  }

  closePeer(connection: PeerConnection): void {
    this.tcpRelays.closePeer(connection)
  }

  joinPeer(client: FiveTuple, connection: PeerConnection): void {
    this.tcpRelays.joinPeer(client, connection)
  }

  pauseClient(client: FiveTuple): void {
    this.streams?.pauseClient(client)
  }

  resumeClient(client: FiveTuple): void {
    this.streams?.resumeClient(client)
  }

  refused(client: FiveTuple, refusal: Refusal): void {
    this.#log.refused(client, refusal)
  }
}

function isTcp({ allocation }: Relay): boolean {
  return allocation.request.transport === 'tcp'
}
