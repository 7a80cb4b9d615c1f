import type { FiveTuple } from '../turn/five-tuple.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import type { NetCounters } from './counters.ts'
import type { DtlsEndpoint, DtlsWorld, OpenDtls } from './dtls/endpoint.ts'

/** What clients send by UDP: messages for the TURN server, as they are or inside DTLS (RFC 7983 §7). */
export class ClientDatagrams {
  readonly #turn: Pick<TurnServer, 'receive' | 'hasAllocation' | 'hasClients'>
  readonly #counters: NetCounters
  readonly #dtls: DtlsEndpoint | null

  /** Throws when `openDtls` does. */
  constructor(
    openDtls: OpenDtls | null,
    turn: Pick<TurnServer, 'receive' | 'hasAllocation' | 'hasClients' | 'clientClosed'>,
    counters: NetCounters,
    world: Pick<DtlsWorld, 'sendDatagram' | 'nextConnection' | 'clock' | 'waiting'>,
  ) {
    const traffic = counters.clients.dtls
    this.#turn = turn
    this.#counters = counters
    this.#dtls =
      openDtls?.({
        ...world,
        counters: counters.dtls,
        hasAllocation: (client) => turn.hasAllocation(client),
        receive: (bytes, start, end, client, now) => {
          traffic.receivedPackets++
          traffic.receivedBytes += end - start
          turn.receive(bytes, start, end, client, now)
        },
        closed: (client, now) => turn.clientClosed(client, now),
      }) ?? null
  }

  /** One borrowed datagram; `client` is the plain UDP 5-tuple it came by. */
  receive(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    if (start === end) {
      this.#counters.dropped.empty++
      return
    }
    const first = bytes[start]!
    if (first >= 20 && first <= 63) {
      if (this.#dtls === null) this.#counters.dropped['no-dtls']++
      else this.#dtls.receive(bytes, start, end, client, now)
      return
    }
    this.#turn.receive(bytes, start, end, client, now)
  }

  /** The same where no new clients are taken: from those alone that are here. */
  receiveKnown(bytes: Buffer, start: number, end: number, client: FiveTuple, now: number): void {
    if (this.#turn.hasAllocation(client) || this.#dtls?.has(client) === true)
      this.receive(bytes, start, end, client, now)
    else this.#counters.dropped['closing-listener']++
  }

  /** Whether somebody is here who came by this FiveTuple.listener. */
  has(listener: number): boolean {
    return this.#turn.hasClients(listener) || this.#dtls?.hasClients(listener) === true
  }

  /** Encrypts borrowed bytes for a client whose transport is DTLS. */
  sendByDtls(client: FiveTuple, bytes: Buffer, start: number, end: number): void {
    const traffic = this.#counters.clients.dtls
    traffic.sentPackets++
    traffic.sentBytes += end - start
    this.#dtls?.send(client, bytes, start, end)
  }

  /** Ends the DTLS association of a client. */
  closeClient(client: FiveTuple): void {
    this.#dtls?.closeClient(client)
  }

  /** Handshakes want to be worked on. */
  get isWaiting(): boolean {
    return this.#dtls?.isWaiting ?? false
  }

  /** A bounded part of that; true while more could be done at once (DtlsEndpoint). */
  work(now: number): boolean {
    return this.#dtls?.work(now) ?? false
  }

  sweep(now: number): void {
    this.#dtls?.sweep(now)
  }

  /** Says close_notify to all DTLS clients. */
  close(): void {
    this.#dtls?.close()
  }
}
