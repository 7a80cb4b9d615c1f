/**
 * Lines on their way from one thread to another, in memory that is still there when the first has died. What there is no room
 * for is dropped and counted.
 */
export class LineQueue {
  readonly memory: SharedArrayBuffer
  /** How many bytes have been written and read so far, modulo 2^32, and how many lines were dropped since they were last asked for. */
  readonly #ends: Uint32Array
  readonly #bytes: Buffer

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES_AT + CAPACITY)) {
    this.memory = memory
    this.#ends = new Uint32Array(memory, 0, 3)
    this.#bytes = Buffer.from(memory, BYTES_AT, CAPACITY)
  }

  get isEmpty(): boolean {
    return this.#length === 0
  }

  get isHalfFull(): boolean {
    return this.#length > CAPACITY / 2
  }

  /** How much has been taken so far: while it is the same nobody has been here. */
  get taken(): number {
    return Atomics.load(this.#ends, READ)
  }

  /** Appends a line, which has no line feed; false when there is no room for it. One thread alone may do this. */
  add(line: string): boolean {
    const text = Buffer.from(`${line}\n`)
    const written = this.#ends[WRITTEN]!
    if (this.#length + text.length > CAPACITY) {
      Atomics.add(this.#ends, DROPPED, 1)
      return false
    }
    const at = written % CAPACITY
    this.#bytes.set(text.subarray(0, CAPACITY - at), at)
    this.#bytes.set(text.subarray(CAPACITY - at))
    // Not before all of it is there: whoever reads never sees half a line.
    Atomics.store(this.#ends, WRITTEN, written + text.length)
    return true
  }

  /** Removes all lines, oldest first. One thread alone may do this. */
  take(): string[] {
    const read = this.#ends[READ]!
    const written = Atomics.load(this.#ends, WRITTEN)
    const length = (written - read) >>> 0
    const at = read % CAPACITY
    const parts = [this.#bytes.subarray(at, at + length), this.#bytes.subarray(0, Math.max(0, at + length - CAPACITY))]
    const lines = Buffer.concat(parts).toString().split('\n')
    Atomics.store(this.#ends, READ, written)
    return lines.slice(0, -1)
  }

  /** How many lines were dropped since the last call. */
  takeDropped(): number {
    return Atomics.exchange(this.#ends, DROPPED, 0)
  }

  get #length(): number {
    return (Atomics.load(this.#ends, WRITTEN) - Atomics.load(this.#ends, READ)) >>> 0
  }
}

const WRITTEN = 0
const READ = 1
const DROPPED = 2
const BYTES_AT = 3 * Uint32Array.BYTES_PER_ELEMENT
/** More than any line has: the longest text that a request can bring is 64 KiB, of which JSON makes six times as much. */
const CAPACITY = 1 << 19
