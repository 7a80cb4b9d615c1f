import type { Log } from '../log.ts'
import type { Effects } from '../turn/effects.ts'
import type { TurnEvents } from '../turn/events.ts'
import type { TurnServer } from '../turn/turn-server.ts'
import type { OpenDtls } from './dtls/endpoint.ts'
import type { StreamListener } from './stream/listeners.ts'
import { LoopStreams } from './stream/loop-streams.ts'
import type { StreamServerOptions } from './stream/stream.ts'
import { openSharedPort } from './tcp-relay/shared-port.ts'
import { TurnDriver } from './turn-driver.ts'
import { BatchPlane, type BatchPlaneOptions } from './udp/batch-plane.ts'

export interface RelayLoopOptions extends BatchPlaneOptions {
  readonly dtls: OpenDtls | null
  /** TCP and TLS; null for none. */
  readonly streams: RelayStreams | null
  readonly log: Log
  /** Monotonic milliseconds. */
  readonly clock: () => number
}

/** What TCP and TLS clients are served with. */
type RelayStreams = Pick<StreamServerOptions, 'limits' | 'places' | 'handshakes' | 'http' | 'tls'> & {
  readonly listeners: readonly StreamListener[]
}

/** How long the thread sleeps when nothing arrives: then it looks after time and its event loop. */
const MAX_WAIT_MS = 50
/** How long it relays without a look at its event loop. */
const MAX_BUSY_MS = 50
const SWEEP_MS = 1000

/** Runs a TurnDriver on a thread that does nothing else: it waits for packets, and not for its event loop. */
export class RelayLoop {
  readonly driver: TurnDriver<TurnServer, BatchPlane, LoopStreams | null>
  readonly #clock: () => number
  #sweptAt: number
  /** There is handshake work that need not wait for packets. */
  #hasHandshakes = false

  constructor(options: RelayLoopOptions, makeTurn: (effects: Effects, events: TurnEvents) => TurnServer) {
    const { clock, log, dtls, streams } = options
    this.#clock = clock
    this.#sweptAt = clock()
    this.driver = new TurnDriver(
      {
        ...{ log, clock, dtls, openPort: openSharedPort },
        begun: () => this.driver.streams?.begun(),
        // Each look at the packets is followed by one at the handshakes.
        waiting: () => {},
        makePlane: (world) => new BatchPlane(options, world),
        makeStreams: (world) =>
          streams && new LoopStreams({ ...world, ...streams, log, watch: (fd) => this.#watch(fd) }),
      },
      makeTurn,
    )
  }

  /** Relays for a while, then comes back; at once when the event loop has something to do. To be called in each pass of that. */
  run(): void {
    const { driver } = this
    const { plane, streams } = driver
    // What clients have sent by streams since.
    driver.flush()
    const wait = streams === null ? MAX_WAIT_MS : streams.rest(MAX_WAIT_MS)
    const began = this.#clock()
    let now: number
    do {
      now = plane.poll(this.#hasHandshakes ? 0 : wait)
      this.#hasHandshakes = driver.work(now)
      streams?.flush()
      if (now - this.#sweptAt >= SWEEP_MS) this.#sweep(now)
    } while (now - began < MAX_BUSY_MS && wait > 0 && streams?.isWanted !== true)
  }

  #sweep(now: number): void {
    this.#sweptAt = now
    this.driver.sweep(now)
  }

  #watch(poller: number): void {
    const { plane, streams } = this.driver
    plane.watch(poller, () => streams!.wanted())
  }
}
