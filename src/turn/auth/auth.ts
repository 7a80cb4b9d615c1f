import { randomBytes } from 'node:crypto'
import { Attribute, Method, PasswordAlgorithm } from '../../stun/constants.ts'
import { longTermKey, longTermKeySha256, verifyIntegrity, verifyIntegritySha256 } from '../../stun/integrity.ts'
import type { StunMessage } from '../../stun/message.ts'
import type { FiveTuple } from '../five-tuple.ts'
import {
  type Account,
  type AccountLimits,
  type AccountName,
  type Accounts,
  type Found,
  type FoundAccount,
  NO_LIMITS,
  quotaName,
} from './account.ts'
import type { AccountCache } from './account-cache.ts'
import { isVisitorId, parseRestName, type RestName, restPassword } from './credentials.ts'
import type { Nonces } from './nonce.ts'
import { hasControls, preparedForms } from './opaque-string.ts'

export interface AuthOptions {
  readonly realm: string
  /** `no-auth`: everybody may, and nothing is signed. */
  readonly anonymous: boolean
  /** The accounts of the configuration, which are there at once. */
  readonly users: Accounts
  /** Those of a store that takes time to be asked; null for none. */
  readonly stored: Pick<AccountCache, 'find' | 'isDoubtful' | 'prove'> | null
  /** What an account of the realm may use. */
  readonly limits: AccountLimits
  /** TURN REST secrets; the first that verifies wins. */
  readonly secrets: readonly string[]
  /** `rest-api-separator`, one character. */
  readonly separator: string
  /** A temporary name that has run out may not even refresh. */
  readonly strictExpiry: boolean
  /** RFC 8489 SHA-256: not offered, offered beside MD5, or demanded. */
  readonly sha256: 'off' | 'offered' | 'required'
}

/** Who sent a request. An allocation keeps it, and passes it back with later requests of its 5-tuple. */
export interface Authenticated {
  readonly ok: true
  /** The resolved account or temporary name, whichever form was sent; with an empty name when anonymous. */
  readonly account: Account
  /** What quotas count: an account, the userid part of a temporary name, or the source that a visitor's name stands for. */
  readonly quotaName: string
  /** Signs the answer; null when anonymous. */
  readonly key: Buffer | null
  /** Which integrity attribute the answer carries. */
  readonly integrity: 'none' | 'sha1' | 'sha256'
  /** Of whom: an account of the configuration or of a store, a temporary name made from a TURN REST secret, or anybody. */
  readonly kind: 'static' | 'stored' | 'temporary' | 'anonymous'
  /** For the log. */
  readonly warning: string | null
}

/** What a refusal carries so that the client can try again (RFC 8489 §9.2.4). */
export interface Challenge {
  readonly realm: string
  readonly nonce: string
  /** The value of PASSWORD-ALGORITHMS; null when none are offered. */
  readonly passwordAlgorithms: Buffer | null
}

export interface Unauthenticated {
  readonly ok: false
  readonly code: 400 | 401 | 438 | 441 | 500
  /** For the log alone. */
  readonly reason: string
  readonly username?: string | undefined
  readonly realm?: string | undefined
  readonly challenge: Challenge | null
  /** A well-formed login that failed: counts against the budget of wrong guesses. */
  readonly guess: boolean
  /** Whose temporary name, rightly signed for, has run out: what he has already he may keep. */
  readonly lapsed?: Authenticated
  /** There is such an account, but its key is another: what it has goes on until its time. */
  readonly isWrongKey?: boolean
  /** The store should be asked for this account, and the request be received again then. */
  readonly ask?: AccountName
}

/** The long-term credential mechanism (RFC 8489 §9.2.4) with accounts and TURN REST secrets side by side. */
export class Authenticator {
  readonly #nonces: Nonces
  readonly #wallClock: () => number
  #options: AuthOptions
  #realms: readonly string[]
  #passwordAlgorithms: Buffer | null

  constructor(options: AuthOptions, nonces: Nonces, wallClock: () => number) {
    this.#nonces = nonces
    this.#wallClock = wallClock
    this.#options = options
    this.#realms = preparedForms(options.realm)
    this.#passwordAlgorithms = passwordAlgorithms(options)
  }

  /** Goes by other users, secrets and switches from the next request on. */
  reload(options: AuthOptions): void {
    this.#options = options
    this.#realms = preparedForms(options.realm)
    this.#passwordAlgorithms = passwordAlgorithms(options)
  }

  get realm(): string {
    return this.#options.realm
  }

  /** A fresh nonce and what goes with it. */
  challenge(client: FiveTuple): Challenge {
    const features = {
      passwordAlgorithms: this.#passwordAlgorithms !== null,
      // A temporary name can't be found by its hash, so with secrets anonymity is not on offer.
      usernameAnonymity: this.#passwordAlgorithms !== null && this.#options.secrets.length === 0,
    }
    return {
      realm: this.#options.realm,
      nonce: this.#nonces.issue(client.client, this.#wallClock(), features),
      passwordAlgorithms: this.#passwordAlgorithms,
    }
  }

  /** Whether `request` is signed with the key of `user`, whatever its nonce: for a request that comes a second time. */
  isSignedBy(request: StunMessage, user: Authenticated): boolean {
    if (user.key === null) return true
    return verifierOf(request)(request, user.key)
  }

  /**
   * Checks in the order structure, nonce, realm, user, integrity: a nonce costs no look-up, and its refusal doesn't tell
   * whether the password was right. `known` is whom the request's allocation belongs to.
   */
  authenticate(
    request: StunMessage,
    client: FiveTuple,
    known: Authenticated | null = null,
    now = 0,
  ): Authenticated | Unauthenticated {
    const { anonymous, realm, sha256, users, stored } = this.#options
    if (anonymous) return ANONYMOUS
    if (!request.has(Attribute.MESSAGE_INTEGRITY) && !request.has(Attribute.MESSAGE_INTEGRITY_SHA256)) {
      return { ok: false, code: 401, reason: 'no credentials yet', challenge: this.challenge(client), guess: false }
    }
    const login = readLogin(request)
    if (typeof login === 'string') return { ok: false, code: 400, reason: login, challenge: null, guess: false }

    const refuse = (code: 401 | 438, reason: string, guess: boolean): Unauthenticated => {
      return { ok: false, code, reason, ...loggable(login), challenge: this.challenge(client), guess }
    }
    const refuseSilently = (code: 400 | 441 | 500, reason: string): Unauthenticated => {
      return { ok: false, code, reason, ...loggable(login), challenge: null, guess: false }
    }

    const verdict = this.#nonces.verify(login.nonce, client.client, this.#wallClock())
    if (verdict === 'stale') return refuse(438, 'nonce is stale', false)
    if (verdict === 'foreign') return refuse(438, 'nonce is not ours or is of another client', false)

    const algorithm = this.#algorithm(request, login.nonce)
    if (algorithm === null) return refuseSilently(400, 'password algorithms differ from those offered')
    if (!this.#realms.includes(login.realm)) {
      // Deviation: 441 where RFC 8489 knows only the challenge, because an allocation does not change its realm.
      const reason = `realm differs, ours is "${realm}"`
      return request.method === Method.ALLOCATE ? refuse(401, reason, false) : refuseSilently(441, reason)
    }
    if (sha256 === 'required' && algorithm !== PasswordAlgorithm.SHA_256) {
      return refuse(401, 'SHA-256 is demanded', false)
    }

    let found =
      login.username === null
        ? users.findByHash(login.userHash, login.realm, now)
        : users.find(login.username, login.realm, now)
    let outcome = this.#verify(request, login, algorithm, found, known)
    // Who logs in without the store does not wait for it.
    if (typeof outcome === 'string' && found === null && stored !== null && login.username !== null) {
      const account = { name: login.username, realm }
      found = stored.find(account.name, realm, now)
      outcome = this.#verify(request, login, algorithm, found, known, 'stored')
      const isNobody = typeof outcome === 'string' && found !== 'unavailable'
      if (isNobody && (found === 'asking' || stored.isDoubtful(account.name, realm, now))) {
        return { ...refuseSilently(500, 'the account store cannot be asked now'), ask: account }
      }
      if (typeof outcome !== 'string' && 'ok' in outcome && outcome.kind === 'stored') stored.prove(account.name, realm)
    }
    if (typeof outcome !== 'string') {
      return 'expired' in outcome ? { ...refuse(401, outcome.expired, true), lapsed: outcome.user } : outcome
    }
    if (found === 'unavailable') return refuseSilently(500, 'the account store does not answer')
    return { ...refuse(401, outcome, true), isWrongKey: found !== null }
  }

  /** The algorithm a request goes by (RFC 8489 §9.2.4); null when it tampers with the list that its nonce promised. */
  #algorithm(request: StunMessage, nonce: string): number | null {
    const offered = this.#passwordAlgorithms
    if (offered === null || !this.#nonces.announcesPasswordAlgorithms(nonce)) return PasswordAlgorithm.MD5
    const list = request.value(Attribute.PASSWORD_ALGORITHMS)
    const choice = request.value(Attribute.PASSWORD_ALGORITHM)
    if (list === null && choice === null) return PasswordAlgorithm.MD5
    if (list === null || choice === null || !list.equals(offered)) return null
    for (let at = 0; at < offered.length; at += 4) {
      if (choice.equals(offered.subarray(at, at + 4))) return choice.readUInt16BE(0)
    }
    return null
  }

  /**
   * Finds the key that signed the request; otherwise the reason why there is none. Every failure costs the same: one
   * account's key, real or not, and each secret, so time doesn't tell which names exist.
   */
  #verify(
    request: StunMessage,
    { username, realm }: Login,
    algorithm: number,
    found: Found,
    known: Authenticated | null,
    kind: 'static' | 'stored' = 'static',
  ): Authenticated | Lapsed | string {
    const { secrets, separator, strictExpiry, limits, realm: ownRealm } = this.#options
    const account = typeof found === 'string' ? null : found
    const isSignedWith = verifierOf(request)
    const derive = algorithm === PasswordAlgorithm.SHA_256 ? longTermKeySha256 : longTermKey
    const integrity = request.has(Attribute.PASSWORD_ALGORITHM) ? 'sha256' : 'sha1'
    const name = username ?? ''
    const rest = parseRestName(name, separator)
    const expired = expiry(rest, this.#wallClock())

    // An account must still exist (or not be known for the moment) and be signed for with today's password; a temporary name
    // lives on with the key that its allocation was made with.
    const own =
      known?.account.name === username &&
      known.account.realm === ownRealm &&
      (typeof found === 'string' || (found === null && known.kind === 'temporary'))
        ? known
        : null
    if (own !== null && own.key !== null && isSignedWith(request, own.key)) {
      return strictExpiry && own.kind === 'temporary' && expired !== null
        ? expired
        : { ...own, integrity, warning: null }
    }

    const accountKey = keysOf(account, algorithm).find((key) => isSignedWith(request, key))
    if (account !== null && accountKey !== undefined) {
      return {
        ok: true,
        account: { name: account.name, realm: account.realm, limits },
        quotaName: quotaName('account', account.name, account.realm),
        key: accountKey,
        integrity,
        kind,
        warning: null,
      }
    }

    const signed = secrets
      .map((secret) => ({ secret, key: derive(name, realm, restPassword(secret, name)) }))
      .filter((candidate) => isSignedWith(request, candidate.key))[0]
    if (account !== null) return 'wrong key'
    if (secrets.length === 0 || username === null) return 'unknown user'
    if (rest.expiresAtMs === null) return 'no such user, and no timestamp in user name'
    if (signed === undefined) return 'no secret matched'
    const counts = isVisitorId(signed.secret, rest.userid) ? 'visitor' : 'temporary'
    const user: Authenticated = {
      ok: true,
      account: { name: username, realm: ownRealm, limits },
      quotaName: quotaName(counts, rest.userid, ownRealm),
      key: signed.key,
      integrity,
      kind: 'temporary',
      warning: rest.inMilliseconds ? 'timestamp in user name is in milliseconds, not seconds' : null,
    }
    if (expired === null) return user
    return strictExpiry ? expired : { expired, user }
  }
}

function keysOf(account: FoundAccount | null, algorithm: number): readonly Buffer[] {
  if (account === null) return NO_KEYS
  return algorithm === PasswordAlgorithm.SHA_256 ? account.sha256Keys : account.md5Keys
}

/** A temporary name that has run out, and how long ago. */
interface Lapsed {
  readonly expired: string
  readonly user: Authenticated
}

/** What a signed request must say (RFC 8489 §9.2.4). */
type Login = { readonly realm: string; readonly nonce: string } & (
  | { readonly username: string; readonly userHash: null }
  | { readonly username: null; readonly userHash: Buffer }
)

function readLogin(request: StunMessage): Login | string {
  const realm = request.text(Attribute.REALM)
  const nonce = request.text(Attribute.NONCE)
  if (realm === null) return 'REALM is missing or malformed'
  if (nonce === null) return 'NONCE is missing or malformed'
  if (request.has(Attribute.USERNAME)) {
    const username = request.text(Attribute.USERNAME)
    if (username === null || hasControls(username)) return 'USERNAME is malformed'
    return { username, userHash: null, realm, nonce }
  }
  const userHash = request.value(Attribute.USERHASH)
  if (userHash === null) return 'USERNAME is missing'
  if (userHash.length !== USERHASH_LENGTH) return 'USERHASH is malformed'
  return { username: null, userHash, realm, nonce }
}

function loggable({ username, realm }: Login): { username?: string; realm: string } {
  return username === null ? { realm } : { username, realm }
}

/** If both are in a request, MESSAGE-INTEGRITY-SHA256 decides. */
function verifierOf(request: StunMessage): (request: StunMessage, key: Buffer) => boolean {
  return request.has(Attribute.MESSAGE_INTEGRITY_SHA256) ? verifyIntegritySha256 : verifyIntegrity
}

/** How long ago a name ran out, in whole seconds and for the log; null while it is good. */
function expiry({ expiresAtMs }: RestName, wallMs: number): string | null {
  if (expiresAtMs === null) return null
  const secondsAgo = Math.floor(wallMs / 1000) - Math.floor(expiresAtMs / 1000)
  return secondsAgo > 0 ? `expired ${secondsAgo} s ago` : null
}

/** Best first, each with a parameter length of 0 (RFC 8489 §14.11). */
function passwordAlgorithms({ sha256, users, stored }: AuthOptions): Buffer | null {
  // A store has keys for MD5 alone.
  if (sha256 === 'off' || !users.hasSha256Keys || stored !== null) return null
  const algorithms =
    sha256 === 'required' ? [PasswordAlgorithm.SHA_256] : [PasswordAlgorithm.SHA_256, PasswordAlgorithm.MD5]
  return Buffer.from(algorithms.flatMap((algorithm) => [0, algorithm, 0, 0]))
}

const USERHASH_LENGTH = 32
/** Stands in for the keys of an account that doesn't exist. */
const NO_KEYS: readonly Buffer[] = [randomBytes(16)]
const ANONYMOUS: Authenticated = {
  ok: true,
  account: { name: '', realm: '', limits: NO_LIMITS },
  quotaName: '',
  key: null,
  integrity: 'none',
  kind: 'anonymous',
  warning: null,
}
