import type { Address } from '../../stun/address.ts'
import type { ReceiveSlab } from './receive-slab.ts'
import { SendControls } from './send-controls.ts'
import {
  AF_INET,
  AF_INET6,
  IOVEC,
  MMSGHDR,
  MSG_DONTWAIT,
  NAME,
  Region,
  SOCKADDR_IN_LENGTH,
  SOCKADDR_IN6_LENGTH,
  viewOf,
  wordsOf,
} from './structures.ts'
import { type Library, lastError, linux } from './system-calls.ts'

/** What came of one `SendBatch.send`. */
export interface SendOutcome {
  /** Datagrams that the kernel would not take now. */
  refused: number
  /** How many failed for another reason, by the errno's name. */
  readonly failed: Map<string, number>
}

/**
 * Datagrams on their way out, written down in the order they come and sent socket by socket with sendmmsg. A run of equal
 * size and IP header to one destination becomes one message that the kernel cuts (UDP_SEGMENT).
 */
export class SendBatch {
  /** Datagrams written down since `clear`. */
  count = 0
  readonly capacity: number
  readonly outcome: SendOutcome = { refused: 0, failed: new Map() }
  segments = true
  readonly #linked: Library
  readonly #slab: ReceiveSlab
  readonly #slabAddress: number
  /** Copies of datagrams that lie elsewhere. */
  readonly #copies = new Region(COPIES)
  #copied = 0
  readonly #names: Region
  readonly #nameView: DataView
  readonly #lengths: Int32Array
  readonly #headers: Int32Array
  readonly #addresses: Float64Array
  readonly #messages: Region
  readonly #vectors: Region
  readonly #controls: Readonly<Record<4 | 6, SendControls>>
  readonly #header: Uint32Array
  readonly #vector: Uint32Array
  /** By message, the datagrams in it. */
  readonly #pieces: Uint8Array
  /** By message, the place of its first datagram among the vectors. */
  readonly #firsts: Int32Array

  constructor(slab: ReceiveSlab, capacity: number) {
    this.#linked = linux()
    this.#slab = slab
    this.#slabAddress = Number(this.#linked.koffi.address(slab.bytes))
    this.capacity = capacity
    this.#names = new Region(capacity * NAME)
    this.#nameView = viewOf(this.#names)
    this.#lengths = new Int32Array(capacity)
    this.#headers = new Int32Array(capacity)
    this.#addresses = new Float64Array(capacity)
    this.#messages = new Region(capacity * MMSGHDR)
    this.#vectors = new Region(capacity * IOVEC)
    this.#controls = { 4: new SendControls(this.#messages, 4), 6: new SendControls(this.#messages, 6) }
    this.#header = wordsOf(this.#messages)
    this.#vector = wordsOf(this.#vectors)
    this.#pieces = new Uint8Array(capacity)
    this.#firsts = new Int32Array(capacity)
  }

  /** Whether `bytes[start…end)` can be written down before the next `clear`. */
  hasRoom(bytes: Buffer, start: number, end: number): boolean {
    return this.count < this.capacity && (bytes === this.#slab.bytes || this.#copied + end - start <= COPIES)
  }

  /**
   * Writes one datagram down and returns its number. What lies in the slab stays there; everything else is copied.
   * `header`: see relayedHeader.
   */
  add(bytes: Buffer, start: number, end: number, to: Address, header: number): number {
    const i = this.count++
    this.#lengths[i] = end - start
    this.#headers[i] = header
    if (bytes === this.#slab.bytes) this.#addresses[i] = this.#slabAddress + start
    else {
      bytes.copy(this.#copies.bytes, this.#copied, start, end)
      this.#addresses[i] = this.#copies.address + this.#copied
      this.#copied += end - start
    }
    const view = this.#nameView
    const at = i * NAME
    view.setUint16(at, to.family === 4 ? AF_INET : AF_INET6, true)
    view.setUint16(at + 2, to.port)
    if (to.family === 4) view.setUint32(at + 4, to.w3)
    else {
      view.setUint32(at + 4, 0)
      view.setUint32(at + 8, to.w0)
      view.setUint32(at + 12, to.w1)
      view.setUint32(at + 16, to.w2)
      view.setUint32(at + 20, to.w3)
    }
    return i
  }

  /** Forgets all that was written down. */
  clear(): void {
    this.count = 0
    this.#copied = 0
  }

  /**
   * Sends the chain of datagrams that begins with `first` through `fd`; `next[i]` follows `i`, -1 ends it. `hopLimit` is what
   * the socket sets by itself.
   */
  send(fd: number, first: number, next: Int32Array, family: 4 | 6, hopLimit: number): SendOutcome {
    const { outcome } = this
    outcome.refused = 0
    if (outcome.failed.size > 0) outcome.failed.clear()
    const messages = this.#layOut(first, next, family, hopLimit)
    const { native } = this.#linked
    let retried = -1
    for (let done = 0; done < messages; ) {
      const sent = native.sendmmsg(fd, this.#messages.address + done * MMSGHDR, messages - done, MSG_DONTWAIT)
      if (sent > 0) {
        done += sent
        continue
      }
      const code = lastError(this.#linked)
      if (code === 'EINTR') continue
      if (code === 'EAGAIN' || code === 'ENOBUFS') {
        for (; done < messages; done++) outcome.refused += this.#pieces[done]!
        break
      }
      // An ICMP message about an earlier datagram is reported once, in place of sending this one.
      if (retried !== done) {
        retried = done
        continue
      }
      if (this.#pieces[done]! > 1) this.#sendSingly(fd, done, code, this.#controls[family])
      else this.#fail(code)
      done++
    }
    return outcome
  }

  /** Fills the headers from 0 on and returns how many. */
  #layOut(first: number, next: Int32Array, family: 4 | 6, hopLimit: number): number {
    const nameLength = family === 4 ? SOCKADDR_IN_LENGTH : SOCKADDR_IN6_LENGTH
    const controls = this.#controls[family]
    let messages = 0
    let vectors = 0
    let run = -1
    let runBytes = 0
    for (let i = first; i >= 0; i = next[i]!) {
      const length = this.#lengths[i]!
      const v = vectors * 4
      const address = this.#addresses[i]!
      this.#vector[v] = address % 0x100000000
      this.#vector[v + 1] = Math.floor(address / 0x100000000)
      this.#vector[v + 2] = length
      if (run >= 0 && this.#continues(run, i, runBytes, messages - 1)) {
        const m = messages - 1
        const pieces = ++this.#pieces[m]!
        this.#header[m * 16 + 6] = pieces
        if (pieces === 2) controls.cut(m, this.#lengths[run]!)
        runBytes += length
        // Only the last piece may be shorter.
        if (length < this.#lengths[run]!) run = -1
      } else {
        const h = messages * 16
        const name = this.#names.address + i * NAME
        this.#header[h] = name % 0x100000000
        this.#header[h + 1] = Math.floor(name / 0x100000000)
        this.#header[h + 2] = nameLength
        this.#beginAt(messages, vectors)
        controls.whole(messages, this.#headers[i]!, hopLimit)
        this.#pieces[messages] = 1
        this.#firsts[messages] = vectors
        messages++
        run = this.segments && length > 0 && length <= MAX_SEGMENT ? i : -1
        runBytes = length
      }
      vectors++
    }
    return messages
  }

  /** The message has one datagram, that of this vector. */
  #beginAt(message: number, vector: number): void {
    const address = this.#vectors.address + vector * IOVEC
    const h = message * 16
    this.#header[h + 4] = address % 0x100000000
    this.#header[h + 5] = Math.floor(address / 0x100000000)
    this.#header[h + 6] = 1
  }

  #continues(run: number, i: number, runBytes: number, message: number): boolean {
    const length = this.#lengths[i]!
    if (length === 0 || length > this.#lengths[run]! || runBytes + length > MAX_SEGMENTED) return false
    if (this.#pieces[message]! >= MAX_SEGMENTS || this.#headers[i] !== this.#headers[run]) return false
    const view = this.#nameView
    const a = run * NAME
    const b = i * NAME
    // Family and port, then the address.
    if (view.getUint32(a) !== view.getUint32(b) || view.getUint32(a + 4) !== view.getUint32(b + 4)) return false
    if (view.getUint16(a, true) === AF_INET) return true
    return (
      view.getUint32(a + 8) === view.getUint32(b + 8) &&
      view.getUint32(a + 12) === view.getUint32(b + 12) &&
      view.getUint32(a + 16) === view.getUint32(b + 16) &&
      view.getUint32(a + 20) === view.getUint32(b + 20)
    )
  }

  // The path takes no pieces of this size, or this kind of interface cannot cut (EIO): the old way, one by one.
  #sendSingly(fd: number, message: number, code: string, controls: SendControls): void {
    if (code === 'EIO') this.segments = false
    const { native } = this.#linked
    controls.uncut(message)
    for (let piece = 0; piece < this.#pieces[message]!; piece++) {
      this.#beginAt(message, this.#firsts[message]! + piece)
      const sent = native.sendmmsg(fd, this.#messages.address + message * MMSGHDR, 1, MSG_DONTWAIT)
      if (sent >= 0) continue
      this.#fail(lastError(this.#linked))
    }
  }

  #fail(code: string): void {
    const { failed } = this.outcome
    failed.set(code, (failed.get(code) ?? 0) + 1)
  }
}

const COPIES = 512 * 1024
/** Longer ones don't fit an Ethernet frame in one piece. */
const MAX_SEGMENT = 1472
const MAX_SEGMENTS = 64
const MAX_SEGMENTED = 65_000
