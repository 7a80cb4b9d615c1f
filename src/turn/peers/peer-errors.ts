import { Address } from '../../stun/address.ts'
import { Attribute, MessageClass, Method } from '../../stun/constants.ts'
import { StunWriter } from '../../stun/writer.ts'
import type { Allocation, Relay } from '../allocation.ts'
import type { Effects } from '../effects.ts'
import type { TurnOptions } from '../options.ts'

/** What an ICMP message said about a datagram that we had relayed. */
export interface IcmpError {
  readonly type: number
  readonly code: number
  /** The next hop's MTU where the message carries one, otherwise 0. */
  readonly data: number
}

/** The least time between two of one allocation: whoever provokes them must not make us a source of traffic. */
const PAUSE_MS = 100

/** Tells clients of ICMP errors about their peers (RFC 8656 §11.5). */
export class PeerErrors {
  readonly #options: TurnOptions
  readonly #effects: Effects
  readonly #random: (size: number) => Buffer
  readonly #writer = new StunWriter(128)
  readonly #shown = new Address()
  readonly #value = Buffer.alloc(8)
  readonly #lastAt = new WeakMap<Allocation, number>()

  constructor(options: TurnOptions, effects: Effects, random: (size: number) => Buffer) {
    this.#options = options
    this.#effects = effects
    this.#random = random
  }

  /** `peer` is where the datagram was sent to, not who complained: its permission counts (TURN-ICMP-02 in the tests). */
  tell(relay: Relay, peer: Address, { type, code, data }: IcmpError, now: number): void {
    const { allocation } = relay
    if (relay.state !== 'open' || allocation.expiresAt <= now || !isReported(peer, type)) return
    if (allocation.permissionOf(peer, now) === null && !this.#options.serverRelay) return
    if (now - (this.#lastAt.get(allocation) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS) return
    this.#lastAt.set(allocation, now)
    const shown = this.#shown.set(peer)
    this.#options.externalIp.toPublic(shown)
    this.#value.writeUInt8(type, 2)
    this.#value.writeUInt8(code, 3)
    this.#value.writeUInt32BE(carriesMtu(peer, type, code) ? data : 0, 4)
    const writer = this.#writer
      .begin(Method.DATA, MessageClass.INDICATION, this.#random(12))
      .xorAddress(Attribute.XOR_PEER_ADDRESS, shown)
      .bytes(Attribute.ICMP, this.#value)
    if (allocation.fingerprint || this.#options.fingerprint) writer.fingerprint()
    const end = writer.end()
    this.#effects.sendToClient(allocation.client, writer.buffer, writer.start, end)
  }
}

/** Destination unreachable and time exceeded; for IPv6 also packet too big. */
function isReported({ family }: Address, type: number): boolean {
  return family === 4 ? type === 3 || type === 11 : type >= 1 && type <= 3
}

function carriesMtu({ family }: Address, type: number, code: number): boolean {
  return family === 4 ? type === 3 && code === 4 : type === 2
}
