import { constants } from 'node:os'
import { Address } from '../../stun/address.ts'
import {
  IOVEC,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MMSGHDR,
  MSG_DONTWAIT,
  NAME,
  Region,
  readSocketAddress,
  SOCKADDR_IN6_LENGTH,
} from './structures.ts'
import { linux } from './system-calls.ts'

const MSG_ERRQUEUE = 0x2000

/** struct sock_extended_err: 0 errno, 4 origin, 5 type, 6 code, 8 info. */
const ORIGIN_LOCAL = 1
const ORIGIN_ICMP = 2
const ORIGIN_ICMP6 = 3

/** Reads what `keepErrors` has kept: one ICMP message after the other, into its own fields. */
export class ErrorQueue {
  /** Where the datagram was sent that the message is about. */
  readonly peer = new Address()
  type = 0
  code = 0
  /** The next hop's MTU, where it matters. */
  data = 0
  readonly #linked = linux()
  readonly #message = new Region(MMSGHDR)
  readonly #vector = new Region(IOVEC)
  readonly #name = new Region(NAME)
  readonly #control = new Region(256)
  readonly #payload = new Region(64)

  constructor() {
    this.#vector.pointer(0, this.#payload, 0)
    this.#vector.bytes.writeUInt32LE(64, 8)
    this.#message.pointer(0, this.#name, 0)
    this.#message.pointer(16, this.#vector, 0)
    this.#message.bytes.writeUInt32LE(1, 24)
    this.#message.pointer(32, this.#control, 0)
  }

  /** False when the queue is empty; `null` for an error that is no ICMP message. */
  take(fd: number): boolean | null {
    this.#message.bytes.writeUInt32LE(SOCKADDR_IN6_LENGTH, 8)
    this.#message.bytes.writeUInt32LE(256, 40)
    const { native } = this.#linked
    if (native.recvmsg(fd, this.#message.bytes, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return false
    const { bytes } = this.#control
    const end = this.#message.bytes.readUInt32LE(40)
    for (let at = 0, length = 0; at + 16 <= end; at += (length + 7) & ~7) {
      length = bytes.readUInt32LE(at)
      if (length < 16) return null
      const level = bytes.readUInt32LE(at + 8)
      const name = bytes.readUInt32LE(at + 12)
      const isError = (level === IPPROTO_IP && name === IP_RECVERR) || (level === IPPROTO_IPV6 && name === IPV6_RECVERR)
      if (isError && length >= 32) return this.#read(bytes, at + 16, level === IPPROTO_IP ? 4 : 6)
    }
    return null
  }

  #read(bytes: Buffer, at: number, family: 4 | 6): true | null {
    readSocketAddress(this.#name.bytes, 0, this.peer)
    const origin = bytes.readUInt8(at + 4)
    this.data = bytes.readUInt32LE(at + 8)
    if (origin === ORIGIN_ICMP || origin === ORIGIN_ICMP6) {
      this.type = bytes.readUInt8(at + 5)
      this.code = bytes.readUInt8(at + 6)
      return true
    }
    // Too long for a path whose MTU this machine knows already: what a router would have said.
    if (origin !== ORIGIN_LOCAL || bytes.readUInt32LE(at) !== constants.errno.EMSGSIZE) return null
    this.type = family === 4 ? 3 : 2
    this.code = family === 4 ? 4 : 0
    return true
  }
}
