import { longTermKey, longTermKeySha256, userHash } from '../../stun/integrity.ts'
import { preparedForms } from './opaque-string.ts'

/**
 * An account with its keys ready made: a password is not kept where keys will do. There is more than one key of a kind
 * only where OpaqueString and SASLprep differ.
 */
export interface StoredUser {
  /** The account's one name, whichever form or hash of it a client sent. */
  readonly name: string
  readonly md5Keys: readonly Buffer[]
  /** Empty when only an MD5 key is known. */
  readonly sha256Keys: readonly Buffer[]
}

/** Where long-term users come from. */
export interface UserStore {
  /** `unavailable` when the store can't tell at the moment: that is our fault (500), not the client's (401). */
  find(username: string, realm: string): StoredUser | null | 'unavailable'
  /** By USERHASH (RFC 8489 §14.4). */
  findByHash(hash: Buffer, realm: string): StoredUser | null | 'unavailable'
  /** Every account has a key for SHA-256. */
  readonly hasSha256Keys: boolean
}

/** An account of the configuration: its password, or its key for one realm. */
export type StaticUser =
  | { readonly name: string; readonly password: string }
  | { readonly name: string; readonly key: Buffer }

/** The accounts of the configuration. Of two with one name the later counts. */
export class StaticUsers implements UserStore {
  readonly hasSha256Keys: boolean
  readonly #byName = new Map<string, StoredUser>()
  readonly #byHash = new Map<string, StoredUser>()

  /** Keys are made for `realm`; a ready made key for another realm never matches. */
  constructor(users: readonly StaticUser[], realm: string) {
    const last = new Map(users.map((user) => [user.name, user]))
    const stored = [...last.values()].map((user) => storedUser(user, realm))
    const add = (name: string, user: StoredUser) => {
      this.#byName.set(name, user)
      for (const form of preparedForms(realm)) this.#byHash.set(userHash(name, form).toString('latin1'), user)
    }
    for (const user of stored) add(user.name, user)
    // Afterwards, so that a form of one name never hides the account that has it for a name.
    for (const user of stored) {
      for (const form of preparedForms(user.name)) if (!this.#byName.has(form)) add(form, user)
    }
    this.hasSha256Keys = stored.every((user) => user.sha256Keys.length > 0)
  }

  find(username: string): StoredUser | null {
    return this.#byName.get(username) ?? null
  }

  findByHash(hash: Buffer): StoredUser | null {
    return this.#byHash.get(hash.toString('latin1')) ?? null
  }
}

function storedUser(user: StaticUser, realm: string): StoredUser {
  if ('key' in user) return { name: user.name, md5Keys: [user.key], sha256Keys: [] }
  const md5Keys: Buffer[] = []
  const sha256Keys: Buffer[] = []
  for (const name of preparedForms(user.name)) {
    for (const realmForm of preparedForms(realm)) {
      for (const password of preparedForms(user.password)) {
        md5Keys.push(longTermKey(name, realmForm, password))
        sha256Keys.push(longTermKeySha256(name, realmForm, password))
      }
    }
  }
  return { name: user.name, md5Keys, sha256Keys }
}
