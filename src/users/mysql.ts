import { createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { DatabasePlan } from './account-database.ts'
import { BadConnectionString, isOn, portOf, readConnectionString, timeoutMs } from './connection-string.ts'
import { driverPackage } from './packages.ts'
import { codeOf, type Rows, SqlTables } from './sql-tables.ts'

const KEYS = [
  'host',
  'port',
  'dbname',
  'user',
  'password',
  'connect_timeout',
  'read_timeout',
  'unix_socket',
  'tls',
  'ca',
  'capath',
  'cert',
  'key',
  'cipher',
]
const MOST_CONNECTIONS = 4
/** Of a column in Latin-1, as coturn's tables are where nobody chose: what it cannot hold cannot be compared either. */
const FOREIGN_TEXT: readonly unknown[] = [
  'ER_CANT_AGGREGATE_2COLLATIONS',
  'ER_CANT_AGGREGATE_NCOLLATIONS',
  'ER_IMPOSSIBLE_STRING_CONVERSION',
]

/** `mysql-userdb`, for MySQL and MariaDB; with a `secret-key-file` the password in it is sealed with that key. */
export function mysqlPlan(text: string, keyFile: string | null): DatabasePlan {
  const given = readConnectionString(text, KEYS)
  const host = given['host'] || 'localhost'
  const port = portOf(given['port'], 3306)
  const socketPath = given['unix_socket']
  const sealed = given['password'] ?? ''
  const password = keyFile === null || sealed === '' ? sealed : unsealed(sealed, readFileSync(keyFile))
  return {
    kind: 'mysql',
    endpoint: socketPath ? null : { host, port },
    open: async () => {
      const { createPool } = await driverPackage('mysql2', '3.24.6', () => import('mysql2/promise'))
      const pool = createPool({
        ...(socketPath ? { socketPath } : { host, port }),
        ...(given['user'] === undefined ? {} : { user: given['user'] }),
        ...(given['dbname'] === undefined ? {} : { database: given['dbname'] }),
        password,
        connectTimeout: timeoutMs(given['connect_timeout']),
        connectionLimit: MOST_CONNECTIONS,
        ...tls(given),
      })
      return new SqlTables(
        {
          // The text of a query and its values go to the server apart.
          query: async (sql, values) => (await pool.execute(sql, [...values]))[0] as unknown as Rows,
          close: () => pool.end(),
        },
        {
          bound: () => '?',
          isNoTable: (error) => codeOf(error) === 'ER_NO_SUCH_TABLE',
          isForeignText: (error) => FOREIGN_TEXT.includes(codeOf(error)),
        },
      )
    },
  }
}

function tls(given: Readonly<Record<string, string>>): object {
  const files = (['ca', 'cert', 'key'] as const).filter((name) => given[name])
  if (files.length === 0 && !isOn(given['tls'])) return {}
  const read = Object.fromEntries(files.map((name) => [name, readFileSync(given[name]!)]))
  return { ssl: { ...read, ...(given['cipher'] ? { ciphers: given['cipher'] } : {}) } }
}

/** What `turnadmin -E` prints: base64 of AES-128 in counter mode, which begins at 0. */
function unsealed(text: string, key: Buffer): string {
  if (key.length < 16) throw new BadConnectionString('has a secret-key-file with fewer than 16 bytes')
  const decipher = createDecipheriv('aes-128-ctr', key.subarray(0, 16), Buffer.alloc(16))
  return Buffer.concat([decipher.update(Buffer.from(text, 'base64')), decipher.final()]).toString()
}
