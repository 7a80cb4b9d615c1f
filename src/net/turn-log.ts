import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import type { Allocation } from '../turn/allocation.ts'
import type { Refusal } from '../turn/effects.ts'
import type { EndReason } from '../turn/end-reason.ts'
import type { TurnEvents } from '../turn/events.ts'
import type { FiveTuple } from '../turn/five-tuple.ts'

/** What a driver says about clients and relays: never more often than a disk can bear. */
export class TurnLog implements TurnEvents {
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

  allocationOpened(allocation: Allocation): void {
    if (this.#log.isLevelEnabled('info')) this.#log.info(identity(allocation), 'allocation opened')
  }

  allocationMoved(allocation: Allocation, from: FiveTuple | null): void {
    if (!this.#log.isLevelEnabled('info')) return
    this.#log.info({ ...identity(allocation), from: from?.client.toString() }, 'allocation moved')
  }

  /** One line says all that is worth keeping of a session. */
  allocationEnded(allocation: Allocation, reason: EndReason, detail: string | null): void {
    // Whoever it has gone to says so.
    if (reason === 'moved' || !this.#log.isLevelEnabled('info')) return
    const { createdAt, toPeerPackets, toPeerBytes, toClientPackets, toClientBytes } = allocation
    const seconds = Math.round((this.#clock() - createdAt) / 1000)
    const traffic = { toPeerPackets, toPeerBytes, toClientPackets, toClientBytes }
    const why = { reason, ...(detail === null ? {} : { detail }) }
    const { droppedToPeer, droppedToClient } = allocation
    const lost = { ...(droppedToPeer && { droppedToPeer }), ...(droppedToClient && { droppedToClient }) }
    this.#log.info({ ...identity(allocation), ...why, seconds, ...traffic, ...lost }, 'allocation ended')
  }

  channelOpened(): void {}

  channelRenewed(): void {}

  channelClosed(): void {}
}

/** Whose it is, in the words that operators search for. */
function identity({ id, client, username, relays }: Allocation) {
  const addresses = relays.map(({ local }) => local.toString())
  const { transport } = client
  return { id, client: client.client.toString(), transport, relay: addresses.join(' '), username }
}
