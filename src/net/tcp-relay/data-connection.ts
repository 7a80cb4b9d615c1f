import type { Socket } from 'node:net'
import type { Direction } from '../../shared/stream-traffic.ts'

export interface DataConnectionEvents {
  /** So many bytes have been read; for how many milliseconds no more of them are to be. */
  passed(direction: Direction, bytes: number): number
  /** An error of the connection with the peer, which closes. Those of the client's are their owner's. */
  failed(error: Error): void
  /** Both are closed: called once. */
  ended(): void
}

/** How long what is written may take to leave when one side is gone already. */
const LINGER_MS = 10_000

/**
 * A client's data connection and the connection with its peer: what comes from one goes to the other as it is, ends of streams too
 * (RFC 6062 §5.4). What one side does not take is not read from the other.
 */
export class DataConnection {
  readonly #client: Socket
  readonly #peer: Socket
  readonly #events: DataConnectionEvents
  readonly #flows: readonly Flow[]
  #open = 2
  /** One is closed, or both are to be: that one half has ended may last. */
  #isEnding = false
  #endingSince: number | null = null

  /** `early` is what the client has sent behind its ConnectionBind. */
  constructor(client: Socket, peer: Socket, early: Buffer, events: DataConnectionEvents) {
    this.#client = client
    this.#peer = peer
    this.#events = events
    client.allowHalfOpen = true
    const toPeer = new Flow(client, peer, (bytes) => events.passed('toPeer', bytes))
    const toClient = new Flow(peer, client, (bytes) => events.passed('toClient', bytes))
    this.#flows = [toPeer, toClient]
    peer.on('error', (error) => events.failed(error))
    this.#watch(client, peer)
    this.#watch(peer, client)
    if (early.length > 0) toPeer.write(early)
    toPeer.start()
    toClient.start()
  }

  /** Ends both, after what has been read is written. */
  close(): void {
    this.#end()
    this.#client.destroySoon()
    this.#peer.destroySoon()
  }

  /** Once a second: whoever does not take the rest in time goes without. */
  sweep(now: number): void {
    if (!this.#isEnding) return
    this.#endingSince ??= now
    if (now - this.#endingSince < LINGER_MS) return
    this.destroy()
  }

  destroy(): void {
    this.#client.destroy()
    this.#peer.destroy()
  }

  #end(): void {
    this.#isEnding = true
    for (const flow of this.#flows) flow.stop()
  }

  #watch(socket: Socket, other: Socket): void {
    const closed = () => {
      this.#end()
      other.destroySoon()
      this.#open--
      if (this.#open === 0) this.#events.ended()
    }
    if (socket.closed) closed()
    else socket.once('close', closed)
  }
}

/** One direction of it. */
class Flow {
  readonly #from: Socket
  readonly #to: Socket
  readonly #passed: (bytes: number) => number
  #isFull = false
  #rest: NodeJS.Timeout | null = null
  #isStopped = false

  constructor(from: Socket, to: Socket, passed: (bytes: number) => number) {
    this.#from = from
    this.#to = to
    this.#passed = passed
  }

  start(): void {
    this.#from.on('data', this.#onData)
    this.#from.once('end', () => this.#to.end())
    this.#to.on('drain', this.#onDrain)
    this.#goOn()
  }

  write(bytes: Buffer): void {
    const restMs = this.#passed(bytes.length)
    if (!this.#to.write(bytes)) this.#isFull = true
    if (restMs > 0) this.#restFor(restMs)
    if (this.#isFull || this.#rest !== null) this.#from.pause()
  }

  /** Reads no more. */
  stop(): void {
    this.#isStopped = true
    if (this.#rest !== null) clearTimeout(this.#rest)
    this.#from.off('data', this.#onData)
    this.#from.pause()
  }

  readonly #onData = (bytes: Buffer): void => this.write(bytes)

  readonly #onDrain = (): void => {
    this.#isFull = false
    this.#goOn()
  }

  #restFor(milliseconds: number): void {
    this.#rest = setTimeout(() => {
      this.#rest = null
      this.#goOn()
    }, milliseconds)
  }

  #goOn(): void {
    if (!this.#isFull && this.#rest === null && !this.#isStopped) this.#from.resume()
  }
}
