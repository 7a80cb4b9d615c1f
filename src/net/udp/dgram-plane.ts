import type { Address } from '../../stun/address.ts'
import type { Relay } from '../../turn/allocation.ts'
import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { UdpEndpoint } from '../listen/interfaces.ts'
import type { ListenChange, Wanted } from '../listen/listen-change.ts'
import { RelaySockets } from './relay-sockets.ts'
import type { OpenUdpSocket } from './udp.ts'
import { UdpListeners } from './udp-listeners.ts'
import type { UdpPlane, UdpPlaneWorld } from './udp-plane.ts'

export interface DgramPlaneOptions {
  readonly openUdp: OpenUdpSocket
  /** For each socket. */
  readonly bufferSize: number
}

/** The portable plane: a socket of Node's for each address, and each datagram for itself. */
export class DgramPlane implements UdpPlane {
  readonly #listeners: UdpListeners
  readonly #relays: RelaySockets

  constructor(options: DgramPlaneOptions, { clients, turn, counters, errors, log, clock }: UdpPlaneWorld) {
    this.#listeners = new UdpListeners({
      ...{ ...options, counters, errors, log },
      onDatagram: (bytes, start, end, client) => clients.receive(bytes, start, end, client, clock()),
      onKnownOnly: (bytes, start, end, client) => clients.receiveKnown(bytes, start, end, client, clock()),
      hasClients: (listener) => clients.has(listener),
    })
    this.#relays = new RelaySockets({
      ...{ ...options, counters, errors },
      onOpened: (relay) => turn.relayOpened(relay, clock()),
      onFailed: (relay, reason) => turn.relayFailed(relay, reason, clock()),
      onDatagram: (relay, peer, bytes, start, end) => turn.peerData(relay, peer, bytes, start, end, clock()),
    })
  }

  /** What new clients may come by. */
  get addresses(): readonly Address[] {
    return this.#listeners.addresses
  }

  get openRelays(): number {
    return this.#relays.size
  }

  /** Listens elsewhere than now. Throws ListenError, and changes nothing. */
  prepare(endpoints: readonly UdpEndpoint[], wanted: Wanted): Promise<ListenChange> {
    return this.#listeners.prepare(endpoints, wanted)
  }

  sendToClient(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    this.#listeners.send(client, bytes, start, end)
  }

  answerFrom(server: Address, client: Address, bytes: Buffer, start: number, end: number): void {
    this.#listeners.answerFrom(server, client, bytes, start, end)
  }

  sendToPeer(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, dontFragment: boolean): void {
    this.#relays.send(relay, peer, bytes, start, end, dontFragment)
  }

  openRelay(relay: Relay): void {
    this.#relays.open(relay)
  }

  closeRelay(relay: Relay): void {
    this.#relays.close(relay)
  }

  closeReserved(local: Address): void {
    this.#relays.closeReserved(local)
  }

  /** Nothing waits here. */
  flush(): void {}

  sweep(): void {
    this.#listeners.sweep()
  }

  stopListening(): Promise<void> {
    return this.#listeners.close()
  }

  close(): Promise<void> {
    return this.#relays.closeAll()
  }
}
