import { constants } from 'node:os'
import { Address } from '../../stun/address.ts'
import {
  ControlMessages,
  IP,
  IPV6,
  Messages,
  Region,
  SO_EE_ORIGIN,
  SOL,
  SocketAddresses,
  Vectors,
} from './system-calls.ts'

/** The error's own takes the room of several. */
const CONTROLS = 10
const PAYLOAD = 64

/** Reads what `keepErrors` has kept: one ICMP message after the other, into its own fields. */
export class ErrorQueue {
  /** Where the datagram was sent that the message is about. */
  readonly peer = new Address()
  type = 0
  code = 0
  /** The next hop's MTU, where it matters. */
  data = 0
  readonly #message = new Messages(1)
  readonly #name = new SocketAddresses(1)
  readonly #vector = new Vectors(1)
  readonly #controls = new ControlMessages(CONTROLS)
  readonly #payload = new Region(PAYLOAD)

  constructor() {
    this.#vector.set(0, this.#payload, 0, PAYLOAD)
    this.#message.setName(0, this.#name, 0, SocketAddresses.lengthOf(6))
    this.#message.setVectors(0, this.#vector, 0, 1)
    this.#message.setControls(0, this.#controls, 0, CONTROLS)
  }

  /** False when the queue is empty; `null` for an error that is no ICMP message. */
  take(fd: number): boolean | null {
    this.#message.makeRoom(0, CONTROLS)
    if (this.#message.receiveError(fd) < 0) return false
    const count = this.#message.controls(0)
    // Nothing begins in the last place but what ends there, and the error is longer.
    for (let i = 0; i < count - 1; i++) {
      const level = this.#controls.level(i)
      const type = this.#controls.type(i)
      if (level === SOL.IP && type === IP.RECVERR) return this.#read(i, 4)
      if (level === SOL.IPV6 && type === IPV6.RECVERR) return this.#read(i, 6)
    }
    return null
  }

  #read(i: number, family: 4 | 6): true | null {
    this.#name.read(0, this.peer)
    const { errno, origin, type, code, info } = this.#controls.error(i)
    this.data = info
    if (origin === SO_EE_ORIGIN.ICMP || origin === SO_EE_ORIGIN.ICMP6) {
      this.type = type
      this.code = code
      return true
    }
    // Too long for a path whose MTU this machine knows already: what a router would have said.
    if (origin !== SO_EE_ORIGIN.LOCAL || errno !== constants.errno.EMSGSIZE) return null
    this.type = family === 4 ? 3 : 2
    this.code = family === 4 ? 4 : 0
    return true
  }
}
