import { hmac } from '../stun/hmac.ts'

/** Made by `quotaTableMemory`, for all threads. */
export interface QuotaTableMemory {
  /** Of the hash that stands for a user's name; hexadecimal. */
  readonly key: string
  readonly state: SharedArrayBuffer
  /** By thread: 1 when it is no more and what it had is still written down. */
  readonly lost: SharedArrayBuffer
  readonly lists: SharedArrayBuffer
  readonly rows: SharedArrayBuffer
}

/** Stands for a user: 64 bits of a keyed hash, so that nobody can find a name that counts for another's. */
export interface UserHash {
  readonly high: number
  readonly low: number
}

// Words of the state. STALE: a thread may have died inside, so the rows are right and all else has to be made from them.
const LOCK = 0
const STALE = 1
const TOTAL = 2
const VACANT = 3
// The first of the rows that nobody has ever used. Memory that is not touched costs none, so that there may be room for many.
const FRESH = 4
const STATE = 5

// Words of a row. It counts what one user has in one thread; with a count of 0 it is vacant. Row 0 is nobody's: it ends a list.
const HIGH = 0
const LOW = 1
const OWNER = 2
const COUNT = 3
const NEXT = 4
const ROW = 5

const NOBODY = 0

/** Whoever is inside comes out after microseconds, if it lives. */
const PATIENCE_MS = 20
/** Others may be quicker as often as that: each time somebody has come out. */
const MOST_TRIES = 100

/**
 * Who holds how many places, in memory that all threads see. What is asked and written down between `lock` and `unlock`
 * happens at one moment for all of them. A thread that dies inside holds the table until the main thread hears of its death
 * (`forget`), and the others are held up for PATIENCE_MS.
 */
export class QuotaTable {
  readonly #key: Buffer
  readonly #self: number
  readonly #state: Int32Array
  readonly #lost: Int32Array
  /** By a part of the hash: the first row. */
  readonly #lists: Int32Array
  readonly #rows: Int32Array
  #isHeldUp = false

  /** `thread` counts from 0. */
  constructor({ key, state, lost, lists, rows }: QuotaTableMemory, thread: number) {
    this.#key = Buffer.from(key, 'hex')
    this.#self = thread + 1
    this.#state = new Int32Array(state)
    this.#lost = new Int32Array(lost)
    this.#lists = new Int32Array(lists)
    this.#rows = new Int32Array(rows)
  }

  hash(user: string): UserHash {
    const digest = hmac.digest('sha256', this.#key, hmac.input.write(user))
    return { high: digest.readInt32LE(0), low: digest.readInt32LE(4) }
  }

  /**
   * False when whoever is inside does not come out in time. Then it is dead or does not get a processor, and until somebody has
   * come in again nobody here waits for it.
   */
  lock(): boolean {
    for (let tries = 0; !this.#enterAlone(); tries++) {
      const isLate = this.#isHeldUp || tries === MOST_TRIES
      const holder = Atomics.load(this.#state, LOCK)
      if (!isLate && (holder === NOBODY || Atomics.wait(this.#state, LOCK, holder, PATIENCE_MS) !== 'timed-out'))
        continue
      this.#isHeldUp = true
      return false
    }
    this.#isHeldUp = false
    if (Atomics.exchange(this.#state, STALE, 0) === 1) this.#restore()
    return true
  }

  unlock(): void {
    Atomics.store(this.#state, LOCK, NOBODY)
    // All of them: one alone might be about to die.
    Atomics.notify(this.#state, LOCK)
  }

  /** What a thread has written down that is no more; whatever it was doing. */
  forget(thread: number): void {
    Atomics.store(this.#lost, thread, 1)
    Atomics.store(this.#state, STALE, 1)
    const dead = thread + 1
    if (Atomics.compareExchange(this.#state, LOCK, dead, NOBODY) === dead) Atomics.notify(this.#state, LOCK)
    // Never by waiting: whoever is inside may be dead too, and it is the caller who hears of that.
    if (Atomics.compareExchange(this.#state, LOCK, NOBODY, this.#self) !== NOBODY) return
    if (Atomics.exchange(this.#state, STALE, 0) === 1) this.#restore()
    this.unlock()
  }

  /** Places of all. */
  get total(): number {
    return Atomics.load(this.#state, TOTAL)
  }

  /** How many places there can be: each might need a row of its own. */
  get room(): number {
    return this.#rows.length / ROW - 1
  }

  /** Places of `user`, in `thread` or in all; asked under the lock, like all that follows. */
  count({ high, low }: UserHash, thread: number | null = null): number {
    const rows = this.#rows
    let sum = 0
    for (let row = this.#lists[this.#list(low)]!; row !== 0; row = rows[row + NEXT]!) {
      if (rows[row + LOW] !== low || rows[row + HIGH] !== high) continue
      if (thread === null || rows[row + OWNER] === thread) sum += rows[row + COUNT]!
    }
    return sum
  }

  /** Writes down that `user` has so many more places in `thread`, or fewer. There has to be room for that. */
  add(user: UserHash, thread: number, places: number): void {
    const list = this.#list(user.low)
    const rows = this.#rows
    let before = 0
    let row = this.#lists[list]!
    while (row !== 0 && !this.#isOf(row, user, thread)) {
      before = row
      row = rows[row + NEXT]!
    }
    if (row === 0) row = this.#enter(list, user, thread)
    this.#state[TOTAL]! += places
    rows[row + COUNT]! += places
    if (rows[row + COUNT] !== 0) return
    if (before === 0) this.#lists[list] = rows[row + NEXT]!
    else rows[before + NEXT] = rows[row + NEXT]!
    this.#vacate(row)
  }

  /** Users with at least one place. */
  get users(): number {
    const rows = this.#rows
    const users = new Set<string>()
    for (let row = ROW; row < this.#state[FRESH]!; row += ROW) {
      if (rows[row + COUNT] !== 0) users.add(`${rows[row + HIGH]} ${rows[row + LOW]}`)
    }
    return users.size
  }

  #enterAlone(): boolean {
    return Atomics.compareExchange(this.#state, LOCK, NOBODY, this.#self) === NOBODY
  }

  #isOf(row: number, { high, low }: UserHash, thread: number): boolean {
    const rows = this.#rows
    return rows[row + LOW] === low && rows[row + HIGH] === high && rows[row + OWNER] === thread
  }

  #enter(list: number, { high, low }: UserHash, thread: number): number {
    const rows = this.#rows
    let row = this.#state[VACANT]!
    if (row !== 0) this.#state[VACANT] = rows[row + NEXT]!
    else {
      row = this.#state[FRESH]!
      this.#state[FRESH]! += ROW
    }
    rows[row + HIGH] = high
    rows[row + LOW] = low
    rows[row + OWNER] = thread
    rows[row + NEXT] = this.#lists[list]!
    this.#lists[list] = row
    return row
  }

  #vacate(row: number): void {
    this.#rows[row + NEXT] = this.#state[VACANT]!
    this.#state[VACANT] = row
  }

  /** Drops the rows of lost threads and makes all else from the others. Whoever dies here leaves it to the next. */
  #restore(): void {
    const rows = this.#rows
    const lost = this.#lost.slice()
    let total = 0
    this.#lists.fill(0)
    this.#state[VACANT] = 0
    for (let row = this.#state[FRESH]! - ROW; row > 0; row -= ROW) {
      if (lost[rows[row + OWNER]!] === 1) rows[row + COUNT] = 0
      if (rows[row + COUNT] === 0) {
        this.#vacate(row)
        continue
      }
      total += rows[row + COUNT]!
      const list = this.#list(rows[row + LOW]!)
      rows[row + NEXT] = this.#lists[list]!
      this.#lists[list] = row
    }
    this.#state[TOTAL] = total
    // Only now, and none that has been lost meanwhile.
    for (const [thread, isLost] of lost.entries()) if (isLost === 1) Atomics.store(this.#lost, thread, 0)
  }

  #list(low: number): number {
    return low & (this.#lists.length - 1)
  }
}

/**
 * Room for what `threads` threads hold: so many places in all, and so at most as many users; `usual` is how many there are
 * mostly.
 */
export function quotaTableMemory(
  threads: number,
  places: number,
  random: (size: number) => Buffer,
  usual: number = places,
): QuotaTableMemory {
  const words = (count: number) => new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT)
  const state = words(STATE)
  new Int32Array(state)[FRESH] = ROW
  return {
    key: random(32).toString('hex'),
    state,
    lost: words(threads),
    // With no address yet there are no ports either.
    lists: words(2 ** Math.ceil(Math.log2(Math.max(1, usual)))),
    rows: words((places + 1) * ROW),
  }
}
