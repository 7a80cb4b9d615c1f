import type { Address } from '../../stun/address.ts'
import type { ReceiveSlab } from './receive-slab.ts'
import { SendControls } from './send-controls.ts'
import { lastError, Messages, Region, SocketAddresses, Vectors } from './system-calls.ts'

/** What came of one `SendBatch.send`. */
export interface SendOutcome {
  /** Datagrams that the system has taken, and their bytes. */
  sent: number
  sentBytes: number
  /** Datagrams that it would not take now. */
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
  readonly outcome: SendOutcome = { sent: 0, sentBytes: 0, refused: 0, failed: new Map() }
  segments = true
  readonly #slab: ReceiveSlab
  /** Copies of datagrams that lie elsewhere. */
  readonly #copies = new Region(COPIES)
  #copied = 0
  readonly #names: SocketAddresses
  readonly #lengths: Int32Array
  readonly #headers: Int32Array
  /** Where each lies, in the order they came and in the order they leave. */
  readonly #places: Vectors
  readonly #vectors: Vectors
  /** The bytes of each, in the order they leave. */
  readonly #sizes: Int32Array
  readonly #messages: Messages
  readonly #controls: Readonly<Record<4 | 6, SendControls>>
  /** By message, the datagrams in it. */
  readonly #pieces: Uint8Array
  /** By message, the place of its first datagram among the vectors. */
  readonly #firsts: Int32Array

  constructor(slab: ReceiveSlab, capacity: number) {
    this.#slab = slab
    this.capacity = capacity
    this.#names = new SocketAddresses(capacity)
    this.#lengths = new Int32Array(capacity)
    this.#headers = new Int32Array(capacity)
    this.#places = new Vectors(capacity)
    this.#vectors = new Vectors(capacity)
    this.#sizes = new Int32Array(capacity)
    this.#messages = new Messages(capacity)
    this.#controls = {
      4: new SendControls(this.#messages, capacity, 4),
      6: new SendControls(this.#messages, capacity, 6),
    }
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
    const length = end - start
    this.#lengths[i] = length
    this.#headers[i] = header
    this.#names.set(i, to)
    if (bytes === this.#slab.bytes) this.#places.set(i, this.#slab.memory, start, length)
    else {
      bytes.copy(this.#copies.bytes, this.#copied, start, end)
      this.#places.set(i, this.#copies, this.#copied, length)
      this.#copied += length
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
    let retried = -1
    for (let done = 0; done < messages; ) {
      const sent = this.#messages.send(fd, done, messages - done)
      if (sent > 0) {
        done += sent
        continue
      }
      const code = lastError()
      if (code === 'EINTR') continue
      if (code === 'EAGAIN') {
        for (; done < messages; done++) this.#refuse(this.#firsts[done]!, this.#pieces[done]!)
        break
      }
      // A queue behind the socket is full, maybe on the way to this destination alone.
      if (code === 'ENOBUFS') {
        this.#refuse(this.#firsts[done]!, this.#pieces[done]!)
        done++
        continue
      }
      // An ICMP message about an earlier datagram is reported once, in place of sending this one.
      if (retried !== done) {
        retried = done
        continue
      }
      if (this.#pieces[done]! > 1) this.#sendSingly(fd, done, code, this.#controls[family])
      else this.#fail(this.#firsts[done]!, code)
      done++
    }
    return outcome
  }

  /** Fills the headers from 0 on and returns how many; counts all of it as sent. */
  #layOut(first: number, next: Int32Array, family: 4 | 6, hopLimit: number): number {
    const nameLength = SocketAddresses.lengthOf(family)
    const controls = this.#controls[family]
    let messages = 0
    let vectors = 0
    let run = -1
    let runBytes = 0
    let bytes = 0
    for (let i = first; i >= 0; i = next[i]!) {
      const length = this.#lengths[i]!
      this.#vectors.copy(vectors, this.#places, i)
      this.#sizes[vectors] = length
      bytes += length
      if (run >= 0 && this.#continues(run, i, runBytes, messages - 1)) {
        const m = messages - 1
        const pieces = ++this.#pieces[m]!
        this.#messages.setVectors(m, this.#vectors, this.#firsts[m]!, pieces)
        if (pieces === 2) controls.cut(m, this.#lengths[run]!)
        runBytes += length
        // Only the last piece may be shorter.
        if (length < this.#lengths[run]!) run = -1
      } else {
        this.#messages.setName(messages, this.#names, i, nameLength)
        this.#messages.setVectors(messages, this.#vectors, vectors, 1)
        controls.whole(messages, this.#headers[i]!, hopLimit)
        this.#pieces[messages] = 1
        this.#firsts[messages] = vectors
        messages++
        run = this.segments && length > 0 && length <= MAX_SEGMENT[family] ? i : -1
        runBytes = length
      }
      vectors++
    }
    this.outcome.sent = vectors
    this.outcome.sentBytes = bytes
    return messages
  }

  #continues(run: number, i: number, runBytes: number, message: number): boolean {
    const length = this.#lengths[i]!
    if (length === 0 || length > this.#lengths[run]! || runBytes + length > MAX_SEGMENTED) return false
    if (this.#pieces[message]! >= MAX_SEGMENTS || this.#headers[i] !== this.#headers[run]) return false
    return this.#names.areEqual(run, i)
  }

  // The path takes no pieces of this size, or this kind of interface cannot cut (EIO): the old way, one by one.
  #sendSingly(fd: number, message: number, code: string, controls: SendControls): void {
    if (code === 'EIO') this.segments = false
    controls.uncut(message)
    const first = this.#firsts[message]!
    for (let vector = first; vector < first + this.#pieces[message]!; vector++) {
      this.#messages.setVectors(message, this.#vectors, vector, 1)
      if (this.#messages.send(fd, message, 1) >= 0) continue
      const failure = lastError()
      if (failure === 'EAGAIN' || failure === 'ENOBUFS') this.#refuse(vector, 1)
      else this.#fail(vector, failure)
    }
  }

  /** Counts datagrams by their places among the vectors. */
  #refuse(first: number, count: number): void {
    this.outcome.refused += count
    for (let vector = first; vector < first + count; vector++) this.#notSent(vector)
  }

  #fail(vector: number, code: string): void {
    const { failed } = this.outcome
    failed.set(code, (failed.get(code) ?? 0) + 1)
    this.#notSent(vector)
  }

  #notSent(vector: number): void {
    this.outcome.sent--
    this.outcome.sentBytes -= this.#sizes[vector]!
  }
}

const COPIES = 512 * 1024
/** Longer ones don't fit an Ethernet frame in one piece. */
const MAX_SEGMENT = { 4: 1472, 6: 1452 } as const
const MAX_SEGMENTS = 64
const MAX_SEGMENTED = 65_000
