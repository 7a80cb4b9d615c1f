import {
  CMSGHDR,
  CONTROL_MESSAGE,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_HOPLIMIT,
  IPV6_TCLASS,
  MMSGHDR,
  Region,
  SOL_UDP,
  wordsOf,
} from './structures.ts'

const UDP_SEGMENT = 103
/** For each message, in this order: length of the pieces, hop limit, traffic class. Most need a part of it alone. */
const BLOCK = 3 * CONTROL_MESSAGE
const HOP_LIMIT = CONTROL_MESSAGE
const TRAFFIC_CLASS = 2 * CONTROL_MESSAGE

/** The control messages that messages of one family leave with. */
export class SendControls {
  /** The mmsghdr structures. */
  readonly #messages: Uint32Array
  readonly #blocks: Region
  readonly #words: Uint32Array
  /** By message: how far the part of its block reaches that it needs. */
  readonly #ends: Uint8Array

  constructor(messages: Region, family: 4 | 6) {
    const capacity = messages.bytes.length / MMSGHDR
    this.#messages = wordsOf(messages)
    this.#blocks = new Region(capacity * BLOCK)
    this.#words = wordsOf(this.#blocks)
    this.#ends = new Uint8Array(capacity)
    const level = family === 4 ? IPPROTO_IP : IPPROTO_IPV6
    for (let message = 0; message < capacity; message++) {
      this.#begin(message, 0, 2, SOL_UDP, UDP_SEGMENT)
      this.#begin(message, HOP_LIMIT, 4, level, family === 4 ? IP_TTL : IPV6_HOPLIMIT)
      this.#begin(message, TRAFFIC_CLASS, 4, level, family === 4 ? IP_TOS : IPV6_TCLASS)
    }
  }

  /** The message is one datagram. `header`: see relayedHeader. `hopLimit` is what the socket sets by itself. */
  whole(message: number, header: number, hopLimit: number): void {
    if (header === hopLimit) {
      this.#ends[message] = HOP_LIMIT
      this.#messages[message * 16 + 10] = 0
      return
    }
    const trafficClass = header >> 8
    const end = trafficClass === 0 ? TRAFFIC_CLASS : BLOCK
    this.#ends[message] = end
    this.#set(message, HOP_LIMIT, header & 0xff)
    this.#set(message, TRAFFIC_CLASS, trafficClass)
    // As few as possible: they cost, and from the second on the kernel has to allocate room for them.
    this.#use(message, (header & 0xff) === hopLimit ? TRAFFIC_CLASS : HOP_LIMIT, end)
  }

  /** It is several, each `length` bytes long but for the last one. */
  cut(message: number, length: number): void {
    this.#set(message, 0, length)
    this.#use(message, 0, this.#ends[message]!)
  }

  /** Back to one. */
  uncut(message: number): void {
    this.#use(message, HOP_LIMIT, this.#ends[message]!)
  }

  #begin(message: number, at: number, length: number, level: number, type: number): void {
    const word = (message * BLOCK + at) / 4
    this.#words[word] = CMSGHDR + length
    this.#words[word + 2] = level
    this.#words[word + 3] = type
  }

  #set(message: number, at: number, value: number): void {
    this.#words[(message * BLOCK + at + CMSGHDR) / 4] = value
  }

  #use(message: number, from: number, end: number): void {
    const address = this.#blocks.address + message * BLOCK + from
    const word = message * 16
    this.#messages[word + 8] = address % 0x100000000
    this.#messages[word + 9] = Math.floor(address / 0x100000000)
    this.#messages[word + 10] = end - from
  }
}
