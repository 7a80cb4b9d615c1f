import { frameLength } from '../../turn/framing.ts'

/** What became of the bytes of a stream that were read: all used, or a reason to close it. */
export type Framing = 'ok' | 'bad-frame' | 'frame-too-long'

/**
 * Cuts a TCP or TLS stream into frames, in whatever pieces it arrives (RFC 8656 §12.5). Holds what is incomplete: never
 * more than one frame and one read.
 */
export class FrameReader {
  readonly #onFrame: (bytes: Buffer, start: number, end: number) => boolean
  readonly #mayBeLong: () => boolean
  readonly #shortLimit: number
  #held = EMPTY
  #heldLength = 0

  /** `onFrame` answers whether to go on, or to keep what is behind; frames above `shortLimit` are waited for only when `mayBeLong`. */
  constructor(
    onFrame: (bytes: Buffer, start: number, end: number) => boolean,
    mayBeLong: () => boolean,
    shortLimit: number,
  ) {
    this.#onFrame = onFrame
    this.#mayBeLong = mayBeLong
    this.#shortLimit = shortLimit
  }

  /** Part of a frame has come, and the rest has not. */
  get isHalfway(): boolean {
    return this.#heldLength > 0
  }

  read(chunk: Buffer): Framing {
    const isJoined = this.#heldLength > 0
    if (isJoined) this.#append(chunk)
    const bytes = isJoined ? this.#held : chunk
    const end = isJoined ? this.#heldLength : chunk.length
    let start = 0
    while (start < end) {
      const length = frameLength(bytes, start, end)
      if (length < 0) return 'bad-frame'
      if (length > this.#shortLimit && !this.#mayBeLong()) return 'frame-too-long'
      if (length === 0 || length > end - start) break
      const goesOn = this.#onFrame(bytes, start, start + length)
      start += length
      if (!goesOn) break
    }
    this.#hold(bytes, start, end)
    return 'ok'
  }

  /** What is kept and belongs to no frame that was handed on; it is the caller's now. */
  takeRest(): Buffer {
    const rest = this.#held.subarray(0, this.#heldLength)
    this.#held = EMPTY
    this.#heldLength = 0
    return rest
  }

  #append(chunk: Buffer): void {
    const length = this.#heldLength + chunk.length
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#held.length))
      this.#held.copy(larger, 0, 0, this.#heldLength)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldLength)
    this.#heldLength = length
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    this.#heldLength = end - start
    if (start === end) this.#held = EMPTY
    else if (bytes !== this.#held) this.#held = Buffer.from(bytes.subarray(start, end))
    else this.#held.copyWithin(0, start, end)
  }
}

const EMPTY = Buffer.alloc(0)
