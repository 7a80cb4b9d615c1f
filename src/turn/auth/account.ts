/** Whom the long-term credential mechanism knows (RFC 8489 §9.2): a name is somebody only in its realm. */
export interface Account extends AccountName {
  readonly limits: AccountLimits
}

export interface AccountName {
  readonly name: string
  readonly realm: string
}

/** What one account may use; null where what holds for all accounts holds for it too. */
export interface AccountLimits {
  /** `user-quota`: allocations at a time; 0 = no limit. */
  readonly userQuota: number | null
  /** `max-bps`: bytes a second, for each allocation and direction; 0 = no limit. */
  readonly maxBytesPerSecond: number | null
}

export const NO_LIMITS: AccountLimits = { userQuota: null, maxBytesPerSecond: null }

/** An allocation belongs to its account: the same name in another realm is somebody else. */
export function isSameAccount(one: AccountName, other: AccountName): boolean {
  return one.name === other.name && one.realm === other.realm
}

/**
 * An account with its keys ready made: a password is not kept where keys will do. There is more than one key of a kind
 * only where OpaqueString and SASLprep differ.
 */
export interface FoundAccount extends AccountName {
  /** The account's one name, whichever form or hash of it a client sent. */
  readonly name: string
  readonly md5Keys: readonly Buffer[]
  /** Empty when only an MD5 key is known. */
  readonly sha256Keys: readonly Buffer[]
}

/**
 * What a look-up says: `unavailable` when the store can't tell at the moment, which is our fault (500) and not the client's (401);
 * `asking` when it has to be asked first.
 */
export type Found = FoundAccount | null | 'unavailable' | 'asking'

/** Where accounts come from. */
export interface Accounts {
  find(username: string, realm: string, now: number): Found
  /** By USERHASH (RFC 8489 §14.4). */
  findByHash(hash: Buffer, realm: string, now: number): Found
  /** Every account has a key for SHA-256. */
  readonly hasSha256Keys: boolean
}

/** What quotas count by: of one kind and realm each, so that no name counts for somebody else's. No part has a line feed. */
export function quotaName(kind: 'account' | 'temporary' | 'visitor', name: string, realm: string): string {
  return `${kind} ${name}\n${realm}`
}
