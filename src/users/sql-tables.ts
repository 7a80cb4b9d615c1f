import type { AccountDatabase, OauthKey, RealmRows } from './account-database.ts'

export type Rows = readonly Readonly<Record<string, unknown>>[]

/** What a driver does. */
export interface SqlConnections {
  query(sql: string, values: readonly string[]): Promise<Rows>
  close(): Promise<void>
}

export interface SqlDialect {
  /** How the value at a place is written, counted from 1. */
  bound(place: number): string
  /** The table is not there: older versions of coturn had fewer. */
  isNoTable(error: unknown): boolean
  /** The table cannot hold such a text, so that it does not. */
  isForeignText(error: unknown): boolean
}

/** coturn's tables, which SQLite, PostgreSQL and MySQL have in common. Values are always bound: a name is never part of a text. */
export class SqlTables implements AccountDatabase {
  readonly #connections: SqlConnections
  readonly #dialect: SqlDialect

  constructor(connections: SqlConnections, dialect: SqlDialect) {
    this.#connections = connections
    this.#dialect = dialect
  }

  async key(name: string, realm: string): Promise<string | null> {
    const { bound, isForeignText } = this.#dialect
    const where = `name = ${bound(1)} AND realm = ${bound(2)}`
    try {
      const rows = await this.#connections.query(`SELECT name, realm, hmackey FROM turnusers_lt WHERE ${where}`, [
        name,
        realm,
      ])
      // MySQL takes `Alice` and `alice ` for `alice`, which are other names to everybody else.
      const row = rows.find((each) => each['name'] === name && each['realm'] === realm)
      return row === undefined ? null : textOf(row['hmackey'])
    } catch (error) {
      if (isForeignText(error)) return null
      throw error
    }
  }

  async settings(realm: string): Promise<RealmRows> {
    const one = this.#dialect.bound(1)
    const [secrets, options, allowed, denied] = [
      await this.#optional(`SELECT value FROM turn_secret WHERE realm = ${one}`, [realm]),
      await this.#optional(`SELECT opt, value FROM turn_realm_option WHERE realm = ${one}`, [realm]),
      await this.#optional(`SELECT ip_range FROM allowed_peer_ip WHERE realm = ${one} OR realm = ''`, [realm]),
      await this.#optional(`SELECT ip_range FROM denied_peer_ip WHERE realm = ${one} OR realm = ''`, [realm]),
    ]
    return {
      secrets: secrets.map(({ value }) => textOf(value)),
      options: Object.fromEntries(options.map(({ opt, value }) => [textOf(opt), textOf(value)])),
      allowedPeers: allowed.map(({ ip_range }) => textOf(ip_range)),
      deniedPeers: denied.map(({ ip_range }) => textOf(ip_range)),
    }
  }

  async oauthKey(kid: string): Promise<OauthKey | null> {
    const columns = 'ikm_key, timestamp, lifetime, as_rs_alg, realm'
    const [row] = await this.#optional(`SELECT ${columns} FROM oauth_key WHERE kid = ${this.#dialect.bound(1)}`, [kid])
    if (row === undefined) return null
    return {
      kid,
      key: textOf(row['ikm_key']),
      timestamp: Number(row['timestamp'] ?? 0),
      lifetimeSeconds: Number(row['lifetime'] ?? 0),
      algorithm: textOf(row['as_rs_alg']),
      realm: textOf(row['realm']),
    }
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #optional(sql: string, values: readonly string[]): Promise<Rows> {
    try {
      return await this.#connections.query(sql, values)
    } catch (error) {
      if (this.#dialect.isNoTable(error)) return []
      throw error
    }
  }
}

/** What a driver names an error by. */
export function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code
}

/** Blanks behind it come from columns of a fixed width: coturn's keys are CHAR(128). */
function textOf(value: unknown): string {
  return value === null || value === undefined ? '' : String(value).replace(/ +$/, '')
}
