import { type AmountLimits, SourceShares } from '../rooms/source-shares.ts'
import type { Connection } from './connection.ts'

/** What has been sent to WebSockets and not read: bounded in all and for each address. */
export class Unread {
  readonly #shares: SourceShares

  constructor(limits: AmountLimits) {
    this.#shares = new SourceShares(limits)
  }

  get bytes(): number {
    return this.#shares.taken
  }

  /** How often it was too much, at which a socket was closed. */
  get refused(): SourceShares['refused'] {
    return this.#shares.refused
  }

  apply(limits: AmountLimits): void {
    this.#shares.apply(limits)
  }

  /** Counts what `connection` has not read now. Where its address has too much of that, the socket there that has most is closed. */
  weigh(connection: Connection, all: Iterable<Connection>): void {
    const { bufferedAmount } = connection.socket
    if (bufferedAmount === connection.unread) return
    this.forget(connection)
    while (!this.#shares.take(connection.address, bufferedAmount)) {
      const slowest = slowestOf(connection, bufferedAmount, all)
      slowest.socket.terminate()
      this.forget(slowest)
      if (slowest === connection) return
    }
    connection.unread = bufferedAmount
  }

  /** The socket is closed: nothing waits for it any more. */
  forget(connection: Connection): void {
    this.#shares.give(connection.address, connection.unread)
    connection.unread = 0
  }
}

/** Of the address of `connection`, which has `unread` bytes itself. */
function slowestOf(connection: Connection, unread: number, all: Iterable<Connection>): Connection {
  let slowest = connection
  let most = unread
  for (const other of all) {
    if (other.address !== connection.address || other.unread <= most) continue
    slowest = other
    most = other.unread
  }
  return slowest
}
