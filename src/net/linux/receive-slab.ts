import type { Address } from '../../stun/address.ts'
import {
  ControlMessages,
  IP,
  IPV6,
  lastError,
  Messages,
  Region,
  SOL,
  SocketAddresses,
  UDP,
  Vectors,
} from './system-calls.ts'

/** UDP_GRO, TTL and TOS. */
const CONTROLS = 3
const LONGEST = 65_536

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
  /** Where `bytes` lies. */
  readonly memory: Region
  readonly #messages: Messages
  readonly #vectors: Vectors
  readonly #names: SocketAddresses
  readonly #controls: ControlMessages
  readonly #headroom: number
  readonly #stride: number

  constructor(slots: number, headroom: number, tailroom: number) {
    this.slots = slots
    this.#headroom = headroom
    // The largest datagram fits. Not a multiple of the page, or all slots would fight for the same lines of the cache.
    this.#stride = (Math.ceil((headroom + LONGEST + tailroom) / 64) + 2) * 64
    this.memory = new Region(slots * this.#stride)
    this.bytes = this.memory.bytes
    this.#messages = new Messages(slots)
    this.#vectors = new Vectors(slots)
    this.#names = new SocketAddresses(slots)
    this.#controls = new ControlMessages(slots * CONTROLS)
    for (let slot = 0; slot < slots; slot++) {
      this.#vectors.set(slot, this.memory, this.start(slot), LONGEST)
      this.#messages.setName(slot, this.#names, slot, SocketAddresses.lengthOf(6))
      this.#messages.setVectors(slot, this.#vectors, slot, 1)
      this.#messages.setControls(slot, this.#controls, slot * CONTROLS, CONTROLS)
    }
  }

  /** Takes what waits at `fd`, up to `most` datagrams, into the slots from `used` on; the errno's name when that fails. */
  receive(fd: number, most: number): number | string {
    const first = this.used
    const room = Math.min(most, this.slots - first)
    const count = this.#messages.receive(fd, first, room)
    if (count < 0) return lastError()
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
    return this.#messages.length(slot)
  }

  /** Reads what the kernel says about the slot into `segment`, `hopLimit` and `trafficClass`. */
  readControl(slot: number): void {
    this.segment = 0
    this.hopLimit = -1
    this.trafficClass = 0
    const controls = this.#controls
    const first = slot * CONTROLS
    const end = first + this.#messages.controls(slot)
    for (let i = first; i < end; i++) {
      const level = controls.level(i)
      const type = controls.type(i)
      const value = controls.value(i)
      if (level === SOL.IP) {
        if (type === IP.TTL) this.hopLimit = value
        else if (type === IP.TOS) this.trafficClass = value & 0xff
      } else if (level === SOL.IPV6) {
        if (type === IPV6.HOPLIMIT) this.hopLimit = value
        else if (type === IPV6.TCLASS) this.trafficClass = value
      } else if (level === SOL.UDP && type === UDP.GRO) this.segment = value & 0xffff
    }
  }

  /** Who sent it. To be asked once for each slot, as the last thing: it also makes the slot ready for the next. */
  source(slot: number, into: Address): void {
    this.#messages.makeRoom(slot, CONTROLS)
    this.#names.read(slot, into)
  }
}
