import { NetCounters } from '../net/counters.ts'
import { Counters } from '../turn/counters.ts'
import type { ClientTransport } from '../turn/five-tuple.ts'

/** What one thread or several relay now, and have counted so far. */
export class TurnReadings {
  readonly turn: Counters
  readonly net: NetCounters
  /** Allocations now, by the client's transport. */
  readonly allocations: Record<ClientTransport, number> = { udp: 0, dtls: 0, tcp: 0, tls: 0 }
  readonly relays = { open: 0 }

  constructor(turn = new Counters(), net = new NetCounters()) {
    this.turn = turn
    this.net = net
  }

  /** Says what is the case now. */
  update(openAllocations: Readonly<Record<ClientTransport, number>>, openRelays: number): void {
    Object.assign(this.allocations, openAllocations)
    this.relays.open = openRelays
  }
}

const FIRST_CODE = 300
const CODES = 400

/** Counters of one thread in memory that all threads see: written by their owner alone, read at scrape time, no locks. */
export class SharedCounters {
  readonly memory: SharedArrayBuffer
  readonly #numbers: Float64Array

  constructor(memory?: SharedArrayBuffer) {
    const count = leavesOf(new TurnReadings()).length + CODES
    this.memory = memory ?? new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT)
    this.#numbers = new Float64Array(this.memory)
  }

  /** Makes all of `source` visible; the same objects are to be given every time. */
  publisher(source: TurnReadings): () => void {
    const leaves = leavesOf(source)
    const { errors } = source.turn
    return () => {
      for (let i = 0; i < leaves.length; i++) this.#numbers[i] = leaves[i]!.holder[leaves[i]!.key]!
      for (const [code, count] of errors) {
        const place = code - FIRST_CODE
        if (place >= 0 && place < CODES) this.#numbers[leaves.length + place] = count
      }
    }
  }

  /** Adds everything to `sum`. */
  addTo(sum: TurnReadings): void {
    const leaves = leavesOf(sum)
    for (let i = 0; i < leaves.length; i++) leaves[i]!.holder[leaves[i]!.key]! += this.#numbers[i]!
    for (let place = 0; place < CODES; place++) {
      const count = this.#numbers[leaves.length + place]!
      if (count > 0) {
        const code = FIRST_CODE + place
        sum.turn.errors.set(code, (sum.turn.errors.get(code) ?? 0) + count)
      }
    }
  }

  /** Takes over what a thread that is no more has counted; what was the case in it is over, its allocations have ended. */
  inherit(other: SharedCounters): void {
    const readings = new TurnReadings()
    const leaves = leavesOf(readings)
    for (let i = 0; i < this.#numbers.length; i++) if (!leaves[i]?.isGauge) this.#numbers[i]! += other.#numbers[i]!
    const place = (holder: object, name: string) =>
      leaves.findIndex((leaf) => leaf.holder === holder && leaf.key === name)
    const { turn } = readings
    const [created, came, left] = [
      place(turn, 'allocationsCreated'),
      place(turn.handovers, 'in'),
      place(turn.handovers, 'out'),
    ]
    const ended = this.#numbers[created]! + this.#numbers[came]! - this.#numbers[left]!
    const toldOf = this.#numbers[place(turn, 'allocationsEnded')]!
    this.#numbers[place(turn, 'allocationsEnded')] = ended
    this.#numbers[place(turn.endedBy, 'thread-died')]! += ended - toldOf
  }
}

/** Adds what is counted in this thread to `sum`. */
export function addReadings(sum: TurnReadings, part: TurnReadings): void {
  const leaves = leavesOf(sum)
  for (const [i, { holder, key }] of leavesOf(part).entries()) leaves[i]!.holder[leaves[i]!.key]! += holder[key]!
  for (const [code, count] of part.turn.errors) sum.turn.errors.set(code, (sum.turn.errors.get(code) ?? 0) + count)
}

interface Leaf {
  readonly holder: Record<string, number>
  readonly key: string
  readonly isGauge: boolean
}

const GAUGES = new Set(['allocations', 'relays', 'openConnections', 'handshakes', 'sessions'])

/** Every number in the order of its declaration, which is the same in every thread. */
function leavesOf(value: object, isGauge = false): Leaf[] {
  return Object.entries(value).flatMap(([key, inner]): Leaf[] => {
    // The walk has just seen that the entry is a number.
    const isNow = isGauge || GAUGES.has(key)
    if (typeof inner === 'number') return [{ holder: value as Record<string, number>, key, isGauge: isNow }]
    if (typeof inner !== 'object' || inner instanceof Map) return []
    return leavesOf(inner, isNow)
  })
}
