import { Address } from '../stun/address.ts'
import { Attribute, MAX_MESSAGE_LENGTH, MessageClass, Method } from '../stun/constants.ts'
import type { StunMessage } from '../stun/message.ts'
import { StunWriter } from '../stun/writer.ts'
import type { Allocation, Channel, Permission, Relay } from './allocation.ts'
import { KNOWN_ATTRIBUTES } from './attributes.ts'
import type { Counters, DropReason } from './counters.ts'
import type { Effects } from './effects.ts'
import { CHANNEL_DATA_HEADER } from './framing.ts'
import type { TurnOptions } from './options.ts'

/** Between clients and peers: look up, check, forward the same bytes (RFC 8656 §11, §12). */
export class PacketRelay {
  readonly #options: TurnOptions
  readonly #effects: Effects
  readonly #counters: Counters
  readonly #transactionIds: TransactionIds
  readonly #writer = new StunWriter(0)
  readonly #peer = new Address()

  constructor(options: TurnOptions, effects: Effects, counters: Counters, random: (size: number) => Buffer) {
    this.#options = options
    this.#effects = effects
    this.#counters = counters
    this.#transactionIds = new TransactionIds(random)
  }

  /** RFC 8656 §12.6. The demultiplexer has seen the 4-byte header. */
  channelData(allocation: Allocation, bytes: Buffer, start: number, end: number, now: number): void {
    const channel = allocation.channels.get((bytes[start]! << 8) | bytes[start + 1]!)
    const data = start + CHANNEL_DATA_HEADER
    const dataEnd = data + ((bytes[start + 2]! << 8) | bytes[start + 3]!)
    if (dataEnd > end) {
      this.#dropToPeer(allocation, 'malformed')
      return
    }
    if (channel === undefined || channel.expiresAt <= now) {
      this.#dropToPeer(allocation, 'unbound-channel')
      return
    }
    if (channel.allowedUnder !== this.#options.peerPolicy && !this.#allowsChannel(channel)) {
      this.#dropToPeer(allocation, 'peer-denied')
      return
    }
    this.#toPeer(channel.relay, channel.peer, bytes, data, dataEnd, false, now)
  }

  /** RFC 8656 §11.2. */
  send(indication: StunMessage, allocation: Allocation, now: number): void {
    const peer = this.#peer
    const data = indication.find(Attribute.DATA)
    if (
      data < 0 ||
      !indication.xorAddress(Attribute.XOR_PEER_ADDRESS, peer) ||
      peer.port === 0 ||
      indication.unknownRequired(KNOWN_ATTRIBUTES).length > 0
    ) {
      this.#dropToPeer(allocation, 'bad-indication')
      return
    }
    // From one family to the other it is ignored (RFC 8656 §11.2).
    const fragment = peer.family === allocation.client.client.family ? indication.find(Attribute.DONT_FRAGMENT) : -1
    if (fragment >= 0 && (!this.#options.dontFragment || indication.lengthAt(fragment) !== 0)) {
      this.#dropToPeer(allocation, 'bad-indication')
      return
    }
    this.#options.externalIp.toPrivate(peer)
    const relay = allocation.relayOf(peer.family)
    const permission = allocation.permissionOf(peer, now)
    if (relay === null || (permission === null && !this.#options.serverRelay)) {
      this.#dropToPeer(allocation, 'no-permission')
      return
    }
    if (!this.#allows(allocation, permission, peer)) {
      this.#dropToPeer(allocation, 'peer-denied')
      return
    }
    const dataEnd = data + indication.lengthAt(data)
    this.#toPeer(relay, peer, indication.bytes, data, dataEnd, fragment >= 0, now)
  }

  /** RFC 8656 §11.3, §12.5. */
  peerData(relay: Relay, peer: Address, bytes: Buffer, start: number, end: number, now: number): void {
    const { allocation } = relay
    if (relay.state !== 'open' || allocation.expiresAt <= now) {
      this.#counters.dropped['no-allocation']++
      return
    }
    if (allocation.isClientGone) {
      this.#dropToClient(allocation, 'client-away')
      return
    }
    const channel = allocation.channelOf(peer, now)
    if (channel !== null) {
      if (channel.allowedUnder !== this.#options.peerPolicy && !this.#allowsChannel(channel)) {
        this.#dropToClient(allocation, 'peer-denied')
        return
      }
      if (this.#withinLimit(allocation, end - start, now)) this.#channelDataTo(allocation, channel, bytes, start, end)
      return
    }
    const permission = allocation.permissionOf(peer, now)
    if (permission === null && !this.#options.serverRelay) {
      this.#dropToClient(allocation, 'no-permission')
      return
    }
    if (!this.#allows(allocation, permission, peer)) {
      this.#dropToClient(allocation, 'peer-denied')
      return
    }
    if (this.#withinLimit(allocation, end - start, now)) this.#dataTo(allocation, peer, bytes, start, end)
  }

  #toPeer(
    relay: Relay,
    peer: Address,
    bytes: Buffer,
    start: number,
    end: number,
    dontFragment: boolean,
    now: number,
  ): void {
    const { allocation } = relay
    if (!allocation.toPeerLimit.take(end - start, now)) {
      this.#dropToPeer(allocation, 'over-limit')
      return
    }
    this.#counters.toPeerPackets++
    this.#counters.toPeerBytes += end - start
    allocation.toPeerPackets++
    allocation.toPeerBytes += end - start
    this.#effects.sendToPeer(relay, peer, bytes, start, end, dontFragment)
  }

  #withinLimit(allocation: Allocation, length: number, now: number): boolean {
    if (allocation.toClientLimit.take(length, now)) return true
    this.#dropToClient(allocation, 'over-limit')
    return false
  }

  /** Writes the header into the headroom and, on a stream, the padding behind (RFC 8656 §12.5). */
  #channelDataTo(allocation: Allocation, channel: Channel, bytes: Buffer, start: number, end: number): void {
    const at = start - CHANNEL_DATA_HEADER
    const length = end - start
    bytes[at] = channel.number >> 8
    bytes[at + 1] = channel.number
    bytes[at + 2] = length >> 8
    bytes[at + 3] = length
    let frameEnd = end
    if (allocation.client.isStream) while (((frameEnd - at) & 3) !== 0) bytes[frameEnd++] = 0
    this.#toClient(allocation, length, bytes, at, frameEnd)
  }

  /** Builds the indication around the payload where it lies (RFC 8656 §11.4). */
  #dataTo(allocation: Allocation, peer: Address, bytes: Buffer, start: number, end: number): void {
    const at = start - (peer.family === 4 ? 36 : 48)
    const fingerprint = allocation.fingerprint || this.#options.fingerprint
    if (((end - at + 3) & ~3) + (fingerprint ? 8 : 0) > MAX_MESSAGE_LENGTH) {
      this.#dropToClient(allocation, 'too-large')
      return
    }
    const shown = this.#peer.set(peer)
    this.#options.externalIp.toPublic(shown)
    const writer = this.#writer
      .beginIn(bytes, at, Method.DATA, MessageClass.INDICATION, this.#transactionIds.next())
      .xorAddress(Attribute.XOR_PEER_ADDRESS, shown)
      .inPlace(Attribute.DATA, end - start)
    if (fingerprint) writer.fingerprint()
    this.#toClient(allocation, end - start, bytes, at, writer.end())
  }

  #toClient(allocation: Allocation, length: number, bytes: Buffer, start: number, end: number): void {
    this.#counters.toClientPackets++
    this.#counters.toClientBytes += length
    allocation.toClientPackets++
    allocation.toClientBytes += length
    this.#effects.sendToClient(allocation.client, bytes, start, end)
  }

  #dropToPeer(allocation: Allocation, reason: DropReason): void {
    this.#counters.dropped[reason]++
    allocation.dropToPeer(reason)
  }

  #dropToClient(allocation: Allocation, reason: DropReason): void {
    this.#counters.dropped[reason]++
    allocation.dropToClient(reason)
  }

  #allowsChannel(channel: Channel): boolean {
    const { peerPolicy } = this.#options
    if (peerPolicy.refusal(channel.peer, channel.relay.allocation.peersAtBegin) !== null) return false
    channel.allowedUnder = peerPolicy
    return true
  }

  /** The verdict may depend on the port: of our own addresses, relay ports are peers and service ports are not. */
  #allows(allocation: Allocation, permission: Permission | null, peer: Address): boolean {
    const { peerPolicy } = this.#options
    if (permission?.allowedUnder === peerPolicy && permission.allowedPort === peer.port) return true
    if (peerPolicy.refusal(peer, allocation.peersAtBegin) !== null) return false
    if (permission !== null) {
      permission.allowedUnder = peerPolicy
      permission.allowedPort = peer.port
    }
    return true
  }
}

/** Unpredictable transaction ids, drawn many at a time and handed out without garbage. */
class TransactionIds {
  readonly #random: (size: number) => Buffer
  readonly #pool = Buffer.alloc(12 * 256)
  readonly #ids = Array.from({ length: 256 }, (_, i) => this.#pool.subarray(i * 12, i * 12 + 12))
  #used = 256

  constructor(random: (size: number) => Buffer) {
    this.#random = random
  }

  next(): Buffer {
    if (this.#used === this.#ids.length) {
      this.#random(this.#pool.length).copy(this.#pool)
      this.#used = 0
    }
    return this.#ids[this.#used++]!
  }
}
