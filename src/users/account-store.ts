import type { Log } from '../log.ts'
import { OncePerMinute } from '../once-per-minute.ts'
import type { AccountName } from '../turn/auth/account.ts'
import type { StoreAnswer } from '../turn/auth/account-cache.ts'
import { preparedForms } from '../turn/auth/opaque-string.ts'
import { parsePeerRange } from '../turn/peers/peer-policy.ts'
import type { AccountDatabase, DatabaseEndpoint, RealmRows } from './account-database.ts'

/** What a database says of the realm in force, looked through: plain values, which can be compared and copied to threads. */
export interface StoredSettings {
  readonly secrets: readonly string[]
  /** Null where the database says nothing. */
  readonly userQuota: number | null
  readonly totalQuota: number | null
  readonly maxBytesPerSecond: number | null
  readonly allowedPeers: readonly string[]
  readonly deniedPeers: readonly string[]
}

export interface AccountStoreOptions {
  readonly database: AccountDatabase
  /** Where it is. */
  readonly services: readonly DatabaseEndpoint[]
  /** Whose settings are in force. */
  readonly realm: string
  readonly log: Log
  /** Monotonic milliseconds. */
  readonly clock: () => number
  /** Settings that differ from those before; the first ones, too. */
  readonly changed: () => void
}

/** How long the database may take to answer. */
const PATIENCE_MS = 3000
/** How often settings are read. */
const POLL_MS = 5000
/** Settings that old are read again before somebody is told that nobody has that name: it may be made with a new secret. */
const FRESH_MS = 1000
/** How soon a database that has failed is tried again: at first, and at most. */
const FIRST_PAUSE_MS = 250
const MOST_PAUSE_MS = 4000
/** Names that may be asked for at the same time. */
const MOST_QUESTIONS = 8192
/** Longer than any secret that somebody means. */
const MOST_SECRET_BYTES = 4096

/**
 * The accounts, secrets and settings of a database, for all threads. Nobody waits for longer than a few seconds, whatever the
 * database does: while it is away it is tried again and again, and everybody who asks is told at once.
 */
export class AccountStore {
  /** Questions that failed, and values in the database that nobody can use. */
  readonly counters = { failures: 0, unusable: 0 }
  readonly #options: AccountStoreOptions
  readonly #complaints = new OncePerMinute()
  /** One question at a time for a name. */
  readonly #asking = new Map<string, ((answer: StoreAnswer) => void)[]>()
  #realm: string
  #isUp = false
  /** It has answered once, or failed once. */
  #isTried = false
  #pauseMs = FIRST_PAUSE_MS
  #polledAt = -Infinity
  #polling: Promise<void> | null = null
  #settings: StoredSettings | null = null
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: AccountStoreOptions) {
    this.#options = options
    this.#realm = options.realm
  }

  get services(): readonly DatabaseEndpoint[] {
    return this.#options.services
  }

  /** Whether it has answered the last time. */
  get isUp(): boolean {
    return this.#isUp
  }

  /** Null until the database has answered once. */
  get settings(): StoredSettings | null {
    return this.#settings
  }

  /** Reads the settings, and goes on doing so; a database that is away does not stop the start. */
  async start(): Promise<void> {
    await this.#poll()
  }

  /** Another realm is in force: what is known of the one before does not hold for it. */
  serve(realm: string): void {
    if (realm === this.#realm) return
    this.#realm = realm
    this.#settings = null
    // What is being read now is the other realm's.
    void (this.#polling ?? Promise.resolve()).then(() => this.#poll())
  }

  /** `then` is called once, never during the call. */
  find({ name, realm }: AccountName, then: (answer: StoreAnswer) => void): void {
    const key = `${name}\n${realm}`
    const others = this.#asking.get(key)
    if (others !== undefined) {
      others.push(then)
      return
    }
    if (!this.#isUp || this.#asking.size >= MOST_QUESTIONS) {
      setImmediate(then, 'unavailable')
      return
    }
    const waiting = [then]
    this.#asking.set(key, waiting)
    void this.#look(name, realm).then((answer) => {
      this.#asking.delete(key)
      for (const each of waiting) each(answer)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#options.database.close()
  }

  /** Never rejects. */
  async #look(name: string, realm: string): Promise<StoreAnswer> {
    try {
      return await inTime(this.#find(name, realm))
    } catch (error) {
      // It may be this name alone that the database cannot take, and whoever made it up is not to shut out everybody else.
      this.#complain(error)
      if (this.#isUp && this.#options.clock() - this.#polledAt >= FIRST_PAUSE_MS) void this.#poll()
      return 'unavailable'
    }
  }

  /** By every form of the name, because turnadmin has prepared it and clients have not. */
  async #find(name: string, realm: string): Promise<StoreAnswer> {
    for (const form of preparedForms(name)) {
      const digits = await this.#options.database.key(form, realm)
      if (digits === null) continue
      if (/^[0-9a-f]{32}$/i.test(digits)) return { name: form, md5Keys: [Buffer.from(digits, 'hex')] }
      this.#unusable('the key of an account is not 32 hexadecimal digits', { username: form, realm })
    }
    if (this.#polling !== null || this.#options.clock() - this.#polledAt >= FRESH_MS) await this.#poll()
    return this.#isUp ? null : 'unavailable'
  }

  /** Reads the settings, which also shows whether the database is there; never rejects. */
  async #poll(): Promise<void> {
    if (this.#isClosed) return
    this.#polling ??= this.#read().finally(() => {
      this.#polling = null
    })
    await this.#polling
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer)
    const { database, clock, log } = this.#options
    const realm = this.#realm
    this.#polledAt = clock()
    try {
      const rows = await inTime(database.settings(realm))
      // Another realm may be in force by now.
      if (realm === this.#realm) this.#take(rows)
      if (!this.#isUp && this.#isTried) log.info({}, 'the account database answers again')
      this.#isUp = true
      this.#pauseMs = FIRST_PAUSE_MS
    } catch (error) {
      this.#complain(error)
      this.#isUp = false
      this.#pauseMs = Math.min(this.#pauseMs * 2, MOST_PAUSE_MS)
    }
    this.#isTried = true
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.#poll(), this.#isUp ? POLL_MS : this.#pauseMs).unref()
  }

  #take(rows: RealmRows): void {
    const settings = this.#usable(rows)
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return
    this.#settings = settings
    this.#options.changed()
  }

  #complain(error: unknown): void {
    if (this.#isClosed) return
    this.counters.failures++
    const held = this.#complaints.pass('failed', this.#options.clock())
    const reason = error instanceof Error ? error.message : String(error)
    if (held !== null) this.#options.log.warn({ reason, held }, 'the account database does not answer')
  }

  #usable({ secrets, options, allowedPeers, deniedPeers }: RealmRows): StoredSettings {
    const good = secrets.filter((secret) => {
      const isGood = secret !== '' && Buffer.byteLength(secret) <= MOST_SECRET_BYTES
      if (!isGood) this.#unusable('a secret is empty or too long', {})
      return isGood
    })
    return {
      // Sets have no order: the same ones are to be the same settings.
      secrets: good.toSorted(),
      userQuota: this.#number(options, 'user-quota'),
      totalQuota: this.#number(options, 'total-quota'),
      maxBytesPerSecond: this.#number(options, 'max-bps'),
      allowedPeers: this.#ranges(allowedPeers),
      deniedPeers: this.#ranges(deniedPeers),
    }
  }

  #number(options: Readonly<Record<string, string>>, name: string): number | null {
    const text = Object.hasOwn(options, name) ? options[name]! : null
    if (text === null) return null
    if (/^\d{1,15}$/.test(text)) return Number(text)
    this.#unusable(`${name} of the realm is no number`, {})
    return null
  }

  #ranges(texts: readonly string[]): readonly string[] {
    const good = texts.filter((text) => {
      const parsed = parsePeerRange(text)
      if (typeof parsed === 'string') this.#unusable('a peer range cannot be read', { range: text.slice(0, 80) })
      return typeof parsed !== 'string'
    })
    return good.toSorted()
  }

  #unusable(reason: string, fields: Readonly<Record<string, string>>): void {
    this.counters.unusable++
    const held = this.#complaints.pass(reason, this.#options.clock())
    if (held !== null)
      this.#options.log.warn({ reason, ...fields, held }, 'the account database holds what cannot be used')
  }
}

/** Its result, unless that takes too long. */
async function inTime<Result>(promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
