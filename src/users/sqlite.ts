import { statSync } from 'node:fs'
import type { AccountDatabase, DatabasePlan, OauthKey, RealmRows } from './account-database.ts'
import { driverPackage } from './packages.ts'
import { type Rows, SqlTables } from './sql-tables.ts'

/** How long a question may hold up this thread when somebody writes; then it is asked again, so often at most. */
const BUSY_MS = 10
const MOST_TRIES = 20
const PAUSE_MS = 50

/** `userdb`: a file that `turnadmin -b` has made. It is read and never written. */
export function sqlitePlan(path: string): DatabasePlan {
  return {
    kind: 'sqlite',
    endpoint: null,
    open: async () => {
      const { DatabaseSync } = await sqlite()
      return new SqliteDatabase(path, () => new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS }))
    },
  }
}

interface Statement {
  all(...values: readonly string[]): unknown[]
}

interface Connection {
  prepare(sql: string): Statement
  close(): void
}

interface Module {
  readonly DatabaseSync: new (path: string, options: { readOnly: boolean; timeout: number }) => Connection
}

/** Node's own where it has one. */
async function sqlite(): Promise<Module> {
  const own: string = 'node:sqlite'
  try {
    return (await import(own)) as Module
  } catch {
    // Before Node 22.5 there is none.
    return await driverPackage('@photostructure/sqlite', '1.2.1', () => import('@photostructure/sqlite'))
  }
}

class SqliteDatabase implements AccountDatabase {
  readonly #path: string
  readonly #connect: () => Connection
  #connection: Connection | null = null
  /** Which file is open. */
  #inode = 0
  readonly #tables = new SqlTables(
    { query: (sql, values) => this.#patiently(sql, values), close: () => this.close() },
    {
      bound: () => '?',
      isNoTable: (error) => /no such table/.test(String((error as Error).message)),
      isForeignText: () => false,
    },
  )

  constructor(path: string, connect: () => Connection) {
    this.#path = path
    this.#connect = connect
  }

  key(name: string, realm: string): Promise<string | null> {
    return this.#tables.key(name, realm)
  }

  async settings(realm: string): Promise<RealmRows> {
    // Another file may have been put in the place of the one that is open; where none is, this says so.
    if (statSync(this.#path).ino !== this.#inode) await this.close()
    return await this.#tables.settings(realm)
  }

  oauthKey(kid: string): Promise<OauthKey | null> {
    return this.#tables.oauthKey(kid)
  }

  async close(): Promise<void> {
    this.#connection?.close()
    this.#connection = null
  }

  async #patiently(sql: string, values: readonly string[]): Promise<Rows> {
    for (let tries = 1; ; tries++) {
      try {
        return this.#all(sql, values)
      } catch (error) {
        if (tries >= MOST_TRIES || !/locked|busy/.test(String((error as Error).message))) throw error
        await new Promise((then) => setTimeout(then, PAUSE_MS))
      }
    }
  }

  #all(sql: string, values: readonly string[]): Rows {
    if (this.#connection === null) {
      this.#inode = statSync(this.#path).ino
      this.#connection = this.#connect()
    }
    try {
      return this.#connection.prepare(sql).all(...values) as Rows
    } catch (error) {
      const connection = this.#connection
      this.#connection = null
      connection.close()
      throw error
    }
  }
}
