import type { FiveTuple } from '../../turn/five-tuple.ts'
import type { DtlsConnection } from './connection.ts'
import { clientRandom, hasClientRandom, isEncrypted, isPlausible, recordOverhead } from './record.ts'

/** One client behind its own handshake. */
export class DtlsSession {
  readonly client: FiveTuple
  readonly connection: DtlsConnection
  readonly startedAt: number
  /** When its last datagram came that was really its own. */
  heardAt: number
  isOver = false
  /** OpenSSL has looked at the ClientHello, and the signature for the answer was made. */
  hasBegun = false
  /** What the client has said meanwhile. */
  readonly postponed: Buffer[] = []
  readonly #random: Buffer
  #isOpen = false
  #overhead = 0
  #early = 0

  /** `bytes` has the ClientHello with the cookie at `start`. */
  constructor(client: FiveTuple, connection: DtlsConnection, bytes: Buffer, start: number, now: number) {
    this.client = client
    this.connection = connection
    this.startedAt = now
    this.heardAt = now
    this.#random = clientRandom(bytes, start)
  }

  /** Whether the handshake is done. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  open(): void {
    this.#isOpen = true
    this.#overhead = recordOverhead(this.connection.cipher())
  }

  /** Whether a ClientHello is a copy of the one that began it. */
  beganWith(bytes: Buffer, start: number): boolean {
    return hasClientRandom(bytes, start, this.#random)
  }

  /** Keeps a borrowed datagram until it is the handshake's turn; false when too many are kept already. */
  postpone(bytes: Buffer, start: number, end: number): boolean {
    if (this.postponed.length >= MAX_POSTPONED) return false
    this.postponed.push(Buffer.from(bytes.subarray(start, end)))
    return true
  }

  /** Whether a datagram is worth OpenSSL's while. */
  admits(bytes: Buffer, start: number, end: number): boolean {
    if (!isPlausible(bytes, start, end, this.#overhead)) return false
    // Until it has the keys OpenSSL keeps encrypted records, each in 16 KiB of its own.
    return this.#isOpen || !isEncrypted(bytes, start, end) || ++this.#early <= MAX_EARLY_DATAGRAMS
  }
}

/** A client's longest flight, each record in a datagram of its own, and some data behind it. */
const MAX_POSTPONED = 8
/** Enough for a Finished that is repeated as long as the handshake may last, with some data behind it. */
const MAX_EARLY_DATAGRAMS = 6
