import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { DtlsCounters } from '../../src/net/counters.ts'
import { type DtlsOptions, DtlsServer } from '../../src/net/dtls/dtls.ts'
import type { HandshakeLimits } from '../../src/net/limits/handshakes.ts'
import { Address } from '../../src/stun/address.ts'
import { FiveTuple } from '../../src/turn/five-tuple.ts'
import { SourceCount } from '../../src/turn/limits/source-count.ts'
import { handshakesAlone } from './handshakes.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/dtls/${name}`, import.meta.url), 'utf8')

/** A small certificate, and one with a chain that needs several datagrams. */
export const leaf = { cert: fixture('leaf.pem'), key: fixture('leaf.key.pem') }
export const chain = { cert: fixture('chain.pem'), key: fixture('chain.key.pem') }

/** A DtlsServer that remembers everything it says; `deliver` is the wire. Time stands still until `now` is changed. */
export class DtlsHost {
  readonly server: DtlsServer
  readonly sent: { readonly to: string; readonly bytes: Buffer }[] = []
  readonly data: { readonly client: FiveTuple; readonly bytes: Buffer }[] = []
  readonly closed: FiveTuple[] = []
  readonly failed: string[] = []
  readonly allocations = new Set<FiveTuple>()
  now = 0
  /** How much time each look at the clock takes. */
  msPerLook = 0
  /** As a driver with nothing else to do; otherwise handshakes wait for `work`. */
  worksAtOnce = true
  deliver: (to: Address, bytes: Buffer) => void = () => {}
  onData: (client: FiveTuple, bytes: Buffer) => void = () => {}
  #connection = 0
  #hasWork = false

  constructor(options: Partial<DtlsOptions> = {}, limits: Partial<HandshakeLimits> = {}) {
    this.server = new DtlsServer(
      {
        identity: leaf,
        random: randomBytes,
        handshakes: handshakesAlone(limits),
        sources: new SourceCount(),
        handshakeFailed: (_client, reason) => this.failed.push(reason),
        ...options,
      },
      {
        sendDatagram: (to, bytes, start, end) => {
          const copy = Buffer.from(bytes.subarray(start, end))
          this.sent.push({ to: to.client.toString(), bytes: copy })
          this.deliver(to.client.copy(), copy)
        },
        receive: (bytes, start, end, client) => {
          const copy = Buffer.from(bytes.subarray(start, end))
          this.data.push({ client, bytes: copy })
          this.onData(client, copy)
        },
        closed: (client) => this.closed.push(client),
        hasAllocation: (client) => this.allocations.has(client),
        nextConnection: () => ++this.#connection,
        clock: () => {
          this.now += this.msPerLook
          return this.now
        },
        waiting: () => {
          this.#hasWork = true
        },
        counters: new DtlsCounters(),
      },
    )
  }

  /** One datagram from a client, lying somewhere inside a larger buffer as a driver's does. */
  receive(bytes: Buffer, client: Address, listener = 0): void {
    const padded = Buffer.concat([Buffer.alloc(48, 0xaa), bytes, Buffer.alloc(12, 0xaa)])
    const source = new FiveTuple('udp', client.copy(), SERVER.copy(), listener, 0)
    this.server.receive(padded, 48, 48 + bytes.length, source, this.now)
    if (this.worksAtOnce) this.work()
    // Both are borrowed: whoever kept them would now keep nonsense.
    padded.fill(0)
    source.client.setIpv4(0, 0)
    source.server.setIpv4(0, 0)
  }

  /** All handshake work that waits and may be done now. */
  work(): void {
    while (this.#hasWork) this.#hasWork = this.server.work(this.now)
  }

  /** What is sent in answer to one datagram. */
  answers(bytes: Buffer, client: Address, listener = 0): Buffer[] {
    const before = this.sent.length
    this.receive(bytes, client, listener)
    return this.sent.slice(before).map((datagram) => datagram.bytes)
  }
}

const SERVER = Address.parse('192.0.2.1', 5349)!
