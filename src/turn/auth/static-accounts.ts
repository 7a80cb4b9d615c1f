import { longTermKey, longTermKeySha256, userHash } from '../../stun/integrity.ts'
import type { Accounts, FoundAccount } from './account.ts'
import { preparedForms } from './opaque-string.ts'

/** An account of the configuration: its password, or its key for one realm. */
export type StaticAccount =
  | { readonly name: string; readonly password: string }
  | { readonly name: string; readonly key: Buffer }

/** The accounts of the configuration. Of two with one name the later counts. */
export class StaticAccounts implements Accounts {
  readonly hasSha256Keys: boolean
  readonly #byName = new Map<string, FoundAccount>()
  readonly #byHash = new Map<string, FoundAccount>()

  /** Keys are made for `realm`; a ready made key for another realm never matches. */
  constructor(users: readonly StaticAccount[], realm: string) {
    const last = new Map(users.map((user) => [user.name, user]))
    const stored = [...last.values()].map((user) => withKeys(user, realm))
    const add = (name: string, user: FoundAccount) => {
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

  find(username: string): FoundAccount | null {
    return this.#byName.get(username) ?? null
  }

  findByHash(hash: Buffer): FoundAccount | null {
    return this.#byHash.get(hash.toString('latin1')) ?? null
  }
}

function withKeys(user: StaticAccount, realm: string): FoundAccount {
  if ('key' in user) return { name: user.name, realm, md5Keys: [user.key], sha256Keys: [] }
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
  return { name: user.name, realm, md5Keys, sha256Keys }
}
