import type { Address } from '../stun/address.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** The client's end of one 5-tuple: whole messages out and, borrowed, in. */
export interface Link {
  readonly transport: ClientTransport
  readonly localPort: number
  send(bytes: Buffer, start: number, end: number): void
  /** Tells the server nothing. */
  close(): Promise<void>
}

export interface LinkOptions {
  readonly transport: ClientTransport
  readonly server: Address
  /** What a TLS server is asked for; null for none. */
  readonly serverName?: string | null
  /** Where datagrams leave from; any free port unless told. */
  readonly local?: Address | null
  readonly onMessage: (bytes: Buffer, start: number, end: number, now: number) => void
}
