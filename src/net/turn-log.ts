import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import type { Refusal } from '../turn/effects.ts'
import type { FiveTuple } from '../turn/five-tuple.ts'
import type { Relay } from '../turn/relay-address.ts'

/** What a driver says about clients and relays: never more often than a disk can bear. */
export class TurnLog {
  readonly #log: Log
  readonly #clock: () => number
  readonly #refusals = new OncePerMinute()
  readonly #limits = new OncePerMinute()

  constructor(log: Log, clock: () => number) {
    this.#log = log
    this.#clock = clock
  }

  refused(client: FiveTuple, { method, code, reason, username, realm }: Refusal): void {
    // Everybody's first Allocate is refused like that: it asks for realm and nonce.
    const level = code === 401 && username === undefined ? 'debug' : 'info'
    if (!this.#log.isLevelEnabled(level)) return
    const { host } = client.client
    const held = this.#refusals.pass(`${level} ${code} ${host}`, this.#clock())
    if (held === null) return
    const { transport } = client
    this.#log[level]({ client: host, transport, method, code, reason, username, realm, held }, 'request refused')
  }

  /** A connection was one too many. */
  limited(reason: string, host: string): void {
    const held = this.#limits.pass(reason, this.#clock())
    if (held !== null) this.#log.warn({ reason, client: host, held }, 'connection refused')
  }

  opened(relay: Relay): void {
    this.#relay(relay, 'relay opened')
  }

  closed(relay: Relay): void {
    this.#relay(relay, 'relay closed')
  }

  #relay(relay: Relay, message: string): void {
    if (!this.#log.isLevelEnabled('info')) return
    const { client, username } = relay.allocation
    const { transport } = client
    const address = relay.local.toString()
    this.#log.info({ client: client.client.toString(), transport, relay: address, username }, message)
  }
}
