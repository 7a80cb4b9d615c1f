/**
 * A database as coturn has it: tables and keys of its own make, one file for each kind. Every question may fail, for as long as it
 * likes: AccountStore bounds the time, and asks again. What comes back is whatever stands there: AccountStore looks at it.
 */
export interface AccountDatabase {
  /** The key of an account as hexadecimal digits; null when there is no such account. */
  key(name: string, realm: string): Promise<string | null>
  /** What changes seldom, for one realm. */
  settings(realm: string): Promise<RealmRows>
  /** A key of third-party authorisation (RFC 7635) by its id; null when there is none. */
  oauthKey(kid: string): Promise<OauthKey | null>
  close(): Promise<void>
}

/** What a database says of a realm, as it stands there. */
export interface RealmRows {
  /** TURN REST secrets. */
  readonly secrets: readonly string[]
  /** `max-bps`, `user-quota`, `total-quota`. */
  readonly options: Readonly<Record<string, string>>
  /** Of this realm, and of none, which are for all. */
  readonly allowedPeers: readonly string[]
  readonly deniedPeers: readonly string[]
}

export interface OauthKey {
  readonly kid: string
  /** Base64. */
  readonly key: string
  readonly timestamp: number
  readonly lifetimeSeconds: number
  /** `A256GCM` or `A128GCM`; empty for the first of them. */
  readonly algorithm: string
  readonly realm: string
}

/** Where a database listens; null for a file. */
export interface DatabaseEndpoint {
  readonly host: string
  readonly port: number
}

/** A database that is named by the configuration and not opened yet. */
export interface DatabasePlan {
  readonly kind: DatabaseKind
  readonly endpoint: DatabaseEndpoint | null
  /** Loads the driver; throws MissingPackage, or what the driver says of options that it cannot use. Connects later. */
  open(): Promise<AccountDatabase>
}

type DatabaseKind = 'sqlite' | 'redis' | 'postgresql' | 'mysql' | 'mongodb'
