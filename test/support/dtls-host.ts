import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DtlsEndpoint, type DtlsEndpointOptions, type DtlsSession } from '../../src/net/dtls.ts'
import { Address } from '../../src/stun/address.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/dtls/${name}`, import.meta.url), 'utf8')

/** A small certificate, and one with a chain that needs several datagrams. */
export const leaf = { cert: fixture('leaf.pem'), key: fixture('leaf.key.pem') }
export const chain = { cert: fixture('chain.pem'), key: fixture('chain.key.pem') }

/** A DtlsEndpoint that remembers everything it says; `deliver` is the wire. Time stands still until `now` is changed. */
export class DtlsHost {
  readonly endpoint: DtlsEndpoint
  readonly sent: { readonly to: string; readonly bytes: Buffer }[] = []
  readonly data: { readonly session: DtlsSession; readonly bytes: Buffer }[] = []
  readonly opened: DtlsSession[] = []
  readonly closed: { readonly session: DtlsSession; readonly reason: string }[] = []
  readonly failed: string[] = []
  readonly inUse = new Set<DtlsSession>()
  now = 0
  deliver: (to: Address, bytes: Buffer) => void = () => {}
  onData: (session: DtlsSession, bytes: Buffer) => void = () => {}
  #connection = 0

  constructor(options: Partial<DtlsEndpointOptions> = {}) {
    const nextConnection = () => ++this.#connection
    this.endpoint = new DtlsEndpoint(
      { ...leaf, nextConnection, random: randomBytes, ...options },
      {
        opened: (session) => this.opened.push(session),
        data: (session, bytes, start, end) => {
          const copy = Buffer.from(bytes.subarray(start, end))
          this.data.push({ session, bytes: copy })
          this.onData(session, copy)
        },
        closed: (session, reason) => this.closed.push({ session, reason }),
        failed: (_client, reason) => this.failed.push(reason),
        send: (client, _server, _listener, bytes, start, end) => {
          const copy = Buffer.from(bytes.subarray(start, end))
          this.sent.push({ to: client.toString(), bytes: copy })
          this.deliver(client.copy(), copy)
        },
        inUse: (session) => this.inUse.has(session),
      },
    )
  }

  /** One datagram from a client, lying somewhere inside a larger buffer as a driver's does. */
  receive(bytes: Buffer, client: Address, listener = 0): void {
    const padded = Buffer.concat([Buffer.alloc(48, 0xaa), bytes, Buffer.alloc(12, 0xaa)])
    this.endpoint.receive(padded, 48, 48 + bytes.length, client, listener, SERVER, this.now)
  }

  /** What is sent in answer to one datagram. */
  answers(bytes: Buffer, client: Address, listener = 0): Buffer[] {
    const before = this.sent.length
    this.receive(bytes, client, listener)
    return this.sent.slice(before).map((datagram) => datagram.bytes)
  }
}

const SERVER = Address.parse('192.0.2.1', 5349)!
