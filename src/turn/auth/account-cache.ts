import type { Address } from '../../stun/address.ts'
import { sourceKey } from '../limits/source-count.ts'
import type { AccountName, Accounts, Found, FoundAccount } from './account.ts'

export interface AccountCacheOptions {
  /** How long a store's word is good; what is in use is asked for again in half of it. */
  readonly lifetimeMs: number
  /** False when nobody can be asked now; otherwise TurnServer.accountFound() follows, once, and never during the call. */
  ask(account: AccountName): boolean
}

/** What a store has said: the account with its one name, that there is none, or nothing. */
export type StoreAnswer = { readonly name: string; readonly md5Keys: readonly Uint8Array[] } | null | 'unavailable'

/** What an answer leads to. */
export interface Answered<Holder> {
  /** Requests that have waited for it: ids of Pending. */
  readonly waiting: readonly number[]
  /** What the account had, which is no more. */
  readonly gone: readonly Holder[]
}

/** That there is no such account; also the most a fresh account has to wait that was asked for before it was made. */
const UNKNOWN_MS = 2000
/** A key that did not fit may be an old one: whoever has just been given a new password need not wait for longer than that. */
const DOUBT_MS = 2000
/** A store that has not answered is left alone for so long. */
const PAUSE_MS = 1000
/** Of those whom nobody has logged in as, in total and for each source: names may be made up. */
const MOST_UNPROVEN = 4096
const MOST_OF_SOURCE = 64
/** Accounts that somebody has had the key of; those with allocations come on top. */
const MOST_PROVEN = 65_536
/** Accounts in use that are asked for again at the same time. */
const MOST_RENEWALS = 256

interface Entry<Holder> {
  readonly key: string
  readonly account: AccountName
  /** Undefined until the store has said anything. */
  known: FoundAccount | null | undefined
  knownAt: number
  /** When the store could not be asked, since it last could. */
  failedAt: number
  isAsking: boolean
  waiting: number[]
  readonly holders: Set<Holder>
  /** Who has asked for it; null once somebody has shown the key. */
  source: number | null
}

/**
 * Accounts of a store that takes time to be asked: bounded, no older than their lifetime, one question at a time for a name.
 * A source that makes up names can push out no more than what it has asked for itself: whom somebody has logged in as is kept
 * apart. Accounts with allocations are asked for again while these last, so that who is taken out loses them.
 */
export class AccountCache<Holder extends object = object> implements Accounts {
  /** A store has keys for MD5 alone. */
  readonly hasSha256Keys = false
  readonly #options: AccountCacheOptions
  readonly #proven = new Map<string, Entry<Holder>>()
  readonly #unproven = new Map<string, Entry<Holder>>()
  readonly #bySource = new Map<number, Map<string, Entry<Holder>>>()
  #asking = 0

  constructor(options: AccountCacheOptions) {
    this.#options = options
  }

  /** Accounts that are known, or known not to be there. */
  get size(): number {
    return this.#proven.size + this.#unproven.size
  }

  /** Questions without an answer. */
  get asking(): number {
    return this.#asking
  }

  find(name: string, realm: string, now: number): Found {
    const entry = this.#get(name, realm)
    if (entry === undefined) return 'asking'
    const { known, knownAt, failedAt, holders } = entry
    const age = now - knownAt
    if (known && age < this.#options.lifetimeMs) return known
    if (known === null && age < UNKNOWN_MS) return null
    if (now - failedAt < PAUSE_MS) return 'unavailable'
    // It is asked for again as long as it has allocations, so that nobody has to wait for that.
    if (known && holders.size > 0) return failedAt === -Infinity ? known : 'unavailable'
    return 'asking'
  }

  /** A store can be asked by name alone. */
  findByHash(): null {
    return null
  }

  /** Whether what is known of an account may have changed since the store was asked: worth another question. */
  isDoubtful(name: string, realm: string, now: number): boolean {
    const entry = this.#get(name, realm)
    return entry !== undefined && now - entry.knownAt >= DOUBT_MS && now - entry.failedAt >= PAUSE_MS
  }

  /** Somebody has shown the account's key: from now on strangers cannot push it out. */
  prove(name: string, realm: string): void {
    const entry = this.#get(name, realm)
    if (entry === undefined || entry.source === null) return
    this.#delete(entry)
    this.#enterProven(entry)
  }

  /** Has the store asked for an account, for a request that waits for it; false when that cannot be. */
  ask({ name, realm }: AccountName, waiting: number, source: Address, now: number): boolean {
    const entry = this.#get(name, realm) ?? this.#enter({ name, realm }, sourceKey(source))
    if (entry === null || !this.#ask(entry, now)) return false
    entry.waiting.push(waiting)
    return true
  }

  /** Takes the answer to a question; one that nobody has asked, or that comes too late, changes nothing. */
  answered({ name, realm }: AccountName, answer: StoreAnswer, now: number): Answered<Holder> {
    const entry = this.#get(name, realm)
    if (entry === undefined || !entry.isAsking) return NOTHING
    const { waiting } = entry
    entry.isAsking = false
    entry.waiting = []
    this.#asking--
    if (answer === 'unavailable') {
      entry.failedAt = now
      return { waiting, gone: [] }
    }
    entry.known = answer && {
      name: answer.name,
      realm,
      md5Keys: answer.md5Keys.map((key) => Buffer.from(key)),
      sha256Keys: [],
    }
    entry.knownAt = now
    entry.failedAt = -Infinity
    return { waiting, gone: answer === null ? [...entry.holders] : [] }
  }

  /** Something of this account begins: until `letGo` the account is asked for again and again. */
  hold({ name, realm }: AccountName, holder: Holder): void {
    if (this.#get(name, realm) === undefined) this.#enterProven(made({ name, realm }, null))
    this.prove(name, realm)
    this.#get(name, realm)?.holders.add(holder)
  }

  letGo({ name, realm }: AccountName, holder: Holder): void {
    this.#get(name, realm)?.holders.delete(holder)
  }

  /** Once a second: forgets what is old, and has the store asked for what is in use. */
  sweep(now: number): void {
    const { lifetimeMs } = this.#options
    for (const entry of this.#unproven.values()) {
      const isOld = now - entry.knownAt >= (entry.known ? lifetimeMs : UNKNOWN_MS)
      if (isOld && !entry.isAsking && now - entry.failedAt >= PAUSE_MS) this.#delete(entry)
    }
    for (const entry of this.#proven.values()) {
      const age = now - entry.knownAt
      if (entry.holders.size === 0) {
        if (!entry.isAsking && age >= lifetimeMs) this.#delete(entry)
      } else if (age >= lifetimeMs / 2 && now - entry.failedAt >= PAUSE_MS && this.#asking < MOST_RENEWALS) {
        this.#ask(entry, now)
      }
    }
  }

  #get(name: string, realm: string): Entry<Holder> | undefined {
    const key = keyOf(name, realm)
    return this.#proven.get(key) ?? this.#unproven.get(key)
  }

  #ask(entry: Entry<Holder>, now: number): boolean {
    if (entry.isAsking) return true
    if (!this.#options.ask(entry.account)) {
      entry.failedAt = now
      return false
    }
    entry.isAsking = true
    this.#asking++
    return true
  }

  /** Null when all that might make room is being asked for. */
  #enter(account: AccountName, source: number): Entry<Holder> | null {
    const own = this.#bySource.get(source) ?? new Map<string, Entry<Holder>>()
    if (own.size >= MOST_OF_SOURCE && !this.#deleteOldest(own)) return null
    if (this.#unproven.size >= MOST_UNPROVEN && !this.#deleteOldest(this.#unproven)) return null
    const entry = made<Holder>(account, source)
    this.#unproven.set(entry.key, entry)
    this.#bySource.set(source, own.set(entry.key, entry))
    return entry
  }

  #enterProven(entry: Entry<Holder>): void {
    if (this.#proven.size >= MOST_PROVEN) this.#deleteOldest(this.#proven)
    entry.source = null
    this.#proven.set(entry.key, entry)
  }

  #deleteOldest(entries: ReadonlyMap<string, Entry<Holder>>): boolean {
    for (const entry of entries.values()) {
      if (entry.isAsking || entry.holders.size > 0) continue
      this.#delete(entry)
      return true
    }
    return false
  }

  #delete({ key, source }: Entry<Holder>): void {
    this.#proven.delete(key)
    this.#unproven.delete(key)
    if (source === null) return
    const own = this.#bySource.get(source)
    own?.delete(key)
    if (own?.size === 0) this.#bySource.delete(source)
  }
}

function made<Holder>(account: AccountName, source: number | null): Entry<Holder> {
  return {
    key: keyOf(account.name, account.realm),
    account,
    known: undefined,
    knownAt: -Infinity,
    failedAt: -Infinity,
    isAsking: false,
    waiting: [],
    holders: new Set(),
    source,
  }
}

/** Neither has a line feed. */
function keyOf(name: string, realm: string): string {
  return `${name}\n${realm}`
}

const NOTHING = { waiting: [], gone: [] } as const
