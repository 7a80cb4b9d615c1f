import type { Address } from '../../stun/address.ts'
import {
  AF_INET,
  CMSGHDR,
  CONTROL_MESSAGE,
  IOVEC,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_HOPLIMIT,
  IPV6_TCLASS,
  MMSGHDR,
  MSG_DONTWAIT,
  NAME,
  Region,
  SOCKADDR_IN6_LENGTH,
  SOL_UDP,
  UDP_GRO,
  viewOf,
  wordsOf,
} from './structures.ts'
import { type Library, lastError, linux } from './system-calls.ts'

/** UDP_GRO, TTL and TOS. */
const RECEIVED_CONTROL = 3 * CONTROL_MESSAGE

/** Slots for received datagrams, each with free room before and behind, filled by recvmmsg. */
export class ReceiveSlab {
  /** All slots; what lies in them belongs to the owner until `clear`. */
  readonly bytes: Buffer
  readonly slots: number
  /** Slots filled since `clear`. */
  used = 0
  /** The size of each of several datagrams in the slot that was read last, the last one may be shorter; 0 when it is one. */
  segment = 0
  /** Its TTL or Hop Limit; -1 where the socket was not told to say (`reportHeaders`). */
  hopLimit = -1
  /** Its DSCP and ECN. */
  trafficClass = 0
  readonly #linked: Library
  readonly #slab: Region
  readonly #messages: Region
  readonly #vectors: Region
  readonly #names: Region
  readonly #controls: Region
  readonly #controlWords: Uint32Array
  readonly #headers: Uint32Array
  readonly #view: DataView
  readonly #headroom: number
  readonly #stride: number

  constructor(slots: number, headroom: number, tailroom: number) {
    this.#linked = linux()
    this.slots = slots
    this.#headroom = headroom
    // The largest datagram fits. Not a multiple of the page, or all slots would fight for the same lines of the cache.
    this.#stride = (Math.ceil((headroom + 65_536 + tailroom) / 64) + 2) * 64
    this.#slab = new Region(slots * this.#stride)
    this.#messages = new Region(slots * MMSGHDR)
    this.#vectors = new Region(slots * IOVEC)
    this.#names = new Region(slots * NAME)
    this.#controls = new Region(slots * RECEIVED_CONTROL)
    this.bytes = this.#slab.bytes
    this.#headers = wordsOf(this.#messages)
    this.#controlWords = wordsOf(this.#controls)
    this.#view = viewOf(this.#names)
    for (let slot = 0; slot < slots; slot++) {
      const message = slot * MMSGHDR
      this.#vectors.pointer(slot * IOVEC, this.#slab, slot * this.#stride + headroom)
      this.#vectors.bytes.writeUInt32LE(65_536, slot * IOVEC + 8)
      this.#messages.pointer(message, this.#names, slot * NAME)
      this.#messages.bytes.writeUInt32LE(SOCKADDR_IN6_LENGTH, message + 8)
      this.#messages.pointer(message + 16, this.#vectors, slot * IOVEC)
      this.#messages.bytes.writeUInt32LE(1, message + 24)
      this.#messages.pointer(message + 32, this.#controls, slot * RECEIVED_CONTROL)
      this.#messages.bytes.writeUInt32LE(RECEIVED_CONTROL, message + 40)
    }
  }

  /** Takes what waits at `fd`, up to `most` datagrams, into the slots from `used` on; the errno's name when that fails. */
  receive(fd: number, most: number): number | string {
    const first = this.used
    const room = Math.min(most, this.slots - first)
    const count = this.#linked.native.recvmmsg(fd, this.#messages.address + first * MMSGHDR, room, MSG_DONTWAIT, null)
    if (count < 0) return lastError(this.#linked)
    this.used += count
    return count
  }

  clear(): void {
    this.used = 0
  }

  start(slot: number): number {
    return slot * this.#stride + this.#headroom
  }

  length(slot: number): number {
    return this.#headers[slot * 16 + 14]!
  }

  /** Reads what the kernel says about the slot into `segment`, `hopLimit` and `trafficClass`. */
  readControl(slot: number): void {
    this.segment = 0
    this.hopLimit = -1
    this.trafficClass = 0
    const words = this.#controlWords
    const first = (slot * RECEIVED_CONTROL) / 4
    const end = first + this.#headers[slot * 16 + 10]! / 4
    for (let at = first; at + CMSGHDR / 4 < end; at += CONTROL_MESSAGE / 4) {
      const level = words[at + 2]!
      const type = words[at + 3]!
      const value = words[at + 4]! | 0
      if (level === IPPROTO_IP) {
        if (type === IP_TTL) this.hopLimit = value
        else if (type === IP_TOS) this.trafficClass = value & 0xff
      } else if (level === IPPROTO_IPV6) {
        if (type === IPV6_HOPLIMIT) this.hopLimit = value
        else if (type === IPV6_TCLASS) this.trafficClass = value
      } else if (level === SOL_UDP && type === UDP_GRO) this.segment = value & 0xffff
    }
  }

  /** Who sent it. To be asked once for each slot, as the last thing: it also makes the slot ready for the next. */
  source(slot: number, into: Address): void {
    this.#headers[slot * 16 + 2] = SOCKADDR_IN6_LENGTH
    this.#headers[slot * 16 + 10] = RECEIVED_CONTROL
    const view = this.#view
    const at = slot * NAME
    const port = view.getUint16(at + 2)
    if (view.getUint16(at, true) === AF_INET) into.setIpv4(view.getUint32(at + 4), port)
    else
      into.setIpv6(
        view.getUint32(at + 8),
        view.getUint32(at + 12),
        view.getUint32(at + 16),
        view.getUint32(at + 20),
        port,
      )
  }
}
