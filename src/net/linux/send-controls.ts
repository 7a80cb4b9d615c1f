import { ControlMessages, IP, IPV6, type Messages, SOL, UDP } from './system-calls.ts'

/** For each message, in this order: length of the pieces, hop limit, traffic class. Most need a part of it alone. */
const LENGTH = 0
const HOP_LIMIT = 1
const TRAFFIC_CLASS = 2
const BLOCK = 3

/** The control messages that messages of one family leave with. */
export class SendControls {
  readonly #messages: Messages
  readonly #controls: ControlMessages
  /** By message: how far the part of its block reaches that it needs. */
  readonly #ends: Uint8Array

  constructor(messages: Messages, capacity: number, family: 4 | 6) {
    this.#messages = messages
    this.#controls = new ControlMessages(capacity * BLOCK)
    this.#ends = new Uint8Array(capacity)
    const level = family === 4 ? SOL.IP : SOL.IPV6
    for (let first = 0; first < capacity * BLOCK; first += BLOCK) {
      this.#controls.begin(first + LENGTH, SOL.UDP, UDP.SEGMENT, 2)
      this.#controls.begin(first + HOP_LIMIT, level, family === 4 ? IP.TTL : IPV6.HOPLIMIT, 4)
      this.#controls.begin(first + TRAFFIC_CLASS, level, family === 4 ? IP.TOS : IPV6.TCLASS, 4)
    }
  }

  /** The message is one datagram. `header`: see relayedHeader. `hopLimit` is what the socket sets by itself. */
  whole(message: number, header: number, hopLimit: number): void {
    if (header === hopLimit) {
      this.#ends[message] = HOP_LIMIT
      this.#use(message, HOP_LIMIT, HOP_LIMIT)
      return
    }
    const trafficClass = header >> 8
    const end = trafficClass === 0 ? TRAFFIC_CLASS : BLOCK
    this.#ends[message] = end
    this.#controls.setValue(message * BLOCK + HOP_LIMIT, header & 0xff)
    this.#controls.setValue(message * BLOCK + TRAFFIC_CLASS, trafficClass)
    // As few as possible: they cost, and from the second on the kernel has to allocate room for them.
    this.#use(message, (header & 0xff) === hopLimit ? TRAFFIC_CLASS : HOP_LIMIT, end)
  }

  /** It is several, each `length` bytes long but for the last one. */
  cut(message: number, length: number): void {
    this.#controls.setValue(message * BLOCK + LENGTH, length)
    this.#use(message, LENGTH, this.#ends[message]!)
  }

  /** Back to one. */
  uncut(message: number): void {
    this.#use(message, HOP_LIMIT, this.#ends[message]!)
  }

  #use(message: number, from: number, end: number): void {
    this.#messages.setControls(message, this.#controls, message * BLOCK + from, end - from)
  }
}
